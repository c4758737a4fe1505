/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changes of a group's members in a model, without reading it anew: what
 * `moat member` lays over the policy in force. A NACL that applies to the
 * group follows it.
 */
#ifndef MOAT_MEMBERS_H
#define MOAT_MEMBERS_H

#include "policy/model.h"

struct member_change {
	bool remove;
	char *group; /* owned by the list it is in */
	struct cidr cidr;
};

/* In the order in which they apply. */
struct member_list {
	struct member_change *item;
	size_t count, cap;
};
void member_list_free(struct member_list *l); /* back to {0} */
int member_list_copy(const struct member_list *from, struct member_list *ret);
/* Appends a copy; earlier changes of the same group that lie within it have no
 * effect any more and go. 0 or -ENOMEM. */
int member_list_add(struct member_list *l, const struct member_change *c);
bool member_list_equal(const struct member_list *a,
		       const struct member_list *b);

/* Sets as they were before members_apply(). */
struct members_undo {
	struct {
		size_t set;
		struct cidr *cidrs;
		size_t ncidrs;
	} * old;
	size_t count;
};
/*
 * Applies one change. 1: done; 0: the addresses are (or are not) members
 * already; -ENOENT: no such group; -E2BIG: more than MOAT_MAX_CIDRS;
 * -ENOMEM. Only 1 leaves anything changed; changes pile up in *undo until all
 * are kept or taken back.
 */
int members_apply(struct policy *p, const struct member_change *c,
		  struct members_undo *undo);
void members_keep(struct members_undo *undo);
void members_take_back(struct policy *p, struct members_undo *undo);

/* NULL: no such group. */
struct group *policy_group(const struct policy *p, const char *name);

#endif
