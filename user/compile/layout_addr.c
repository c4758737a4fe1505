// SPDX-License-Identifier: BSD-2-Clause
/* IPv4 addresses to classes: the ADDR4 part of include/moat/image.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "compile/layout.h"

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
			words += 1ul << layout_log2(entries4(seg + i, run));
	}
	return words;
}

/* One block of 2^log2 entries. */
static void block4(__u32 *to, unsigned log2, const struct segment *seg,
		   size_t run)
{
	size_t n = entries4(seg, run), extra = n - run;

	if (extra)
		to[0] = seg[-1].class;
	for (size_t i = extra; i < 1ul << log2; i++) {
		const struct segment *s = &seg[(i < n ? i : n - 1) - extra];

		to[i] = (__u32)(s->lo & 0xffff) << 16 | s->class;
	}
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
			unsigned log2 = layout_log2(entries4(seg, run));

			block4(words + at, log2, seg, run);
			words[root] = MOAT_BLOCK(at, log2);
			at += 1ul << log2;
		} else {
			words[root] = MOAT_LEAF | seg->class;
		}
		root++;
	}
	for (; root < MOAT_ADDR4_ROOT; root++)
		words[root] = MOAT_LEAF | seg[-1].class;
	return 0;
}

/* The first of a family's segments that starts at or after a /16. */
static size_t first_of(const struct space *s, __u32 high)
{
	const struct segment *seg = s->segments[FAMILY4];
	size_t low = 0, end = s->nsegments[FAMILY4];

	while (low < end) {
		size_t mid = (low + end) / 2;

		if (seg[mid].lo >> 16 < high)
			low = mid + 1;
		else
			end = mid;
	}
	return low;
}

/* A block where the old one was if it fits there, else at the end. */
static int place4(struct part *part, const struct segment *seg, size_t run,
		  __u32 *ret_word)
{
	__u32 *words = part->data, word = *ret_word;
	unsigned log2 = layout_log2(entries4(seg, run));
	size_t bytes = part->bytes + (sizeof(*words) << log2);

	if (!(word & MOAT_LEAF) && MOAT_BLOCK_LOG2(word) >= log2) {
		block4(words + MOAT_BLOCK_OFFSET(word), MOAT_BLOCK_LOG2(word),
		       seg, run);
		return 0;
	}
	if (bytes > MOAT_PART_MAX)
		return -EFBIG;
	words = realloc(words, bytes);
	if (!words)
		return -ENOMEM;
	block4(words + part->bytes / sizeof(*words), log2, seg, run);
	*ret_word = MOAT_BLOCK(part->bytes / sizeof(*words), log2);
	part->data = words;
	part->bytes = bytes;
	return 0;
}

int layout_update4(const struct space *s, struct part *part, __u32 from,
		   __u32 to)
{
	const struct segment *seg = s->segments[FAMILY4];
	size_t n = s->nsegments[FAMILY4];
	int r = 0;

	for (__u32 high = from; !r && high <= to; high++) {
		size_t at = first_of(s, high), run = 0;
		__u32 word = ((__u32 *)part->data)[high];

		if (at < n && seg[at].lo >> 16 == high)
			run = run4(seg + at, n - at);
		if (!run)
			word = MOAT_LEAF | seg[at - 1].class;
		else if (entries4(seg + at, run) == 1)
			word = MOAT_LEAF | seg[at].class;
		else
			r = place4(part, seg + at, run, &word);
		((__u32 *)part->data)[high] = word;
	}
	return r;
}
