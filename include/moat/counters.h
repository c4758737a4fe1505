/* SPDX-License-Identifier: BSD-2-Clause */
/* Per-CPU counters. They only grow; user space sums over the CPUs. */
#ifndef MOAT_COUNTERS_H
#define MOAT_COUNTERS_H

#include "moat/base.h"
#include "moat/flow.h"
#include "moat/host.h"
#include "moat/reason.h"

struct moat_count {
	__u64 packets; /* segments of a GSO packet count each */
	__u64 bytes;   /* L3 bytes, each segment with its own headers */
};

/*
 * Per-CPU array, index interface entry * 2 + direction. would_drop[r] counts
 * packets that passed only because of audit; count[r] all others.
 */
struct moat_iface_counters {
	struct moat_count count[MOAT_REASON_MAX];
	struct moat_count would_drop[MOAT_REASON_MAX];
};
MOAT_ASSERT_SIZE(struct moat_iface_counters, 2048);

/* Per-CPU array; rule slot s is at element s / 32, entry s % 32. */
struct moat_rule_count {
	struct moat_count hit;
	__u64 connections;	      /* flows created under this rule */
	__u64 limited;		      /* openings refused by its rate limit */
	struct moat_count would_drop; /* NACL deny in audit; limited in audit */
};
MOAT_ASSERT_SIZE(struct moat_rule_count, 48);
#define MOAT_RULES_PER_ELEMENT 32
struct moat_rule_counters {
	struct moat_rule_count rule[MOAT_RULES_PER_ELEMENT];
};

/* Why a flow could not be created. */
#define MOAT_REFUSALS(X) \
	X(FULL, "full")	  /* -E2BIG: quota reached, packet dropped */ \
	X(BUSY, "busy")	  /* -EBUSY: packet passed without state */ \
	X(NOMEM, "nomem") /* -ENOMEM: as busy */ \
	X(OTHER, "other")

enum moat_refusal {
#define X(symbol, name) MOAT_REFUSAL_##symbol,
	MOAT_REFUSALS(X)
#undef X
		MOAT_REFUSAL_COUNT
};

/* Per-CPU array of one element: what belongs to no interface and no rule. */
struct moat_totals {
	__u64 refused[MOAT_TABLE_COUNT][MOAT_REFUSAL_COUNT];
	__u64 created[MOAT_TABLE_COUNT];
	__u64 denied_suppressed; /* drops not entered in the denied table */
	__u64 xdp_dropped;	 /* dropped by the XDP program */
	__u64 fallback; /* judged by the previous slot: deadline past */
};

/* Non-IP frames by EtherType: hash from __u32 (host order) to moat_count. */
#define MOAT_ETHERTYPES_MAX 256

#endif
