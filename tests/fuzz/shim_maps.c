// SPDX-License-Identifier: BSD-2-Clause
/*
 * Maps of the shim. Arrays are one piece of memory, made when first met; an
 * entry of a hash is its own, so that ASan sees whoever goes beyond it.
 */
#include "fuzz/shim_maps.h"

#include <errno.h>
#include <string.h>

#include "fuzz/fuzz.h"

#define MAPS_MAX 64
#define SMALL (64u << 10) /* arrays that are cleared between inputs */

struct entry {
	struct entry *next;
	void *key, *value;
};
struct store {
	struct shim_map map;
	char *array;
	struct entry *first; /* oldest */
	size_t count;
	bool kept;
};
static struct store stores[MAPS_MAX];

static bool is_array(const struct shim_map *map)
{
	return map->type == BPF_MAP_TYPE_ARRAY ||
	       map->type == BPF_MAP_TYPE_PERCPU_ARRAY;
}

static bool is_lru(const struct shim_map *map)
{
	return map->type == BPF_MAP_TYPE_LRU_HASH;
}

static struct store *store_of(const struct shim_map *map)
{
	struct store *s = stores;

	while (s < stores + MAPS_MAX && s->map.map && s->map.map != map->map)
		s++;
	must(s < stores + MAPS_MAX);
	if (s->map.map)
		return s;
	must(is_array(map) || is_lru(map) || map->type == BPF_MAP_TYPE_HASH ||
	     map->type == BPF_MAP_TYPE_PERCPU_HASH);
	s->map = *map;
	if (is_array(map)) {
		s->array = calloc(map->max, map->value);
		must(s->array != NULL);
	}
	return s;
}

static struct entry **find(struct store *s, const void *key)
{
	struct entry **e = &s->first;

	while (*e && memcmp((*e)->key, key, s->map.key))
		e = &(*e)->next;
	return e;
}

void *shim_lookup(const struct shim_map *map, const void *key)
{
	struct store *s = store_of(map);
	struct entry *e;
	__u32 index;

	if (!s->array) {
		e = *find(s, key);
		return e ? e->value : NULL;
	}
	must(map->key == sizeof(index));
	memcpy(&index, key, sizeof(index));
	return index < map->max ? s->array + index * map->value : NULL;
}

static void drop(struct store *s, struct entry **at)
{
	struct entry *e = *at;

	*at = e->next;
	s->count--;
	free(e->key);
	free(e->value);
	free(e);
}

static void *copy_of(const void *from, size_t len)
{
	void *copy = malloc(len);

	must(copy != NULL);
	return memcpy(copy, from, len);
}

static long insert(struct store *s, const void *key, const void *value)
{
	struct entry **end = &s->first, *e;

	if (s->count >= s->map.max) {
		if (!is_lru(&s->map))
			return -E2BIG;
		drop(s, &s->first);
	}
	e = calloc(1, sizeof(*e));
	must(e != NULL);
	e->key = copy_of(key, s->map.key);
	e->value = copy_of(value, s->map.value);
	while (*end)
		end = &(*end)->next;
	*end = e;
	s->count++;
	return 0;
}

long shim_update(const struct shim_map *map, const void *key, const void *value,
		 __u64 flags)
{
	struct store *s = store_of(map);
	void *there = shim_lookup(map, key);

	if (there && flags & BPF_NOEXIST)
		return -EEXIST;
	if (!there && (flags & BPF_EXIST || s->array))
		return s->array ? -E2BIG : -ENOENT;
	if (!there)
		return insert(s, key, value);
	memcpy(there, value, map->value);
	return 0;
}

long shim_delete(const struct shim_map *map, const void *key)
{
	struct store *s = store_of(map);
	struct entry **e;

	if (s->array)
		return -EINVAL;
	e = find(s, key);
	if (!*e)
		return -ENOENT;
	drop(s, e);
	return 0;
}

void shim_put(const struct shim_map *map, const void *key, const void *value)
{
	must(shim_update(map, key, value, 0) == 0);
	store_of(map)->kept = true;
}

bool shim_next(const struct shim_map *map, size_t n, const void **ret_key,
	       const void **ret_value)
{
	struct entry *e = store_of(map)->first;

	while (e && n--)
		e = e->next;
	if (!e)
		return false;
	*ret_key = e->key;
	*ret_value = e->value;
	return true;
}

void shim_clear(void)
{
	for (struct store *s = stores; s < stores + MAPS_MAX; s++) {
		if (s->kept)
			continue;
		while (s->first)
			drop(s, &s->first);
		if (s->array && s->map.max * s->map.value <= SMALL)
			memset(s->array, 0, s->map.max * s->map.value);
	}
}
