// SPDX-License-Identifier: BSD-2-Clause
/* Rows: which rules are asked for a class (a pass), and which row that is. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compile/row_private.h"

int rows_init(struct rows *r, const struct space *s, const struct plan *plan,
	      const struct profiles *profiles)
{
	*r = (struct rows){ .space = s, .plan = plan, .profiles = profiles };
	r->head = malloc((s->nlists + 1) * sizeof(*r->head));
	r->relevant = calloc(s->nlists / 64 + 1, sizeof(*r->relevant));
	r->known = calloc(s->lists.count, sizeof(*r->known));
	if (!r->head || !r->relevant || !r->known || active_init(&r->nacl) ||
	    active_init(&r->open) || active_init(&r->limited))
		return -ENOMEM;
	memset(r->head, 0xff, (s->nlists + 1) * sizeof(*r->head));
	r->words_max = r->rows_max = SIZE_MAX;
	return 0;
}

int rows_more_sets(struct rows *r, size_t before)
{
	size_t count = r->space->lists.count;
	__u32 *known = reallocarray(r->known, count, sizeof(*known));

	if (!known)
		return -ENOMEM;
	memset(known + before, 0, (count - before) * sizeof(*known));
	r->known = known;
	return 0;
}

void rows_done(struct rows *r)
{
	free(r->row);
	free(r->words);
	hindex_free(&r->row_index);
	free(r->chain);
	free(r->chain_at);
	hindex_free(&r->chain_index);
	free(r->rules);
	free(r->head);
	free(r->next);
	free(r->relevant);
	free(r->known);
	free(r->ranks);
	free(r->met);
	hindex_free(&r->met_index);
	free(r->everywhere);
	free(r->events);
	active_done(&r->nacl);
	active_done(&r->open);
	active_done(&r->limited);
	free(r->starts);
	free(r->cells);
	*r = (struct rows){ 0 };
}

static void forget_pass(struct rows *r)
{
	for (size_t i = 0; i < r->nrules; i++) {
		__u32 list = r->plan->rules[r->rules[i]].list;

		if (list == LIST_ANY)
			continue;
		r->head[list] = HINDEX_NONE;
		r->relevant[list / 64] = 0;
	}
	r->nrules = r->nnacl = r->nranks = r->nmet = r->neverywhere = 0;
	hindex_clear(&r->met_index);
	r->pass++;
}

static int add_range(struct rows *r, struct plan_range range)
{
	if (GROW(r->rules, r->rules_cap, r->nrules + range.count))
		return -ENOMEM;
	for (__u32 i = 0; i < range.count; i++)
		r->rules[r->nrules++] = range.first + i;
	return 0;
}

/* Files each rule under its list. Backwards, so that a list's ranks ascend. */
static int file_rules(struct rows *r)
{
	if (GROW(r->next, r->next_cap, r->nrules + 1))
		return -ENOMEM;
	for (size_t rank = r->nrules; rank-- > 0;) {
		__u32 list = r->plan->rules[r->rules[rank]].list;

		if (list == LIST_ANY) {
			if (row_events(r, (__u32)rank, &r->everywhere,
				       &r->neverywhere, &r->everywhere_cap))
				return -ENOMEM;
			continue;
		}
		r->next[rank] = r->head[list];
		r->head[list] = (__u32)rank;
		r->relevant[list / 64] |= 1ull << (list & 63);
	}
	row_sort_events(r->everywhere, r->neverywhere);
	return 0;
}

int rows_pass(struct rows *r, __u32 profile, int direction)
{
	const struct profile *f = &r->profiles->item[profile];
	int failed = 0;

	forget_pass(r);
	if (f->nacl != NACL_NONE)
		failed = add_range(r, r->plan->nacls[f->nacl][direction]);
	r->nnacl = r->nrules;
	for (size_t i = 0; !failed && i < f->ngroups; i++)
		failed = add_range(r, r->plan->groups[f->groups[i]][direction]);
	if (!failed)
		failed = file_rules(r);
	if (failed)
		r->error = failed;
	return failed;
}

/* Whether a set of lists has a relevant one; asked once per node and pass. */
static bool touches(struct rows *r, pset s)
{
	const struct pset_pool *p = &r->space->lists;
	__u64 value = p->nodes[s].value;
	__u32 place = p->nodes[s].place;
	bool found;

	if (!s)
		return false;
	if (r->known[s] >> 1 == r->pass)
		return r->known[s] & 1;
	if (place >> p->depth)
		found = value & r->relevant[place - (1u << p->depth)];
	else
		found = touches(r, (pset)(value >> 32)) ||
			touches(r, (pset)value);
	r->known[s] = r->pass << 1 | found;
	return found;
}

/* Appends the ranks of the rules that name a list of the set. */
static int gather(struct rows *r, pset s)
{
	const struct pset_pool *p = &r->space->lists;
	__u64 value = p->nodes[s].value;
	__u32 place = p->nodes[s].place, first;

	if (!touches(r, s))
		return 0;
	if (!(place >> p->depth))
		return gather(r, (pset)(value >> 32)) ||
				       gather(r, (pset)value) ?
			       -ENOMEM :
			       0;
	first = place - (1u << p->depth);
	for (value &= r->relevant[first]; value; value &= value - 1) {
		__u32 list = first * 64 + (__u32)__builtin_ctzll(value);

		for (__u32 rank = r->head[list]; rank != HINDEX_NONE;
		     rank = r->next[rank]) {
			if (GROW(r->ranks, r->ranks_cap, r->nranks + 1))
				return -ENOMEM;
			r->ranks[r->nranks++] = rank;
		}
	}
	return 0;
}

static bool same_ranks(const struct rows *r, const struct met *m,
		       const struct met *key)
{
	return m->count == key->count &&
	       (!m->count || !memcmp(r->ranks + m->at, r->ranks + key->at,
				     m->count * sizeof(*r->ranks)));
}

static __u32 fail(struct rows *r, int error)
{
	r->error = error;
	return ROW_ERROR;
}

__u32 rows_of(struct rows *r, __u32 class)
{
	const struct addr_class *c = &r->space->classes[class];
	struct met key = { .at = r->nranks };
	__u32 hash, at, id;

	if (gather(r, c->lists))
		return fail(r, -ENOMEM);
	key.count = r->nranks - key.at;
	hash = hash_bytes(r->ranks + key.at, key.count * sizeof(*r->ranks));
	at = hindex_start(&r->met_index, hash);
	while ((id = hindex_next(&r->met_index, hash, &at)) != HINDEX_NONE) {
		if (same_ranks(r, &r->met[id], &key)) {
			r->nranks = key.at;
			return r->met[id].row;
		}
	}
	key.row = row_make(r, r->ranks + key.at, key.count);
	if (key.row == ROW_ERROR)
		return ROW_ERROR;
	if (GROW(r->met, r->met_cap, r->nmet + 1) ||
	    hindex_add(&r->met_index, hash, (__u32)r->nmet))
		return fail(r, -ENOMEM);
	r->met[r->nmet++] = key;
	return key.row;
}
