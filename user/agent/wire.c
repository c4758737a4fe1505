// SPDX-License-Identifier: BSD-2-Clause
/* Headers by their offsets (RFC 791, 8200, 9293, 768, 792, 4443, 9260). */
#include "agent/wire.h"

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#define PAYLOAD 16
#define HOPS 255 /* what neighbour discovery asks for */
#define QUERY_ID 0x6d6f

static void be16(unsigned char *at, unsigned int value)
{
	at[0] = (unsigned char)(value >> 8);
	at[1] = (unsigned char)value;
}

static void ports(const struct probe *p, unsigned char *at)
{
	be16(at, p->sport);
	be16(at + 2, p->dport);
}

static size_t transport(const struct probe *p, unsigned char *at)
{
	size_t len = 0;

	switch (p->proto) {
	case IPPROTO_TCP:
		ports(p, at);
		len = 20;
		at[12] = (unsigned char)(len / 4) << 4;
		at[13] = p->flags_given ? p->flags : MOAT_TCP_FLAG_SYN;
		break;
	case IPPROTO_UDP:
		ports(p, at);
		len = 8;
		be16(at + 4, len + PAYLOAD);
		break;
	case IPPROTO_SCTP:
		ports(p, at);
		len = 12;
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		at[0] = p->type;
		at[1] = p->code;
		be16(at + 4, QUERY_ID);
		len = 8;
	}
	return len + PAYLOAD;
}

size_t wire_build(const struct probe *p, unsigned char frame[WIRE_MAX])
{
	bool in = p->direction == MOAT_INGRESS;
	const unsigned char *from = in ? p->remote.b : p->local.b;
	const unsigned char *to = in ? p->local.b : p->remote.b;
	unsigned char *ip = frame + ETH_HLEN;
	size_t len;

	memset(frame, 0, WIRE_MAX);
	be16(frame + 12, p->family == 4 ? ETH_P_IP : ETH_P_IPV6);
	if (p->family == 4) {
		len = 20 + transport(p, ip + 20);
		ip[0] = 0x45;
		be16(ip + 2, len);
		ip[8] = HOPS;
		ip[9] = (unsigned char)p->proto;
		memcpy(ip + 12, from + 12, 4);
		memcpy(ip + 16, to + 12, 4);
		return ETH_HLEN + len;
	}
	len = transport(p, ip + 40);
	ip[0] = 0x60;
	be16(ip + 4, len);
	ip[6] = (unsigned char)p->proto;
	ip[7] = HOPS;
	memcpy(ip + 8, from, 16);
	memcpy(ip + 24, to, 16);
	return ETH_HLEN + 40 + len;
}
