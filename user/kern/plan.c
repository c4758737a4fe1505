// SPDX-License-Identifier: BSD-2-Clause
/*
 * Bytes that a map takes, by the kernel's own arithmetic (array_map_mem_usage
 * and htab_map_mem_usage of 6.x; older kernels charge the same allocations).
 */
#include <errno.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "kern/private.h"

/* struct bpf_array and struct bpf_htab with their struct bpf_map, on 6.18. */
#define ARRAY_HEAD 312
#define HASH_HEAD 896
#define HASH_BUCKET 16	/* struct bucket */
#define HASH_ELEMENT 48 /* struct htab_elem before its key */

static __u64 round_to(__u64 n, __u64 unit)
{
	return (n + unit - 1) / unit * unit;
}

static __u64 array_bytes(const struct bpf_map *map)
{
	__u64 n = bpf_map__max_entries(map);
	__u64 element = round_to(bpf_map__value_size(map), 8);
	__u64 page = sysconf(_SC_PAGESIZE);

	if (bpf_map__type(map) == BPF_MAP_TYPE_PERCPU_ARRAY)
		return ARRAY_HEAD + n * 8 + n * element * possible_cpus();
	if (bpf_map__map_flags(map) & BPF_F_MMAPABLE)
		return page + round_to(n * element, page);
	return ARRAY_HEAD + n * element;
}

static __u64 hash_bytes(const struct bpf_map *map)
{
	enum bpf_map_type type = bpf_map__type(map);
	__u64 n = bpf_map__max_entries(map), cpus = possible_cpus();
	__u64 key = round_to(bpf_map__key_size(map), 8);
	__u64 value = round_to(bpf_map__value_size(map), 8);
	bool percpu = type == BPF_MAP_TYPE_PERCPU_HASH;
	bool lru = type == BPF_MAP_TYPE_LRU_HASH;
	__u64 element = HASH_ELEMENT + key + (percpu ? 8 : value);
	__u64 buckets = 1, total;

	while (buckets < n)
		buckets <<= 1;
	/* A plain hash keeps a spare element a CPU for updates in place. */
	if (!lru && !percpu)
		n += cpus;
	total = HASH_HEAD + buckets * HASH_BUCKET + n * element;
	if (percpu)
		total += n * value * cpus;
	else if (!lru)
		total += 8 * cpus;
	return total;
}

__u64 map_bytes_planned(const struct bpf_map *map)
{
	switch (bpf_map__type(map)) {
	case BPF_MAP_TYPE_ARRAY:
	case BPF_MAP_TYPE_PERCPU_ARRAY:
		return array_bytes(map);
	case BPF_MAP_TYPE_HASH:
	case BPF_MAP_TYPE_PERCPU_HASH:
	case BPF_MAP_TYPE_LRU_HASH:
		return hash_bytes(map);
	default: /* ring buffer: its size in bytes, and two pages */
		return bpf_map__max_entries(map) + 3 * sysconf(_SC_PAGESIZE);
	}
}

__u64 object_bytes_planned(struct bpf_object *obj)
{
	struct bpf_map *map;
	__u64 total = 0;

	bpf_object__for_each_map(map, obj) if (bpf_map__autocreate(map))
		total += map_bytes_planned(map);
	return total;
}

size_t datapath_plan(const struct datapath_settings *s,
		     struct map_plan ret[MAP_PLAN_MAX], __u64 *ret_total)
{
	static char names[MAP_PLAN_MAX][32];
	void *owner = NULL;
	struct bpf_object *obj;
	struct bpf_map *map;
	__u64 total = 0;
	size_t n = 0;

	why_begin();
	obj = object_sized(s, &owner);
	if (!obj)
		return 0;
	bpf_object__for_each_map(map, obj)
	{
		if (!bpf_map__autocreate(map) || n == MAP_PLAN_MAX)
			continue;
		snprintf(names[n], sizeof(names[n]), "%s", bpf_map__name(map));
		ret[n] = (struct map_plan){ names[n], map_bytes_planned(map) };
		total += ret[n++].bytes;
	}
	object_release(owner);
	*ret_total = total;
	return n;
}

unsigned possible_cpus(void)
{
	static int n;

	if (!n)
		n = libbpf_num_possible_cpus();
	return n > 0 ? n : 1;
}
