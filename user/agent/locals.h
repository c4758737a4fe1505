/* SPDX-License-Identifier: BSD-2-Clause */
/* This host's addresses: which are judged, as what, and by whose profile. */
#ifndef MOAT_LOCALS_H
#define MOAT_LOCALS_H

#include "agent/netfacts.h"
#include "agent/select.h"
#include "kern/datapath.h"
#include "policy/model.h"

struct local {
	struct net_addr net;
	const char *name;	/* of its interface, owned by the facts */
	bool judged;		/* on a device that is taken, or a VIP on lo */
	bool assigned;		/* in at least one group */
	struct moat_addr alias; /* whose profile it takes over, or zero */
};

/*
 * One entry for each address that is ours; 127/8 and ::1 are left out. policy
 * NULL: nothing is assigned. Owned by the caller. 0 or -ENOMEM.
 */
int locals_compute(const struct netfacts *f, const struct selection *s,
		   const struct policy *p, struct local **ret,
		   size_t *ret_count);
/* Should a push that leaves it without a group be refused? Not link-local
 * and temporary ones, which take over another's profile. */
bool local_needs_group(const struct local *l);

/* Entries of the datapath's map: judged addresses, then the others, with their
 * aliases, then those that other hosts have too, each once. Owned by the
 * caller. */
int locals_own(const struct local *l, size_t n, const struct netfacts *f,
	       struct own_entry **ret, size_t *ret_count);
/* First global address of each family of an interface, for multicast. */
void locals_first(const struct local *l, size_t n, uint32_t ifindex,
		  struct moat_iface *ret);

#endif
