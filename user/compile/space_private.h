/* SPDX-License-Identifier: BSD-2-Clause */
/* Between space.c (lists) and sweep.c (the cut). */
#ifndef MOAT_COMPILE_SPACE_PRIVATE_H
#define MOAT_COMPILE_SPACE_PRIVATE_H

#include "compile/space.h"

/*
 * A base is a named set, or the CIDRs that stand in one list itself. Lists
 * are unions of bases, so a set that a thousand lists name is swept once.
 */
struct space_base {
	const struct cidr *cidrs; /* borrowed */
	size_t ncidrs;
	bool any;
};

struct space_list {
	__u32 *sets; /* sorted, unique; owned */
	size_t nsets;
	struct cidr *cidrs; /* sorted, unique; owned */
	size_t ncidrs;
	__u32 *bases; /* owned */
	size_t nbases;
};

#endif
