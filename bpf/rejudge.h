/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Flows that were hit: their cached verdict, and judging them again on the
 * first packet after a switch (design 3.5, on_tighten).
 */
#ifndef MOAT_REJUDGE_H
#define MOAT_REJUDGE_H

#include "failsafe.h"
#include "track.h"

#define WORD_ALWAYS \
	(MOAT_WORD_WOULD_DROP | MOAT_WORD_NO_POLICY | MOAT_WORD_FAILSAFE)

/* Whether the group layer is asked again. A flow follows the group of its
 * credited rule, as the new image or, the rule gone, its word knows it: that
 * goes to *flags for the next word. */
static __always_inline bool asks_groups(struct pkt *p, __u64 word, __u64 *flags)
{
	__u32 slot = MOAT_WORD_SLOT(word), says;

	*flags = word & MOAT_WORD_REEVALUATE;
	if (word & WORD_ALWAYS)
		return true;
	if (slot == MOAT_SLOT_NONE)
		return p->policy_flags & MOAT_IMAGE_REEVALUATE;
	says = slot_flags(p, slot);
	if (says & MOAT_SLOT_EXISTS)
		*flags = says & MOAT_SLOT_REEVALUATE ? MOAT_WORD_REEVALUATE : 0;
	return *flags;
}

/*
 * As an opening packet in the direction of the opening; rate limits aren't
 * asked. Of a flow picked up in its middle before there was a policy, nobody
 * knows who opened it: it lives if either direction allows it.
 */
VERIFIED_ONCE __u32 ask_groups(__u32 dir, __u32 either)
{
	struct pkt *p = pkt_current();

	if (!p)
		return 0;
	judge_groups(p, cell_of(p, dir & 1, service_of(&p->key, dir & 1)), 0);
	if (!p->j.deny || !either)
		return 0;
	dir = ~dir & 1;
	judge_groups(p, cell_of(p, dir, service_of(&p->key, dir)), 0);
	return 0;
}

/* A flow of the denied table that the policy allows by now. */
static __noinline void flow_absolve(struct pkt *p, struct moat_flow *f)
{
	struct moat_flow copy = *f;
	long rc;

	if (p->key.proto == IPPROTO_TCP)
		copy.marks |= MOAT_MARK_MIDSTREAM;
	rc = flow_insert_new(p, &copy, flow_first_table(p));
	if (!rc || rc == -E_EXIST)
		f->expires = p->now;
}

/*
 * One store of the new word; on a drop none, so the flow is asked again by
 * each packet and comes back if the policy does. MOAT_REASON_NONE: passes, or
 * would be dropped as the word says.
 */
static __noinline enum moat_reason rejudge(struct pkt *p, struct moat_flow *f)
{
	__u64 word = f->word, flags;
	__u32 reason = MOAT_WORD_REASON(word);

	p->j.nacl[MOAT_INGRESS] = judge_nacl_of_flow(MOAT_INGRESS);
	p->j.nacl[MOAT_EGRESS] = judge_nacl_of_flow(MOAT_EGRESS);
	p->j.rule = MOAT_WORD_SLOT(word);
	if (asks_groups(p, word, &flags)) {
		ask_groups(f->direction,
			   word & MOAT_WORD_NO_POLICY &&
				   f->marks & MOAT_MARK_MIDSTREAM);
		reason = p->j.deny ? p->j.deny : p->j.allow;
		flags = p->j.reevaluate |
			(p->j.deny ? MOAT_WORD_WOULD_DROP : 0);
	}
	if (p->j.deny && !p->j.audit) {
		p->rule = p->j.rule;
		p->verdict = MOAT_DROP;
		return p->j.deny;
	}
	f->word = MOAT_WORD(p->generation, p->j.rule, reason,
			    p->j.nacl[MOAT_INGRESS], p->j.nacl[MOAT_EGRESS],
			    flags);
	if (p->table == MOAT_TABLE_DENIED && !p->j.deny)
		flow_absolve(p, f);
	return MOAT_REASON_NONE;
}

static __always_inline enum moat_reason rejudge_failsafe(struct pkt *p,
							 struct moat_flow *f)
{
	if (check_failsafe(p) == MOAT_REASON_NONE)
		return MOAT_REASON_NONE;
	f->word = MOAT_WORD(p->generation, MOAT_SLOT_NONE, MOAT_REASON_FAILSAFE,
			    MOAT_NACL_PASS, MOAT_NACL_PASS, MOAT_WORD_FAILSAFE);
	return MOAT_REASON_FAILSAFE;
}

/* After a switch. Returns a reason if that settles the packet. */
static __always_inline enum moat_reason rejudge_hit(struct pkt *p,
						    struct moat_flow *f)
{
	const struct moat_image *h = image_of(p);

	if (rejudge_failsafe(p, f) != MOAT_REASON_NONE)
		return MOAT_REASON_NONE;
	if (!h)
		return MOAT_REASON_NO_POLICY;
	if (!(h->flags & MOAT_IMAGE_BUILT_IN))
		return rejudge(p, f);
	if (!(h->flags & MOAT_IMAGE_PASS))
		return MOAT_REASON_NO_POLICY;
	f->word = MOAT_WORD(p->generation, MOAT_SLOT_NONE,
			    MOAT_REASON_BEFORE_POLICY, MOAT_NACL_PASS,
			    MOAT_NACL_PASS, MOAT_WORD_NO_POLICY);
	return MOAT_REASON_NONE;
}

/* A cached no of the NACL or of the group layer: the rule is looked up again
 * to be credited. */
static __noinline enum moat_reason cached_no(struct pkt *p, __u64 word)
{
	struct layer_no nacl = {}, groups = {};
	__u32 verdict = MOAT_WORD_NACL(word, p->dir);

	if (verdict != MOAT_NACL_PASS) {
		nacl.reason = MOAT_REASON_NACL_DENY;
		nacl.rule = judge_nacl_again(p->dir);
		nacl.audit = verdict == MOAT_NACL_WOULD_DENY;
		p->nacl_rule = nacl.rule;
	}
	if (word & MOAT_WORD_WOULD_DROP) {
		groups.reason = MOAT_WORD_REASON(word);
		groups.rule = MOAT_WORD_SLOT(word);
		groups.audit = true;
	}
	return decide_layers(p, &nacl, &groups);
}

static __always_inline enum moat_reason hit_reason(__u64 word)
{
	if (word & MOAT_WORD_FAILSAFE)
		return MOAT_REASON_FAILSAFE;
	if (word & MOAT_WORD_NO_POLICY)
		return MOAT_REASON_BEFORE_POLICY;
	return MOAT_REASON_ESTABLISHED;
}

/* No policy is read while the generation is the flow's. A reason that settles
 * the packet, or in ret_counts what it counts under if it passes. */
static __always_inline enum moat_reason
hit_judged(struct pkt *p, struct moat_flow *f, enum moat_reason *ret_counts)
{
	enum moat_reason reason;
	__u64 word;

	if (MOAT_WORD_GENERATION(f->word) != p->generation) {
		reason = rejudge_hit(p, f);
		if (reason != MOAT_REASON_NONE)
			return reason;
	}
	word = f->word;
	p->rule = MOAT_WORD_SLOT(word);
	*ret_counts = hit_reason(word);
	/* No policy closes the failsafe: neither for a flow that was opened
	 * from a failsafe port. */
	if ((MOAT_WORD_NACL(word, p->dir) || word & MOAT_WORD_WOULD_DROP) &&
	    check_failsafe(p) == MOAT_REASON_NONE) {
		reason = cached_no(p, word);
		if (p->verdict == MOAT_DROP)
			return reason;
		if (reason != MOAT_REASON_NONE)
			*ret_counts = reason;
	}
	return MOAT_REASON_NONE;
}

/* An opening of a live flow was judged before; it has its verdict. */
static __noinline enum moat_reason flow_hit(struct pkt *p, struct moat_flow *f)
{
	enum moat_reason reason, counts = MOAT_REASON_NONE;

	if (!p->alive) {
		reason = hit_judged(p, f, &counts);
		if (reason != MOAT_REASON_NONE)
			return reason;
	}
	reason = flow_step(p, f);
	if (reason != MOAT_REASON_NONE)
		return reason;
	if (p->settles)
		flow_promote(p, f, p->settles);
	flow_count(p, f);
	if (p->verdict == MOAT_VERDICT_COUNT)
		p->verdict = MOAT_ALLOW;
	return counts;
}

#endif
