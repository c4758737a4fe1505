/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a BPF map takes of the kernel's memory, by the kernel's own arithmetic
 * (array_map_mem_usage and htab_map_mem_usage of 6.x; older kernels charge the
 * same allocations): before there is one, and without libbpf.
 */
#ifndef MOAT_MAP_SIZE_H
#define MOAT_MAP_SIZE_H

#include "moat/base.h"

enum map_kind {
	MAP_ARRAY,
	MAP_ARRAY_MAPPED, /* BPF_F_MMAPABLE */
	MAP_ARRAY_PERCPU,
	MAP_HASH,
	MAP_HASH_LRU,
	MAP_HASH_PERCPU,
	MAP_RING,
};

struct map_size {
	enum map_kind kind;
	__u32 key, value, entries; /* bytes, bytes, number (ring: bytes) */
};

/* Bytes, on a host with so many possible CPUs. */
__u64 map_size_bytes(const struct map_size *m, unsigned cpus);
/* The least power of two that is not below n. */
__u32 power_of_two(__u32 n);

#endif
