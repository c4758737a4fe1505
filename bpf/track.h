/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Policy and flows together: flows made from a judgement, the cached verdict
 * of a flow that was hit, and judging it again after a switch.
 */
#ifndef MOAT_TRACK_H
#define MOAT_TRACK_H

#include "judge.h"
#include "tcp.h"

static __always_inline __u64 word_of(const struct pkt *p,
				     enum moat_reason reason, __u32 flags)
{
	return MOAT_WORD(p->generation, p->j.rule, reason,
			 p->j.nacl[MOAT_INGRESS], p->j.nacl[MOAT_EGRESS],
			 flags | p->j.reevaluate);
}

/* Not segments that can't open a flow, packets that hold no whole tuple, and
 * ICMP that asks for nothing: no answer to it will come. */
static __always_inline bool can_open(const struct pkt *p)
{
	bool icmp = p->key.proto == IPPROTO_ICMP ||
		    p->key.proto == IPPROTO_ICMPV6;

	if (icmp && !(p->flags & PKT_OPENING))
		return false;
	return !(p->flags & (PKT_ANSWER | PKT_ICMP_ERROR | PKT_FRAG_LATER)) &&
	       !p->alive;
}

/* The flow that this packet was to open came of another's, on another CPU, in
 * between: it is one of that flow's. */
static __always_inline void join(struct pkt *p)
{
	struct moat_flow *f;

	p->table = flow_first_table(p);
	f = flow_map_find(p->table, &p->key);
	if (!flow_lives(f, p->now))
		return;
	step_plain(p, f);
	flow_count(p, f);
}

/*
 * Makes the flow of an allowed opening. A full table refuses it, a busy one
 * lets it pass without state (F47). Where no group speaks (before a policy,
 * unassigned addresses) state decides nothing, so its lack neither.
 */
static __noinline enum moat_reason track_allowed(struct pkt *p, __u64 word)
{
	enum moat_reason reason = MOAT_WORD_REASON(word);
	long rc;

	if (!can_open(p))
		return reason;
	rc = flow_create(word, flow_first_table(p));
	if (rc == -E_EXIST) {
		join(p);
		return reason;
	}
	if (!rc && MOAT_WORD_SLOT(word) != MOAT_SLOT_NONE)
		count_connection(MOAT_WORD_SLOT(word));
	if (!rc || reason != MOAT_REASON_SG_ALLOW)
		return reason;
	if (rc != -E_2BIG)
		return MOAT_REASON_UNTRACKED;
	p->verdict = groups_in_audit(p) ? MOAT_WOULD_DROP : MOAT_DROP;
	return MOAT_REASON_TABLE_FULL;
}

/* State for what was decided. A group layer's no in audit makes a flow of its
 * own kind, so that replies count under it; a drop makes none. */
static __always_inline enum moat_reason track(struct pkt *p,
					      enum moat_reason reason)
{
	if (p->verdict == MOAT_DROP)
		return reason;
	if (!p->j.deny) {
		enum moat_reason r;

		r = track_allowed(p, word_of(p, p->j.allow, 0));
		return r == p->j.allow ? reason : r;
	}
	if (can_open(p))
		flow_create(word_of(p, p->j.deny, MOAT_WORD_WOULD_DROP),
			    MOAT_TABLE_DENIED);
	return reason;
}

/* Judges a packet that no flow speaks for, or that opens one. */
static __noinline enum moat_reason judge_packet(struct pkt *p)
{
	enum moat_reason reason;

	judge(p->hook == HOOK_TC && !p->alive);
	reason = decide(p);
	if (p->hook == HOOK_XDP)
		return reason;
	return track(p, reason);
}

/* Seen before there was a policy: any opening, and the middle of any flow, so
 * that the first policy finds the flows that live (G5). */
static __noinline enum moat_reason judge_before_policy(struct pkt *p)
{
	__u64 word = MOAT_WORD(p->generation, MOAT_SLOT_NONE,
			       MOAT_REASON_BEFORE_POLICY, MOAT_NACL_PASS,
			       MOAT_NACL_PASS, MOAT_WORD_NO_POLICY);

	p->verdict = MOAT_ALLOW;
	return track_allowed(p, word);
}

/* Failsafe connections are tracked so that their ICMP errors are related; the
 * leg back makes no flow: its direction is not that of the opening. */
static __noinline enum moat_reason pass_failsafe(struct pkt *p)
{
	__u64 word = MOAT_WORD(p->generation, MOAT_SLOT_NONE,
			       MOAT_REASON_FAILSAFE, MOAT_NACL_PASS,
			       MOAT_NACL_PASS, MOAT_WORD_FAILSAFE);

	p->verdict = MOAT_ALLOW;
	return p->leg_back ? MOAT_REASON_FAILSAFE : track_allowed(p, word);
}

#endif
