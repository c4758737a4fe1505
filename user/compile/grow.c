// SPDX-License-Identifier: BSD-2-Clause
/* Growing arrays and the hash index that the compiler interns with. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compile/grow.h"

int grow_array(void *array, size_t *cap, size_t need, size_t size)
{
	size_t room = *cap ? *cap : 16;
	void *old, *bigger;

	if (need <= *cap)
		return 0;
	while (room < need)
		room *= 2;
	memcpy(&old, array, sizeof(old));
	bigger = reallocarray(old, room, size);
	if (!bigger)
		return -ENOMEM;
	memcpy(array, &bigger, sizeof(bigger));
	*cap = room;
	return 0;
}

void hindex_free(struct hindex *h)
{
	free(h->cells);
	*h = (struct hindex){ 0 };
}

void hindex_clear(struct hindex *h)
{
	if (h->cells && h->count)
		memset(h->cells, 0xff, (h->mask + 1ul) * sizeof(*h->cells));
	h->count = 0;
}

static void hindex_put(struct hindex *h, __u32 hash, __u32 id)
{
	__u32 at = hash & h->mask;

	while (h->cells[at].id != HINDEX_NONE)
		at = (at + 1) & h->mask;
	h->cells[at] = (struct hcell){ hash, id };
	h->count++;
}

int hindex_add(struct hindex *h, __u32 hash, __u32 id)
{
	struct hindex bigger = { 0 };
	size_t size = h->cells ? h->mask + 1ul : 0;

	if (size && 2ul * (h->count + 1) <= size) {
		hindex_put(h, hash, id);
		return 0;
	}
	bigger.mask = size ? (__u32)(2 * size - 1) : 63;
	bigger.cells = malloc((bigger.mask + 1ul) * sizeof(*bigger.cells));
	if (!bigger.cells)
		return -ENOMEM;
	memset(bigger.cells, 0xff, (bigger.mask + 1ul) * sizeof(*bigger.cells));
	for (size_t i = 0; i < size; i++)
		if (h->cells[i].id != HINDEX_NONE)
			hindex_put(&bigger, h->cells[i].hash, h->cells[i].id);
	hindex_put(&bigger, hash, id);
	free(h->cells);
	*h = bigger;
	return 0;
}

__u32 hash_bytes(const void *data, size_t len)
{
	const unsigned char *p = data;
	__u64 h = len, w;

	for (; len >= 8; len -= 8, p += 8) {
		memcpy(&w, p, 8);
		h = hash_mix(h + w);
	}
	w = 0;
	if (len)
		memcpy(&w, p, len);
	return (__u32)hash_mix(h + w);
}
