/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Leases of flows that pass (moat/lease.h): find, renew, end. Made from a
 * record that was just looked up, and never longer than it lives. Whoever
 * changes what a record says ends its lease; whoever changes it from outside
 * raises the floor. A push needs neither: the generation is in the word.
 */
#ifndef MOAT_LEASES_H
#define MOAT_LEASES_H

#include "maps.h"
#include "pkt.h"

#define LEASE_LOCK_MASK (MOAT_LEASE_LOCKS - 1)

/* What leases are found by: a flow key without its protocol. */
struct lease_name {
	__u64 local[2];
	__u64 remote[2];
	__u64 ports;
};

static __always_inline __u64 lease_hash(const struct lease_name *n)
{
	__u64 h = MOAT_LEASE_SUM(knobs.lease_key, n->local, n->remote,
				 n->ports);

	return MOAT_LEASE_HASH(h);
}

static __always_inline struct moat_leases *leases_of(__u64 hash)
{
	__u32 bucket = MOAT_LEASE_BUCKET(hash, (__u64)knobs.lease_buckets);

	return bpf_map_lookup_elem(&leases, &bucket);
}

static __always_inline bool lease_is_of(const struct moat_lease *l,
					const struct lease_name *n,
					__u16 transport)
{
	return l->ports == (__u32)n->ports && l->remote.d[1] == n->remote[1] &&
	       l->local.d[1] == n->local[1] && l->remote.d[0] == n->remote[0] &&
	       l->local.d[0] == n->local[0] &&
	       (l->kind & MOAT_LEASE_UDP) == transport;
}

/*
 * The same pointer, later: on CPUs that reorder loads, what is read through
 * it is read after the word, since its address depends on the word's value.
 */
static __always_inline struct moat_lease *lease_after(struct moat_lease *l,
						      __u64 word)
{
#ifdef __bpf__ /* tests also compile this for user space */
	asm volatile("%0 &= 0" : "+r"(word));
#else
	word &= 0;
#endif
	return (void *)l + word;
}

/* Whether the flow's packets pass until then, as judged by this generation. */
static __always_inline bool lease_runs(__u64 word, __u32 generation, __u64 now,
				       __u64 floor)
{
	__u64 until = word & MOAT_LEASE_UNTIL;

	return generation && (__u32)(word >> 40) == generation && until > now &&
	       until > floor;
}

static __always_inline void lease_name_of(struct lease_name *n,
					  const struct moat_flow_key *key)
{
	n->local[0] = key->local.d[0];
	n->local[1] = key->local.d[1];
	n->remote[0] = key->remote.d[0];
	n->remote[1] = key->remote.d[1];
	n->ports = key->lport | (__u32)key->rport << 16;
}

/* And back; the rest of the key is 0. transport: MOAT_LEASE_UDP or 0. */
static __always_inline void lease_key(struct moat_flow_key *key,
				      const struct lease_name *n,
				      __u16 transport)
{
	key->local.d[0] = n->local[0];
	key->local.d[1] = n->local[1];
	key->remote.d[0] = n->remote[0];
	key->remote.d[1] = n->remote[1];
	key->lport = n->ports;
	key->rport = n->ports >> 16;
	key->proto = transport ? IPPROTO_UDP : IPPROTO_TCP;
}

static __always_inline __u16 lease_kind(const struct moat_flow *f,
					__u16 transport)
{
	return (f->created & ~MOAT_LEASE_UDP) | transport;
}

static __always_inline void flow_add(struct moat_flow *f, __u32 dir,
				     __u64 amount)
{
	if (!amount)
		return;
	__sync_fetch_and_add(&f->packets[dir & 1], amount >> 40);
	__sync_fetch_and_add(&f->bytes[dir & 1], amount & MOAT_LEASE_BYTES);
}

/*
 * What was counted goes to the record, and the lease gets another word. The
 * lock is for taking the counts: programs for 5.10 have no exchange. Counts
 * left by an earlier flow of the same name are nobody's.
 */
static __noinline void lease_settle(struct moat_lease *l, struct moat_flow *f,
				    __u64 word, __u32 lock)
{
	__u16 kind = lease_kind(f, l->kind & MOAT_LEASE_UDP);
	struct moat_lease_lock *k;
	__u64 in, out;
	bool same;

	lock &= LEASE_LOCK_MASK;
	k = bpf_map_lookup_elem(&lease_locks, &lock);
	if (!k)
		return;
	bpf_spin_lock(&k->lock);
	in = l->count[MOAT_INGRESS];
	out = l->count[MOAT_EGRESS];
	__sync_fetch_and_add(&l->count[MOAT_INGRESS], -in);
	__sync_fetch_and_add(&l->count[MOAT_EGRESS], -out);
	same = l->kind == kind;
	l->kind = kind;
	l->slot = MOAT_WORD_SLOT(f->word);
	l->word = word;
	bpf_spin_unlock(&k->lock);
	if (!same)
		return;
	flow_add(f, MOAT_INGRESS, in);
	flow_add(f, MOAT_EGRESS, out);
}

/* Counts of the flow that had the line go to its record, if that is there. */
static __noinline void lease_leave(const struct moat_lease *old, __u64 in,
				   __u64 out)
{
	__u16 transport = old->kind & MOAT_LEASE_UDP;
	const struct lease_name n = {
		.local = { old->local.d[0], old->local.d[1] },
		.remote = { old->remote.d[0], old->remote.d[1] },
		.ports = old->ports,
	};
	struct moat_flow_key key = {};
	struct moat_flow *f;

	if (!in && !out)
		return;
	lease_key(&key, &n, transport);
	f = transport ? bpf_map_lookup_elem(&udp, &key) :
			bpf_map_lookup_elem(&flows, &key);
	if (!f || lease_kind(f, transport) != old->kind)
		return;
	flow_add(f, MOAT_INGRESS, in);
	flow_add(f, MOAT_EGRESS, out);
}

/*
 * A line whose lease is over by a second goes to another flow, claimed: the
 * flow's next packet gets the lease. In two steps, so that who sees the word
 * of the lease sees the addresses that were written before it, on any CPU.
 */
static __noinline void lease_claim(struct moat_lease *l,
				   const struct lease_name *n, __u16 kind,
				   __u64 until, __u32 lock)
{
	struct moat_lease old = *l;
	struct moat_lease_lock *k;
	__u64 in, out;

	lock &= LEASE_LOCK_MASK;
	k = bpf_map_lookup_elem(&lease_locks, &lock);
	if (!k)
		return;
	bpf_spin_lock(&k->lock);
	if (l->word != old.word || l->ports != old.ports ||
	    l->remote.d[1] != old.remote.d[1] || l->kind != old.kind) {
		bpf_spin_unlock(&k->lock);
		return; /* another CPU was first */
	}
	in = l->count[MOAT_INGRESS];
	out = l->count[MOAT_EGRESS];
	__sync_fetch_and_add(&l->count[MOAT_INGRESS], -in);
	__sync_fetch_and_add(&l->count[MOAT_EGRESS], -out);
	l->word = MOAT_LEASE_WORD(0, until);
	l->local.d[0] = n->local[0];
	l->local.d[1] = n->local[1];
	l->remote.d[0] = n->remote[0];
	l->remote.d[1] = n->remote[1];
	l->ports = n->ports;
	l->kind = kind;
	bpf_spin_unlock(&k->lock);
	lease_leave(&old, in, out);
}

/*
 * Renews the lease of a flow whose record says that it passes, or claims a
 * line for it where one of its four is free.
 */
static __noinline void lease_renew(const struct lease_name *n,
				   struct moat_flow *f, __u64 now,
				   __u32 generation, __u16 transport)
{
	__u64 hash = lease_hash(n), until = now + knobs.lease_time;
	struct moat_lease *l, *over = 0;
	struct moat_leases *all = leases_of(hash);

	if (!all || !knobs.lease_time)
		return;
	for (__u32 i = 0; i < MOAT_LEASE_WAYS; i++) {
		l = &all->way[(MOAT_LEASE_WAY(hash) ^ i) &
			      (MOAT_LEASE_WAYS - 1)];
		if (lease_is_of(l, n, transport)) {
			lease_settle(l, f, MOAT_LEASE_WORD(generation, until),
				     hash);
			return;
		}
		if (!over && (l->word & MOAT_LEASE_UNTIL) + knobs.hz < now)
			over = l;
	}
	if (over && f->packets[0] + f->packets[1] >= knobs.lease_after)
		lease_claim(over, n, lease_kind(f, transport), until, hash);
}

/* The record says something else than that its flow passes. */
static __noinline void lease_end(const struct moat_flow_key *key,
				 struct moat_flow *f, __u64 now)
{
	__u16 transport = key->proto == IPPROTO_UDP ? MOAT_LEASE_UDP : 0;
	struct moat_leases *all;
	struct lease_name n;
	struct moat_lease *l;
	__u64 hash;

	lease_name_of(&n, key);
	hash = lease_hash(&n);
	all = leases_of(hash);
	if (!all)
		return;
	for (__u32 i = 0; i < MOAT_LEASE_WAYS; i++) {
		l = &all->way[i];
		if (lease_is_of(l, &n, transport))
			lease_settle(l, f, MOAT_LEASE_WORD(0, now), hash);
	}
}

#endif
