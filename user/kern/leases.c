// SPDX-License-Identifier: BSD-2-Clause
/*
 * Leases (moat/lease.h) from user space: what is counted there and not yet in
 * the record, and the floor that ends them. Programs write the array; nobody
 * else does while any runs.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>

#include <bpf/libbpf.h>

#include "kern/private.h"

static size_t size_of(const struct leases *l)
{
	return (size_t)l->buckets * sizeof(*l->map);
}

int leases_open(struct leases *l, const struct load *load)
{
	void *map;

	l->buckets = bpf_map__max_entries(
		bpf_object__find_map_by_name(load_object(load), "leases"));
	map = mmap(NULL, size_of(l), PROT_READ | PROT_WRITE, MAP_SHARED,
		   load_map_fd(load, "leases"), 0);
	if (map == MAP_FAILED)
		return -errno;
	l->map = map;
	load_lease_keys(l->key);
	return 0;
}

void leases_close(struct leases *l)
{
	if (l->map)
		munmap(l->map, size_of(l));
	l->map = NULL;
}

static bool is_of(const struct moat_lease *l, const struct moat_flow_key *key,
		  __u16 kind)
{
	return l->kind == kind &&
	       l->ports == (key->lport | (__u32)key->rport << 16) &&
	       !memcmp(&l->local, &key->local, sizeof(key->local)) &&
	       !memcmp(&l->remote, &key->remote, sizeof(key->remote));
}

static const struct moat_leases *bucket_of(const struct leases *l,
					   const struct moat_flow_key *key)
{
	__u64 ports = key->lport | (__u32)key->rport << 16;
	__u64 hash = MOAT_LEASE_SUM(l->key, key->local.d, key->remote.d, ports);

	hash = MOAT_LEASE_HASH(hash);
	return &l->map[MOAT_LEASE_BUCKET(hash, (__u64)l->buckets)];
}

void leases_ahead(const struct leases *l, const struct moat_flow_key *key)
{
	const struct moat_leases *all = bucket_of(l, key);

	for (unsigned i = 0; i < MOAT_LEASE_WAYS; i++)
		__builtin_prefetch(&all->way[i]);
}

void leases_add(const struct leases *l, const struct moat_flow_key *key,
		struct moat_flow *f)
{
	__u16 kind = (f->created & ~MOAT_LEASE_UDP) |
		     (key->proto == IPPROTO_UDP ? MOAT_LEASE_UDP : 0);
	const struct moat_leases *all = bucket_of(l, key);

	for (unsigned i = 0; i < MOAT_LEASE_WAYS; i++) {
		const struct moat_lease *one = &all->way[i];

		if (!is_of(one, key, kind))
			continue;
		for (unsigned dir = 0; dir < 2; dir++) {
			__u64 n = __atomic_load_n(&one->count[dir],
						  __ATOMIC_RELAXED);

			f->packets[dir] += n >> 40;
			f->bytes[dir] += n & MOAT_LEASE_BYTES;
		}
	}
}

/* A run that read a record before it was changed has an older time than now,
 * and makes no lease beyond the floor. Two jiffies: our reckoning of them. */
void leases_void(struct datapath *dp)
{
	__atomic_store_n(&dp->store.control->lease_floor,
			 datapath_jiffies(dp) + 2 +
				 load_lease_time(&dp->settings, dp->clocks.hz),
			 __ATOMIC_SEQ_CST);
}

void leases_clear(struct leases *l)
{
	memset(l->map, 0, size_of(l));
}
