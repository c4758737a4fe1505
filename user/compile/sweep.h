/* SPDX-License-Identifier: BSD-2-Clause */
/* The sweep's state, between sweep.c (everywhere) and recut.c (one place). */
#ifndef MOAT_COMPILE_SWEEP_H
#define MOAT_COMPILE_SWEEP_H

#include "compile/space_private.h"

/* A CIDR in bits of its own family, aligned to 128. */
struct range {
	__u64 hi, lo;
	__u32 base;
	__u32 length;
};

/* An open CIDR: its last address, and the lists that hold it. */
struct frame {
	__u64 hi, lo; /* of the last address */
	__u64 from_hi, from_lo;
	pset set;
};
#define FRAMES_MAX 130 /* one for each length, and the whole space */

struct sweep {
	struct space *space;
	int family;
	struct range *ranges, *spare;
	size_t nranges;
	bool failed;
	/* (set, base) to the set with base's lists: what was answered before. */
	struct step {
		__u64 key;
		pset to;
	} * steps;
	size_t nsteps, steps_cap;
	struct hindex step_index;
	struct frame stack[FRAMES_MAX];
	int depth;
	struct segment *out; /* class holds the set until classes_of() */
	size_t nout, out_cap;
};

void sweep_freep(struct sweep *w);
void sweep_range_of(const struct cidr *c, __u32 base, struct range *ret);
void sweep_last_of(const struct range *r, int family, struct frame *ret);
void sweep_sort(struct sweep *w);
/* From the ranges to w->out, whose classes are still sets. */
void sweep_walk(struct sweep *w);
/* The class of a set of lists; HINDEX_NONE: out of memory. */
__u32 sweep_class_of(struct sweep *w, pset lists, const struct segment *seg);

#endif
