/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The long way's parser for what most packets are: a plain TCP segment
 * (sight.h) in an Ethernet frame whose headers lie in the linear part. It says
 * the same facts as parse_ip.h and parse_l4.h, but for the hops, which nobody
 * asks of TCP; or nothing: then those are asked.
 */
#ifndef MOAT_PARSE_PLAIN_H
#define MOAT_PARSE_PLAIN_H

#include "quick_parse.h"
#include "source.h"

/* Of a TCP segment. An end is set only where it is the packet's. */
static __always_inline void plain_network(struct pkt *p, const struct sight *s)
{
	struct moat_addr *from = pkt_source(p), *to = pkt_destination(p);

	p->family = s->v4 ? 4 : 6;
	from->d[0] = s->from[0];
	from->d[1] = s->from[1];
	to->d[0] = s->to[0];
	to->d[1] = s->to[1];
	p->key.proto = IPPROTO_TCP;
	p->l4 = s->v4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	p->end = s->length;
	p->header = s->header;
}

/* enum moat_reason, or negative: the other parsers are asked. */
static __noinline int parse_plain(const struct frame *fr, struct pkt *p)
{
	struct __sk_buff *skb = fr->ctx;
	void *data = (void *)(long)skb->data;
	void *end = (void *)(long)skb->data_end;
	void *at = data + ETH_HLEN;
	enum moat_reason reason;
	struct sight s;

	if (knobs.long_way || !(p->iface_flags & MOAT_IFACE_ETHER) ||
	    at > end || !quick_frame(skb, p->dir, data) ||
	    !sight_parse(&s, skb->protocol, at, end) ||
	    s.proto != IPPROTO_TCP || s.length > p->frame ||
	    !(TCP_VALID >> TCP_INDEX(s.tcp_flags) & 1))
		return -1;
	plain_network(p, &s);
	mark_group_address(p);
	reason = check_addresses(p);
	if (reason != MOAT_REASON_NONE)
		return reason;
	set_ports(p, s.ports, s.ports >> 16);
	set_tcp(p, s.tcp, s.tcp_flags);
	p->flags |= PKT_TUPLE;
	return MOAT_REASON_NONE;
}

#endif
