// SPDX-License-Identifier: BSD-2-Clause
#include "base/map_size.h"

#include <stdbool.h>
#include <unistd.h>

/* struct bpf_array and struct bpf_htab with their struct bpf_map, on 6.18. */
#define ARRAY_HEAD 312
#define HASH_HEAD 896
#define HASH_BUCKET 16	/* struct bucket */
#define HASH_ELEMENT 48 /* struct htab_elem before its key */

static __u64 round_to(__u64 n, __u64 unit)
{
	return (n + unit - 1) / unit * unit;
}

__u32 power_of_two(__u32 n)
{
	__u32 p = 1;

	while (p < n)
		p <<= 1;
	return p;
}

static __u64 array_bytes(const struct map_size *m, unsigned cpus)
{
	__u64 n = m->entries, element = round_to(m->value, 8);
	__u64 page = sysconf(_SC_PAGESIZE);

	if (m->kind == MAP_ARRAY_PERCPU)
		return ARRAY_HEAD + n * 8 + n * element * cpus;
	if (m->kind == MAP_ARRAY_MAPPED)
		return page + round_to(n * element, page);
	return ARRAY_HEAD + n * element;
}

static __u64 hash_bytes(const struct map_size *m, unsigned cpus)
{
	__u64 n = m->entries, value = round_to(m->value, 8);
	bool percpu = m->kind == MAP_HASH_PERCPU;
	bool lru = m->kind == MAP_HASH_LRU;
	__u64 element = HASH_ELEMENT + round_to(m->key, 8) +
			(percpu ? 8 : value);
	__u64 total = HASH_HEAD + (__u64)power_of_two(n) * HASH_BUCKET;

	/* A plain hash keeps a spare element a CPU for updates in place. */
	if (!lru && !percpu)
		n += cpus;
	total += n * element;
	if (percpu)
		total += n * value * cpus;
	else if (!lru)
		total += 8ull * cpus;
	return total;
}

__u64 map_size_bytes(const struct map_size *m, unsigned cpus)
{
	switch (m->kind) {
	case MAP_ARRAY:
	case MAP_ARRAY_MAPPED:
	case MAP_ARRAY_PERCPU:
		return array_bytes(m, cpus);
	case MAP_HASH:
	case MAP_HASH_LRU:
	case MAP_HASH_PERCPU:
		return hash_bytes(m, cpus);
	default: /* its size, and three pages */
		return m->entries + 3 * sysconf(_SC_PAGESIZE);
	}
}
