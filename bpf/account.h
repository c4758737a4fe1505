/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The one exit: turns a reason into a verdict, counts the packet once. */
#ifndef MOAT_ACCOUNT_H
#define MOAT_ACCOUNT_H

#include "count.h"
#include "flow_table.h"
#include "judge.h"
#include "source.h"
#include "trace.h"

#define DENIED_PER_JIFFY 16 /* new records of drops, per CPU */

/* Bit r is set if reason r drops. */
#define X(symbol, name, layer, kind) \
	| (MOAT_KIND_##kind ? 1ull << MOAT_REASON_##symbol : 0)
static const __u64 reasons_that_drop = 0 MOAT_REASONS(X);
#undef X
#define X(symbol, name, layer, kind) \
	| (MOAT_LAYER_##layer == MOAT_LAYER_SG ? \
		   1ull << MOAT_REASON_##symbol : \
		   0)
static const __u64 reasons_of_groups = 0 MOAT_REASONS(X);
#undef X

/*
 * Reasons that no rule decided have the policy's mode, or are audit where the
 * endpoint is known and its profile in audit; those of the group layer have
 * its mode (design 3.7). Without a valid policy nothing is in audit.
 */
VERIFIED_ONCE __u32 verdict_of(__u32 reason)
{
	struct pkt *p = pkt_current();
	const struct moat_image *h;
	bool audit;

	if (!p || !(reasons_that_drop >> (reason & 63) & 1))
		return MOAT_ALLOW;
	h = image_of(p);
	if (!h)
		return MOAT_DROP;
	p->policy_flags = h->flags;
	if (h->flags & MOAT_IMAGE_BUILT_IN && h->flags & MOAT_IMAGE_PASS)
		return MOAT_WOULD_DROP;
	if (p->flags & PKT_ADDRESSES)
		classify(p);
	if (reasons_of_groups >> (reason & 63) & 1)
		audit = groups_in_audit(p);
	else
		audit = policy_in_audit(p) ||
			p->profile_flags & MOAT_PROFILE_SG_AUDIT;
	return audit ? MOAT_WOULD_DROP : MOAT_DROP;
}

static __always_inline void count_iface(struct pkt *p, enum moat_reason reason)
{
	struct moat_iface_counters *c = iface_counters(p->iface, p->dir);

	if (!c)
		return;
	if (p->verdict != MOAT_WOULD_DROP) {
		count_add(&c->count[reason & (MOAT_REASON_MAX - 1)], p);
		return;
	}
	count_add(&c->would_drop[reason & (MOAT_REASON_MAX - 1)], p);
	if (p->also)
		count_add(&c->would_drop[p->also & (MOAT_REASON_MAX - 1)], p);
}

/* The rule that was credited or that denied; on an opening also the NACL rule
 * that let it by, so that unused ones show. */
static __always_inline void count_rules(struct pkt *p, enum moat_reason reason)
{
	bool would = p->verdict == MOAT_WOULD_DROP;

	if (reason == MOAT_REASON_RATE_LIMITED && !would)
		count_limited(p->rule);
	else if (p->rule != MOAT_SLOT_NONE)
		count_rule(p, p->rule, would);
	if (p->nacl_rule != MOAT_SLOT_NONE && p->nacl_rule != p->rule)
		count_rule(p, p->nacl_rule,
			   would && p->also == MOAT_REASON_NACL_DENY);
}

/* Budget of new records of drops: a flood of denied tuples must not turn into
 * a flood of inserts. Says whether one may be made. */
static __always_inline bool denied_budget(struct pkt *p)
{
	__u32 zero = 0;
	struct denied_budget *b = bpf_map_lookup_elem(&denied_budgets, &zero);
	struct moat_totals *t;

	if (b && b->jiffy != p->now) {
		b->jiffy = p->now;
		b->spent = 0;
	}
	if (b && b->spent < DENIED_PER_JIFFY) {
		b->spent++;
		return true;
	}
	t = bpf_map_lookup_elem(&totals, &zero);
	if (t)
		t->denied_suppressed++;
	return false;
}

/* A record of what was dropped: no flow, it lets nothing pass. */
VERIFIED_ONCE __u32 record_denied(__u32 reason)
{
	struct pkt *p = pkt_current();
	struct moat_flow new = {};
	struct moat_flow *f;

	if (!p)
		return 0;
	f = bpf_map_lookup_elem(&denied, &p->key);

	if (flow_lives(f, p->now)) {
		__sync_fetch_and_add(&f->packets[p->dir & 1], p->packets);
		__sync_fetch_and_add(&f->bytes[p->dir & 1], p->bytes);
		return 0;
	}
	if (!denied_budget(p))
		return 0;
	flow_fill(p, &new, MOAT_WORD(p->generation, p->rule, reason, 0, 0, 0),
		  knobs.timeout[MOAT_TIMEOUT_TCP_HALF_OPEN]);
	bpf_map_update_elem(&denied, &p->key, &new, BPF_ANY);
	return 0;
}

static __noinline void write_trace(struct pkt *p, enum moat_reason reason)
{
	struct moat_trace said = {
		.verdict = p->verdict,
		.reason = reason,
		.slot = p->rule,
		.generation = p->generation,
		.nacl_slot = p->nacl_rule,
		.failsafe = p->failsafe,
		.also_reason = p->also,
	};

	trace_write(&said);
}

/* Returns enum moat_verdict. */
static __noinline __u32 account(struct pkt *p, enum moat_reason reason)
{
	if (p->verdict == MOAT_VERDICT_COUNT)
		p->verdict = verdict_of(reason);
	count_iface(p, reason);
	if (p->rule != MOAT_SLOT_NONE || p->nacl_rule != MOAT_SLOT_NONE)
		count_rules(p, reason);
	if (p->verdict == MOAT_DROP && p->flags & PKT_ADDRESSES)
		record_denied(reason);
	if (knobs.trace)
		write_trace(p, reason);
	return p->verdict;
}

#endif
