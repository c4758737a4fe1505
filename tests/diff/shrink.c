// SPDX-License-Identifier: BSD-2-Clause
/* Cutting a failing policy down to what makes it fail: see vary.h. */
#include <stdlib.h>
#include <string.h>

#include "vary.h"

/* Removes item i of an array; what it owned leaks, in a test that failed. */
static void cut(void *array, size_t *count, size_t i, size_t size)
{
	char *a = array;

	memmove(a + i * size, a + (i + 1) * size, (*count - i - 1) * size);
	(*count)--;
}

/*
 * One removable thing of a policy by number, in a fixed order; false when
 * there are no more. A rule keeps at least one peer and one service: without
 * them it would be another policy, not a smaller one.
 */
static bool cut_rule(struct rule *rule, size_t *n)
{
	if (rule->npeers > 1) {
		if (*n < rule->npeers) {
			cut(rule->peers, &rule->npeers, *n,
			    sizeof(*rule->peers));
			return true;
		}
		*n -= rule->npeers;
	}
	if (rule->nservices > 1) {
		if (*n < rule->nservices) {
			cut(rule->services, &rule->nservices, *n,
			    sizeof(*rule->services));
			return true;
		}
		*n -= rule->nservices;
	}
	return false;
}

static bool cut_rules(struct ruleset *set, size_t *n)
{
	if (*n < set->count) {
		cut(set->rules, &set->count, *n, sizeof(*set->rules));
		return true;
	}
	*n -= set->count;
	for (size_t i = 0; i < set->count; i++)
		if (cut_rule(&set->rules[i], n))
			return true;
	return false;
}

static bool cut_nth(struct policy *p, size_t n)
{
	if (n < p->nnacls) {
		cut(p->nacls, &p->nnacls, n, sizeof(*p->nacls));
		return true;
	}
	n -= p->nnacls;
	if (n < p->ngroups) {
		cut(p->groups, &p->ngroups, n, sizeof(*p->groups));
		return true;
	}
	n -= p->ngroups;
	for (int d = 0; d < 2; d++) {
		for (size_t i = 0; i < p->nnacls; i++)
			if (cut_rules(&p->nacls[i].rules[d], &n))
				return true;
		for (size_t i = 0; i < p->ngroups; i++)
			if (cut_rules(&p->groups[i].rules[d], &n))
				return true;
	}
	for (size_t i = 0; i < p->nsets; i++) {
		if (n < p->sets[i].ncidrs) {
			cut(p->sets[i].cidrs, &p->sets[i].ncidrs, n,
			    sizeof(struct cidr));
			return true;
		}
		n -= p->sets[i].ncidrs;
	}
	return false;
}

struct policy *shrink(struct policy *p,
		      bool (*fails)(const struct policy *p, void *arg),
		      void *arg)
{
	size_t n = 0;

	for (;;) {
		struct policy *smaller = build_copy(p);

		if (!cut_nth(smaller, n)) {
			policy_free(smaller);
			return p;
		}
		if (fails(smaller, arg)) {
			policy_free(p);
			p = smaller;
			n = 0;
		} else {
			policy_free(smaller);
			n++;
		}
	}
}
