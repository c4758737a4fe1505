/* SPDX-License-Identifier: BSD-2-Clause */
/* What cost.bpf.c and its user space share. */
#ifndef MOAT_BENCH_COST_TUPLE_H
#define MOAT_BENCH_COST_TUPLE_H

#include <linux/types.h>

#include "moat/base.h"

/* Sequence of tuples that the runs go through, again and again. */
#define COST_TUPLES (1u << 20)

/* What differs between the flows: the host has one address a family. Whole
 * words, which is how a mapped array is laid out. */
struct cost_tuple4 {
	__be32 remote;
	__be16 rport;
	__be16 lport;
};
struct cost_tuple6 {
	__be32 remote[4];
	__be16 rport;
	__be16 lport;
	__u32 pad;
};
MOAT_ASSERT_SIZE(struct cost_tuple4, 8);
MOAT_ASSERT_SIZE(struct cost_tuple6, 24);

/* Load-time constants. */
struct cost_shape {
	__u32 family; /* 4 or 6 */
	__u32 dir;    /* MOAT_INGRESS, MOAT_EGRESS */
};

#endif
