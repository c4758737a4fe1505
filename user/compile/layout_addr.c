// SPDX-License-Identifier: BSD-2-Clause
/* Addresses to classes: the ADDR4 and ADDR6 parts of include/moat/image.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "compile/layout.h"

static unsigned log2_of(size_t n)
{
	unsigned log2 = 0;

	while (1ul << log2 < n)
		log2++;
	return log2;
}

static int claim(struct part *ret, size_t bytes)
{
	ret->bytes = bytes;
	ret->data = NULL;
	if (bytes > MOAT_PART_MAX)
		return -EFBIG;
	ret->data = calloc(1, bytes);
	return ret->data ? 0 : -ENOMEM;
}

/* The segments that start in the same /16 as the first, that one included. */
static size_t run4(const struct segment *seg, size_t n)
{
	size_t i = 1;

	while (i < n && seg[i].lo >> 16 == seg[0].lo >> 16)
		i++;
	return i;
}

/* Entries of a /16's block: one more where its start is in the segment
 * before. */
static size_t entries4(const struct segment *seg, size_t run)
{
	return run + ((seg[0].lo & 0xffff) != 0);
}

static size_t words4(const struct segment *seg, size_t n)
{
	size_t words = MOAT_ADDR4_ROOT, run;

	for (size_t i = 0; i < n; i += run) {
		run = run4(seg + i, n - i);
		if (entries4(seg + i, run) > 1)
			words += 1ul << log2_of(entries4(seg + i, run));
	}
	return words;
}

/* One block; returns its root word. */
static __u32 block4(__u32 *words, size_t at, const struct segment *seg,
		    size_t run)
{
	size_t n = entries4(seg, run), extra = n - run;
	unsigned log2 = log2_of(n);
	__u32 *to = words + at;

	if (extra)
		to[0] = seg[-1].class;
	for (size_t i = extra; i < 1ul << log2; i++) {
		const struct segment *s = &seg[(i < n ? i : n - 1) - extra];

		to[i] = (__u32)(s->lo & 0xffff) << 16 | s->class;
	}
	return MOAT_BLOCK(at, log2);
}

int layout_addr4(const struct space *s, struct part *ret)
{
	const struct segment *seg = s->segments[FAMILY4];
	size_t n = s->nsegments[FAMILY4], at = MOAT_ADDR4_ROOT, run;
	size_t root = 0;
	int r = claim(ret, words4(seg, n) * sizeof(__u32));
	__u32 *words = ret->data;

	if (r)
		return r;
	for (size_t i = 0; i < n; i += run, seg += run) {
		size_t high = seg->lo >> 16;

		run = run4(seg, n - i);
		for (; root < high; root++)
			words[root] = MOAT_LEAF | seg[-1].class;
		if (entries4(seg, run) > 1) {
			words[root] = block4(words, at, seg, run);
			at += 1ul << MOAT_BLOCK_LOG2(words[root]);
		} else {
			words[root] = MOAT_LEAF | seg->class;
		}
		root++;
	}
	for (; root < MOAT_ADDR4_ROOT; root++)
		words[root] = MOAT_LEAF | seg[-1].class;
	return 0;
}

/*
 * IPv6: entries of the upper level first, then lower blocks. Equal lower
 * blocks are one: many networks have their ::1 in the same place.
 */
struct upper {
	__u64 key, value;
};
struct addr6 {
	struct upper *upper;
	size_t nupper, upper_cap;
	__u64 *lower;		/* blocks: keys, then values */
	size_t nlower, lower_cap;
	struct hindex index;	/* of lower blocks */
	struct block {
		size_t at;
		unsigned log2;
	} *blocks;
	size_t nblocks, blocks_cap;
};

static void addr6_freep(struct addr6 *a)
{
	free(a->upper);
	free(a->lower);
	hindex_free(&a->index);
	free(a->blocks);
}

static int add_upper(struct addr6 *a, __u64 key, __u64 value)
{
	if (GROW(a->upper, a->upper_cap, a->nupper + 1))
		return -ENOMEM;
	a->upper[a->nupper++] = (struct upper){ key, value };
	return 0;
}

/* The block just written at the end of lower, or an equal one before it. */
static int intern_block(struct addr6 *a, unsigned log2, __u32 *ret)
{
	size_t words = 2ul << log2;
	const __u64 *block = a->lower + a->nlower;
	__u32 hash = hash_bytes(block, words * sizeof(*block)), at, id;

	at = hindex_start(&a->index, hash);
	while ((id = hindex_next(&a->index, hash, &at)) != HINDEX_NONE) {
		if (a->blocks[id].log2 == log2 &&
		    !memcmp(a->lower + a->blocks[id].at, block,
			    words * sizeof(*block))) {
			*ret = id;
			return 0;
		}
	}
	if (GROW(a->blocks, a->blocks_cap, a->nblocks + 1) ||
	    hindex_add(&a->index, hash, (__u32)a->nblocks))
		return -ENOMEM;
	*ret = (__u32)a->nblocks;
	a->blocks[a->nblocks++] = (struct block){ a->nlower, log2 };
	a->nlower += words;
	return 0;
}

/* The lower block of the segments seg[0..run) that share an upper half. */
static int lower_block(struct addr6 *a, const struct segment *seg, size_t run,
		       __u32 *ret)
{
	size_t extra = seg[0].lo != 0, n = run + extra;
	unsigned log2 = log2_of(n);
	__u64 *keys;

	if (GROW(a->lower, a->lower_cap, a->nlower + (2ul << log2)))
		return -ENOMEM;
	keys = a->lower + a->nlower;
	for (size_t i = 0; i < 1ul << log2; i++) {
		size_t k = i < n ? i : n - 1;
		const struct segment *s = k < extra ? seg - 1 : &seg[k - extra];

		keys[i] = k < extra ? 0 : s->lo;
		keys[i + (1ul << log2)] = MOAT_LEAF | s->class;
	}
	return intern_block(a, log2, ret);
}

/* Upper values of blocks are marked so until offsets are known. */
#define PENDING (1ull << 40)

static int add_run6(struct addr6 *a, const struct segment *seg, size_t run,
		    const struct segment *next)
{
	__u32 block, class = seg[run - 1].class;

	if (run == 1 && seg->lo == 0)
		return add_upper(a, seg->hi, MOAT_LEAF | seg->class);
	if (lower_block(a, seg, run, &block) ||
	    add_upper(a, seg->hi, PENDING | block))
		return -ENOMEM;
	if (seg->hi == ~0ull || (next && next->hi == seg->hi + 1))
		return 0;
	return add_upper(a, seg->hi + 1, MOAT_LEAF | class);
}

int layout_addr6(const struct space *s, __u32 *ret_upper, struct part *ret)
{
	_cleanup_(addr6_freep) struct addr6 a = { 0 };
	const struct segment *seg = s->segments[FAMILY6];
	size_t n = s->nsegments[FAMILY6], run, size;
	unsigned log2;
	__u64 *to;
	int r;

	for (size_t i = 0; i < n; i += run) {
		for (run = 1; i + run < n && seg[i + run].hi == seg[i].hi;)
			run++;
		if (add_run6(&a, seg + i, run,
			     i + run < n ? &seg[i + run] : NULL))
			return -ENOMEM;
	}
	log2 = log2_of(a.nupper);
	size = 1ul << log2;
	r = claim(ret, (2 * size + a.nlower) * sizeof(__u64));
	if (r)
		return r;
	to = ret->data;
	for (size_t i = 0; i < size; i++) {
		const struct upper *u =
			&a.upper[i < a.nupper ? i : a.nupper - 1];
		const struct block *b = &a.blocks[(__u32)u->value];

		to[i] = u->key;
		to[i + size] = u->value & PENDING ?
			MOAT_BLOCK(2 * size + b->at, b->log2) : u->value;
	}
	if (a.nlower)
		memcpy(to + 2 * size, a.lower, a.nlower * sizeof(__u64));
	*ret_upper = MOAT_BLOCK(0, log2);
	return 0;
}
