// SPDX-License-Identifier: BSD-2-Clause
/*
 * Structure check: every offset that a program would follow stays inside the
 * used part, every number inside its table, every block sorted from 0.
 */
#include <errno.h>
#include <stdbool.h>

#include "compile/compile.h"

struct check {
	const struct moat_image *h;
	const __u32 *addr4, *rows;
	const __u64 *addr6;
	const __u16 *classes;
	const __u32 *values6;
	__u64 nkeys6;
	__u64 nwords4, nwords6, nclasses, nrows; /* entries in use */
	__u32 nrefs;				 /* followed so far */
};

static bool fits(__u64 offset, __u64 count, __u64 size)
{
	return offset <= size && count <= size - offset;
}

static bool block4_ok(const struct check *c, __u32 word)
{
	__u32 n = 1u << MOAT_BLOCK_LOG2(word), last = 0;
	const __u32 *block = c->addr4 + MOAT_BLOCK_OFFSET(word);

	if (MOAT_BLOCK_LOG2(word) > 16 ||
	    MOAT_BLOCK_OFFSET(word) < MOAT_ADDR4_ROOT ||
	    !fits(MOAT_BLOCK_OFFSET(word), n, c->nwords4) || block[0] >> 16)
		return false;
	for (__u32 i = 0; i < n; i++) {
		if ((block[i] & 0xffff) >= c->h->classes ||
		    block[i] >> 16 < last)
			return false;
		last = block[i] >> 16;
	}
	return true;
}

static bool addr4_ok(const struct check *c)
{
	if (c->nwords4 < MOAT_ADDR4_ROOT)
		return false;
	for (__u32 i = 0; i < MOAT_ADDR4_ROOT; i++) {
		__u32 word = c->addr4[i];

		if (word & MOAT_LEAF ? (word & ~MOAT_LEAF) >= c->h->classes :
				       !block4_ok(c, word))
			return false;
	}
	return true;
}

/* Largest block of the other tables: what a search takes steps for. */
#define BLOCK_LOG2_MAX 20

static bool ref6_ok(struct check *c, __u32 ref, unsigned depth, bool upper);

/* A reference that ends a half: a leaf, or that of the lower half. */
static bool final6_ok(struct check *c, __u32 ref, bool upper)
{
	if (ref & MOAT_LEAF)
		return (ref & ~MOAT_LEAF) < c->h->classes;
	return upper && ref & MOAT_LOWER &&
	       ref6_ok(c, ref & ~MOAT_LOWER, 0, false);
}

static bool block6_ok(struct check *c, __u32 ref, bool upper)
{
	__u64 n = 1ull << MOAT_BLOCK_LOG2(ref);
	__u32 first = MOAT_BLOCK_OFFSET(ref);

	if (MOAT_BLOCK_LOG2(ref) > BLOCK_LOG2_MAX || !fits(first, n, c->nkeys6))
		return false;
	for (__u64 i = first; i < first + n; i++)
		if ((i > first && c->addr6[i] < c->addr6[i - 1]) ||
		    !final6_ok(c, c->values6[i], upper))
			return false;
	return true;
}

static bool table6_ok(struct check *c, __u32 ref, unsigned depth, bool upper)
{
	__u64 at = (__u64)c->h->addr6_tables + MOAT_BLOCK_OFFSET(ref), last;
	const __u32 *refs = (const __u32 *)(c->addr6 + at + 2);

	if (depth == MOAT_SPREAD_DEPTH || !fits(at, 2, c->nwords6))
		return false;
	last = c->addr6[at + 1] >> 32;
	if (!fits(at + 2, last / 2 + 1, c->nwords6) ||
	    (__u32)c->addr6[at + 1] > 63)
		return false;
	for (__u64 i = 0; i <= last; i++)
		if (!ref6_ok(c, refs[i], depth + 1, upper))
			return false;
	return true;
}

/* Equal lower halves are checked each time they are named; what names them
 * more often than any compiler would is refused, or it would take for ever. */
#define REFS_MAX (1u << 22)

static bool ref6_ok(struct check *c, __u32 ref, unsigned depth, bool upper)
{
	if (++c->nrefs > REFS_MAX)
		return false;
	if (ref & (MOAT_LEAF | MOAT_LOWER))
		return final6_ok(c, ref, upper);
	return ref & MOAT_SPREAD ? table6_ok(c, ref, depth, upper) :
				   block6_ok(c, ref, upper);
}

static bool addr6_ok(struct check *c)
{
	__u64 values = c->h->addr6_values;

	c->nkeys6 = values;
	c->values6 = (const __u32 *)(c->addr6 + values);
	return fits(values, (values + 1) / 2, c->nwords6) &&
	       c->h->addr6_tables <= c->nwords6 &&
	       ref6_ok(c, c->h->addr6_upper, 0, true);
}

static bool classes_ok(const struct check *c)
{
	const struct moat_image *h = c->h;
	__u64 map = 2ull * h->profiles * h->classes;

	if (h->profiles > MOAT_MAX_PROFILES || h->classes > 0xffff ||
	    !h->classes || !fits(h->profile_of, h->classes, c->nclasses) ||
	    !fits(h->rowmap, map, c->nclasses))
		return false;
	for (__u32 i = 0; i < h->classes; i++) {
		__u16 profile = c->classes[h->profile_of + i];

		if (profile != MOAT_PROFILE_NONE && profile >= h->profiles)
			return false;
	}
	for (__u64 i = 0; i < map; i++)
		if (c->classes[h->rowmap + i] >= h->rows)
			return false;
	return true;
}

static bool chain_ok(const struct check *c, __u32 chain)
{
	const struct moat_image *h = c->h;
	__u64 at = (__u64)h->chains + chain;
	__u32 offset, n;

	if (!fits(at, 1, c->nrows))
		return false;
	offset = c->rows[at];
	if (!fits(offset, 1, c->nrows))
		return false;
	n = c->rows[offset];
	if (!n || n > MOAT_CHAIN_MAX || !fits(offset, n + 1ull, c->nrows))
		return false;
	for (__u32 i = 1; i <= n; i++) {
		__u64 limit = h->limits + 4ull * c->rows[offset + i];

		if (!fits(limit, 4, c->nrows) ||
		    (c->rows[limit] & 0xffff) >= h->nslots ||
		    c->rows[limit] >> 16 > MOAT_PER_SOURCE)
			return false;
	}
	return true;
}

static bool cell_ok(const struct check *c, __u32 cell)
{
	__u32 nacl = MOAT_CELL_NACL(cell), sg = MOAT_CELL_SG(cell);

	if (nacl != MOAT_CELL_NONE ? nacl >= c->h->nslots :
				     cell & MOAT_CELL_DENY)
		return false;
	if (cell & MOAT_CELL_LIMITED)
		return sg != MOAT_CELL_NONE && chain_ok(c, sg);
	return sg == MOAT_CELL_NONE || sg < c->h->nslots;
}

static bool row_ok(const struct check *c, __u32 word)
{
	__u64 n = 1ull << MOAT_BLOCK_LOG2(word);
	const __u32 *starts = c->rows + MOAT_BLOCK_OFFSET(word);

	if (word & MOAT_LEAF || MOAT_BLOCK_LOG2(word) > BLOCK_LOG2_MAX ||
	    !fits(MOAT_BLOCK_OFFSET(word), 2 * n, c->nrows) || starts[0])
		return false;
	for (__u64 i = 0; i < n; i++)
		if ((i && starts[i] < starts[i - 1]) ||
		    starts[i] >= MOAT_SERVICE_END || !cell_ok(c, starts[n + i]))
			return false;
	return true;
}

static bool rows_ok(const struct check *c)
{
	const struct moat_image *h = c->h;

	if (h->rows > 0xffff || !fits(h->rowdir, h->rows, c->nrows) ||
	    h->nslots > MOAT_RULE_SLOTS_MAX ||
	    !fits(h->slots, h->nslots, c->nrows) || h->chains > c->nrows ||
	    h->limits > c->nrows)
		return false;
	for (__u32 i = 0; i < h->rows; i++)
		if (!row_ok(c, c->rows[h->rowdir + i]))
			return false;
	return true;
}

int image_verify(const struct moat_image *header,
		 const void *const part[MOAT_PART_COUNT],
		 const __u32 available[MOAT_PART_COUNT])
{
	struct check c = {
		.h = header,
		.addr4 = part[MOAT_PART_ADDR4],
		.addr6 = part[MOAT_PART_ADDR6],
		.classes = part[MOAT_PART_CLASSES],
		.rows = part[MOAT_PART_ROWS],
		.nwords4 = header->used[MOAT_PART_ADDR4] / sizeof(__u32),
		.nwords6 = header->used[MOAT_PART_ADDR6] / sizeof(__u64),
		.nclasses = header->used[MOAT_PART_CLASSES] / sizeof(__u16),
		.nrows = header->used[MOAT_PART_ROWS] / sizeof(__u32),
	};

	if (header->abi != MOAT_ABI_VERSION)
		return -EINVAL;
	for (int i = 0; i < MOAT_PART_COUNT; i++)
		if (header->used[i] > available[i])
			return -EINVAL;
	if (!classes_ok(&c) || !addr4_ok(&c) || !addr6_ok(&c) || !rows_ok(&c))
		return -EINVAL;
	return 0;
}
