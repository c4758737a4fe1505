/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Immutable sets of small numbers, shared and unique: equal sets have equal
 * ids, and a set that differs from another in one member shares most of its
 * nodes. So a hundred groups that overlap over a hundred thousand CIDRs cost
 * neither memory nor comparisons.
 */
#ifndef MOAT_COMPILE_PSET_H
#define MOAT_COMPILE_PSET_H

#include "compile/grow.h"

typedef __u32 pset; /* a node of the pool; 0: the empty set */

/*
 * A node is a place in an implicit binary tree over the universe (root 1,
 * children 2n and 2n + 1) and its content: 64 members at the leaves, two
 * nodes below it above. A place with members on one side only is left out:
 * a set of one number is one node.
 */
struct pset_node {
	__u64 value;
	__u32 place;
};

struct pset_pool {
	struct pset_node *nodes;
	size_t count, cap;
	struct hindex index;
	unsigned depth; /* levels above the leaves */
	bool failed;	/* out of memory; every result is void */
};

/* Members are 0 to universe - 1. */
int pset_pool_init(struct pset_pool *p, size_t universe);
void pset_pool_free(struct pset_pool *p);

/* On out of memory these set failed and return any set. */
pset pset_add(struct pset_pool *p, pset s, __u32 member);
pset pset_union(struct pset_pool *p, pset a, pset b);

bool pset_has(const struct pset_pool *p, pset s, __u32 member);
#define PSET_END 0xffffffffu
/* The lowest member not below from, or PSET_END. */
__u32 pset_next(const struct pset_pool *p, pset s, __u32 from);

/*
 * Walks the unique nodes of a set, bottom up, with a memory of nodes seen:
 * f maps leaves and joins the results of children. What it computes depends
 * on the node alone, so shared parts are computed once for all sets.
 */
struct pset_fold {
	__u32 *memo; /* by node */
	size_t cap, filled;
	__u32 (*leaf)(void *arg, __u32 first, __u64 bits);
	__u32 (*join)(void *arg, __u32 left, __u32 right);
	void *arg;
	bool failed;
};
__u32 pset_fold(struct pset_fold *f, const struct pset_pool *p, pset s);
void pset_fold_free(struct pset_fold *f);

#endif
