// SPDX-License-Identifier: BSD-2-Clause
/*
 * Warnings of group rules that others make idle: redundant ones, those of
 * groups beside one that allows all, and limits that another rule voids.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "compile/compile.h"
#include "compile/warnings.h"

/* How a group allows all in a direction, as a rule's name; NULL: it doesn't. */
static const char *opener(const struct facts *f, size_t g, int direction)
{
	const struct list_facts *list = &f->groups[g][direction];

	if (group_opens(&f->policy->groups[g], direction))
		return "default-egress";
	for (size_t i = 0; i < list->count; i++)
		if (rule_allows_all(&list->rules[i]))
			return list->rules[i].rule->name;
	return NULL;
}

/* Rules of group g on the addresses that it shares with group h. */
static void warn_void_by(const struct facts *f, size_t g, int direction,
			 size_t h, struct diags *diags)
{
	const struct group *group = &f->policy->groups[g];
	const struct ruleset *rules = &group->rules[direction];
	struct ranges where = { 0 };
	char text[RANGES_TEXT];

	for (size_t i = f->carried[g]; i < f->carried[g + 1]; i++) {
		const struct carrier *c = &f->carriers[f->carrier_of[i]];

		for (size_t k = 0; k < c->ngroups; k++)
			if (c->groups[k] == h)
				ranges_add_all(&where, &c->where);
	}
	ranges_close(&where);
	diag_warning(diags, rules->pos.line ? rules->pos : group->pos,
		     "group %s: its %zu %s rule%s void on %s: %s/%s allows all",
		     group->name, rules->count,
		     direction == MOAT_EGRESS ? "egress" : "ingress",
		     rules->count == 1 ? " is" : "s are",
		     ranges_print(&where, text), f->policy->groups[h].name,
		     opener(f, h, direction));
	ranges_free(&where);
}

static void warn_void(struct facts *f, int direction, struct diags *diags)
{
	size_t n = f->policy->ngroups;
	_cleanup_free_ bool *opens = calloc(n + 1, sizeof(*opens));
	_cleanup_free_ size_t *seen = calloc(n + 1, sizeof(*seen));

	f->exhausted |= !opens || !seen;
	for (size_t g = 0; opens && g < n; g++)
		opens[g] = opener(f, g, direction);
	for (size_t g = 0; opens && seen && g < n; g++) {
		if (opens[g] || !f->policy->groups[g].rules[direction].count)
			continue;
		for (size_t i = f->carried[g]; i < f->carried[g + 1]; i++) {
			const struct carrier *c = &f->carriers[f->carrier_of[i]];

			for (size_t k = 0; k < c->ngroups; k++) {
				size_t h = c->groups[k];

				if (!opens[h] || seen[h] == g + 1)
					continue;
				seen[h] = g + 1;
				warn_void_by(f, g, direction, h, diags);
			}
		}
	}
}

/* The first rule without a limit that lets in, on the carrier, all that a
 * limited one does; its name into buf, or NULL. */
static char *voided_by(struct facts *f, const struct carrier *c,
		       const struct rule_facts *limited, char *buf)
{
	for (size_t i = 0; i < c->ngroups; i++) {
		size_t g = c->groups[i];
		struct list_facts *list = &f->groups[g][MOAT_INGRESS];

		if (!facts_spend(f, list->count + 1))
			return NULL;
		for (size_t k = 0; k < list->count; k++) {
			struct rule_facts *r = &list->rules[k];

			if (!r->rule->limit.present &&
			    rule_within(f, limited, r))
				return rule_print(f->policy->groups[g].name,
						  r->rule, buf);
		}
	}
	return NULL;
}

static void warn_limit(struct facts *f, size_t g, const struct rule_facts *r,
		       struct diags *diags)
{
	const struct group *group = &f->policy->groups[g];
	char name[FACTS_TEXT], by[FACTS_TEXT] = "", other[FACTS_TEXT] = "";
	char on[RANGES_TEXT + 8] = "";
	struct ranges where = { 0 };

	for (size_t i = f->carried[g]; i < f->carried[g + 1]; i++) {
		const struct carrier *c = &f->carriers[f->carrier_of[i]];

		if (!voided_by(f, c, r, where.count ? other : by))
			continue;
		ranges_add_all(&where, &c->where);
	}
	ranges_close(&where);
	if (where.count && !ranges_subset(&f->sets[group->set], &where)) {
		strcpy(on, " on ");
		ranges_print(&where, on + strlen(on));
	}
	if (where.count)
		diag_warning(diags, r->rule->pos,
			     "rule %s: its limit never applies%s: %s lets the "
			     "same in without one",
			     rule_print(group->name, r->rule, name), on, by);
	ranges_free(&where);
}

void compile_warn(const struct policy *p, struct diags *diags)
{
	struct facts f;

	if (facts_init(&f, p)) {
		diag_error(diags, (struct pos){ .file = -1 },
			   "no memory to look for warnings");
		facts_free(&f);
		return;
	}
	for (size_t g = 0; g < p->ngroups; g++) {
		struct list_facts *in = &f.groups[g][MOAT_INGRESS];

		for (int d = 0; d < 2; d++)
			warn_redundant(&f, p->groups[g].name, &f.groups[g][d],
				       diags);
		for (size_t i = 0; i < in->count; i++)
			if (in->rules[i].rule->limit.present)
				warn_limit(&f, g, &in->rules[i], diags);
	}
	warn_void(&f, MOAT_INGRESS, diags);
	warn_void(&f, MOAT_EGRESS, diags);
	warn_unmatched(&f, diags);
	facts_finish(&f, diags);
	facts_free(&f);
}
