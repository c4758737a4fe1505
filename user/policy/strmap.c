// SPDX-License-Identifier: BSD-2-Clause
/* A hash table of borrowed texts, and the nearest of them to a misspelling. */
#include "policy/strmap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* Longest text for which a suggestion is looked for; names are shorter. */
#define DISTANCE_MAX_TEXT 64

/* FNV-1a, 64 bits. */
static uint64_t hash_text(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
	return hash ^ hash >> 32;
}

static struct strmap_entry *find(const struct strmap *map, const char *key)
{
	size_t i = hash_text(key) & (map->size - 1);

	while (map->entries[i].key && strcmp(map->entries[i].key, key) != 0)
		i = (i + 1) & (map->size - 1);
	return &map->entries[i];
}

void *strmap_get(const struct strmap *map, const char *key)
{
	return map->size ? find(map, key)->value : NULL;
}

static int grow(struct strmap *map)
{
	struct strmap bigger = { .size = map->size ? map->size * 2 : 16,
				 .count = map->count };

	bigger.entries = calloc(bigger.size, sizeof(*bigger.entries));
	if (!bigger.entries)
		return -ENOMEM;
	for (size_t i = 0; i < map->size; i++)
		if (map->entries[i].key)
			*find(&bigger, map->entries[i].key) = map->entries[i];
	free(map->entries);
	*map = bigger;
	return 0;
}

int strmap_put(struct strmap *map, const char *key, void *value)
{
	if (map->count * 2 >= map->size && grow(map))
		return -ENOMEM;
	*find(map, key) = (struct strmap_entry){ .key = key, .value = value };
	map->count++;
	return 0;
}

void strmap_free(struct strmap *map)
{
	free(map->entries);
	*map = (struct strmap){ 0 };
}

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

size_t edit_distance(const char *a, const char *b, size_t max)
{
	size_t la = strlen(a), lb = strlen(b);
	size_t row[DISTANCE_MAX_TEXT + 1];

	if (la > DISTANCE_MAX_TEXT || lb > DISTANCE_MAX_TEXT || la > lb + max ||
	    lb > la + max)
		return max + 1;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t above = row[j];

			row[j] = min3(above + 1, row[j - 1] + 1,
				      diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[lb] <= max ? row[lb] : max + 1;
}

const char *strmap_nearest(const struct strmap *map, const char *text)
{
	size_t best = strlen(text) / 3 + 1;
	const char *nearest = NULL;

	for (size_t i = 0; i < map->size; i++) {
		const char *key = map->entries[i].key;
		size_t distance = key ? edit_distance(text, key, best - 1) :
					best;

		if (distance < best) {
			best = distance;
			nearest = key;
		}
	}
	return nearest;
}
