// SPDX-License-Identifier: BSD-2-Clause
/* A growing list of CIDRs without repetitions, in linear time. */
#include "policy/cidrs.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

int cidrs_add(struct cidrs *list, const struct cidr *add, size_t count)
{
	if (list->cap - list->count < count) {
		size_t cap = list->cap ? list->cap * 2 : 4;

		if (cap < list->count + count)
			cap = list->count + count;
		struct cidr *items = realloc(list->items, cap * sizeof(*items));
		if (!items)
			return -ENOMEM;
		list->items = items;
		list->cap = cap;
	}
	if (count)
		memcpy(list->items + list->count, add, count * sizeof(*add));
	list->count += count;
	return 0;
}

static bool same(const struct cidr *a, const struct cidr *b)
{
	return a->length == b->length && a->family == b->family &&
	       addr_equal(&a->addr, &b->addr);
}

/* Addresses differ in their last bytes, the upper ones of a little-endian
 * word: fold those down before each multiplication (splitmix64's mixer). */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 32) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 29) * 0x94d049bb133111ebu;
	return x ^ x >> 32;
}

static uint64_t hash(const struct cidr *c)
{
	return mix(mix(c->addr.d[0] ^ c->length) ^ c->addr.d[1]);
}

/* table holds numbers of kept CIDRs plus one; size is a power of two. */
static bool insert(uint32_t *table, size_t size, const struct cidr *items,
		   size_t number)
{
	size_t i = hash(&items[number]) & (size - 1);

	for (; table[i]; i = (i + 1) & (size - 1))
		if (same(&items[table[i] - 1], &items[number]))
			return false;
	table[i] = (uint32_t)number + 1;
	return true;
}

int cidrs_unique(struct cidrs *list)
{
	size_t size = 4, kept = 0;

	if (list->count < 2)
		return 0;
	while (size < list->count * 2)
		size *= 2;
	_cleanup_free_ uint32_t *table = calloc(size, sizeof(*table));
	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < list->count; i++) {
		list->items[kept] = list->items[i];
		kept += insert(table, size, list->items, kept);
	}
	list->count = kept;
	return 0;
}

void cidrs_free(struct cidrs *list)
{
	free(list->items);
	*list = (struct cidrs){ 0 };
}
