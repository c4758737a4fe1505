// SPDX-License-Identifier: BSD-2-Clause
/* A probe as bytes: see probe_frame.h. Plain offsets, no header structs. */
#include "probe_frame.h"

#include <linux/in.h>
#include <linux/in6.h>
#include <string.h>

#define ETHER 14
#define PAYLOAD 24

static void put16(unsigned char *at, unsigned value)
{
	at[0] = (unsigned char)(value >> 8);
	at[1] = (unsigned char)value;
}

/* Transport header and payload; returns their length. */
static size_t transport(const struct probe *p, uint16_t id, unsigned char *at)
{
	switch (p->proto) {
	case IPPROTO_TCP:
		put16(at, p->sport);
		put16(at + 2, p->dport);
		at[12] = 5 << 4;
		at[13] = p->flags_given ? p->flags : MOAT_TCP_FLAG_SYN;
		return 20 + PAYLOAD;
	case IPPROTO_UDP:
		put16(at, p->sport);
		put16(at + 2, p->dport);
		put16(at + 4, 8 + PAYLOAD);
		return 8 + PAYLOAD;
	case IPPROTO_SCTP:
		put16(at, p->sport);
		put16(at + 2, p->dport);
		return 12 + PAYLOAD;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		at[0] = p->type;
		at[1] = p->code;
		put16(at + 4, id);
		return 8 + PAYLOAD;
	}
	return PAYLOAD;
}

size_t probe_frame(const struct probe *p, uint16_t id,
		   unsigned char frame[PROBE_FRAME_MAX])
{
	bool in = p->direction == MOAT_INGRESS;
	const struct moat_addr *from = in ? &p->remote : &p->local;
	const struct moat_addr *to = in ? &p->local : &p->remote;
	unsigned char *ip = frame + ETHER;
	size_t payload;

	memset(frame, 0, PROBE_FRAME_MAX);
	put16(frame + 12, p->family == 4 ? 0x0800 : 0x86dd);
	if (p->family == 4) {
		payload = transport(p, id, ip + 20);
		ip[0] = 0x45;
		put16(ip + 2, (unsigned)(20 + payload));
		ip[8] = 255;
		ip[9] = (unsigned char)p->proto;
		memcpy(ip + 12, from->b + 12, 4);
		memcpy(ip + 16, to->b + 12, 4);
		return ETHER + 20 + payload;
	}
	payload = transport(p, id, ip + 40);
	ip[0] = 0x60;
	put16(ip + 4, (unsigned)payload);
	ip[6] = (unsigned char)p->proto;
	ip[7] = 255;
	memcpy(ip + 8, from->b, 16);
	memcpy(ip + 24, to->b, 16);
	return ETHER + 40 + payload;
}
