/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The short way in XDP, for floods: plain TCP and UDP whose headers are where
 * an Ethernet frame has them. It passes what the long way (xdp.h) would leave
 * to tc, and drops what that would drop, once a CPU has recorded enough drops
 * in this jiffy. Whatever is unusual, or in doubt, goes the long way. Facts
 * stay in registers and on the stack; of the endpoint's address a CPU
 * remembers what the policy in force makes of it.
 */
#ifndef MOAT_XDP_QUICK_H
#define MOAT_XDP_QUICK_H

#include "account.h"
#include "entry.h"
#include "judge.h"
#include "xdp_sight.h"

#define XDP_RECORDS_PER_JIFFY 64 /* drops that go the long way, per CPU */

enum short_answer { SHORT_PASS, SHORT_DROP, SHORT_ASK, SHORT_LEARN };

/* What is known besides, and what was decided. */
struct short_run {
	__u64 now, epoch;
	__u32 slot, generation;
	__u32 reason, rule;
	__u32 iface;
};

/* ---- the policy ---- */

static __always_inline const struct moat_image *short_image(struct short_run *q)
{
	struct moat_control *c;
	const struct moat_image *h;
	__u32 zero = 0;
	__u64 word;

	c = bpf_map_lookup_elem(&control, &zero);
	word = c ? *(volatile __u64 *)&c->word : 0;
	q->slot = MOAT_CTL_SLOT(word);
	q->generation = MOAT_CTL_GENERATION(word);
	if (past_deadline(word, q->now))
		return 0;
	h = bpf_map_lookup_elem(&image, &q->slot);
	if (!h || h->generation != q->generation ||
	    h->seal != MOAT_IMAGE_SEAL(q->generation) ||
	    h->abi != MOAT_ABI_VERSION || h->flags & MOAT_IMAGE_BUILT_IN)
		return 0;
	return h;
}

static __always_inline struct xdp_memo *memo_of(const struct moat_addr *local,
						__u32 ifindex)
{
	__u32 index = (local->b[15] ^ ifindex) & (XDP_MEMOS - 1);

	return bpf_map_lookup_elem(&xdp_memos, &index);
}

static __always_inline bool memo_fits(const struct xdp_memo *m,
				      const struct sight *s,
				      const struct short_run *q)
{
	return addr_equal(&m->local, &s->local) && m->epoch == q->epoch &&
	       m->generation == q->generation && m->ifindex == s->ifindex;
}

static __always_inline __u32 short_class(const struct moat_image *h,
					 const struct sight *s, __u32 slot)
{
	if (s->family == 4)
		return search_addr4(slot, bpf_ntohl(s->remote.w[3]));
	return class_of6(h, slot, &s->remote);
}

/* The cell of the packet's service; profile is one of the image's. */
static __always_inline __u32 short_cell(const struct moat_image *h,
					const struct sight *s, __u32 slot,
					__u32 profile)
{
	const __u16 *classes_part = PART(&slot, classes);
	const __u32 *words = PART(&slot, rows);
	__u64 index = h->rowmap + profile * 2 * h->classes +
		      short_class(h, s, slot);

	if (!classes_part || !words)
		return 0;
	index = h->rowdir +
		classes_part[index & knobs.part_mask[MOAT_PART_CLASSES]];
	return search_row(slot, words[index & knobs.part_mask[MOAT_PART_ROWS]],
			  MOAT_SERVICE(s->proto, s->lport));
}

/*
 * Whether a flow may know better than the network ACL in force. The failsafe
 * is excluded before, but for flows that it opened before it was changed. One
 * of UDP with an older verdict is left to tc, as on the long way.
 */
static __always_inline bool flow_objects(const struct moat_host *facts,
					 const struct sight *s,
					 const struct short_run *q)
{
	struct moat_flow_key key = {};
	struct moat_flow *f;

	if (facts->failsafe_generation == q->generation)
		return true;
	if (s->proto != IPPROTO_UDP)
		return false;
	key.local = s->local;
	key.remote = s->remote;
	key.lport = bpf_htons(s->lport);
	key.rport = bpf_htons(s->rport);
	key.proto = IPPROTO_UDP;
	f = bpf_map_lookup_elem(&udp, &key);
	return flow_lives(f, q->now) &&
	       (MOAT_WORD_GENERATION(f->word) != q->generation ||
		MOAT_WORD_NACL(f->word, MOAT_INGRESS) != MOAT_NACL_DENY);
}

/* Whether some failsafe entry has a port like this packet's. */
static __always_inline bool may_be_failsafe(const struct moat_host *facts,
					    const struct sight *s)
{
	return (facts->failsafe_ports[MOAT_INGRESS] >> (s->lport & 63) |
		facts->failsafe_ports[MOAT_EGRESS] >> (s->rport & 63)) &
	       1;
}

/* Enforcing layers alone: those in audit go the long way. */
static __always_inline enum short_answer
short_cell_says(const struct moat_host *facts, const struct sight *s,
		struct short_run *q, __u32 cell, __u32 profile_flags)
{
	q->rule = slot_or_none(MOAT_CELL_NACL(cell));
	if (q->rule != MOAT_SLOT_NONE && cell & MOAT_CELL_DENY) {
		q->reason = MOAT_REASON_NACL_DENY;
		return !s->opening && flow_objects(facts, s, q) ? SHORT_ASK :
								  SHORT_DROP;
	}
	if (!s->opening || !(profile_flags & MOAT_PROFILE_SG))
		return SHORT_PASS;
	if (cell & MOAT_CELL_LIMITED)
		return SHORT_ASK;
	q->reason = MOAT_REASON_SG_NO_MATCH;
	return MOAT_CELL_SG(cell) == MOAT_CELL_NONE ? SHORT_DROP : SHORT_PASS;
}

static __always_inline enum short_answer
short_judge(const struct moat_host *facts, const struct sight *s,
	    struct short_run *q)
{
	const struct moat_image *h = short_image(q);
	const struct xdp_memo *m = memo_of(&s->local, s->ifindex);
	__u32 flags;

	if (!h || !m || !q->epoch || (!s->bad && may_be_failsafe(facts, s)))
		return SHORT_ASK;
	if (!memo_fits(m, s, q))
		return SHORT_LEARN;
	if (for_another(s->head, m->mac))
		return knobs.forwarding_judge ? SHORT_ASK : SHORT_PASS;
	q->iface = m->iface;
	flags = m->profile_flags;
	if (s->bad) {
		q->reason = MOAT_REASON_TCP_FLAGS;
		return h->flags & MOAT_IMAGE_AUDIT ||
				       flags & MOAT_PROFILE_SG_AUDIT ?
			       SHORT_ASK :
			       SHORT_DROP;
	}
	if (!m->own || !(flags & (MOAT_PROFILE_SG | MOAT_PROFILE_NACL)) ||
	    (!s->opening && !(flags & MOAT_PROFILE_NACL)))
		return SHORT_PASS;
	if (flags & (MOAT_PROFILE_SG_AUDIT | MOAT_PROFILE_NACL_AUDIT))
		return SHORT_ASK;
	return short_cell_says(facts, s, q,
			       short_cell(h, s, q->slot, m->profile), flags);
}

/* ---- counting ---- */

/* Drops that are still recorded in this jiffy go the long way. */
static __always_inline bool records_left(const struct short_run *q)
{
	__u32 one = 1;
	struct denied_budget *b = bpf_map_lookup_elem(&denied_budgets, &one);

	if (!b || knobs.xdp_quick)
		return !b;
	if (b->jiffy != q->now) {
		b->jiffy = q->now;
		b->spent = 0;
	}
	if (b->spent >= XDP_RECORDS_PER_JIFFY)
		return false;
	b->spent++;
	return true;
}

static __always_inline void short_trace(const struct short_run *q)
{
	__u32 zero = 0;
	struct moat_trace *t = bpf_map_lookup_elem(&trace, &zero);

	if (!t)
		return;
	t->verdict = MOAT_DROP;
	t->reason = q->reason;
	t->slot = q->reason == MOAT_REASON_NACL_DENY ? q->rule : MOAT_SLOT_NONE;
	t->generation = q->generation;
	t->nacl_slot = q->rule;
	t->failsafe = 0;
	t->also_reason = 0;
	t->runs++;
}

static __always_inline void short_count(const struct short_run *q,
					const struct sight *s)
{
	__u32 zero = 0;
	struct moat_iface_counters *c = iface_counters(q->iface, MOAT_INGRESS);
	struct moat_totals *t = bpf_map_lookup_elem(&totals, &zero);
	struct moat_rule_count *r;

	if (c)
		count_amount(&c->count[q->reason & (MOAT_REASON_MAX - 1)], 1,
			     s->length);
	r = q->rule == MOAT_SLOT_NONE ? 0 : rule_counters(q->rule);
	if (r)
		count_amount(&r->hit, 1, s->length);
	if (t) {
		t->xdp_dropped++;
		t->denied_suppressed++;
	}
}

/* Not inline: its stack must not lie under the long way's (512 bytes in all,
 * which kernels before 6.x reckon along the deepest path). */
static __noinline enum short_answer xdp_quick(struct xdp_md *xdp,
					      struct short_run *q)
{
	__u32 zero = 0;
	const struct moat_host *facts = bpf_map_lookup_elem(&host, &zero);
	enum short_answer answer;
	struct sight s;

	q->now = bpf_jiffies64();
	q->rule = MOAT_SLOT_NONE;
	if (knobs.long_way || !facts || !sight_parse(xdp, &s))
		return SHORT_ASK;
	q->epoch = *(volatile __u64 *)&facts->epoch;
	answer = short_judge(facts, &s, q);
	if (answer == SHORT_PASS && knobs.trace)
		return SHORT_ASK;
	if (answer != SHORT_DROP)
		return answer;
	if (records_left(q))
		return SHORT_ASK;
	short_count(q, &s);
	if (knobs.trace)
		short_trace(q);
	return SHORT_DROP;
}

/* What the long way found of the endpoint's address, for the short way. */
static __noinline void xdp_learn(struct pkt *p, __u64 epoch)
{
	struct xdp_memo *m = memo_of(&p->key.local, p->ifindex);
	const struct moat_own *o;

	if (!m || !(p->flags & PKT_ADDRESSES) || p->flags & PKT_GROUP_ADDRESS)
		return;
	o = bpf_map_lookup_elem(&own, &p->key.local);
	classify(p);
	if (!(p->flags & PKT_CLASSIFIED))
		return;
	m->local = p->key.local;
	m->generation = p->generation;
	m->profile = p->profile;
	m->profile_flags = p->profile_flags;
	m->own = o && !(o->flags & MOAT_OWN_BROADCAST);
	m->ifindex = p->ifindex;
	m->iface = p->iface;
	m->mac = p->mac;
	m->epoch = epoch;
}

#endif
