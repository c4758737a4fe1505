/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The address space cut into classes (design section 2, F13): two addresses
 * are of one class when every address list in use holds both or neither, and
 * they are of one family. A list is what a rule's peers, a group's members or
 * a NACL's applies_to name; equal lists are one. CIDRs of one list don't
 * separate.
 *
 * CIDRs are nested or disjoint, so one sweep over them in order keeps a stack
 * of the open ones, each with the set of lists that hold it: near linear, no
 * matter how many lists overlap.
 */
#ifndef MOAT_COMPILE_SPACE_H
#define MOAT_COMPILE_SPACE_H

#include "compile/pset.h"
#include "policy/model.h"

#define LIST_ANY 0xfffffffeu /* every address: no list */
#define LIST_ERROR 0xffffffffu

#define FAMILY4 0 /* indices of the two halves of the space */
#define FAMILY6 1

/* From an address of a family to the next point; IPv4: hi is 0. */
struct segment {
	__u64 hi, lo;
	__u32 class;
};

struct addr_class {
	pset lists;		/* of space.lists */
	int family;		/* FAMILY4 or FAMILY6 */
	bool single;		/* one address */
	struct moat_addr first; /* the lowest address of the class */
};

struct space_list;
struct space_base;

struct space {
	const struct policy *policy;
	struct space_list *list;
	size_t nlists, lists_cap;
	struct space_base *bases;
	size_t nbases, bases_cap;
	__u32 *base_of;	     /* by set of the policy, HINDEX_NONE */
	struct hindex index; /* of lists */
	size_t ncidrs;	     /* of all bases */

	/* after space_build() */
	pset *lists_of_base;
	struct hindex class_index;
	struct pset_pool lists;
	struct addr_class *classes;
	size_t nclasses, classes_cap;
	struct segment *segments[2]; /* by family, ascending from 0 */
	size_t nsegments[2];
};

/* Class of the addresses in no list. */
#define CLASS_NOTHING4 0
#define CLASS_NOTHING6 1

/* NULL: out of memory. Free with space_free(). */
struct space *space_new(const struct policy *p);
void space_free(struct space *s);

/* The list's number, the same for equal lists; LIST_ANY, LIST_ERROR. */
__u32 space_list_of_set(struct space *s, size_t set);
__u32 space_list_of_peers(struct space *s, const struct peer *peers, size_t n);

/* Cuts. 0 or -ENOMEM. Classes are numbered in address order, IPv4 first,
 * after the two of nothing. */
int space_build(struct space *s);

/*
 * Cuts again after the sets of the policy have changed within where: splices
 * its segments; classes that no address had before are appended. 0 or -ENOMEM
 * (the space is of no more use).
 */
int space_recut(struct space *s, const struct cidr *where);
/* Lowest and highest address in a family's own bits. */
void space_bounds(const struct cidr *where, struct segment *ret_first,
		  struct segment *ret_last);

static inline bool space_holds(const struct space *s, __u32 list, __u32 class)
{
	return list == LIST_ANY ||
	       pset_has(&s->lists, s->classes[class].lists, list);
}

__u32 space_class_of(const struct space *s, const struct moat_addr *a);
/* The first address of a segment of this family. */
struct moat_addr segment_address(const struct segment *seg, int family);

#endif
