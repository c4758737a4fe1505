/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What every run begins with: the time, the policy in force, the device. */
#ifndef MOAT_ENTRY_H
#define MOAT_ENTRY_H

#include "maps.h"
#include "pkt.h"

/* Entry of a device in the counters; the last one is the overflow. */
static __always_inline __u32 iface_find(__u32 ifindex, __u32 *ret_flags)
{
	struct moat_iface *i;
	__u32 index;

	for (__u32 n = 0; n < MOAT_IFACE_PROBES; n++) {
		index = (ifindex + n) % MOAT_IFACES;
		i = bpf_map_lookup_elem(&ifaces, &index);
		if (i && i->ifindex == ifindex) {
			*ret_flags = i->flags;
			return index;
		}
	}
	return MOAT_IFACES - 1;
}

/* Whether an unconfirmed push has run out. */
static __always_inline bool past_deadline(__u64 word, __u64 now)
{
	return MOAT_CTL_DEADLINE(word) &&
	       (now - knobs.epoch) / (knobs.hz ? knobs.hz : 1) >=
		       MOAT_CTL_DEADLINE(word);
}

/*
 * The control word, read once (F8, F15). Past the deadline of an unconfirmed
 * push the previous slot judges, under the generation of its header: also
 * with the agent dead.
 */
static __always_inline void find_policy(struct pkt *p)
{
	const struct moat_image *h;
	struct moat_control *c;
	struct moat_totals *t;
	__u32 zero = 0;
	__u64 word;

	c = bpf_map_lookup_elem(&control, &zero);
	word = c ? *(volatile __u64 *)&c->word : 0;
	p->slot = MOAT_CTL_SLOT(word);
	p->generation = MOAT_CTL_GENERATION(word);
	if (!past_deadline(word, p->now))
		return;
	p->slot = MOAT_CTL_PREVIOUS(word);
	h = bpf_map_lookup_elem(&image, &p->slot);
	p->generation = h ? h->generation : 0;
	t = bpf_map_lookup_elem(&totals, &zero);
	if (t)
		t->fallback++;
}

static __always_inline struct pkt *pkt_begin(__u32 hook, __u32 dir,
					     __u32 ifindex)
{
	__u32 zero = 0;
	struct pkt *p = bpf_map_lookup_elem(&scratch, &zero);

	if (!p)
		return 0;
	__builtin_memset(p, 0, sizeof(*p));
	p->hook = hook;
	p->dir = dir;
	p->ifindex = ifindex;
	p->now = bpf_jiffies64();
	p->verdict = MOAT_VERDICT_COUNT;
	p->rule = MOAT_SLOT_NONE;
	p->nacl_rule = MOAT_SLOT_NONE;
	p->iface = iface_find(ifindex, &p->iface_flags);
	find_policy(p);
	return p;
}

#endif
