/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A plain packet: a TCP segment or UDP datagram without options of IPv4,
 * fragments or extension headers, read where it lies, all facts in registers.
 * The short ways and the long one's first look (parse_plain.h) begin with it.
 * What it does not take says nothing about a packet; the generic parsers do.
 */
#ifndef MOAT_SIGHT_H
#define MOAT_SIGHT_H

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "parse_ip.h"
#include "parse_l4.h"

struct sight {
	__u64 from[2], to[2]; /* as in struct moat_addr */
	__u32 ports;	      /* source and, above it, destination, as sent */
	__u32 length;	      /* of the IP packet */
	__u32 header;	      /* of IP and transport */
	const struct tcphdr *tcp; /* unset of UDP */
	__u8 proto;
	__u8 tcp_flags; /* as sent; 0 of UDP */
	bool v4;
};

/* header: so far of IP, of which header and length are checked here. */
static __always_inline bool sight_tcp(struct sight *s, void *at, void *end)
{
	__u8 *byte = at;
	__u32 offset;

	if (at + sizeof(struct tcphdr) > end)
		return false;
	offset = (byte[12] >> 4) * 4;
	s->tcp = at;
	s->tcp_flags = byte[13];
	s->ports = *(__u32 *)at;
	s->header += offset;
	return offset >= sizeof(struct tcphdr) && s->header <= s->length;
}

static __always_inline bool sight_udp(struct sight *s, void *at, void *end)
{
	struct udphdr *u = at;
	__u32 length;

	if (at + sizeof(*u) > end)
		return false;
	length = bpf_ntohs(u->len);
	if (length < sizeof(*u) || s->header + length > s->length)
		return false;
	s->tcp_flags = 0;
	s->ports = *(__u32 *)at;
	s->header += sizeof(*u);
	return true;
}

static __always_inline bool sight_transport(struct sight *s, void *at,
					    void *end)
{
	if (s->proto == IPPROTO_TCP)
		return sight_tcp(s, at, end);
	return s->proto == IPPROTO_UDP && sight_udp(s, at, end);
}

/* No BIG TCP either: its length is 0. */
static __always_inline bool sight_ipv4(struct sight *s, void *at, void *end)
{
	struct iphdr *ip = at;

	if (at + sizeof(*ip) > end || *(__u8 *)at != 0x45 ||
	    ip->frag_off & bpf_htons(IPV4_MF | IPV4_OFFSET))
		return false;
	s->from[0] = s->to[0] = 0;
	s->from[1] = (__u64)ip->saddr << 32 | 0xffff0000;
	s->to[1] = (__u64)ip->daddr << 32 | 0xffff0000;
	s->v4 = true;
	s->proto = ip->protocol;
	s->length = bpf_ntohs(ip->tot_len);
	s->header = sizeof(*ip);
	return sight_transport(s, at + sizeof(*ip), end);
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words above");

/* Neither mapped nor loopback addresses: a mapped one shares the key of an IPv4
 * flow, and no such packet passes (source.h). */
static __always_inline bool sight_ipv6(struct sight *s, void *at, void *end)
{
	struct ipv6hdr *ip = at;
	__u64 *word = at;

	if (at + sizeof(*ip) > end || *(__u8 *)at >> 4 != 6 ||
	    !ip->payload_len || !word[1] || !word[3])
		return false;
	s->from[0] = word[1];
	s->from[1] = word[2];
	s->to[0] = word[3];
	s->to[1] = word[4];
	s->v4 = false;
	s->proto = ip->nexthdr;
	s->length = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	s->header = sizeof(*ip);
	return sight_transport(s, at + sizeof(*ip), end);
}

/* type: the EtherType, as sent; at: what follows the Ethernet header. Whether
 * the frame is as long as the packet is for the caller to see. */
static __always_inline bool sight_parse(struct sight *s, __be16 type, void *at,
					void *end)
{
	if (type == bpf_htons(ETH_P_IP))
		return sight_ipv4(s, at, end);
	return type == bpf_htons(ETH_P_IPV6) && sight_ipv6(s, at, end);
}

#endif
