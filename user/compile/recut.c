// SPDX-License-Identifier: BSD-2-Clause
/* The cut made again in one place, after sets have changed there. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "compile/sweep.h"

void space_bounds(const struct cidr *where, struct segment *ret_first,
		  struct segment *ret_last)
{
	struct range r;
	struct frame f;

	sweep_range_of(where, 0, &r);
	sweep_last_of(&r, where->family == 4 ? FAMILY4 : FAMILY6, &f);
	*ret_first = (struct segment){ r.hi, r.lo, 0 };
	*ret_last = (struct segment){ f.hi, f.lo, 0 };
}

/* Asked of all CIDRs of a policy, and nearly all differ in the first bits of
 * their own family. */
static bool meets(const struct cidr *a, const struct cidr *b)
{
	int word = a->family == 4 ? 3 : 0;
	int length = a->length < b->length ? a->length : b->length;
	__u32 mask = !length ? 0 : ~0u << (length < 32 ? 32 - length : 0);

	return a->family == b->family &&
	       !((a->addr.w[word] ^ b->addr.w[word]) & htonl(mask)) &&
	       cidr_contains(a->length < b->length ? a : b,
			     a->length < b->length ? &b->addr : &a->addr);
}

/* The CIDRs that have to do with a place. */
static int collect_near(struct sweep *w, const struct cidr *where)
{
	const struct space *s = w->space;
	struct cidr whole = { .family = where->family };
	size_t cap = 0, n = 0;

	for (size_t b = 0; b < s->nbases; b++) {
		const struct space_base *base = &s->bases[b];

		/* bases holds nbases. NOLINTNEXTLINE(clang-analyzer-core.*) */
		for (size_t i = 0; i < base->ncidrs + base->any; i++) {
			const struct cidr *c = i < base->ncidrs ?
						       &base->cidrs[i] :
						       &whole;

			if (i < base->ncidrs && !meets(c, where))
				continue;
			if (GROW(w->ranges, cap, n + 1))
				return -ENOMEM;
			sweep_range_of(c, (__u32)b, &w->ranges[n++]);
		}
	}
	w->nranges = n;
	w->spare = malloc((n + 1) * sizeof(*w->spare));
	return w->spare ? 0 : -ENOMEM;
}

static bool after(const struct segment *a, const struct segment *b)
{
	return a->hi > b->hi || (a->hi == b->hi && a->lo > b->lo);
}

/* Of ascending segments, how many start at or before a place. */
static size_t count_until(const struct segment *seg, size_t n,
			  const struct segment *place)
{
	size_t low = 0, end = n;

	while (low < end) {
		size_t mid = (low + end) / 2;

		if (after(&seg[mid], place))
			end = mid;
		else
			low = mid + 1;
	}
	return low;
}

static void put(struct segment *to, size_t *n, struct segment seg)
{
	if (!*n || to[*n - 1].class != seg.class)
		to[(*n)++] = seg;
}

/* Segments from..until become those of a list; the others only move. */
static int exchange(struct sweep *w, size_t from, size_t until,
		    const struct segment *by, size_t nby)
{
	struct segment **seg = &w->space->segments[w->family], *to = *seg;
	size_t *count = &w->space->nsegments[w->family];
	size_t rest = *count - until, n = from + nby + rest;

	if (n > *count) {
		to = realloc(to, n * sizeof(*to));
		if (!to)
			return -ENOMEM;
		*seg = to;
	}
	memmove(to + from + nby, to + until, rest * sizeof(*to));
	memcpy(to + from, by, nby * sizeof(*to));
	*count = n;
	return 0;
}

/* Puts what was cut between first and last in place of what was there. */
static int splice(struct sweep *w, struct segment first, struct segment last)
{
	struct space *s = w->space;
	const struct segment *old = s->segments[w->family];
	size_t n = s->nsegments[w->family], k = 0, i;
	size_t before = count_until(old, n, &first);
	size_t until = count_until(old, n, &last);
	struct segment rest = { last.hi, last.lo + 1, old[until - 1].class };
	bool end = last.lo == (w->family == FAMILY4 ? 0xffffffff : ~0ull) &&
		   (w->family == FAMILY4 || last.hi == ~0ull);
	_cleanup_free_ struct segment *to = malloc((w->nout + 3) * sizeof(*to));

	if (!to)
		return -ENOMEM;
	if (!rest.lo && w->family == FAMILY6)
		rest.hi++;
	while (before && !after(&first, &old[before - 1]))
		before--;
	/* The one before may go on. */
	if (before)
		put(to, &k, old[--before]);
	i = count_until(w->out, w->nout, &first);
	for (i = i ? i - 1 : 0; i < w->nout && !after(&w->out[i], &last); i++) {
		struct segment seg = w->out[i];

		if (!after(&seg, &first)) {
			seg.hi = first.hi;
			seg.lo = first.lo;
		}
		put(to, &k, seg);
	}
	if (!end)
		put(to, &k, rest);
	/* One that starts right behind is the rest itself. */
	if (until < n && k && old[until].hi == rest.hi &&
	    old[until].lo == rest.lo && to[k - 1].hi == rest.hi &&
	    to[k - 1].lo == rest.lo)
		k--;
	if (until < n)
		put(to, &k, old[until++]);
	return exchange(w, before, until, to, k);
}

int space_recut(struct space *s, const struct cidr *where)
{
	_cleanup_(sweep_freep) struct sweep w = {
		.space = s, .family = where->family == 4 ? FAMILY4 : FAMILY6
	};
	struct segment first, last;

	for (size_t i = 0; i < s->policy->nsets; i++) {
		struct space_base *base = s->base_of[i] == HINDEX_NONE ?
						  NULL :
						  &s->bases[s->base_of[i]];

		if (!base)
			continue;
		s->ncidrs += s->policy->sets[i].ncidrs - base->ncidrs;
		base->cidrs = s->policy->sets[i].cidrs;
		base->ncidrs = s->policy->sets[i].ncidrs;
	}
	if (collect_near(&w, where))
		return -ENOMEM;
	sweep_sort(&w);
	sweep_walk(&w);
	if (w.failed || s->lists.failed)
		return -ENOMEM;
	space_bounds(where, &first, &last);
	for (size_t i = 0; i < w.nout; i++) {
		bool next_before = i + 1 < w.nout &&
				   !after(&w.out[i + 1], &first);

		/* Outside of the place other CIDRs were left out. */
		if (next_before || after(&w.out[i], &last))
			continue;
		w.out[i].class = sweep_class_of(&w, w.out[i].class, &w.out[i]);
		if (w.out[i].class == HINDEX_NONE)
			return -ENOMEM;
	}
	return splice(&w, first, last);
}
