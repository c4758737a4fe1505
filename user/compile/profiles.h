/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Profiles (design section 2): the groups and the NACL that an endpoint
 * address is subject to, as a function of its class (F36).
 */
#ifndef MOAT_COMPILE_PROFILES_H
#define MOAT_COMPILE_PROFILES_H

#include "compile/plan.h"

#define NACL_NONE 0xffffffffu

struct profile {
	__u32 *groups; /* ascending: file order; owned */
	size_t ngroups;
	__u32 nacl;	  /* or NACL_NONE */
	__u32 other_nacl; /* a second one, which is an error, or NONE */
	__u32 class;	  /* the first that has it */
};

#define PROFILE_NONE 0xffffffffu /* in no group and under no NACL */

struct profiles {
	struct profile *item;
	size_t count, cap;
	__u32 *of; /* by class; PROFILE_NONE */
};

/* The profiles of every class, numbered by class. 0 or -ENOMEM. */
int profiles_find(const struct space *s, const struct plan *plan,
		  struct profiles *ret);
/* Drops those that no wanted class has; wanted is by class. 0 or -ENOMEM. */
int profiles_keep(struct profiles *p, size_t nclasses, const bool *wanted);
/*
 * Finds the profiles of classes that were appended from that number on. 0;
 * -ENOTSUP: one is new, or an address would be under two NACLs; all false:
 * a profile that was not kept is none.
 */
int profiles_more(struct profiles *p, const struct space *s,
		  const struct plan *plan, size_t from, bool all);
void profiles_done(struct profiles *p);

/* MOAT_PROFILE_* of one. ceiling: everything is in audit. */
unsigned profile_flags(const struct policy *p, const struct profile *f,
		       bool ceiling);

#endif
