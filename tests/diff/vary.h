/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changes to a policy that must not change a verdict (attacks.md section 4,
 * the metamorphic set). Each makes a new policy; the old one is untouched.
 */
#ifndef MOAT_TEST_VARY_H
#define MOAT_TEST_VARY_H

#include "support/random.h"

enum variation {
	VARY_ORDER,    /* CIDRs, peers, services, NACL rules: no meaning */
	VARY_CREDIT,   /* groups and their rules: only the credit may differ */
	VARY_CIDRS,    /* every CIDR in halves */
	VARY_PORTS,    /* every port range cut somewhere */
	VARY_SHADOWED, /* rules that others make void */
	VARY_PRINTED,  /* printed in canonical form and read back */
	VARY_COUNT
};
extern const char *const variation_names[VARY_COUNT];

struct policy *vary(struct rng *r, const struct policy *p, enum variation how);

/*
 * The smallest policy, cut out of p, for which fails() still holds. Takes p,
 * returns another one.
 */
struct policy *shrink(struct policy *p,
		      bool (*fails)(const struct policy *p, void *arg),
		      void *arg);

#endif
