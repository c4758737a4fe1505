/* SPDX-License-Identifier: BSD-2-Clause */
/* A growing list of CIDRs without repetitions. */
#ifndef MOAT_CIDRS_H
#define MOAT_CIDRS_H

#include "base/addr.h"

struct cidrs {
	struct cidr *items;
	size_t count, cap;
};

/* Both 0 or -ENOMEM. */
int cidrs_add(struct cidrs *list, const struct cidr *add, size_t count);
/* Keeps the first of equal CIDRs; the order stays. */
int cidrs_unique(struct cidrs *list);
void cidrs_free(struct cidrs *list); /* back to {0} */

#endif
