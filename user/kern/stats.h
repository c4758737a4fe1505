/* SPDX-License-Identifier: BSD-2-Clause */
/* Per-CPU counters summed into plain snapshots. */
#ifndef MOAT_STATS_H
#define MOAT_STATS_H

#include <stddef.h>

#include "moat/counters.h"

struct datapath;

struct iface_stats {
	__u32 ifindex;
	struct moat_iface_counters direction[2];
};
/* Sums of one interface entry (0..MOAT_IFACES - 1). 0 or -errno. */
int stats_iface(struct datapath *dp, unsigned entry, struct iface_stats *ret);
/* Sums of rule slots 0..count-1. */
int stats_rules(struct datapath *dp, struct moat_rule_count *ret, size_t count);
/*
 * What the programs counted in former, smaller maps after these were copied:
 * part of every reading until it is forgotten, and of this process alone.
 * Who keeps it over restarts adds it himself. Number of slots; *ret is the
 * datapath's, valid until datapath_grow() or until it is forgotten.
 */
size_t stats_carried(const struct datapath *dp,
		     const struct moat_rule_count **ret);
void stats_forget_carried(struct datapath *dp);
int stats_totals(struct datapath *dp, struct moat_totals *ret);
struct ethertype_count {
	__u32 ethertype;
	struct moat_count count;
};
size_t stats_ethertypes(struct datapath *dp, struct ethertype_count *ret,
			size_t max);
/* Bytes of each map as the kernel accounts them (memlock of fdinfo), and as
 * planned for a map of its size. */
struct map_bytes {
	char name[32];
	__u64 bytes, planned;
	__u32 entries_max;
};
#define STATS_MAPS_MAX 40
size_t stats_maps(struct datapath *dp, struct map_bytes *ret, size_t max);

#endif
