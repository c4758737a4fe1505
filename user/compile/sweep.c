// SPDX-License-Identifier: BSD-2-Clause
/*
 * The cut: sorts all CIDRs of a family by address, outer before inner, and
 * walks them with a stack of those that are open.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "compile/sweep.h"

void sweep_range_of(const struct cidr *c, __u32 base, struct range *ret)
{
	*ret = (struct range){ .base = base, .length = c->length };
	for (int i = 0; i < 8; i++) {
		ret->hi = ret->hi << 8 | c->addr.b[i];
		ret->lo = ret->lo << 8 | c->addr.b[i + 8];
	}
	if (c->family == 4) {
		ret->hi = 0;
		ret->lo &= 0xffffffff;
	}
}

void sweep_last_of(const struct range *r, int family, struct frame *ret)
{
	ret->hi = ret->from_hi = r->hi;
	ret->lo = ret->from_lo = r->lo;
	if (family == FAMILY4) {
		ret->lo |= 0xffffffffull >> r->length;
	} else if (r->length > 64) {
		ret->lo |= r->length == 128 ? 0 : ~0ull >> (r->length - 64);
	} else {
		ret->lo = ~0ull;
		ret->hi |= r->length == 64 ? 0 : ~0ull >> r->length;
	}
}

static int collect(struct sweep *w)
{
	const struct space *s = w->space;
	int family = w->family == FAMILY4 ? 4 : 6;
	struct cidr whole = { .family = (__u8)family };
	size_t n = 0;

	for (size_t b = 0; b < s->nbases; b++) {
		const struct space_base *base = &s->bases[b];

		if (base->any)
			sweep_range_of(&whole, (__u32)b, &w->ranges[n++]);
		for (size_t i = 0; i < base->ncidrs; i++)
			if (base->cidrs[i].family == family)
				sweep_range_of(&base->cidrs[i], (__u32)b,
					       &w->ranges[n++]);
	}
	w->nranges = n;
	return 0;
}

/* Key byte k of a range, the least significant first: the length, so that
 * the outer of two with one start comes first, then the address. */
static unsigned key_byte(const struct range *r, int k)
{
	if (k == 0)
		return r->length;
	if (k <= 8)
		return r->lo >> 8 * (k - 1) & 0xff;
	return r->hi >> 8 * (k - 9) & 0xff;
}

/* Radix sort; bytes in which all ranges agree cost one look. */
void sweep_sort(struct sweep *w)
{
	size_t count[256], at, n = w->nranges;

	for (int k = 0; k < 17; k++) {
		struct range *swap = w->ranges;

		memset(count, 0, sizeof(count));
		for (size_t i = 0; i < n; i++)
			count[key_byte(&w->ranges[i], k)]++;
		if (!n || count[key_byte(&w->ranges[0], k)] == n)
			continue;
		at = 0;
		for (int b = 0; b < 256; b++) {
			size_t c = count[b];

			count[b] = at;
			at += c;
		}
		for (size_t i = 0; i < n; i++)
			w->spare[count[key_byte(&w->ranges[i], k)]++] =
				w->ranges[i];
		w->ranges = w->spare;
		w->spare = swap;
	}
}

static pset set_with(struct sweep *w, pset set, __u32 base)
{
	__u64 key = (__u64)set << 32 | base;
	__u32 hash = (__u32)hash_mix(key), at, id;

	at = hindex_start(&w->step_index, hash);
	while ((id = hindex_next(&w->step_index, hash, &at)) != HINDEX_NONE)
		if (w->steps[id].key == key)
			return w->steps[id].to;
	if (GROW(w->steps, w->steps_cap, w->nsteps + 1) ||
	    hindex_add(&w->step_index, hash, (__u32)w->nsteps)) {
		w->failed = true;
		return set;
	}
	w->steps[w->nsteps].key = key;
	w->steps[w->nsteps].to = pset_union(&w->space->lists, set,
					    w->space->lists_of_base[base]);
	return w->steps[w->nsteps++].to;
}

/* From this address on the set holds. */
static void emit(struct sweep *w, __u64 hi, __u64 lo, pset set)
{
	struct segment *last = w->nout ? &w->out[w->nout - 1] : NULL;

	if (last && last->hi == hi && last->lo == lo) {
		w->nout--;
		last = w->nout ? last - 1 : NULL;
	}
	if (last && last->class == set)
		return;
	if (GROW(w->out, w->out_cap, w->nout + 1)) {
		w->failed = true;
		return;
	}
	w->out[w->nout++] = (struct segment){ hi, lo, set };
}

/* Closes every open CIDR that ends before r starts; r NULL: all. */
static void close_until(struct sweep *w, const struct range *r)
{
	while (w->depth > 1) {
		const struct frame *top = &w->stack[w->depth - 1];
		__u64 hi = top->hi, lo = top->lo + 1;

		if (r &&
		    (top->hi > r->hi || (top->hi == r->hi && top->lo >= r->lo)))
			return;
		w->depth--;
		if (!lo)
			hi++;
		/* Nothing follows the last address of the space. */
		if (w->family == FAMILY4 ? lo >> 32 : !lo && !hi)
			continue;
		emit(w, hi, lo, top[-1].set);
	}
}

static void open_range(struct sweep *w, const struct range *r)
{
	struct frame *top = &w->stack[w->depth - 1], frame;

	sweep_last_of(r, w->family, &frame);
	if (w->depth == 1 || memcmp(&frame, top, offsetof(struct frame, set))) {
		frame.set = top->set;
		top = &w->stack[w->depth++];
		*top = frame;
	}
	top->set = set_with(w, top->set, r->base);
	emit(w, r->hi, r->lo, top->set);
}

void sweep_walk(struct sweep *w)
{
	w->depth = 1;
	w->stack[0] = (struct frame){ 0 };
	w->nout = 0;
	emit(w, 0, 0, 0);
	for (size_t i = 0; i < w->nranges && !w->failed; i++) {
		close_until(w, &w->ranges[i]);
		open_range(w, &w->ranges[i]);
	}
	close_until(w, NULL);
}

struct moat_addr segment_address(const struct segment *seg, int family)
{
	struct moat_addr a;

	if (family == FAMILY4)
		return addr_from_v4((__u32)seg->lo);
	for (int i = 0; i < 8; i++) {
		a.b[i] = (__u8)(seg->hi >> (56 - 8 * i));
		a.b[i + 8] = (__u8)(seg->lo >> (56 - 8 * i));
	}
	return a;
}

/* The class of a set of lists; HINDEX_NONE: out of memory. */
__u32 sweep_class_of(struct sweep *w, pset lists, const struct segment *seg)
{
	struct space *s = w->space;
	__u32 hash = (__u32)hash_mix((__u64)lists << 1 | (__u64)w->family);
	__u32 at, id;

	if (!lists)
		return w->family == FAMILY4 ? CLASS_NOTHING4 : CLASS_NOTHING6;
	at = hindex_start(&s->class_index, hash);
	while ((id = hindex_next(&s->class_index, hash, &at)) != HINDEX_NONE)
		if (s->classes[id].lists == lists &&
		    s->classes[id].family == w->family)
			return id;
	id = (__u32)s->nclasses;
	if (GROW(s->classes, s->classes_cap, s->nclasses + 1) ||
	    hindex_add(&s->class_index, hash, id))
		return HINDEX_NONE;
	s->classes[s->nclasses++] = (struct addr_class){
		.lists = lists,
		.family = w->family,
		.first = segment_address(seg, w->family),
	};
	return id;
}

/* Sets of lists become classes. */
static int classes_of(struct sweep *w)
{
	struct space *s = w->space;
	size_t n = 0;

	for (size_t i = 0; i < w->nout; i++) {
		struct segment *seg = &w->out[i];
		__u32 class = sweep_class_of(w, seg->class, seg);

		if (class == HINDEX_NONE)
			return -ENOMEM;
		if (n && w->out[n - 1].class == class)
			continue;
		w->out[n] = *seg;
		w->out[n++].class = class;
	}
	s->nsegments[w->family] = n;
	s->segments[w->family] = w->out;
	w->out = NULL;
	w->nout = w->out_cap = 0;
	return 0;
}

/* Marks the classes that hold one address, and dates the two of nothing. */
static int look_back(struct space *s, int family)
{
	const struct segment *seg = s->segments[family];
	_cleanup_free_ __u8 *seen = calloc(s->nclasses, 1);

	if (!seen)
		return -ENOMEM;
	for (size_t i = 0; i < s->nsegments[family]; i++) {
		struct addr_class *c = &s->classes[seg[i].class];
		bool one = false;

		if (i + 1 < s->nsegments[family])
			one = seg[i + 1].lo - seg[i].lo == 1 &&
			      seg[i + 1].hi - seg[i].hi == (seg[i + 1].lo == 0);
		else
			one = seg[i].lo == (family == FAMILY4 ? 0xffffffff :
								~0ull) &&
			      (family == FAMILY4 || seg[i].hi == ~0ull);
		if (!seen[seg[i].class])
			c->first = segment_address(&seg[i], family);
		c->single = one && !seen[seg[i].class];
		seen[seg[i].class] = 1;
	}
	return 0;
}

void sweep_freep(struct sweep *w)
{
	free(w->ranges);
	free(w->spare);
	free(w->steps);
	hindex_free(&w->step_index);
	free(w->out);
}

static int sweep_init(struct sweep *w)
{
	struct space *s = w->space;
	size_t n = s->ncidrs + s->nbases + 1;

	w->ranges = malloc(n * sizeof(*w->ranges));
	w->spare = malloc(n * sizeof(*w->spare));
	s->lists_of_base = calloc(s->nbases + 1, sizeof(*s->lists_of_base));
	if (!w->ranges || !w->spare || !s->lists_of_base ||
	    pset_pool_init(&s->lists, s->nlists + 1))
		return -ENOMEM;
	for (size_t l = 0; l < s->nlists; l++) {
		for (size_t i = 0; i < s->list[l].nbases; i++) {
			pset *of = &s->lists_of_base[s->list[l].bases[i]];

			*of = pset_add(&s->lists, *of, (__u32)l);
		}
	}
	if (GROW(s->classes, s->classes_cap, 2) || s->lists.failed)
		return -ENOMEM;
	s->nclasses = 2;
	s->classes[CLASS_NOTHING4] = (struct addr_class){
		.family = FAMILY4, .first = addr_from_v4(0)
	};
	s->classes[CLASS_NOTHING6] = (struct addr_class){ .family = FAMILY6 };
	return 0;
}

int space_build(struct space *s)
{
	_cleanup_(sweep_freep) struct sweep w = { .space = s };
	int r = sweep_init(&w);

	for (w.family = FAMILY4; !r && w.family <= FAMILY6; w.family++) {
		r = collect(&w);
		if (r)
			return r;
		sweep_sort(&w);
		sweep_walk(&w);
		r = (w.failed || s->lists.failed) ? -ENOMEM : classes_of(&w);
		if (!r)
			r = look_back(s, w.family);
	}
	return r;
}
