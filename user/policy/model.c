// SPDX-License-Identifier: BSD-2-Clause
/* The model's destructor and what follows from inheritance. */
#include "policy/model.h"

#include <stdlib.h>

static void free_rules(struct ruleset *set)
{
	for (size_t i = 0; i < set->count; i++) {
		struct rule *rule = &set->rules[i];

		free(rule->name);
		free(rule->peers);
		free(rule->services);
		free(rule->description);
	}
	free(set->rules);
}

static void free_groups(struct policy *p)
{
	for (size_t i = 0; i < p->ngroups; i++) {
		struct group *g = &p->groups[i];

		free(g->name);
		free(g->description);
		free(g->owner);
		free_rules(&g->rules[MOAT_INGRESS]);
		free_rules(&g->rules[MOAT_EGRESS]);
	}
	free(p->groups);
}

static void free_nacls(struct policy *p)
{
	for (size_t i = 0; i < p->nnacls; i++) {
		struct nacl *n = &p->nacls[i];

		free(n->name);
		free(n->description);
		free(n->owner);
		free_rules(&n->rules[MOAT_INGRESS]);
		free_rules(&n->rules[MOAT_EGRESS]);
	}
	free(p->nacls);
}

void policy_free(struct policy *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->nsets; i++) {
		free(p->sets[i].name);
		free(p->sets[i].cidrs);
		free(p->sets[i].items);
	}
	free(p->sets);
	free_groups(p);
	free_nacls(p);
	for (size_t i = 0; i < p->ntests; i++)
		free(p->tests[i].description);
	free(p->tests);
	for (size_t i = 0; i < p->nnevers; i++) {
		free(p->nevers[i].from);
		free(p->nevers[i].to);
		free(p->nevers[i].services);
		free(p->nevers[i].description);
	}
	free(p->nevers);
	free(p->name);
	free(p->revision);
	free(p);
}

enum policy_mode group_mode(const struct policy *p, const struct group *g)
{
	return g->mode == MODE_INHERIT ? p->mode : g->mode;
}

enum policy_mode nacl_mode(const struct policy *p, const struct nacl *n)
{
	return n->mode == MODE_INHERIT ? p->mode : n->mode;
}

enum on_tighten group_on_tighten(const struct policy *p, const struct group *g)
{
	return g->on_tighten == TIGHTEN_INHERIT ? p->on_tighten : g->on_tighten;
}
