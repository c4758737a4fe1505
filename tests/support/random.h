/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random policies, configurations and packets that meet at boundaries: edges
 * of CIDRs and port ranges, special addresses, all flag sets and ICMP types.
 * The same seed gives the same sequence on every machine and from every
 * compiler: no expression draws twice where C leaves the order open.
 */
#ifndef MOAT_TEST_RANDOM_H
#define MOAT_TEST_RANDOM_H

#include "support/build.h"

struct rng {
	uint64_t state;
};
uint64_t rng_next(struct rng *r);
/* 0 .. n - 1; n > 0. */
unsigned rng_below(struct rng *r, unsigned n);
bool rng_percent(struct rng *r, unsigned percent);
/* A choice from a constant array. */
#define RNG_PICK(r, array) \
	((array)[rng_below((r), sizeof(array) / sizeof((array)[0]))])

struct cidr random_cidr(struct rng *r, int family);
/* Valid by every rule of the reader, printable, at most one NACL an address. */
struct policy *random_policy(struct rng *r);
/*
 * Adds many prefixes in one /16 and around one /64, and many ports: what makes
 * tables long enough for their long searches.
 */
void random_crowd(struct rng *r, struct policy *p);
struct config *random_config(struct rng *r);

/* What a policy and a configuration draw lines through. */
struct palette {
	struct cidr *members; /* of groups and of NACLs' applies_to */
	size_t nmembers;
	struct cidr *cidrs; /* all of them */
	size_t ncidrs;
	struct service_match *services;
	size_t nservices;
	struct moat_addr *locals; /* non-empty: the only ones used */
	size_t nlocals;
};
void palette_make(const struct policy *p, const struct config *c,
		  struct palette *ret);
void palette_free(struct palette *palette);

/* An address at, or near, an edge of the CIDR. */
struct moat_addr random_near(struct rng *r, const struct cidr *cidr);
struct moat_addr random_local(struct rng *r, const struct palette *palette,
			      int family);
struct probe random_probe(struct rng *r, const struct palette *palette);

#endif
