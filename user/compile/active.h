/* SPDX-License-Identifier: BSD-2-Clause */
/* A set of ranks with its lowest found in three steps. */
#ifndef MOAT_COMPILE_ACTIVE_H
#define MOAT_COMPILE_ACTIVE_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "moat/base.h"

#define ACTIVE_NONE 0xffffffffu
#define ACTIVE_TOP 16ul /* words of words: ranks up to 65,536 */

struct active {
	__u64 *bits; /* room for 65,536 */
	__u64 summary[ACTIVE_TOP];
	__u32 count;
};

static inline int active_init(struct active *a)
{
	memset(a, 0, sizeof(*a));
	a->bits = calloc(ACTIVE_TOP * 64, sizeof(*a->bits));
	return a->bits ? 0 : -ENOMEM;
}

static inline void active_done(struct active *a)
{
	free(a->bits);
	a->bits = NULL;
}

static inline void active_set(struct active *a, __u32 rank)
{
	a->bits[rank >> 6] |= 1ull << (rank & 63);
	a->summary[rank >> 12] |= 1ull << (rank >> 6 & 63);
	a->count++;
}

static inline void active_clear(struct active *a, __u32 rank)
{
	a->bits[rank >> 6] &= ~(1ull << (rank & 63));
	if (!a->bits[rank >> 6])
		a->summary[rank >> 12] &= ~(1ull << (rank >> 6 & 63));
	a->count--;
}

/* The lowest at or above from. */
static inline __u32 active_next(const struct active *a, __u32 from)
{
	__u32 word = from >> 6, top = word >> 6;
	__u64 bits;

	if (!a->count || top >= ACTIVE_TOP)
		return ACTIVE_NONE;
	bits = a->bits[word] & ~0ull << (from & 63);
	if (bits)
		return word << 6 | (__u32)__builtin_ctzll(bits);
	bits = (word & 63) == 63 ? 0 :
				   a->summary[top] & ~0ull << ((word & 63) + 1);
	while (!bits) {
		if (++top == ACTIVE_TOP)
			return ACTIVE_NONE;
		bits = a->summary[top];
	}
	word = top << 6 | (__u32)__builtin_ctzll(bits);
	return word << 6 | (__u32)__builtin_ctzll(a->bits[word]);
}

#endif
