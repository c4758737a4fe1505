/* SPDX-License-Identifier: BSD-2-Clause */
/* Policies of 10,000 rules over 100,000 CIDRs, of several shapes. */
#ifndef MOAT_BENCH_CLASSIFY_MIX_H
#define MOAT_BENCH_CLASSIFY_MIX_H

#include "bench/classify_tuple.h"
#include "support/random.h"

struct classify_mix {
	const char *name;
	struct cidr (*cidr)(struct rng *r, size_t list);
	/* 0: each rule has CIDRs of its own. Else groups or lists of CIDRs,
	 * which rules name as their peers. */
	unsigned lists;
	bool groups;
	bool quick; /* also with MOAT_BENCH_QUICK */
};

extern const struct classify_mix classify_mixes[];
extern const size_t classify_nmixes;
/* Ends the program if there is none. */
const struct classify_mix *classify_mix_named(const char *name);

/* A policy of a mix, the CIDRs that its rules speak of, and packets from
 * random addresses of random ones of them. */
struct classify_set {
	struct policy *policy;
	struct cidr *cidrs;
	size_t ncidrs;
	struct service_match *services; /* of the rule that names cidrs[i] */
};
void classify_set_make(const struct classify_mix *m, size_t rules, size_t cidrs,
		       struct classify_set *ret);
/* policy may be NULL: taken out. */
void classify_set_free(struct classify_set *s);
/* n packets; families of the CIDRs. */
void classify_tuples_make(const struct classify_set *s,
			  struct classify_tuple *to, size_t n);

#endif
