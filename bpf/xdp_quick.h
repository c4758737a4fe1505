/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The short way in XDP, for floods: plain TCP and UDP (sight.h). It passes
 * what the long way (xdp.h) would leave to tc, and drops what that would drop,
 * once a CPU has recorded enough drops in this jiffy. Whatever is unusual, or
 * in doubt, goes the long way. Facts stay in registers and on the stack; of
 * the endpoint's address a CPU remembers what the policy in force makes of it,
 * so that the image's header need not be asked: what is remembered of a
 * generation holds while the control word names it.
 */
#ifndef MOAT_XDP_QUICK_H
#define MOAT_XDP_QUICK_H

#include "account.h"
#include "entry.h"
#include "judge.h"
#include "leases.h"
#include "parse_l2.h"
#include "sight.h"
#include "trace.h"
#include "xdp_memo.h"

#define XDP_RECORDS_PER_JIFFY 32 /* drops that go the long way, per CPU */

enum short_answer { SHORT_PASS, SHORT_DROP, SHORT_ASK, SHORT_LEARN };

/* One packet, and what is decided of it. */
struct short_run {
	struct sight s;
	__u64 mac; /* that it is for */
	__u32 slot, generation;
	__u32 reason, rule;
	__u16 lport, rport;
	bool opening, bad;
};

/* The whole packet is there; of several buffers the first is looked at. */
static __always_inline bool whole(struct xdp_md *xdp, const struct sight *s,
				  const void *at, const void *end)
{
	if (s->length <= end - at)
		return true;
	return knobs.xdp_load_bytes &&
	       s->length + ETH_HLEN <= bpf_xdp_get_buff_len(xdp);
}

/* DHCP's own ports are left to the essentials. What is sent to addresses that
 * are not plain is never learnt. */
static __always_inline bool short_parse(struct xdp_md *xdp, struct short_run *q)
{
	void *data = (void *)(long)xdp->data;
	void *end = (void *)(long)xdp->data_end;
	const struct ethhdr *eth = data;
	void *at = data + sizeof(*eth);
	struct sight *s = &q->s;

	if (at > end || !sight_parse(s, eth->h_proto, at, end) ||
	    !whole(xdp, s, at, end) || !plain_address(s->from, s->v4) ||
	    (s->from[1] == s->to[1] && s->from[0] == s->to[0]))
		return false;
	q->mac = *(__u16 *)data | (__u64) * (__u32 *)(data + 2) << 16;
	q->rport = bpf_ntohs(s->ports);
	q->lport = bpf_ntohs(s->ports >> 16);
	q->opening = (s->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
	q->bad = s->proto == IPPROTO_TCP &&
		 !(TCP_VALID >> TCP_INDEX(s->tcp_flags) & 1);
	return s->proto == IPPROTO_TCP || (q->lport != 68 && q->lport != 546);
}

/* ---- the policy ---- */

static __always_inline bool memo_fits(const struct xdp_memo *m,
				      const struct short_run *q, __u64 epoch,
				      __u32 ifindex)
{
	return m->local.d[1] == q->s.to[1] && m->local.d[0] == q->s.to[0] &&
	       m->epoch == epoch &&
	       /* short_policy() has set it. NOLINTNEXTLINE(clang-analyzer-core.*) */
	       m->where == MEMO_WHERE(q->generation, ifindex);
}

static __always_inline __u32 short_cell(const struct xdp_memo *m,
					const struct short_run *q)
{
	__u32 class;

	if (q->s.v4)
		class = search_addr4(q->slot, bpf_ntohl(q->s.from[1] >> 32));
	else
		class = class_of6(q->slot, m->addr6_upper, m->starts,
				  q->s.from);
	return search_cell(q->slot, m->place + class, m->rowdir,
			   MOAT_SERVICE(q->s.proto, q->lport));
}

/*
 * Whether a flow may know better than the network ACL in force. The failsafe
 * is excluded before, but for flows that it opened before it was changed. One
 * of UDP with an older verdict is left to tc, as on the long way.
 */
static __always_inline bool flow_objects(const struct moat_host *facts,
					 const struct short_run *q)
{
	const struct lease_name n = {
		.local = { q->s.to[0], q->s.to[1] },
		.remote = { q->s.from[0], q->s.from[1] },
		.ports = q->s.ports << 16 | q->s.ports >> 16,
	};
	struct moat_flow_key key = {};
	struct moat_flow *f;

	if (facts->failsafe_generation == q->generation)
		return true;
	if (q->s.proto != IPPROTO_UDP)
		return false;
	lease_key(&key, &n, MOAT_LEASE_UDP);
	f = bpf_map_lookup_elem(&udp, &key);
	return flow_lives(f, bpf_jiffies64()) &&
	       (MOAT_WORD_GENERATION(f->word) != q->generation ||
		MOAT_WORD_NACL(f->word, MOAT_INGRESS) != MOAT_NACL_DENY);
}

/* Whether some failsafe entry has a port like this packet's. */
static __always_inline bool may_be_failsafe(const struct moat_host *facts,
					    const struct short_run *q)
{
	return (facts->failsafe_ports[MOAT_INGRESS] >> (q->lport & 63) |
		facts->failsafe_ports[MOAT_EGRESS] >> (q->rport & 63)) &
	       1;
}

/* Reasons differ for a sender that has an address of ours: tc names them. */
static __always_inline bool may_be_own(const struct moat_host *facts,
				       const struct short_run *q)
{
	__u64 bit = MOAT_OWN_BIT(q->s.from[0], q->s.from[1]);

	return facts->own_bits[bit / 64] >> bit % 64 & 1;
}

/* Enforcing layers alone: those in audit go the long way. */
static __always_inline enum short_answer
short_layers(const struct moat_host *facts, const struct xdp_memo *m,
	     struct short_run *q)
{
	__u32 cell = short_cell(m, q);

	q->rule = slot_or_none(MOAT_CELL_NACL(cell));
	if (q->rule != MOAT_SLOT_NONE && cell & MOAT_CELL_DENY) {
		q->reason = MOAT_REASON_NACL_DENY;
		return !q->opening && flow_objects(facts, q) ? SHORT_ASK :
							       SHORT_DROP;
	}
	if (!q->opening || !(m->flags & MEMO_OPENINGS))
		return SHORT_PASS;
	if (cell & MOAT_CELL_LIMITED)
		return SHORT_ASK;
	q->reason = MOAT_REASON_SG_NO_MATCH;
	return MOAT_CELL_SG(cell) == MOAT_CELL_NONE ? SHORT_DROP : SHORT_PASS;
}

/* m: of the packet's address and device, and of the policy in force. */
static __always_inline enum short_answer
short_judge(const struct moat_host *facts, const struct xdp_memo *m,
	    struct short_run *q)
{
	q->rule = MOAT_SLOT_NONE;
	if (q->bad) {
		q->reason = MOAT_REASON_TCP_FLAGS;
		return m->flags & MEMO_BAD_ASK ? SHORT_ASK : SHORT_DROP;
	}
	if (may_be_failsafe(facts, q) || may_be_own(facts, q))
		return SHORT_ASK;
	if (!(m->flags & (q->opening ? MEMO_OPENINGS | MEMO_NACL : MEMO_NACL)))
		return SHORT_PASS;
	return m->flags & MEMO_ASK ? SHORT_ASK : short_layers(facts, m, q);
}

/* ---- counting ---- */

/* Drops that are still recorded in this jiffy go the long way. */
static __always_inline bool records_left(void)
{
	__u32 one = 1;
	struct denied_budget *b = bpf_map_lookup_elem(&denied_budgets, &one);
	__u64 now = bpf_jiffies64();

	if (!b || knobs.xdp_quick)
		return !b;
	if (b->jiffy != now) {
		b->jiffy = now;
		b->spent = 0;
	}
	if (b->spent >= XDP_RECORDS_PER_JIFFY)
		return false;
	b->spent++;
	return true;
}

static __noinline void short_trace(__u32 generation, __u32 reason, __u32 rule)
{
	struct moat_trace said = {
		.verdict = MOAT_DROP,
		.reason = reason,
		.slot = reason == MOAT_REASON_NACL_DENY ? rule : MOAT_SLOT_NONE,
		.generation = generation,
		.nacl_slot = rule,
	};

	trace_write(&said);
}

static __always_inline void short_count(const struct short_run *q, __u32 iface)
{
	struct moat_iface_counters *c = iface_counters(iface, MOAT_INGRESS);
	__u32 zero = 0;
	struct moat_totals *t = bpf_map_lookup_elem(&totals, &zero);
	struct moat_rule_count *r;

	if (c)
		count_amount(&c->count[q->reason & (MOAT_REASON_MAX - 1)], 1,
			     q->s.length);
	r = q->rule == MOAT_SLOT_NONE ? 0 : rule_counters(q->rule);
	if (r)
		count_amount(&r->hit, 1, q->s.length);
	if (t) {
		t->xdp_dropped++;
		t->denied_suppressed++;
	}
}

/* An unconfirmed push has a deadline: the long way sees whether it is past. */
static __always_inline bool short_policy(struct short_run *q)
{
	__u32 zero = 0;
	struct moat_control *c = bpf_map_lookup_elem(&control, &zero);
	__u64 word = c ? *(volatile __u64 *)&c->word : 0;

	q->slot = MOAT_CTL_SLOT(word);
	q->generation = MOAT_CTL_GENERATION(word);
	return !MOAT_CTL_DEADLINE(word) ||
	       !past_deadline(word, bpf_jiffies64());
}

/* Not inline: its stack must not lie under the long way's (512 bytes in all,
 * which kernels before 6.x reckon along the deepest path). */
static __noinline enum short_answer xdp_quick(struct xdp_md *xdp)
{
	__u32 zero = 0, ifindex = xdp->ingress_ifindex;
	const struct moat_host *facts = bpf_map_lookup_elem(&host, &zero);
	const struct xdp_memo *m;
	enum short_answer answer;
	struct short_run q;

	if (knobs.long_way || !facts || !short_parse(xdp, &q) ||
	    !short_policy(&q))
		return SHORT_ASK;
	m = memo_of(q.s.to[1], ifindex);
	if (!m || !memo_fits(m, &q, *(volatile __u64 *)&facts->epoch, ifindex))
		return SHORT_LEARN;
	if (for_another(q.mac, m->mac))
		answer = knobs.forwarding_judge ? SHORT_ASK : SHORT_PASS;
	else
		answer = short_judge(facts, m, &q);
	if (answer == SHORT_PASS && knobs.trace)
		return SHORT_ASK;
	if (answer != SHORT_DROP)
		return answer;
	if (records_left())
		return SHORT_ASK;
	short_count(&q, m->iface);
	if (knobs.trace)
		short_trace(q.generation, q.reason, q.rule);
	return SHORT_DROP;
}

#endif
