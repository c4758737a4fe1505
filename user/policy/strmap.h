/* SPDX-License-Identifier: BSD-2-Clause */
/* A hash table from text to a pointer. Keys are borrowed, values are too. */
#ifndef MOAT_STRMAP_H
#define MOAT_STRMAP_H

#include <stddef.h>
#include <stdint.h>

struct strmap_entry {
	const char *key; /* NULL: free */
	void *value;
};

struct strmap {
	struct strmap_entry *entries; /* a power of two of them, or NULL */
	size_t size;
	size_t count;
};

/* The value, or NULL if the key is not there. */
void *strmap_get(const struct strmap *map, const char *key);
/* Adds a key that is not there yet; value is not NULL. 0 or -ENOMEM. */
int strmap_put(struct strmap *map, const char *key, void *value);
void strmap_free(struct strmap *map); /* back to {0} */

/*
 * Walks the keys for the one that is most like text: at most a third of its
 * letters wrong (Levenshtein). NULL if none is.
 */
const char *strmap_nearest(const struct strmap *map, const char *text);
/* The distance itself, above max: max + 1. */
size_t edit_distance(const char *a, const char *b, size_t max);

#endif
