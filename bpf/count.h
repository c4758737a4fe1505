/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Per-CPU counters: of rules, and of what belongs to no rule. */
#ifndef MOAT_COUNT_H
#define MOAT_COUNT_H

#include "maps.h"
#include "pkt.h"

/* errno.h is not for programs; these are what map updates return. */
#define E_NOENT 2
#define E_NOMEM 12
#define E_BUSY 16
#define E_EXIST 17
#define E_2BIG 7

static __always_inline void count_amount(struct moat_count *c, __u64 packets,
					 __u64 bytes)
{
	c->packets += packets;
	c->bytes += bytes;
}

static __always_inline void count_add(struct moat_count *c, const struct pkt *p)
{
	count_amount(c, p->packets, p->bytes);
}

static __always_inline struct moat_iface_counters *iface_counters(__u32 iface,
								  __u32 dir)
{
	__u32 index = iface * 2 + dir;

	return bpf_map_lookup_elem(&packets, &index);
}

static __always_inline struct moat_rule_count *rule_counters(__u32 slot)
{
	__u32 index = (slot / MOAT_RULES_PER_ELEMENT) & knobs.rule_mask;
	struct moat_rule_counters *c = bpf_map_lookup_elem(&rules, &index);

	return c ? &c->rule[slot % MOAT_RULES_PER_ELEMENT] : 0;
}

static __noinline void count_rule(struct pkt *p, __u32 slot, __u32 would)
{
	struct moat_rule_count *r = rule_counters(slot);

	if (r)
		count_add(would ? &r->would_drop : &r->hit, p);
}

static __always_inline void count_connection(__u32 slot)
{
	struct moat_rule_count *r = rule_counters(slot);

	if (r)
		r->connections++;
}

static __noinline void count_limited(__u32 slot)
{
	struct moat_rule_count *r = rule_counters(slot);

	if (r)
		r->limited++;
}

static __noinline void count_refusal(__u32 table, long error)
{
	__u32 zero = 0, why, index;
	struct moat_totals *t = bpf_map_lookup_elem(&totals, &zero);

	if (!t)
		return;
	why = error == -E_2BIG	? MOAT_REFUSAL_FULL :
	      error == -E_BUSY	? MOAT_REFUSAL_BUSY :
	      error == -E_NOMEM ? MOAT_REFUSAL_NOMEM :
				  MOAT_REFUSAL_OTHER;
	index = (table & 7) * MOAT_REFUSAL_COUNT + (why & 3);
	barrier_var(index);
	index &= 31;
	(&t->refused[0][0])[index]++;
}

static __always_inline void count_created(__u32 table)
{
	__u32 zero = 0;
	struct moat_totals *t = bpf_map_lookup_elem(&totals, &zero);

	barrier_var(table);
	table &= 7;
	if (t)
		t->created[table]++;
}
_Static_assert(MOAT_TABLE_COUNT == 8 && MOAT_REFUSAL_COUNT == 4, "masks above");

#endif
