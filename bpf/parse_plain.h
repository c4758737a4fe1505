/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The long way's parser for what most packets are: a TCP segment right behind
 * an IP header without options or extensions, in an Ethernet frame whose
 * headers lie in the linear part. Read where it lies. It says the same facts
 * as parse_ip.h and parse_l4.h, or nothing: then those are asked.
 */
#ifndef MOAT_PARSE_PLAIN_H
#define MOAT_PARSE_PLAIN_H

#include "quick_parse.h"
#include "source.h"

static __always_inline bool plain_tcp(struct pkt *p, void *at, void *end)
{
	__u32 have = p->end - p->l4, header;
	struct tcphdr *tcp = at;
	__u8 *byte = at, flags;

	if (at + sizeof(*tcp) > end)
		return false;
	header = (byte[12] >> 4) * 4;
	flags = byte[13];
	if (header < sizeof(*tcp) || header > have ||
	    !(TCP_VALID >> TCP_INDEX(flags) & 1))
		return false;
	set_ports(p, tcp->source, tcp->dest);
	set_tcp(p, tcp, flags);
	p->header = p->l4 + header;
	return true;
}

/* Up to the addresses. An end is set only where it is the packet's. */
static __always_inline bool plain_ipv4(struct pkt *p, void *at, void *end)
{
	struct iphdr *ip = at;
	__u32 length;

	if (at + sizeof(*ip) > end || *(__u8 *)at != 0x45 ||
	    ip->protocol != IPPROTO_TCP ||
	    ip->frag_off & bpf_htons(IPV4_MF | IPV4_OFFSET))
		return false;
	length = bpf_ntohs(ip->tot_len);
	if (length < sizeof(*ip) || length > p->frame)
		return false;
	p->family = 4;
	addr_set4(pkt_source(p), ip->saddr);
	addr_set4(pkt_destination(p), ip->daddr);
	p->hops = ip->ttl;
	p->l4 = sizeof(*ip);
	p->end = length;
	return true;
}

static __always_inline bool plain_ipv6(struct pkt *p, void *at, void *end)
{
	struct ipv6hdr *ip = at;
	__u32 length;

	if (at + sizeof(*ip) > end || *(__u8 *)at >> 4 != 6 ||
	    ip->nexthdr != IPPROTO_TCP || !ip->payload_len)
		return false;
	length = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	if (length > p->frame)
		return false;
	p->family = 6;
	__builtin_memcpy(pkt_source(p), &ip->saddr, 16);
	__builtin_memcpy(pkt_destination(p), &ip->daddr, 16);
	p->hops = ip->hop_limit;
	p->l4 = sizeof(*ip);
	p->end = length;
	return true;
}

static __always_inline bool plain_network(const struct __sk_buff *skb,
					  struct pkt *p, void *at, void *end)
{
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return plain_ipv4(p, at, end);
	return skb->protocol == bpf_htons(ETH_P_IPV6) && plain_ipv6(p, at, end);
}

/* enum moat_reason, or negative: the other parsers are asked. */
static __noinline int parse_plain(const struct frame *fr, struct pkt *p)
{
	struct __sk_buff *skb = fr->ctx;
	void *data = (void *)(long)skb->data;
	void *end = (void *)(long)skb->data_end;
	void *at = data + ETH_HLEN;
	enum moat_reason reason;

	if (knobs.long_way || !(p->iface_flags & MOAT_IFACE_ETHER) ||
	    at > end || !quick_frame(skb, p->dir, data) ||
	    !plain_network(skb, p, at, end))
		return -1;
	p->key.proto = IPPROTO_TCP;
	mark_group_address(p);
	reason = check_addresses(p);
	if (reason != MOAT_REASON_NONE)
		return reason;
	at += p->family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	if (!plain_tcp(p, at, end))
		return -1;
	p->flags |= PKT_TUPLE;
	return MOAT_REASON_NONE;
}

#endif
