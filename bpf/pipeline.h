/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The order of the stages, and nothing else. */
#ifndef MOAT_PIPELINE_H
#define MOAT_PIPELINE_H

#include "account.h"
#include "essential.h"
#include "fragment.h"
#include "related.h"
#include "parse_ip.h"
#include "parse_l2.h"
#include "parse_l4.h"
#include "parse_plain.h"
#include "rejudge.h"
#include "source.h"

/* Up to the network header and its addresses. tags: VLAN tags already taken
 * off the frame. */
static __noinline enum moat_reason parse_network(const struct frame *fr,
						 struct pkt *p, __u32 tags)
{
	enum moat_reason reason = parse_vlan(fr, p, tags);

	if (reason != MOAT_REASON_NONE)
		return reason;
	if (p->ethertype != ETH_P_IP && p->ethertype != ETH_P_IPV6)
		return MOAT_REASON_NON_IP;
	if (p->flags & PKT_OTHER_HOST && !knobs.forwarding_judge)
		return MOAT_REASON_OTHER_HOST;
	reason = p->ethertype == ETH_P_IP ? parse_ipv4(fr, p) :
					    parse_ipv6(fr, p);
	if (reason != MOAT_REASON_NONE)
		return reason;
	return check_addresses(p);
}

static __noinline enum moat_reason parse_transport(const struct frame *fr,
						   struct pkt *p)
{
	enum moat_reason reason = parse_l4(fr, p);

	if (reason != MOAT_REASON_NONE)
		return reason;
	p->flags |= PKT_TUPLE;
	return check_unspecified(p);
}

static __noinline enum moat_reason parse_packet(const struct frame *fr,
						struct pkt *p, __u32 tags)
{
	enum moat_reason reason;
	int plain = parse_plain(fr, p);

	if (plain >= 0)
		return plain;
	reason = parse_network(fr, p, tags);
	if (reason != MOAT_REASON_NONE || p->flags & PKT_FRAG_LATER)
		return reason;
	reason = parse_transport(fr, p);
	if (reason == MOAT_REASON_NONE && p->flags & PKT_FRAG_FIRST)
		reason = check_first_fragment(0);
	return reason;
}

VERIFIED_ONCE __u32 stage_policy(__u32 zero)
{
	struct pkt *p = bpf_map_lookup_elem(&scratch, &zero);
	const struct moat_image *h;

	if (!p)
		return MOAT_REASON_NO_POLICY;
	h = image_of(p);
	if (!h)
		return MOAT_REASON_NO_POLICY;
	if (!(h->flags & MOAT_IMAGE_BUILT_IN))
		return judge_packet(p);
	if (h->flags & MOAT_IMAGE_PASS)
		return judge_before_policy(p);
	return MOAT_REASON_NO_POLICY;
}

/* A packet that no flow speaks for, or that opens one. */
static __noinline enum moat_reason judge_new(const struct frame *fr,
					     struct pkt *p)
{
	enum moat_reason reason = check_own_source(p);

	if (reason != MOAT_REASON_NONE)
		return reason;
	if (check_failsafe(p) != MOAT_REASON_NONE)
		return pass_failsafe(p);
	reason = check_essential(p);
	if (reason != MOAT_REASON_NONE)
		return reason;
	if (p->flags & PKT_ICMP_ERROR &&
	    knobs.essential[MOAT_ESSENTIAL_ICMP_ERRORS]) {
		reason = check_related(fr, p);
		if (reason != MOAT_REASON_NONE)
			return reason;
	}
	reason = whose_packet(fr, p);
	if (reason != MOAT_REASON_NONE)
		return reason;
	return stage_policy(0);
}

/* Whether an allowed opening leaves the flow that it found as it is: one that
 * is settled, or half-open and neither refused nor picked up in its middle. */
static __always_inline bool outlives_opening(const struct pkt *p,
					     const struct moat_flow *f)
{
	if (p->table == MOAT_TABLE_CLOSING)
		return false;
	if (p->table != MOAT_TABLE_EMBRYONIC_IN &&
	    p->table != MOAT_TABLE_EMBRYONIC_OUT)
		return f->state != MOAT_FLOW_RESET ||
		       p->table == MOAT_TABLE_FLOWS;
	return f->state != MOAT_FLOW_RESET &&
	       !(f->marks & MOAT_MARK_MIDSTREAM && f->state == MOAT_FLOW_NEW);
}

/*
 * A packet of a flow; MOAT_REASON_NONE: no flow speaks for it, or it is an
 * opening. One that passed comes again: to its live flow it does what any
 * packet does.
 */
VERIFIED_ONCE __u32 stage_flow(__u32 zero)
{
	struct pkt *p = bpf_map_lookup_elem(&scratch, &zero);
	struct moat_flow *f;

	if (!p)
		return MOAT_REASON_NO_POLICY;
	f = flow_find(p, &p->key);
	if (!f)
		return MOAT_REASON_NONE;
	if (p->alive || !(p->flags & PKT_OPENING))
		return flow_hit(p, f);
	p->alive = outlives_opening(p, f);
	return MOAT_REASON_NONE;
}

/*
 * An opening is judged by the rules of its own direction also when its tuple
 * is known (design 3.7). Over a closed or refused flow it begins a new one; in
 * a live one it changes nothing else (F32).
 */
static __always_inline enum moat_reason judge_parsed(const struct frame *fr,
						     struct pkt *p)
{
	enum moat_reason reason;

	if (p->flags & PKT_FRAG_LATER)
		return follow_first(fr, p);
	if (!(p->flags & PKT_ICMP_ERROR)) {
		reason = stage_flow(0);
		if (reason != MOAT_REASON_NONE)
			return reason;
	}
	reason = judge_new(fr, p);
	if (p->alive &&
	    (p->verdict == MOAT_ALLOW || p->verdict == MOAT_WOULD_DROP))
		stage_flow(0);
	return reason;
}

/*
 * F38: L3 bytes, each segment of a GSO packet with its own headers. Where the
 * length isn't known, as in what can't be parsed, the frame's.
 */
static __always_inline void measure(struct pkt *p)
{
	__u32 length = p->end - p->l3;

	if (!p->packets)
		p->packets = p->gso && length > p->header ?
				     (length - p->header + p->gso - 1) /
					     p->gso :
				     1;
	if (p->end)
		p->bytes = length + (p->packets - 1) * p->header;
}

/* Non-IP passes, counted by EtherType; lengths (IEEE 802.3) are one. */
static __noinline void count_ethertype(struct pkt *p)
{
	__u32 type = p->ethertype < ETH_P_802_3_MIN ? ETH_P_802_2 :
						      p->ethertype;
	struct moat_count *c = bpf_map_lookup_elem(&ethertypes, &type);
	struct moat_count new = {};

	if (c) {
		count_add(c, p);
		return;
	}
	count_add(&new, p);
	bpf_map_update_elem(&ethertypes, &type, &new, BPF_NOEXIST);
}

/* Returns enum moat_verdict. */
static __always_inline __u32 pipeline_run(const struct frame *fr, struct pkt *p,
					  __u32 tags)
{
	enum moat_reason reason = parse_packet(fr, p, tags);
	__u32 verdict;

	measure(p);
	if (reason == MOAT_REASON_NONE)
		reason = judge_parsed(fr, p);
	else if (reason == MOAT_REASON_NON_IP)
		count_ethertype(p);
	verdict = account(p, reason);
	if (p->flags & PKT_FRAG_FIRST && p->flags & PKT_TUPLE)
		remember_fragment(verdict, reason);
	return verdict;
}

#endif
