/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Fragments (design 3.3). The first is judged; later ones follow its verdict
 * and are counted to its flow, which they don't change. Ports are never read
 * from a later fragment. Written at tc alone: XDP leaves fragments.
 */
#ifndef MOAT_FRAGMENT_H
#define MOAT_FRAGMENT_H

#include "parse_l4.h"
#include "source.h"
#include "tcp.h"

/* RFC 791: protocol and id; RFC 8200: the id alone, and the transport
 * protocol stands in the first fragment only. */
static __noinline void fragment_key(struct pkt *p, struct moat_frag_key *ret)
{
	ret->source = *pkt_source(p);
	ret->destination = *pkt_destination(p);
	ret->id = p->frag_id;
	ret->proto = p->family == 4 ? p->key.proto : IPPROTO_FRAGMENT;
	ret->direction = p->dir;
	ret->pad[0] = 0;
	ret->pad[1] = 0;
}

static __always_inline bool is_icmp(const struct pkt *p)
{
	return p->key.proto == IPPROTO_ICMP || p->key.proto == IPPROTO_ICMPV6;
}

/* As in the packet: source and destination port, or identifier and type. */
static __always_inline __be16 fragment_sport(const struct pkt *p)
{
	return p->dir == MOAT_EGRESS || is_icmp(p) ? p->key.lport :
						     p->key.rport;
}

static __always_inline __be16 fragment_dport(const struct pkt *p)
{
	if (is_icmp(p))
		return bpf_htons(p->type << 8 | p->code);
	return p->dir == MOAT_EGRESS ? p->key.rport : p->key.lport;
}

/* An attempt to rewrite the ports of a datagram that is under way: offset 0
 * twice, and not the same (RFC 1858 section 4). */
VERIFIED_ONCE __u32 check_first_fragment(__u32 unused)
{
	struct pkt *p = pkt_current();
	struct moat_frag_key key = {};
	struct moat_frag *f;

	if (!p)
		return MOAT_REASON_BAD_FRAGMENT;
	fragment_key(p, &key);
	f = bpf_map_lookup_elem(&fragments, &key);
	if (!f || f->expires <= p->now || f->complete)
		return MOAT_REASON_NONE;
	if (f->sport == fragment_sport(p) && f->dport == fragment_dport(p) &&
	    f->proto == p->key.proto)
		return MOAT_REASON_NONE;
	return MOAT_REASON_BAD_FRAGMENT;
}

/* Remembers a first fragment that passes, for the later ones. */
VERIFIED_ONCE __u32 remember_fragment(__u32 verdict, __u32 reason)
{
	struct pkt *p = pkt_current();
	struct moat_frag_key key = {};
	struct moat_frag f = {};

	if (!p || verdict == MOAT_DROP)
		return 0;
	fragment_key(p, &key);
	f.expires = p->now + MOAT_TIMEOUT_FRAGMENT_SECONDS * (__u64)knobs.hz;
	f.sport = fragment_sport(p);
	f.dport = fragment_dport(p);
	f.proto = p->key.proto;
	f.verdict = verdict;
	f.reason = reason;
	f.slot = p->rule;
	bpf_map_update_elem(&fragments, &key, &f, BPF_ANY);
	return 0;
}

/* The transport facts of a later fragment, from its first one. */
static __noinline void rebuild_tuple(struct pkt *p, const struct moat_frag *f)
{
	struct icmp_header icmp = {};

	p->key.proto = f->proto;
	if (!is_icmp(p)) {
		set_ports(p, f->sport, f->dport);
	} else {
		p->type = bpf_ntohs(f->dport) >> 8;
		p->code = bpf_ntohs(f->dport) & 0xff;
		icmp.type = p->type;
		icmp.code = p->code;
		icmp.id = f->sport;
		icmp_key(&p->key, p->dir, &icmp);
	}
	p->flags |= PKT_TUPLE;
}

/* A later fragment. Without its first one only what we only forward passes. */
static __noinline enum moat_reason follow_first(const struct frame *fr,
						struct pkt *p)
{
	struct moat_frag_key key = {};
	enum moat_reason reason;
	struct moat_flow *flow;
	struct moat_frag *f;

	fragment_key(p, &key);
	f = bpf_map_lookup_elem(&fragments, &key);
	if (!f || f->expires <= p->now) {
		reason = whose_packet(fr, p);
		return reason == MOAT_REASON_FORWARDED ?
			       reason :
			       MOAT_REASON_FRAGMENT_NO_FIRST;
	}
	if (p->flags & PKT_FRAG_LAST)
		f->complete = 1;
	rebuild_tuple(p, f);
	p->rule = f->slot;
	p->verdict = f->verdict;
	reason = f->verdict == MOAT_ALLOW ? MOAT_REASON_FRAGMENT : f->reason;
	flow = flow_find(p, &p->key);
	if (flow)
		flow_count(p, flow);
	return reason;
}

#endif
