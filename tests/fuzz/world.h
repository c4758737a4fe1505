/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host and the policy under which packets are fuzzed, for all who judge:
 * addresses in a group, in one that only watches, in none, behind a network
 * ACL, an alias, a broadcast address, and the failsafe.
 */
#ifndef MOAT_FUZZ_WORLD_H
#define MOAT_FUZZ_WORLD_H

#include "diff/engines.h"
#include "kern/datapath.h"

/* Flows get their lease (moat/lease.h) early: conversations are short. */
#define WORLD_LEASE_AFTER 1

struct world {
	struct config *config;
	struct policy *policy;
	struct engines engines;
	struct own_entry own[8];
	size_t nown;
	struct moat_iface iface;
	struct moat_failsafe failsafe;
};
void world_open(struct world *ret);
/* NULL: not ours. */
const struct moat_own *world_own(const struct world *w,
				 const struct moat_addr *a);

#endif
