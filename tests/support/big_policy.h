/* SPDX-License-Identifier: BSD-2-Clause */
/* Policies of the largest size: random addresses, every rule its own CIDRs. */
#ifndef MOAT_TEST_BIG_POLICY_H
#define MOAT_TEST_BIG_POLICY_H

#include "support/random.h"

struct big_policy {
	size_t groups, rules, cidrs;
	unsigned percent6; /* of the CIDRs */
};

/* A unicast CIDR outside 10/8 and fd00::/8. */
struct cidr big_cidr(struct rng *r, unsigned percent6);
/* Every group holds 10.20.0.0/16 and fd00:20::/64; half of the rules are
 * ingress. Free with policy_free(). */
struct policy *big_policy(struct rng *r, const struct big_policy *want);

#endif
