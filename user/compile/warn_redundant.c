// SPDX-License-Identifier: BSD-2-Clause
/*
 * Group rules that another of their group makes redundant. A rule can only be
 * within rules that hold its first address: those are found by one sweep over
 * the CIDRs of all rules, beside the rules that name sets, which are compared
 * by the sets alone.
 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "compile/warnings.h"

enum event_kind { CLOSE, OPEN, ASK };

struct event {
	addr_num at;
	enum event_kind kind;
	size_t rule;
};

struct search {
	struct facts *f;
	struct list_facts *list;
	struct event *events;
	size_t count;
	size_t *open; /* rules with a CIDR that holds the address */
	size_t nopen;
	size_t *place; /* in open, by rule */
	size_t *broad; /* rules that name sets or any */
	size_t nbroad;
	size_t *by; /* the first rule that does all; count: none */
};

bool rule_within(struct facts *f, const struct rule_facts *inner,
		 struct rule_facts *outer)
{
	const struct span *last = &inner->spans[inner->nspans - 1];

	if (inner->spans[0].first < outer->spans[0].first ||
	    last->last > outer->spans[outer->nspans - 1].last)
		return false;
	if (!spans_within(inner, outer))
		return false;
	return facts_spend(f, inner->rule->npeers) &&
	       facts_peers_within(f, inner, outer);
}

/* Of two rules that allow the same, the later one is the redundant one. */
static void compare(struct search *s, size_t i, size_t k)
{
	struct rule_facts *r = &s->list->rules[i];
	struct rule_facts *o = &s->list->rules[k];

	if (k == i || k >= s->by[i] || o->rule->limit.present ||
	    !rule_within(s->f, r, o) || (k > i && rule_within(s->f, o, r)))
		return;
	s->by[i] = k;
}

static int by_place(const void *a, const void *b)
{
	const struct event *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return (int)x->kind - (int)y->kind;
}

static void add(struct search *s, addr_num at, enum event_kind kind,
		size_t rule)
{
	s->events[s->count++] = (struct event){ at, kind, rule };
}

/* The first address of a rule's peers. False: it has none. */
static bool first_address(const struct facts *f, const struct rule_facts *r,
			  addr_num *ret)
{
	*ret = 0;
	if (r->any)
		return true;
	if (r->cidrs.count) {
		*ret = r->cidrs.items[0].first;
		return true;
	}
	for (size_t i = 0; i < r->rule->npeers; i++) {
		const struct ranges *set = &f->sets[r->rule->peers[i].set];

		if (!set->count)
			continue;
		*ret = set->items[0].first;
		return true;
	}
	return false;
}

static bool names_sets(const struct rule_facts *r)
{
	for (size_t i = 0; i < r->rule->npeers; i++)
		if (r->rule->peers[i].kind != PEER_CIDR)
			return true;
	return false;
}

static bool prepare(struct search *s)
{
	size_t n = s->list->count, events = n;

	for (size_t i = 0; i < n; i++)
		events += 2 * s->list->rules[i].cidrs.count;
	s->events = calloc(events + 1, sizeof(*s->events));
	s->open = calloc(n + 1, sizeof(*s->open));
	s->place = calloc(n + 1, sizeof(*s->place));
	s->broad = calloc(n + 1, sizeof(*s->broad));
	s->by = calloc(n + 1, sizeof(*s->by));
	if (!s->events || !s->open || !s->place || !s->broad || !s->by)
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct rule_facts *r = &s->list->rules[i];
		addr_num at;

		s->by[i] = n;
		if (!r->rule->limit.present && first_address(s->f, r, &at))
			add(s, at, ASK, i);
		if (names_sets(r)) {
			s->broad[s->nbroad++] = i;
			continue;
		}
		for (size_t k = 0; k < r->cidrs.count; k++) {
			add(s, r->cidrs.items[k].first, OPEN, i);
			if (r->cidrs.items[k].last != RANGES_MAX)
				add(s, r->cidrs.items[k].last + 1, CLOSE, i);
		}
	}
	qsort(s->events, s->count, sizeof(*s->events), by_place);
	return true;
}

static void sweep(struct search *s)
{
	for (size_t e = 0; e < s->count && !s->f->exhausted; e++) {
		size_t rule = s->events[e].rule;

		switch (s->events[e].kind) {
		case OPEN:
			s->place[rule] = s->nopen;
			s->open[s->nopen++] = rule;
			break;
		case CLOSE:
			s->open[s->place[rule]] = s->open[--s->nopen];
			s->place[s->open[s->nopen]] = s->place[rule];
			break;
		case ASK:
			for (size_t i = 0; i < s->nopen; i++)
				compare(s, rule, s->open[i]);
			for (size_t i = 0; i < s->nbroad; i++)
				compare(s, rule, s->broad[i]);
			break;
		}
	}
}

void warn_redundant(struct facts *f, const char *group, struct list_facts *list,
		    struct diags *diags)
{
	struct search s = { .f = f, .list = list };
	char name[FACTS_TEXT], other[FACTS_TEXT];

	if (prepare(&s))
		sweep(&s);
	else
		f->exhausted = true;
	for (size_t i = 0; s.by && i < list->count; i++) {
		if (s.by[i] >= list->count)
			continue;
		diag_warning(diags, list->rules[i].rule->pos,
			     "rule %s is redundant: %s allows all it does",
			     rule_print(group, list->rules[i].rule, name),
			     rule_print(group, list->rules[s.by[i]].rule,
					other));
	}
	free(s.events);
	free(s.open);
	free(s.place);
	free(s.broad);
	free(s.by);
}
