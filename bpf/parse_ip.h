/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* IPv4 and IPv6 headers: lengths, addresses, options, fragments. */
#ifndef MOAT_PARSE_IP_H
#define MOAT_PARSE_IP_H

#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "hook.h"
#include "parse_ext.h"

#define IPV4_MF 0x2000
#define IPV4_OFFSET 0x1fff
#define IPV4_MAX 65535u

/* RFC 791 options: copied flag, class and number in one byte. */
#define IPV4_OPT_END 0
#define IPV4_OPT_NOP 1
#define IPV4_OPT_LSRR 131
#define IPV4_OPT_SSRR 137

/*
 * F3: a GSO skb above 65,535 bytes has length 0 in its header (BIG TCP); its
 * length is the skb's. The same on any other packet is an error. The length
 * counts from the IP header.
 */
static __always_inline __u32 big_tcp_length(const struct pkt *p)
{
	if (!p->gso || p->frame <= p->l3 + IPV4_MAX)
		return 0;
	return p->frame - p->l3;
}

static __always_inline enum moat_reason set_length(const struct frame *fr,
						   struct pkt *p, __u32 length)
{
	p->end = p->l3 + length;
	if (!hook_holds(fr, p, p->end))
		return MOAT_REASON_TRUNCATED;
	return MOAT_REASON_NONE;
}

/*
 * Source routes never pass; malformed options neither. The mask keeps the
 * offset's bounds equal in every round, so that verified paths join.
 */
static __noinline enum moat_reason parse_options4(const struct frame *fr,
						  struct pkt *p, __u32 header)
{
	__u32 off = sizeof(struct iphdr);
	__u8 option, length;

	for (int i = 0; i < 40; i++) {
		off &= 63;
		barrier_var(off);
		if (off >= header)
			return MOAT_REASON_NONE;
		if (hook_load(fr, p->l3 + off, &option, 1))
			return MOAT_REASON_TRUNCATED;
		if (option == IPV4_OPT_END)
			return MOAT_REASON_NONE;
		if (option == IPV4_OPT_NOP) {
			off++;
			continue;
		}
		if (option == IPV4_OPT_LSRR || option == IPV4_OPT_SSRR)
			return MOAT_REASON_SOURCE_ROUTE;
		if (off + 1 >= header)
			return MOAT_REASON_BAD_HEADER;
		if (hook_load(fr, p->l3 + off + 1, &length, 1))
			return MOAT_REASON_TRUNCATED;
		if (length < 2 || off + length > header)
			return MOAT_REASON_BAD_HEADER;
		off += length;
	}
	return MOAT_REASON_NONE;
}

/* RFC 791: offset in units of 8 bytes; all but the last are multiples of 8. */
static __always_inline enum moat_reason parse_fragment4(struct pkt *p,
							const struct iphdr *ip)
{
	__u32 word = bpf_ntohs(ip->frag_off);
	__u32 payload = p->end - p->l4;

	if (!(word & (IPV4_MF | IPV4_OFFSET)))
		return MOAT_REASON_NONE;
	p->frag_id = (__u32)ip->id;
	p->frag_offset = (word & IPV4_OFFSET) * 8;
	return fragment_shape(p, word & IPV4_MF, payload);
}

/*
 * Multicast, and IPv4's limited broadcast. Said before anything of the packet
 * is refused: the profile of the endpoint may have it in audit.
 */
static __always_inline void mark_group_address(struct pkt *p)
{
	const struct moat_addr *to = pkt_destination(p);
	__u32 v4 = bpf_ntohl(to->w[3]);

	p->flags |= PKT_ADDRESSES;
	if (p->family == 4 ? v4 >> 28 == 0xe || v4 == 0xffffffff :
			     to->b[0] == 0xff)
		p->flags |= PKT_GROUP_ADDRESS;
}

static __noinline enum moat_reason parse_ipv4(const struct frame *fr,
					      struct pkt *p)
{
	enum moat_reason reason;
	__u32 header, length;
	struct iphdr ip;

	if (hook_load(fr, p->l3, &ip, sizeof(ip)))
		return MOAT_REASON_TRUNCATED;
	p->family = 4;
	addr_set4(pkt_source(p), ip.saddr);
	addr_set4(pkt_destination(p), ip.daddr);
	p->key.proto = ip.protocol;
	p->hops = ip.ttl;
	mark_group_address(p);
	header = ip.ihl * 4;
	if (ip.version != 4 || header < sizeof(ip))
		return MOAT_REASON_BAD_HEADER;
	length = bpf_ntohs(ip.tot_len);
	if (!length)
		length = big_tcp_length(p);
	if (length < header)
		return MOAT_REASON_BAD_LENGTH;
	reason = set_length(fr, p, length);
	if (reason != MOAT_REASON_NONE)
		return reason;
	p->l4 = p->l3 + header;
	if (header > sizeof(ip)) {
		reason = parse_options4(fr, p, header);
		if (reason != MOAT_REASON_NONE)
			return reason;
	}
	return parse_fragment4(p, &ip);
}

static __noinline enum moat_reason parse_ipv6(const struct frame *fr,
					      struct pkt *p)
{
	enum moat_reason reason;
	struct ipv6hdr ip;
	__u32 length;

	if (hook_load(fr, p->l3, &ip, sizeof(ip)))
		return MOAT_REASON_TRUNCATED;
	p->family = 6;
	__builtin_memcpy(pkt_source(p), &ip.saddr, 16);
	__builtin_memcpy(pkt_destination(p), &ip.daddr, 16);
	p->hops = ip.hop_limit;
	mark_group_address(p);
	p->l4 = p->l3 + sizeof(ip);
	if (ip.version != 6)
		return MOAT_REASON_BAD_HEADER;
	length = bpf_ntohs(ip.payload_len);
	if (!length && ip.nexthdr != IPPROTO_NONE)
		length = big_tcp_length(p);
	else
		length += sizeof(ip);
	if (!length)
		return MOAT_REASON_BAD_LENGTH;
	reason = set_length(fr, p, length);
	if (reason != MOAT_REASON_NONE)
		return reason;
	p->key.proto = ip.nexthdr;
	if (!is_extension(ip.nexthdr))
		return MOAT_REASON_NONE;
	return parse_extensions(fr, p);
}

#endif
