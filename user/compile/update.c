// SPDX-License-Identifier: BSD-2-Clause
/* One place of a compiled policy brought up to date. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "compile/compiler.h"

#define ROOTS_MAX 256 /* /16s: beyond, a compilation is as quick */

struct image *live_image(struct live *l)
{
	return l->image;
}

void live_stats(const struct live *l, struct compile_stats *ret)
{
	compiler_count(l, ret);
}

/* Takes the place of a part. */
static void replace(struct live *l, enum moat_part i, const struct part *part)
{
	if (l->image->part[i] != part->data)
		free(l->image->part[i]);
	l->image->part[i] = part->data;
	l->image->header.used[i] = (__u32)part->bytes;
}

/* The row map has a column a class: wider, with the rows of new classes. */
static int widen(struct compiler *c, size_t from)
{
	size_t n = c->space->nclasses, stripes = c->profiles.count * 2;
	__u16 *map = malloc((stripes * n + 1) * sizeof(*map)), *to = map;

	if (!map)
		return -ENOMEM;
	for (size_t i = 0; i < stripes; i++, to += n)
		memcpy(to, c->rowmap + i * from, from * sizeof(*map));
	free(c->rowmap);
	c->rowmap = map;
	for (size_t i = 0; i < stripes; i++) {
		if (rows_pass(&c->rows, (__u32)(i / 2), (int)(i & 1)))
			return -ENOMEM;
		for (size_t class = from; class < n; class ++) {
			__u32 row = rows_of(&c->rows, (__u32) class);

			if (row == ROW_ERROR)
				return -ENOTSUP;
			map[i * n + class] = (__u16)row;
		}
	}
	return 0;
}

static int lay_out_classes(struct live *l)
{
	struct layout layout = compiler_layout(&l->c);
	struct part part = { 0 };
	int r = layout_classes(&layout, &l->image->header, &part);

	if (!r)
		replace(l, MOAT_PART_CLASSES, &part);
	if (!r)
		r = layout_rows(&layout, &l->image->header, &part);
	if (!r)
		replace(l, MOAT_PART_ROWS, &part);
	return r;
}

static int lay_out_addresses(struct live *l, const struct cidr *where)
{
	struct segment first, last;
	struct part part = {
		.data = l->image->part[MOAT_PART_ADDR4],
		.bytes = l->image->header.used[MOAT_PART_ADDR4],
	};
	int r;

	space_bounds(where, &first, &last);
	if (where->family == 4) {
		if ((last.lo >> 16) - (first.lo >> 16) >= ROOTS_MAX)
			return -ENOTSUP;
		r = layout_update4(l->c.space, &part, (__u32)(first.lo >> 16),
				   (__u32)(last.lo >> 16));
		/* Moved or not, on failure too. */
		l->image->part[MOAT_PART_ADDR4] = part.data;
		l->image->header.used[MOAT_PART_ADDR4] = (__u32)part.bytes;
		return r;
	}
	r = layout_addr6(l->c.space, &l->image->header, &part);
	if (!r)
		replace(l, MOAT_PART_ADDR6, &part);
	return r;
}

static int update(struct live *l, const struct cidr *where)
{
	struct compiler *c = &l->c;
	size_t classes = c->space->nclasses, sets = c->space->lists.count;
	size_t total = 0;
	int r = space_recut(c->space, where);

	if (!r && c->space->nclasses > 0xffff)
		r = -ENOTSUP;
	if (!r)
		r = rows_more_sets(&c->rows, sets);
	if (!r && c->space->nclasses > classes) {
		r = profiles_more(&c->profiles, c->space, c->plan, classes,
				  l->all);
		if (!r)
			r = widen(c, classes);
		if (!r)
			r = lay_out_classes(l);
	}
	if (!r)
		r = lay_out_addresses(l, where);
	for (int i = 0; !r && i < MOAT_PART_COUNT; i++)
		total += l->image->header.used[i];
	return !r && total > MOAT_SLOT_MAX ? -ENOTSUP : r;
}

int live_update(struct live *l, const struct cidr *where,
		const struct moat_addr *hosts, size_t nhosts)
{
	int r;

	for (size_t i = 0; !l->all && i < nhosts; i++)
		if (cidr_contains(where, &hosts[i]))
			return -ENOTSUP;
	r = update(l, where);
	return r == -EFBIG ? -ENOTSUP : r;
}
