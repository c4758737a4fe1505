/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The policy flattened for compiling: every rule of both layers with its
 * address list and its services as sorted intervals. The implicit rules are
 * rules here too: GROUP/default-egress and the final
 * deny of a NACL.
 */
#ifndef MOAT_COMPILE_PLAN_H
#define MOAT_COMPILE_PLAN_H

#include "compile/space.h"
#include "moat/image.h"
#include "policy/model.h"

/* first..last, both in the interval; MOAT_SERVICE numbers. */
struct interval {
	__u32 first, last;
};

#define LIMIT_NONE 0xffffffffu

struct plan_rule {
	bool nacl;
	bool deny;
	int direction;
	const char *owner;	 /* borrowed from the policy */
	const char *name;	 /* borrowed; NULL: NACL, see number */
	__u32 number;		 /* NACL; NUMBER_FINAL: the final deny */
	const struct rule *rule; /* NULL: implicit */
	__u32 list;
	__u32 first, count; /* of plan.intervals; disjoint, ascending */
	__u32 slot;	    /* set by plan_slots() */
	__u32 limit;	    /* number of its limit, or LIMIT_NONE */
};
#define NUMBER_FINAL 32767u

/* Rules first..first+count-1 of the plan. */
struct plan_range {
	__u32 first, count;
};

struct plan {
	const struct policy *policy;
	struct plan_rule *rules;
	size_t nrules, rules_cap;
	struct interval *intervals;
	size_t nintervals, intervals_cap;
	struct plan_range (*groups)[2]; /* by group, direction; file order */
	struct plan_range (*nacls)[2];	/* by NACL, direction; by number */
	__u32 *members;			/* by group: list of its members */
	__u32 *applies;			/* by NACL */
};

/* Registers every list with space, which is not built yet. NULL: -ENOMEM. */
struct plan *plan_new(const struct policy *p, struct space *space);
void plan_free(struct plan *plan);

/*
 * The intervals of services, sorted and joined, appended to *ret. Also used
 * for never. 0 or -ENOMEM.
 */
struct intervals {
	struct interval *item;
	size_t count, cap;
};
int service_intervals(const struct service_match *m, size_t n,
		      struct intervals *ret);

/* "trainers/ssh", "front/110" into buf; the final deny is "*". */
#define RULE_TEXT 160
char *plan_rule_text(const struct plan_rule *r, char buf[RULE_TEXT]);

#endif
