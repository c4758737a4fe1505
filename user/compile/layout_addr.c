// SPDX-License-Identifier: BSD-2-Clause
/* IPv4 addresses to classes: the ADDR4 part of include/moat/image.h. */
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
