/* SPDX-License-Identifier: BSD-2-Clause */
/* A compilation and all it is made of, between compile.c and update.c. */
#ifndef MOAT_COMPILER_H
#define MOAT_COMPILER_H

#include "compile/update.h"
#include "compile/layout.h"

/* What does not fit, to be said once no way is left. */
struct misfit {
	const char *what; /* NULL: out of memory */
	bool at_least;	  /* stopped counting */
	size_t need, limit;
	const char *hint;
};

struct compiler {
	const struct compile_input *in;
	const struct policy *policy;
	struct space *space;
	struct plan *plan;
	struct profiles profiles;
	struct rows rows;
	struct plan_rule **rules; /* reachable, by identity */
	size_t nrules;
	struct plan_rule **limits;
	size_t nlimits;
	__u32 *slot_flags;
	size_t nslots;
	__u16 *rowmap;
	struct misfit misfit;
	char hint[RULE_TEXT + 64];
};

struct live {
	struct compiler c;
	struct image *image;
	bool all; /* profiles of every member, not the host's own only */
};

/* The inputs of the last two parts. */
struct layout compiler_layout(struct compiler *c);
void compiler_count(const struct live *l, struct compile_stats *ret);

#endif
