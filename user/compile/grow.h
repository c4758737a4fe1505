/* SPDX-License-Identifier: BSD-2-Clause */
/* Growing arrays and the hash index that the compiler interns with. */
#ifndef MOAT_COMPILE_GROW_H
#define MOAT_COMPILE_GROW_H

#include <stdbool.h>
#include <stddef.h>

#include "moat/base.h"

/* Room for need elements of size bytes in *array. 0 or -ENOMEM. */
int grow_array(void *array, size_t *cap, size_t need, size_t size);
#define GROW(array, cap, need) \
	grow_array(&(array), &(cap), (need), sizeof(*(array)))

/* All ones: no id. */
#define HINDEX_NONE 0xffffffffu

/*
 * Open addressing from a 32-bit hash to ids of things that the caller keeps
 * and compares:
 *	at = hindex_start(h, hash);
 *	while ((id = hindex_next(h, hash, &at)) != HINDEX_NONE)
 *		if (things[id] is the one)
 *			return id;
 */
struct hindex {
	struct hcell {
		__u32 hash, id;
	} * cells;
	__u32 mask;
	__u32 count;
};

void hindex_free(struct hindex *h);
void hindex_clear(struct hindex *h); /* keeps the memory */
/* 0 or -ENOMEM. The caller has looked: the thing is new. */
int hindex_add(struct hindex *h, __u32 hash, __u32 id);

static inline __u32 hindex_start(const struct hindex *h, __u32 hash)
{
	return hash & h->mask;
}

static inline __u32 hindex_next(const struct hindex *h, __u32 hash, __u32 *at)
{
	if (!h->cells)
		return HINDEX_NONE;
	for (;;) {
		const struct hcell *c = &h->cells[*at];

		*at = (*at + 1) & h->mask;
		if (c->id == HINDEX_NONE || c->hash == hash)
			return c->id;
	}
}

/* The finalizer of a well mixing 64-bit hash. */
static inline __u64 hash_mix(__u64 x)
{
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ull;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ull;
	return x ^ x >> 32;
}

__u32 hash_bytes(const void *data, size_t len);

#endif
