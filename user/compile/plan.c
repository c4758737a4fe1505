// SPDX-License-Identifier: BSD-2-Clause
/* The policy flattened for compiling. */
#include <errno.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "compile/plan.h"

DEFINE_CLEANUP(plan, plan_free)

void plan_free(struct plan *plan)
{
	if (!plan)
		return;
	free(plan->rules);
	free(plan->intervals);
	free(plan->groups);
	free(plan->nacls);
	free(plan->members);
	free(plan->applies);
	free(plan);
}

static struct interval interval_of(const struct service_match *m)
{
	__u32 base;

	if (m->proto < 0)
		return (struct interval){ 0, MOAT_SERVICE_END - 1 };
	base = MOAT_SERVICE(m->proto, 0);
	if (m->has_ports)
		return (struct interval){ base | m->first, base | m->last };
	if ((m->proto != IPPROTO_ICMP && m->proto != IPPROTO_ICMPV6) ||
	    m->type < 0)
		return (struct interval){ base, base | 0xffff };
	base |= (__u32)m->type << 8;
	if (m->code < 0)
		return (struct interval){ base, base | 0xff };
	base |= (__u32)m->code;
	return (struct interval){ base, base };
}

static int by_first(const void *a, const void *b)
{
	const struct interval *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

int service_intervals(const struct service_match *m, size_t n,
		      struct intervals *ret)
{
	size_t start = ret->count, kept = ret->count;

	if (GROW(ret->item, ret->cap, ret->count + n))
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		ret->item[ret->count++] = interval_of(&m[i]);
	if (n > 1)
		qsort(ret->item + start, n, sizeof(*ret->item), by_first);
	for (size_t i = start; i < ret->count; i++) {
		struct interval next = ret->item[i], *last;

		if (kept == start ||
		    next.first > ret->item[kept - 1].last + 1) {
			ret->item[kept++] = next;
			continue;
		}
		last = &ret->item[kept - 1];
		if (next.last > last->last)
			last->last = next.last;
	}
	ret->count = kept;
	return 0;
}

static int add_rule(struct plan *plan, struct plan_rule r,
		    const struct service_match *m, size_t n)
{
	struct intervals out = { plan->intervals, plan->nintervals,
				 plan->intervals_cap };
	int failed;

	if (r.list == LIST_ERROR ||
	    GROW(plan->rules, plan->rules_cap, plan->nrules + 1))
		return -ENOMEM;
	failed = service_intervals(m, n, &out);
	r.first = (__u32)plan->nintervals;
	r.count = (__u32)(out.count - plan->nintervals);
	r.limit = LIMIT_NONE;
	plan->intervals = out.item;
	plan->nintervals = out.count;
	plan->intervals_cap = out.cap;
	plan->rules[plan->nrules++] = r;
	return failed;
}

/* A rule that nobody wrote: every peer, every service. */
static int add_implicit(struct plan *plan, struct plan_rule r)
{
	const struct service_match every = { .proto = -1,
					     .type = -1,
					     .code = -1 };

	r.list = LIST_ANY;
	return add_rule(plan, r, &every, 1);
}

static int add_group(struct plan *plan, struct space *space, size_t g, int dir)
{
	const struct group *group = &plan->policy->groups[g];
	const struct ruleset *set = &group->rules[dir];
	struct plan_range *range = &plan->groups[g][dir];
	struct plan_rule r = { .direction = dir, .owner = group->name };

	range->first = (__u32)plan->nrules;
	for (size_t i = 0; i < set->count; i++) {
		r.rule = &set->rules[i];
		r.name = r.rule->name;
		r.list = space_list_of_peers(space, r.rule->peers,
					     r.rule->npeers);
		if (add_rule(plan, r, r.rule->services, r.rule->nservices))
			return -ENOMEM;
	}
	if (set->absent && dir == MOAT_EGRESS) {
		r.rule = NULL;
		r.name = "default-egress";
		if (add_implicit(plan, r))
			return -ENOMEM;
	}
	range->count = (__u32)plan->nrules - range->first;
	return 0;
}

static int by_rule_number(const void *a, const void *b)
{
	const struct plan_rule *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static int add_nacl(struct plan *plan, struct space *space, size_t n, int dir)
{
	const struct nacl *nacl = &plan->policy->nacls[n];
	const struct ruleset *set = &nacl->rules[dir];
	struct plan_range *range = &plan->nacls[n][dir];
	struct plan_rule r = { .nacl = true,
			       .direction = dir,
			       .owner = nacl->name };

	range->first = (__u32)plan->nrules;
	for (size_t i = 0; i < set->count; i++) {
		r.rule = &set->rules[i];
		r.deny = r.rule->deny;
		r.number = (__u32)r.rule->number;
		r.list = space_list_of_peers(space, r.rule->peers,
					     r.rule->npeers);
		if (add_rule(plan, r, r.rule->services, r.rule->nservices))
			return -ENOMEM;
	}
	r = (struct plan_rule){ .nacl = true,
				.direction = dir,
				.deny = true,
				.owner = nacl->name,
				.number = NUMBER_FINAL };
	if (add_implicit(plan, r))
		return -ENOMEM;
	range->count = (__u32)plan->nrules - range->first;
	qsort(plan->rules + range->first, range->count, sizeof(*plan->rules),
	      by_rule_number);
	return 0;
}

static int add_sets(struct plan *plan, struct space *space)
{
	const struct policy *p = plan->policy;

	for (size_t g = 0; g < p->ngroups; g++) {
		plan->members[g] = space_list_of_set(space, p->groups[g].set);
		if (plan->members[g] == LIST_ERROR)
			return -ENOMEM;
	}
	for (size_t n = 0; n < p->nnacls; n++) {
		plan->applies[n] = space_list_of_set(space, p->nacls[n].set);
		if (plan->applies[n] == LIST_ERROR)
			return -ENOMEM;
	}
	return 0;
}

struct plan *plan_new(const struct policy *p, struct space *space)
{
	CLEANUP(plan) struct plan *plan = calloc(1, sizeof(*plan));

	if (!plan)
		return NULL;
	plan->policy = p;
	plan->groups = calloc(p->ngroups + 1, sizeof(*plan->groups));
	plan->nacls = calloc(p->nnacls + 1, sizeof(*plan->nacls));
	plan->members = calloc(p->ngroups + 1, sizeof(*plan->members));
	plan->applies = calloc(p->nnacls + 1, sizeof(*plan->applies));
	if (!plan->groups || !plan->nacls || !plan->members || !plan->applies ||
	    add_sets(plan, space))
		return NULL;
	for (int dir = 0; dir < 2; dir++) {
		for (size_t g = 0; g < p->ngroups; g++)
			if (add_group(plan, space, g, dir))
				return NULL;
		for (size_t n = 0; n < p->nnacls; n++)
			if (add_nacl(plan, space, n, dir))
				return NULL;
	}
	return TAKE_PTR(plan);
}

char *plan_rule_text(const struct plan_rule *r, char buf[RULE_TEXT])
{
	if (!r->nacl)
		snprintf(buf, RULE_TEXT, "%s/%s", r->owner, r->name);
	else if (r->number == NUMBER_FINAL)
		snprintf(buf, RULE_TEXT, "%s/*", r->owner);
	else
		snprintf(buf, RULE_TEXT, "%s/%u", r->owner, r->number);
	return buf;
}
