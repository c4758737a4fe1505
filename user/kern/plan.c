// SPDX-License-Identifier: BSD-2-Clause
/* The plan: bytes that the maps of an object take, before or after they are
 * made. */
#include <errno.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "base/map_size.h"
#include "kern/private.h"

static enum map_kind kind_of(const struct bpf_map *map)
{
	switch (bpf_map__type(map)) {
	case BPF_MAP_TYPE_ARRAY:
		return bpf_map__map_flags(map) & BPF_F_MMAPABLE ?
			       MAP_ARRAY_MAPPED :
			       MAP_ARRAY;
	case BPF_MAP_TYPE_PERCPU_ARRAY:
		return MAP_ARRAY_PERCPU;
	case BPF_MAP_TYPE_HASH:
		return MAP_HASH;
	case BPF_MAP_TYPE_LRU_HASH:
		return MAP_HASH_LRU;
	case BPF_MAP_TYPE_PERCPU_HASH:
		return MAP_HASH_PERCPU;
	default:
		return MAP_RING;
	}
}

__u64 map_bytes_planned(const struct bpf_map *map)
{
	struct map_size size = { .kind = kind_of(map),
				 .key = bpf_map__key_size(map),
				 .value = bpf_map__value_size(map),
				 .entries = bpf_map__max_entries(map) };

	return map_size_bytes(&size, possible_cpus());
}

__u64 object_bytes_planned(struct bpf_object *obj)
{
	struct bpf_map *map;
	__u64 total = 0;

	bpf_object__for_each_map(map, obj)
		if (bpf_map__autocreate(map))
			total += map_bytes_planned(map);
	return total;
}

unsigned possible_cpus(void)
{
	static int n;

	if (!n)
		n = libbpf_num_possible_cpus();
	return n > 0 ? n : 1;
}
