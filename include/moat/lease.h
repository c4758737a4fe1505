/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Leases: a flat cache in front of the tables of record. A flow that is
 * established and that every layer lets pass is leased for some seconds: until
 * then its packets are passed and counted by one cache line, without a look at
 * the flow's record or at the policy. The record stays the truth: a lease is
 * made from it, never outlives it, and what was counted under the lease is
 * added to it at each renewal.
 */
#ifndef MOAT_LEASE_H
#define MOAT_LEASE_H

#include "moat/base.h"

/*
 * One flow. word is generation << 40 | until (jiffies64, exclusive), written
 * by one store, and 0 in the generation means claimed, not leased. Once past
 * until by a second the line may be given to another flow; no program run
 * lasts that long, so nobody counts for a flow that has lost its line.
 *
 * count, by direction: packets << 40 | bytes since the last renewal, so that
 * one atomic add counts both.
 */
struct moat_lease {
	__u64 word;
	struct moat_addr local;
	struct moat_addr remote;
	__u32 ports; /* lport and rport as in the key, rport above */
	__u16 slot;  /* rule credited */
	__u16 kind;  /* MOAT_LEASE_UDP | created, its lower 15 bits */
	__u64 count[2];
};
MOAT_ASSERT_SIZE(struct moat_lease, 64);

#define MOAT_LEASE_UDP 0x8000
#define MOAT_LEASE_UNTIL ((1ull << 40) - 1)
#define MOAT_LEASE_WORD(generation, until) \
	((__u64)(generation) << 40 | ((until)&MOAT_LEASE_UNTIL))
#define MOAT_LEASE_BYTES ((1ull << 40) - 1)
#define MOAT_LEASE_AMOUNT(packets, bytes) ((__u64)(packets) << 40 | (bytes))
/* Either count is half full: time to add it to the record. */
#define MOAT_LEASE_HALF (1ull << 63 | 1ull << 39)

#define MOAT_LEASE_SECONDS 16
#define MOAT_LEASE_AFTER 8 /* packets of a flow before its first lease */

/* A flow's line is one of four that lie side by side. */
#define MOAT_LEASE_WAYS 4
struct moat_leases {
	struct moat_lease way[MOAT_LEASE_WAYS];
};
/* Three lines for every two flows that the table of TCP flows holds: at 92 in
 * 100 flows of a full one finds a free line among its four. */
#define MOAT_LEASE_BUCKETS(flows) ((flows) < 48 ? 16 : (flows) / 8 * 3)

/*
 * Multilinear hash with secret odd factors k[5], folded: where a flow's line
 * is can't be known off this host. The upper half is scaled to the number of
 * buckets, two bits of the lower half choose the way that is tried first.
 */
#define MOAT_LEASE_KEYS 5
#define MOAT_LEASE_SUM(k, local, remote, ports) \
	((local)[0] * (k)[0] + (local)[1] * (k)[1] + (remote)[0] * (k)[2] + \
	 (remote)[1] * (k)[3] + (ports) * (k)[4])
#define MOAT_LEASE_HASH(sum) (((sum) ^ (sum) >> 32) * 0x9e3779b97f4a7c15ull)
#define MOAT_LEASE_BUCKET(hash, buckets) \
	((__u32)(((hash) >> 32) * (buckets) >> 32))
#define MOAT_LEASE_WAY(hash) ((__u32)(hash) >> 30)

#endif
