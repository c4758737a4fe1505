// SPDX-License-Identifier: BSD-2-Clause
/* The lists that cut the address space: interned. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "compile/space_private.h"

DEFINE_CLEANUP(space, space_free)

struct space *space_new(const struct policy *p)
{
	CLEANUP(space) struct space *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->policy = p;
	s->base_of = malloc((p->nsets + 1) * sizeof(*s->base_of));
	if (!s->base_of)
		return NULL;
	memset(s->base_of, 0xff, (p->nsets + 1) * sizeof(*s->base_of));
	return TAKE_PTR(s);
}

static void list_done(struct space_list *l)
{
	free(l->sets);
	free(l->cidrs);
	free(l->bases);
}

void space_free(struct space *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->nlists; i++)
		list_done(&s->list[i]);
	free(s->list);
	free(s->bases);
	free(s->base_of);
	hindex_free(&s->index);
	pset_pool_free(&s->lists);
	free(s->lists_of_base);
	hindex_free(&s->class_index);
	free(s->classes);
	free(s->segments[0]);
	free(s->segments[1]);
	free(s);
}

static int new_base(struct space *s, const struct space_base *base)
{
	if (GROW(s->bases, s->bases_cap, s->nbases + 1))
		return -ENOMEM;
	s->ncidrs += base->ncidrs;
	s->bases[s->nbases++] = *base;
	return 0;
}

static int base_of_set(struct space *s, size_t set)
{
	const struct addr_set *a = &s->policy->sets[set];

	if (s->base_of[set] != HINDEX_NONE)
		return 0;
	if (new_base(s, &(struct space_base){ a->cidrs, a->ncidrs, a->any }))
		return -ENOMEM;
	s->base_of[set] = (__u32)s->nbases - 1;
	return 0;
}

/* Names the bases of a list that is new. */
static int list_bases(struct space *s, struct space_list *l)
{
	l->bases = malloc((l->nsets + 1) * sizeof(*l->bases));
	if (!l->bases)
		return -ENOMEM;
	for (size_t i = 0; i < l->nsets; i++) {
		if (base_of_set(s, l->sets[i]))
			return -ENOMEM;
		l->bases[l->nbases++] = s->base_of[l->sets[i]];
	}
	if (!l->ncidrs)
		return 0;
	if (new_base(s, &(struct space_base){ l->cidrs, l->ncidrs, false }))
		return -ENOMEM;
	l->bases[l->nbases++] = (__u32)s->nbases - 1;
	return 0;
}

static bool list_equal(const struct space_list *a, const struct space_list *b)
{
	if (a->nsets != b->nsets || a->ncidrs != b->ncidrs)
		return false;
	for (size_t i = 0; i < a->nsets; i++)
		if (a->sets[i] != b->sets[i])
			return false;
	for (size_t i = 0; i < a->ncidrs; i++)
		if (cidr_compare(&a->cidrs[i], &b->cidrs[i]))
			return false;
	return true;
}

/* Takes what *l owns in any case. */
static __u32 intern(struct space *s, struct space_list *l)
{
	__u32 hash = hash_bytes(l->sets, l->nsets * sizeof(*l->sets)), at, id;

	for (size_t i = 0; i < l->ncidrs; i++)
		hash = hash * 31 + hash_bytes(&l->cidrs[i].addr, 16) +
		       l->cidrs[i].length;
	at = hindex_start(&s->index, hash);
	while ((id = hindex_next(&s->index, hash, &at)) != HINDEX_NONE) {
		if (list_equal(&s->list[id], l)) {
			list_done(l);
			return id;
		}
	}
	id = (__u32)s->nlists;
	if (GROW(s->list, s->lists_cap, s->nlists + 1) || list_bases(s, l) ||
	    hindex_add(&s->index, hash, id)) {
		list_done(l);
		return LIST_ERROR;
	}
	s->list[s->nlists++] = *l;
	return id;
}

__u32 space_list_of_set(struct space *s, size_t set)
{
	struct space_list l = { 0 };

	l.sets = malloc(sizeof(*l.sets));
	if (!l.sets)
		return LIST_ERROR;
	l.sets[l.nsets++] = (__u32)set;
	return intern(s, &l);
}

static int by_number(const void *a, const void *b)
{
	__u32 x = *(const __u32 *)a, y = *(const __u32 *)b;

	return x < y ? -1 : x > y;
}

static int by_cidr(const void *a, const void *b)
{
	return cidr_compare(a, b);
}

/* Sorts and leaves out what stands twice, so that equal lists look alike. */
static void canonical(struct space_list *l)
{
	size_t n = 0;

	if (l->nsets > 1)
		qsort(l->sets, l->nsets, sizeof(*l->sets), by_number);
	for (size_t i = 0; i < l->nsets; i++)
		if (!n || l->sets[n - 1] != l->sets[i])
			l->sets[n++] = l->sets[i];
	l->nsets = n;
	if (l->ncidrs > 1)
		qsort(l->cidrs, l->ncidrs, sizeof(*l->cidrs), by_cidr);
	n = 0;
	for (size_t i = 0; i < l->ncidrs; i++)
		if (!n || cidr_compare(&l->cidrs[n - 1], &l->cidrs[i]))
			l->cidrs[n++] = l->cidrs[i];
	l->ncidrs = n;
}

__u32 space_list_of_peers(struct space *s, const struct peer *peers, size_t n)
{
	struct space_list l = { 0 };

	for (size_t i = 0; i < n; i++)
		if (peers[i].kind == PEER_ANY)
			return LIST_ANY;
	l.sets = malloc((n + 1) * sizeof(*l.sets));
	l.cidrs = malloc((n + 1) * sizeof(*l.cidrs));
	if (!l.sets || !l.cidrs) {
		list_done(&l);
		return LIST_ERROR;
	}
	for (size_t i = 0; i < n; i++) {
		if (peers[i].kind == PEER_SET)
			l.sets[l.nsets++] = (__u32)peers[i].set;
		else
			l.cidrs[l.ncidrs++] = peers[i].cidr;
	}
	canonical(&l);
	return intern(s, &l);
}

__u32 space_class_of(const struct space *s, const struct moat_addr *a)
{
	int family = addr_is_v4(a) ? FAMILY4 : FAMILY6;
	const struct segment *seg = s->segments[family];
	size_t low = 0, end = s->nsegments[family];
	__u64 hi_part = 0, lo_part = 0;

	for (int i = 0; i < 8; i++) {
		hi_part = hi_part << 8 | a->b[i];
		lo_part = lo_part << 8 | a->b[i + 8];
	}
	if (family == FAMILY4) {
		hi_part = 0;
		lo_part &= 0xffffffff;
	}
	while (end - low > 1) {
		size_t mid = (low + end) / 2;

		if (seg[mid].hi < hi_part ||
		    (seg[mid].hi == hi_part && seg[mid].lo <= lo_part))
			low = mid;
		else
			end = mid;
	}
	return seg[low].class;
}
