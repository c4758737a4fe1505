// SPDX-License-Identifier: BSD-2-Clause
/* Profiles, row map and rows: the CLASSES and ROWS parts. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "compile/layout.h"

/* Parts are whole in units of 8 bytes, so that they are summed in words. */
static int claim(struct part *ret, size_t bytes)
{
	bytes = (bytes + 7) & ~7ul;
	ret->bytes = bytes;
	ret->data = NULL;
	if (bytes > MOAT_PART_MAX)
		return -EFBIG;
	ret->data = calloc(1, bytes ? bytes : 8);
	return ret->data ? 0 : -ENOMEM;
}

int layout_classes(const struct layout *l, struct moat_image *header,
		   struct part *ret)
{
	size_t n = l->space->nclasses, profiles = l->profiles->count;
	size_t map = profiles * 2 * n;
	int r = claim(ret, (n + map) * sizeof(__u16));
	__u16 *to = ret->data;

	if (r)
		return r;
	for (size_t c = 0; c < n; c++)
		to[c] = l->profiles->of[c] == PROFILE_NONE ?
				MOAT_PROFILE_NONE :
				(__u16)l->profiles->of[c];
	if (map)
		memcpy(to + n, l->rowmap, map * sizeof(__u16));
	header->classes = (__u32)n;
	header->profiles = (__u32)profiles;
	header->profile_of = 0;
	header->rowmap = (__u32)n;
	return 0;
}

static void write_limits(const struct layout *l, __u32 *to)
{
	for (size_t i = 0; i < l->nlimits; i++, to += 4) {
		const struct rate_limit *limit = &l->limits[i]->rule->limit;
		__u32 per = limit->per_source ? MOAT_PER_SOURCE : MOAT_PER_RULE;

		to[0] = l->limits[i]->slot | per << 16;
		to[1] = (__u32)limit->rate;
		to[2] = limit->burst;
	}
}

int layout_rows(const struct layout *l, struct moat_image *header,
		struct part *ret)
{
	const struct rows *rows = l->rows;
	size_t chains = rows->nrows, limits = chains + rows->nchains;
	size_t slots = limits + 4 * l->nlimits, lists = slots + l->nslots;
	size_t blocks = lists + rows->nchain;
	int r = claim(ret, (blocks + rows->nwords) * sizeof(__u32));
	__u32 *to = ret->data;

	if (r)
		return r;
	for (size_t i = 0; i < rows->nrows; i++)
		to[i] = MOAT_BLOCK(blocks + rows->row[i].offset,
				   rows->row[i].log2);
	for (size_t i = 0; i < rows->nchains; i++)
		to[chains + i] = (__u32)lists + rows->chain_at[i];
	write_limits(l, to + limits);
	if (l->nslots)
		memcpy(to + slots, l->slot_flags, l->nslots * sizeof(__u32));
	if (rows->nchain)
		memcpy(to + lists, rows->chain, rows->nchain * sizeof(__u32));
	if (rows->nwords)
		memcpy(to + blocks, rows->words, rows->nwords * sizeof(__u32));
	header->rows = (__u32)rows->nrows;
	header->rowdir = 0;
	header->chains = (__u32)chains;
	header->limits = (__u32)limits;
	header->slots = (__u32)slots;
	header->nslots = (__u32)l->nslots;
	return 0;
}
