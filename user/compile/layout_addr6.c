// SPDX-License-Identifier: BSD-2-Clause
/* IPv6 addresses to classes: the ADDR6 part of include/moat/image.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "compile/layout.h"

struct entry {
	__u64 key;
	__u64 value; /* a reference; u32 in the part */
};

/*
 * Runs of entries, each sorted from key 0: those of lower halves, then the one
 * of upper halves. Equal lower ones are one: many networks have their ::1 in
 * the same place.
 */
struct addr6 {
	struct entry *upper;
	size_t nupper, upper_cap;
	struct entry *entries;
	size_t nentries, entries_cap;
	__u64 *tables;
	size_t ntables, tables_cap;
	size_t block_max;    /* entries of a block that needs no table */
	size_t reach;	     /* entries up to the end of the last block */
	struct hindex index; /* of lower runs */
	struct run {
		size_t at, n;
		__u32 ref;
	} * runs;
	size_t nruns, runs_cap;
};

static void addr6_free(struct addr6 *a)
{
	free(a->upper);
	free(a->entries);
	free(a->tables);
	hindex_free(&a->index);
	free(a->runs);
}

static int refer(struct addr6 *a, size_t at, size_t inner, unsigned depth,
		 __u32 *ret);

/* Base and shift by which the keys from first to last fall on at most 2^log2
 * places; returns the last place. */
static size_t stretch(__u64 first, __u64 last, unsigned log2, __u64 head[2])
{
	unsigned shift = 0;
	__u64 base = first;

	while ((last - base) >> shift >> log2) {
		shift++;
		base = first >> shift << shift;
	}
	head[0] = base;
	head[1] = shift | (last - base) >> shift << 32;
	return (size_t)((last - base) >> shift);
}

/* A table over the inner entries behind at. What lies before its base is the
 * first place's, what lies beyond the last one's. */
static int spread(struct addr6 *a, size_t at, size_t inner, unsigned depth,
		  __u32 *ret)
{
	size_t table = a->ntables, next = at + 1, end = at + inner + 1, last;
	__u64 head[2];

	last = stretch(a->entries[next].key, a->entries[end - 1].key,
		       layout_log2(inner + 1) - 1, head);
	if (GROW(a->tables, a->tables_cap, table + 3 + last / 2))
		return -ENOMEM;
	a->ntables += 3 + last / 2;
	memcpy(a->tables + table, head, sizeof(head));
	a->tables[table + 2 + last / 2] = 0;
	for (size_t place = 0; place <= last; place++) {
		size_t from = next - 1;
		__u32 ref;

		while (next < end &&
		       (a->entries[next].key - head[0]) >> (head[1] & 63) ==
			       place)
			next++;
		if (refer(a, from, next - 1 - from, depth + 1, &ref))
			return -ENOMEM;
		((__u32 *)(a->tables + table + 2))[place] = ref;
	}
	*ret = MOAT_SPREAD | (__u32)table;
	return 0;
}

/* The reference of values that are not below entry at and below the one that
 * comes after its inner ones. */
static int refer(struct addr6 *a, size_t at, size_t inner, unsigned depth,
		 __u32 *ret)
{
	unsigned log2 = layout_log2(inner + 1);

	if (inner >= a->block_max && depth < MOAT_SPREAD_DEPTH)
		return spread(a, at, inner, depth, ret);
	*ret = MOAT_BLOCK(at, log2);
	if (!inner)
		*ret = (__u32)a->entries[at].value;
	else if (a->reach < at + (1ul << log2))
		a->reach = at + (1ul << log2);
	return 0;
}

/* The reference of the run from entry at on, which is the last one, and its
 * last entry repeated as far as its blocks reach. */
static int close_run(struct addr6 *a, size_t at, __u32 *ret)
{
	size_t n = a->nentries - at;

	a->reach = a->nentries;
	if (refer(a, at, n - 1, 0, ret) ||
	    GROW(a->entries, a->entries_cap, a->reach))
		return -ENOMEM;
	while (a->nentries < a->reach) {
		a->entries[a->nentries] = a->entries[a->nentries - 1];
		a->nentries++;
	}
	return 0;
}

/* The run just written from entry at on, or an equal one before it. */
static int intern_run(struct addr6 *a, size_t at, __u32 *ret)
{
	size_t n = a->nentries - at;
	const struct entry *e = a->entries + at;
	__u32 hash = hash_bytes(e, n * sizeof(*e)), cell, id, ref;

	cell = hindex_start(&a->index, hash);
	while ((id = hindex_next(&a->index, hash, &cell)) != HINDEX_NONE) {
		if (a->runs[id].n == n &&
		    !memcmp(a->entries + a->runs[id].at, e, n * sizeof(*e))) {
			a->nentries = at;
			*ret = a->runs[id].ref;
			return 0;
		}
	}
	if (close_run(a, at, &ref) ||
	    GROW(a->runs, a->runs_cap, a->nruns + 1) ||
	    hindex_add(&a->index, hash, (__u32)a->nruns))
		return -ENOMEM;
	a->runs[a->nruns++] = (struct run){ at, n, ref };
	*ret = ref;
	return 0;
}

static int add_upper(struct addr6 *a, __u64 key, __u32 value)
{
	if (GROW(a->upper, a->upper_cap, a->nupper + 1))
		return -ENOMEM;
	a->upper[a->nupper++] = (struct entry){ key, value };
	return 0;
}

/* The segments seg[0..n) that share an upper half as a lower run. */
static int lower_run(struct addr6 *a, const struct segment *seg, size_t n,
		     __u32 *ret)
{
	size_t extra = seg[0].lo != 0, at = a->nentries;

	if (GROW(a->entries, a->entries_cap, at + n + extra))
		return -ENOMEM;
	a->nentries += n + extra;
	if (extra)
		a->entries[at++] = (struct entry){ 0,
						   MOAT_LEAF | seg[-1].class };
	for (size_t i = 0; i < n; i++)
		a->entries[at + i] = (struct entry){ seg[i].lo,
						     MOAT_LEAF | seg[i].class };
	return intern_run(a, at - extra, ret);
}

static int add_run6(struct addr6 *a, const struct segment *seg, size_t n,
		    const struct segment *next)
{
	__u32 ref, class = seg[n - 1].class;

	if (n == 1 && seg->lo == 0)
		return add_upper(a, seg->hi, MOAT_LEAF | seg->class);
	if (lower_run(a, seg, n, &ref) ||
	    add_upper(a, seg->hi, MOAT_LOWER | ref))
		return -ENOMEM;
	if (seg->hi == ~0ull || (next && next->hi == seg->hi + 1))
		return 0;
	return add_upper(a, seg->hi + 1, MOAT_LEAF | class);
}

static int build(struct addr6 *a, const struct space *s, __u32 *ret_upper)
{
	const struct segment *seg = s->segments[FAMILY6];
	size_t n = s->nsegments[FAMILY6], run, at;

	for (size_t i = 0; i < n; i += run) {
		for (run = 1; i + run < n && seg[i + run].hi == seg[i].hi;)
			run++;
		if (add_run6(a, seg + i, run,
			     i + run < n ? &seg[i + run] : NULL))
			return -ENOMEM;
	}
	at = a->nentries;
	if (GROW(a->entries, a->entries_cap, at + a->nupper))
		return -ENOMEM;
	memcpy(a->entries + at, a->upper, a->nupper * sizeof(*a->upper));
	a->nentries += a->nupper;
	return close_run(a, at, ret_upper);
}

static int write_part(const struct addr6 *a, struct moat_image *header,
		      struct part *ret)
{
	size_t values = a->nentries, tables = values + (values + 1) / 2;
	__u32 *value;
	__u64 *to;

	ret->bytes = (tables + a->ntables) * sizeof(__u64);
	ret->data = NULL;
	if (ret->bytes > MOAT_PART_MAX)
		return -EFBIG;
	ret->data = to = calloc(1, ret->bytes);
	if (!to)
		return -ENOMEM;
	value = (__u32 *)(to + values);
	for (size_t i = 0; i < a->nentries; i++) {
		to[i] = a->entries[i].key;
		value[i] = (__u32)a->entries[i].value;
	}
	if (a->ntables)
		memcpy(to + tables, a->tables, a->ntables * sizeof(__u64));
	header->addr6_values = (__u32)values;
	header->addr6_tables = (__u32)tables;
	return 0;
}

/* Where tables do not fit beside the keys there are fewer, and blocks longer. */
int layout_addr6(const struct space *s, struct moat_image *header,
		 struct part *ret)
{
	static const size_t block_max[] = { 8, 64, ~0ul };
	int r = -EFBIG;

	for (size_t i = 0; r == -EFBIG && i < ARRAY_SIZE(block_max); i++) {
		_cleanup_(addr6_free) struct addr6 a = {
			.block_max = block_max[i],
		};

		if (build(&a, s, &header->addr6_upper))
			return -ENOMEM;
		r = write_part(&a, header, ret);
	}
	return r;
}
