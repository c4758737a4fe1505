/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Limits on new connections (F7). Buckets are a fixed array indexed by a
 * seeded hash of rule and source: spoofed sources can't churn it, and a
 * collision shares a bucket, never grants more. Tokens are spent at tc alone,
 * when a flow is created; XDP only looks.
 */
#ifndef MOAT_LIMIT_H
#define MOAT_LIMIT_H

#include "classify.h"
#include "count.h"

/* One limit of the image. */
struct limit {
	__u32 slot;
	__u32 per;
	__u32 rate; /* new connections per 1000 seconds */
	__u32 burst;
};

static __always_inline __u64 mix(__u64 h, __u64 v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15ull;
	return h ^ h >> 29;
}

/* Source: an IPv4 address or an IPv6 /64 (its owner has all of it). */
static __always_inline __u32 bucket_of(struct pkt *p, const struct limit *l)
{
	__u64 h = mix(knobs.seed, l->slot);

	if (l->per == MOAT_PER_SOURCE) {
		h = mix(h, p->key.remote.d[0]);
		if (p->family == 4)
			h = mix(h, p->key.remote.w[3]);
	}
	h = mix(h, h >> 32);
	return h >> 16 & knobs.bucket_mask;
}

/*
 * Parts that are there now: rate is per 1000 s and a token has 1000 parts, so
 * parts = rate * seconds. An untouched bucket is full. Another CPU may have
 * filled it at a later jiffy than ours.
 */
static __always_inline __u64 bucket_level(const struct moat_bucket *b,
					  const struct limit *l, __u64 now)
{
	__u64 full = (__u64)l->burst * MOAT_BUCKET_UNIT;
	__u64 passed = now > b->filled ? now - b->filled : 0, level;

	if (full > 0xffffffff)
		full = 0xffffffff;
	if (!b->filled || passed > 0xffffffff)
		return full;
	level = b->tokens + passed * l->rate / (knobs.hz ? knobs.hz : 1);
	return level < full ? level : full;
}

/* Whether a token is there; takes it if spend. Nothing is written when there
 * is none, so no fraction of a refill is lost. */
static __always_inline bool bucket_take(struct pkt *p, const struct limit *l,
					bool spend)
{
	__u32 index = bucket_of(p, l);
	struct moat_bucket *b = bpf_map_lookup_elem(&buckets, &index);
	__u64 level, now = p->now;
	bool there;

	if (!b)
		return true;
	bpf_spin_lock(&b->lock);
	level = bucket_level(b, l, now);
	there = level >= MOAT_BUCKET_UNIT;
	if (spend && there) {
		b->tokens = level - MOAT_BUCKET_UNIT;
		b->filled = now;
	}
	bpf_spin_unlock(&b->lock);
	return there;
}

/*
 * A chain: limits in file order. The first with a token is credited; else
 * rate-limited, credited to the first; the rule to p->j.rule. Without spend and at tc (a flow judged
 * again, a retransmitted opening) the first matches as it is.
 */
VERIFIED_ONCE __u32 limit_chain(__u32 chain, __u32 spend)
{
	struct pkt *p = pkt_current();
	const struct moat_image *h;
	__u32 at, count, n, number, word;
	struct limit l;

	if (!p)
		return MOAT_REASON_SG_NO_MATCH;
	h = image_of(p);
	if (!h)
		return MOAT_REASON_SG_NO_MATCH;
	at = rows_at(p, h->chains + chain);
	count = rows_at(p, at);
	for (n = 0; n < MOAT_CHAIN_MAX; n++) {
		if (n >= count)
			break;
		number = rows_at(p, at + 1 + n);
		word = rows_at(p, h->limits + 4 * number);
		l.slot = word & 0xffff;
		l.per = word >> 16;
		l.rate = rows_at(p, h->limits + 4 * number + 1);
		l.burst = rows_at(p, h->limits + 4 * number + 2);
		if (n == 0)
			p->j.rule = l.slot;
		if ((!spend && p->hook == HOOK_TC) ||
		    bucket_take(p, &l, spend)) {
			p->j.rule = l.slot;
			return MOAT_REASON_NONE;
		}
	}
	return MOAT_REASON_RATE_LIMITED;
}

#endif
