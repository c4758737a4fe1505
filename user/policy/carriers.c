// SPDX-License-Identifier: BSD-2-Clause
/*
 * The carriers: one sweep over the bounds of all members and applies_to,
 * with the sets that are open at each point. Points with the same open sets
 * are found by a hash that each set flips in and out, so the cost is that of
 * sorting, plus the groups of each distinct carrier.
 */
#include <errno.h>
#include <stdlib.h>

#include "policy/facts.h"

#define CARRIERS_MAX 65536

struct event {
	addr_num at;
	bool open; /* else the set ends before this address */
	bool nacl;
	size_t index; /* of the group or NACL */
};

struct sweep {
	struct facts *f;
	struct event *events;
	size_t count;
	size_t *open; /* groups, ascending */
	size_t nopen;
	int nacl;
	uint64_t key;
	struct {
		uint64_t key;
		size_t carrier;
	} * table;
	size_t size; /* a power of two */
};

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static void add_events(struct sweep *s, const struct ranges *r, bool nacl,
		       size_t index)
{
	for (size_t i = 0; i < r->count; i++) {
		struct event e = { .at = r->items[i].first,
				   .open = true,
				   .nacl = nacl,
				   .index = index };

		s->events[s->count++] = e;
		if (r->items[i].last == RANGES_MAX)
			continue;
		e.at = r->items[i].last + 1;
		e.open = false;
		s->events[s->count++] = e;
	}
}

static int by_place(const void *a, const void *b)
{
	const struct event *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->open - y->open;
}

static void apply(struct sweep *s, const struct event *e)
{
	size_t i = 0;

	s->key ^= mix(e->index << 1 | e->nacl);
	if (e->nacl) {
		s->nacl = e->open ? (int)e->index : -1;
		return;
	}
	while (i < s->nopen && s->open[i] < e->index)
		i++;
	if (e->open) {
		for (size_t k = s->nopen++; k > i; k--)
			s->open[k] = s->open[k - 1];
		s->open[i] = e->index;
		return;
	}
	for (s->nopen--; i < s->nopen; i++)
		s->open[i] = s->open[i + 1];
}

static struct carrier *new_carrier(struct sweep *s)
{
	struct facts *f = s->f;
	struct carrier *c;

	if (f->ncarriers == CARRIERS_MAX || !facts_spend(f, s->nopen)) {
		f->exhausted = true;
		return NULL;
	}
	if ((f->ncarriers & (f->ncarriers - 1)) == 0) {
		size_t cap = f->ncarriers ? 2 * f->ncarriers : 1;

		c = realloc(f->carriers, cap * sizeof(*c));
		if (!c)
			return NULL;
		f->carriers = c;
	}
	c = &f->carriers[f->ncarriers];
	*c = (struct carrier){ .ngroups = s->nopen, .nacl = s->nacl };
	c->groups = malloc(s->nopen * sizeof(*c->groups));
	if (!c->groups)
		return NULL;
	for (size_t i = 0; i < s->nopen; i++)
		c->groups[i] = s->open[i];
	f->ncarriers++;
	return c;
}

/* The carrier of the sets open now. NULL: too many, or no memory. */
static struct carrier *current(struct sweep *s)
{
	size_t i = s->key & (s->size - 1);
	struct carrier *c;

	for (; s->table[i].carrier; i = (i + 1) & (s->size - 1))
		if (s->table[i].key == s->key)
			return &s->f->carriers[s->table[i].carrier - 1];
	c = new_carrier(s);
	if (!c)
		return NULL;
	s->table[i].key = s->key;
	s->table[i].carrier = s->f->ncarriers;
	return c;
}

static int run(struct sweep *s)
{
	for (size_t i = 0; i < s->count; i++) {
		struct carrier *c;
		addr_num last = RANGES_MAX;

		apply(s, &s->events[i]);
		if (i + 1 < s->count) {
			if (s->events[i + 1].at == s->events[i].at)
				continue;
			last = s->events[i + 1].at - 1;
		}
		if (!s->nopen)
			continue;
		c = current(s);
		if (!c && !s->f->exhausted)
			return -ENOMEM;
		if (!c)
			break;
		ranges_add(&c->where, s->events[i].at, last);
	}
	for (size_t i = 0; i < s->f->ncarriers; i++) {
		ranges_close(&s->f->carriers[i].where);
		/* Holds ncarriers. NOLINTNEXTLINE(clang-analyzer-core.*) */
		if (s->f->carriers[i].where.failed)
			return -ENOMEM;
	}
	return 0;
}

/* The other way round: the carriers of each group. */
static int index_groups(struct facts *f)
{
	size_t ngroups = f->policy->ngroups, n = 0;

	f->carried = calloc(ngroups + 2, sizeof(*f->carried));
	if (!f->carried)
		return -ENOMEM;
	for (size_t i = 0; i < f->ncarriers; i++) {
		n += f->carriers[i].ngroups;
		for (size_t k = 0; k < f->carriers[i].ngroups; k++)
			f->carried[f->carriers[i].groups[k] + 2]++;
	}
	f->carrier_of = calloc(n + 1, sizeof(*f->carrier_of));
	if (!f->carrier_of)
		return -ENOMEM;
	for (size_t g = 2; g < ngroups + 2; g++)
		f->carried[g] += f->carried[g - 1];
	for (size_t i = 0; i < f->ncarriers; i++) {
		const struct carrier *c = &f->carriers[i];

		for (size_t k = 0; k < c->ngroups; k++)
			f->carrier_of[f->carried[c->groups[k] + 1]++] = i;
	}
	return 0;
}

int facts_find_carriers(struct facts *f)
{
	const struct policy *p = f->policy;
	struct sweep s = { .f = f, .nacl = -1, .size = 4ul * CARRIERS_MAX };
	size_t n = 0;
	int err = -ENOMEM;

	for (size_t i = 0; i < p->nsets; i++)
		n += 2 * f->sets[i].count;
	s.events = malloc((n + 1) * sizeof(*s.events));
	s.open = calloc(p->ngroups + 1, sizeof(*s.open));
	s.table = calloc(s.size, sizeof(*s.table));
	if (s.events && s.open && s.table) {
		for (size_t i = 0; i < p->ngroups; i++)
			add_events(&s, &f->sets[p->groups[i].set], false, i);
		for (size_t i = 0; i < p->nnacls; i++)
			add_events(&s, &f->sets[p->nacls[i].set], true, i);
		qsort(s.events, s.count, sizeof(*s.events), by_place);
		err = run(&s);
	}
	if (!err)
		err = index_groups(f);
	free(s.events);
	free(s.open);
	free(s.table);
	return err;
}
