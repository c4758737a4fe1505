/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The short way at tc: a packet of a flow that is established and that every
 * layer lets pass, without a change of state and without anything unusual
 * about it. By its lease, else by its record. Whatever is in doubt goes the
 * long way (pipeline.h), which decides the same: this file says yes, or
 * nothing.
 */
#ifndef MOAT_QUICK_H
#define MOAT_QUICK_H

#include "count.h"
#include "entry.h"
#include "leases.h"
#include "quick_parse.h"
#include "tcp.h"
#include "trace.h"

/* A NACL's no, and every flag but one that concerns later policies. */
#define WORD_DOUBT (0xf000u | (0xfffu & ~MOAT_WORD_REEVALUATE))

/*
 * Whether the record says no more than that its flow passes. A lease is for
 * both directions: both have shown what the record is to hold of them.
 */
static __always_inline bool record_passes(const struct moat_flow *f,
					  const struct quick *q)
{
	if (!flow_lives(f, q->now) ||
	    MOAT_WORD_GENERATION(f->word) != q->generation ||
	    f->word & WORD_DOUBT)
		return false;
	if (f->state != MOAT_FLOW_ESTABLISHED || f->fin[0] | f->fin[1])
		return false;
	if (q->transport)
		return f->marks & MOAT_MARK_STREAM;
	return f->seen[0] & f->seen[1] & MOAT_SEEN_ACK;
}

/* Facts of the packet whose record is asked for: what is verified once takes
 * no pointers. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct quick);
	__uint(max_entries, 1);
} quick_scratch SEC(".maps");

/* Instead of the slot of a rule: the long way, which need not look the record
 * up again where it isn't. */
#define QUICK_DOUBT (-1)
#define QUICK_MISSED (-2)

/* Counts by the record, and leases what comes next. The slot of the rule, or
 * QUICK_*. */
VERIFIED_ONCE int quick_record(__u32 zero)
{
	struct quick *q = bpf_map_lookup_elem(&quick_scratch, &zero);
	struct moat_flow_key key = {};
	struct moat_flow *f;
	__u64 timeout;
	__u32 dir;

	if (!q)
		return QUICK_DOUBT;
	dir = q->dir & 1;
	lease_key(&key, &q->name, q->transport);
	f = flow_map_find(flow_home(key.proto), &key);
	if (!flow_lives(f, q->now))
		return QUICK_MISSED;
	if (!record_passes(f, q))
		return QUICK_DOUBT;
	/* From the end of the lease: until then nobody writes the expiry. */
	timeout = knobs.timeout[q->transport ? MOAT_TIMEOUT_UDP_STREAM :
					       MOAT_TIMEOUT_TCP_ESTABLISHED];
	flow_refresh(q->now + knobs.lease_time, f, timeout);
	flow_add(f, dir, q->amount);
	if (f->ifindex[dir] != q->ifindex)
		f->ifindex[dir] = q->ifindex;
	lease_renew(&q->name, f, q->now, q->generation, q->transport);
	/* Another CPU may have ended the flow in between. */
	if (!record_passes(f, q))
		lease_end(&key, f, q->now);
	return MOAT_WORD_SLOT(f->word);
}

static __always_inline int quick_ask_record(const struct quick *q)
{
	__u32 zero = 0;
	struct quick *kept = bpf_map_lookup_elem(&quick_scratch, &zero);

	if (!kept)
		return QUICK_DOUBT;
	*kept = *q;
	return quick_record(0);
}

/* By the lease, if one runs. */
static __always_inline int quick_lease(const struct quick *q, __u64 floor)
{
	__u64 hash = lease_hash(&q->name), word;
	struct moat_leases *all = leases_of(hash);
	struct moat_lease *l;

	if (!all)
		return -1;
	for (__u32 i = 0; i < MOAT_LEASE_WAYS; i++) {
		l = &all->way[(MOAT_LEASE_WAY(hash) ^ i) &
			      (MOAT_LEASE_WAYS - 1)];
		word = *(volatile __u64 *)&l->word;
		l = lease_after(l, word);
		if (!lease_is_of(l, &q->name, q->transport))
			continue;
		if (!lease_runs(word, q->generation, q->now, floor) ||
		    l->count[q->dir & 1] & MOAT_LEASE_HALF)
			return -1;
		__sync_fetch_and_add(&l->count[q->dir & 1], q->amount);
		return l->slot;
	}
	return -1;
}

static __always_inline void quick_count(const struct quick *q, __u32 iface,
					__u32 slot)
{
	__u64 packets = q->amount >> 40, bytes = q->amount & MOAT_LEASE_BYTES;
	struct moat_iface_counters *c = iface_counters(iface, q->dir);
	struct moat_rule_count *r;

	if (c)
		count_amount(&c->count[MOAT_REASON_ESTABLISHED], packets,
			     bytes);
	r = slot == MOAT_SLOT_NONE ? 0 : rule_counters(slot);
	if (r)
		count_amount(&r->hit, packets, bytes);
}

static __noinline void quick_trace(__u32 generation, __u32 slot)
{
	struct moat_trace said = {
		.verdict = MOAT_ALLOW,
		.reason = MOAT_REASON_ESTABLISHED,
		.slot = slot,
		.generation = generation,
		.nacl_slot = MOAT_SLOT_NONE,
	};

	trace_write(&said);
}

/* The slot of the rule under which the packet passed and was counted, or
 * QUICK_*. */
static __always_inline int quick_pass(struct __sk_buff *skb, __u32 dir)
{
	__u32 zero = 0, flags = 0, iface = iface_find(skb->ifindex, &flags);
	struct moat_control *c = bpf_map_lookup_elem(&control, &zero);
	struct quick q = { .dir = dir, .ifindex = skb->ifindex };
	__u64 word = c ? *(volatile __u64 *)&c->word : 0;
	int slot;

	if (knobs.long_way)
		return QUICK_DOUBT;
	q.now = bpf_jiffies64();
	if (!c || !(flags & MOAT_IFACE_ETHER) || past_deadline(word, q.now) ||
	    !quick_parse(skb, &q))
		return QUICK_DOUBT;
	q.generation = MOAT_CTL_GENERATION(word);
	slot = quick_lease(&q, c->lease_floor);
	if (slot < 0)
		slot = quick_ask_record(&q);
	if (slot < 0)
		return slot;
	quick_count(&q, iface, slot);
	if (knobs.trace)
		quick_trace(q.generation, slot);
	return slot;
}

#endif
