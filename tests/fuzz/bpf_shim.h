/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kernel gives the programs, for a build of bpf/ in user space: maps
 * and helpers. Included in front of bpf/moat.bpf.c, whose own text stays as it
 * is. A helper that isn't here is called at its number as an address, which
 * ends the target at once.
 */
#ifndef MOAT_FUZZ_BPF_SHIM_H
#define MOAT_FUZZ_BPF_SHIM_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* Sizes of a map as its definition says, all in pointers to arrays. */
#undef __uint
#define __uint(name, val) SHIM_##name(val)
#define SHIM_type(val) char(*type)[val]
#define SHIM_max_entries(val) char(*max_entries)[val]
#define SHIM_map_flags(val) char(*map_flags)[val]
#define SHIM_key_size(val) char(*key)[val]
#define SHIM_value_size(val) char(*value)[val]

struct shim_map {
	const void *map; /* the definition: its address is its name */
	unsigned long type, key, value, max;
};
#define SHIM_MAP(m) \
	(&(const struct shim_map){ (m), sizeof(*(m)->type), sizeof(*(m)->key), \
				   sizeof(*(m)->value), \
				   sizeof(*(m)->max_entries) })

void *shim_lookup(const struct shim_map *map, const void *key);
long shim_update(const struct shim_map *map, const void *key, const void *value,
		 __u64 flags);
long shim_delete(const struct shim_map *map, const void *key);
long shim_load(const void *ctx, __u32 off, void *to, __u32 len, __u32 start);
long shim_pull(void *ctx, __u32 len);
long shim_xdp_load(const void *ctx, __u32 off, void *to, __u32 len);
__u64 shim_xdp_length(const void *ctx);
__u64 shim_jiffies(void);

#define bpf_map_lookup_elem(m, key) shim_lookup(SHIM_MAP(m), key)
#define bpf_map_update_elem(m, key, value, flags) \
	shim_update(SHIM_MAP(m), key, value, flags)
#define bpf_map_delete_elem(m, key) shim_delete(SHIM_MAP(m), key)
#define bpf_skb_load_bytes_relative(ctx, off, to, len, start) \
	shim_load(ctx, off, to, len, start)
#define bpf_skb_pull_data(ctx, len) shim_pull(ctx, len)
#define bpf_xdp_load_bytes(ctx, off, to, len) shim_xdp_load(ctx, off, to, len)
#define bpf_xdp_get_buff_len(ctx) shim_xdp_length(ctx)
#define bpf_jiffies64() shim_jiffies()
#define bpf_ktime_get_boot_ns() (shim_jiffies() * 4000000)
#define bpf_spin_lock(lock) ((void)(lock))
#define bpf_spin_unlock(lock) ((void)(lock))
/* Asked only where the agent is dead: the packet is not for this host. */
#define bpf_fib_lookup(ctx, params, len, flags) \
	((void)(params), (long)BPF_FIB_LKUP_RET_SUCCESS)

#endif
