// SPDX-License-Identifier: BSD-2-Clause
/* Profiles: what an endpoint address is subject to. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "compile/profiles.h"

/* What a list means for an address that it holds. */
struct meaning {
	__u32 *group; /* by list: the group whose members it is */
	__u32 *nacl;
	struct pset_fold fold; /* set of lists to the subset that means */
	const struct space *space;
	struct pset_pool sets;
};

static __u32 meaning_leaf(void *arg, __u32 first, __u64 bits)
{
	struct meaning *m = arg;
	pset set = 0;

	for (; bits; bits &= bits - 1) {
		__u32 list = first + (__u32)__builtin_ctzll(bits);

		if (m->group[list] != HINDEX_NONE ||
		    m->nacl[list] != HINDEX_NONE)
			set = pset_add(&m->sets, set, list);
	}
	return set;
}

static __u32 meaning_join(void *arg, __u32 left, __u32 right)
{
	struct meaning *m = arg;

	return pset_union(&m->sets, left, right);
}

static void meaning_freep(struct meaning *m)
{
	free(m->group);
	free(m->nacl);
	pset_fold_free(&m->fold);
	pset_pool_free(&m->sets);
}

static int meaning_init(struct meaning *m, const struct space *s,
			const struct plan *plan)
{
	size_t bytes = (s->nlists + 1) * sizeof(__u32);

	m->space = s;
	m->group = malloc(bytes);
	m->nacl = malloc(bytes);
	if (!m->group || !m->nacl || pset_pool_init(&m->sets, s->nlists + 1))
		return -ENOMEM;
	memset(m->group, 0xff, bytes);
	memset(m->nacl, 0xff, bytes);
	for (size_t g = 0; g < plan->policy->ngroups; g++)
		m->group[plan->members[g]] = (__u32)g;
	for (size_t n = 0; n < plan->policy->nnacls; n++)
		m->nacl[plan->applies[n]] = (__u32)n;
	m->fold.leaf = meaning_leaf;
	m->fold.join = meaning_join;
	m->fold.arg = m;
	return 0;
}

static int by_number(const void *a, const void *b)
{
	__u32 x = *(const __u32 *)a, y = *(const __u32 *)b;

	return x < y ? -1 : x > y;
}

static int add_profile(struct profiles *p, const struct meaning *m, pset set,
		       __u32 class)
{
	struct profile f = { .nacl = NACL_NONE,
			     .other_nacl = NACL_NONE,
			     .class = class };
	size_t cap = 0;
	__u32 list;

	if (GROW(p->item, p->cap, p->count + 1))
		return -ENOMEM;
	for (list = pset_next(&m->sets, set, 0); list != PSET_END;
	     list = pset_next(&m->sets, set, list + 1)) {
		__u32 nacl = m->nacl[list];

		if (m->group[list] != HINDEX_NONE) {
			if (GROW(f.groups, cap, f.ngroups + 1)) {
				free(f.groups);
				return -ENOMEM;
			}
			f.groups[f.ngroups++] = m->group[list];
		}
		if (nacl == HINDEX_NONE)
			continue;
		if (f.nacl == NACL_NONE || nacl < f.nacl) {
			f.other_nacl = f.nacl;
			f.nacl = nacl;
		} else {
			f.other_nacl = nacl;
		}
	}
	if (f.ngroups)
		qsort(f.groups, f.ngroups, sizeof(*f.groups), by_number);
	p->item[p->count++] = f;
	return 0;
}

void profiles_done(struct profiles *p)
{
	for (size_t i = 0; i < p->count; i++)
		free(p->item[i].groups);
	free(p->item);
	free(p->of);
	*p = (struct profiles){ 0 };
}

/* The profile number of a meaning; by_set is indexed by set, ids + 1. */
struct by_set {
	__u32 *number;
	size_t cap, filled;
};

static __u32 *number_of(struct by_set *b, pset set)
{
	if (set >= b->filled) {
		size_t from = b->filled;

		if (GROW(b->number, b->cap, set + 1ul))
			return NULL;
		b->filled = b->cap;
		memset(b->number + from, 0,
		       (b->filled - from) * sizeof(*b->number));
	}
	return &b->number[set];
}

static int assign(const struct space *s, struct meaning *m, struct profiles *p)
{
	struct by_set seen = { 0 };
	_cleanup_free_ __u32 *hold = NULL;

	for (size_t c = 0; c < s->nclasses; c++) {
		pset set = pset_fold(&m->fold, &s->lists, s->classes[c].lists);
		__u32 *number;

		if (m->fold.failed || m->sets.failed)
			return -ENOMEM;
		if (!set)
			continue;
		number = number_of(&seen, set);
		hold = seen.number;
		if (!number)
			return -ENOMEM;
		if (!*number) {
			if (add_profile(p, m, set, (__u32)c))
				return -ENOMEM;
			*number = (__u32)p->count;
		}
		p->of[c] = *number - 1;
	}
	return 0;
}

int profiles_find(const struct space *s, const struct plan *plan,
		  struct profiles *ret)
{
	_cleanup_(meaning_freep) struct meaning m = { 0 };
	_cleanup_(profiles_done) struct profiles p = { 0 };
	int r = meaning_init(&m, s, plan);

	if (r)
		return r;
	p.of = malloc(s->nclasses * sizeof(*p.of));
	if (!p.of)
		return -ENOMEM;
	memset(p.of, 0xff, s->nclasses * sizeof(*p.of));
	r = assign(s, &m, &p);
	if (r)
		return r;
	*ret = p;
	p = (struct profiles){ 0 };
	return 0;
}

static bool same_profile(const struct profile *a, const struct profile *b)
{
	return a->nacl == b->nacl && a->ngroups == b->ngroups &&
	       (!a->ngroups ||
		!memcmp(a->groups, b->groups, a->ngroups * sizeof(*a->groups)));
}

/* The number of the one profile in one, or PROFILE_NONE. */
static __u32 find_equal(const struct profiles *p, const struct profiles *one)
{
	for (__u32 i = 0; i < p->count; i++)
		if (same_profile(&p->item[i], &one->item[0]))
			return i;
	return PROFILE_NONE;
}

static int more_of(struct profiles *p, struct meaning *m, __u32 class, bool all)
{
	_cleanup_(profiles_done) struct profiles one = { 0 };
	pset set = pset_fold(&m->fold, &m->space->lists,
			     m->space->classes[class].lists);

	if (m->fold.failed || m->sets.failed)
		return -ENOMEM;
	p->of[class] = PROFILE_NONE;
	if (!set)
		return 0;
	if (add_profile(&one, m, set, class))
		return -ENOMEM;
	if (one.item[0].other_nacl != NACL_NONE)
		return -ENOTSUP;
	p->of[class] = find_equal(p, &one);
	return p->of[class] == PROFILE_NONE && all ? -ENOTSUP : 0;
}

int profiles_more(struct profiles *p, const struct space *s,
		  const struct plan *plan, size_t from, bool all)
{
	_cleanup_(meaning_freep) struct meaning m = { 0 };
	__u32 *of = reallocarray(p->of, s->nclasses, sizeof(*of));
	int r = of ? 0 : -ENOMEM;

	if (of)
		p->of = of;
	if (!r)
		r = meaning_init(&m, s, plan);
	for (size_t c = from; !r && c < s->nclasses; c++)
		r = more_of(p, &m, (__u32)c, all);
	return r;
}

int profiles_keep(struct profiles *p, size_t nclasses, const bool *wanted)
{
	_cleanup_free_ __u32 *number = calloc(p->count + 1, sizeof(*number));
	size_t n = 0;

	if (!number)
		return -ENOMEM;
	for (size_t c = 0; c < nclasses; c++)
		if (wanted[c] && p->of[c] != PROFILE_NONE)
			number[p->of[c]] = 1;
	for (size_t i = 0; i < p->count; i++) {
		if (!number[i]) {
			free(p->item[i].groups);
			number[i] = PROFILE_NONE;
			continue;
		}
		number[i] = (__u32)n;
		p->item[n++] = p->item[i];
	}
	p->count = n;
	for (size_t c = 0; c < nclasses; c++)
		if (p->of[c] != PROFILE_NONE)
			p->of[c] = number[p->of[c]];
	return 0;
}

unsigned profile_flags(const struct policy *p, const struct profile *f,
		       bool ceiling)
{
	unsigned flags = 0;

	for (size_t i = 0; i < f->ngroups; i++) {
		const struct group *g = &p->groups[f->groups[i]];

		flags |= MOAT_PROFILE_SG;
		if (ceiling || group_mode(p, g) == MODE_AUDIT)
			flags |= MOAT_PROFILE_SG_AUDIT;
		if (group_on_tighten(p, g) == TIGHTEN_REEVALUATE)
			flags |= MOAT_PROFILE_REEVALUATE;
	}
	if (f->nacl != NACL_NONE) {
		flags |= MOAT_PROFILE_NACL;
		if (ceiling || nacl_mode(p, &p->nacls[f->nacl]) == MODE_AUDIT)
			flags |= MOAT_PROFILE_NACL_AUDIT;
	}
	return flags;
}
