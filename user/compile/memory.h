/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The plan of a host's memory: the maps that an agent makes for a
 * configuration and a compiled policy, and the bytes that they take. `moat
 * compile` prints it; the agent makes its maps of these sizes.
 */
#ifndef MOAT_COMPILE_MEMORY_H
#define MOAT_COMPILE_MEMORY_H

#include <stdbool.h>

#include "compile/compile.h"

/* CPUs that this machine may have. At least 1. */
unsigned host_cpus(void);
/* Entries of a flow table, by the configuration. */
__u32 host_table_entries(const struct config *c, int table);

/*
 * Sizes of the image's arrays (bytes a slot) and of the rule counters that an
 * agent begins with. As usual: room for 10,000 rules and 100,000 CIDRs, since
 * to move to larger arrays is a second load of the programs, most of a second
 * in which a push waits: 38 MiB. Least: where tables.memory has no room.
 */
void host_sizes(unsigned cpus, bool least, __u32 ret_bytes[MOAT_PART_COUNT],
		__u32 *ret_slots);

struct host_map {
	const char *name; /* static */
	__u32 entries;
	__u64 bytes;
};
#define HOST_MAPS_MAX 32
struct host_plan {
	struct host_map maps[HOST_MAPS_MAX];
	size_t count;
	__u64 bytes; /* of all */
	bool fits;   /* into tables.memory */
};

/* Every map but those that one load of the programs has for itself, some KiB a
 * CPU in all. need: of the policy, or NULL. */
void host_plan(const struct config *c, const struct compile_stats *need,
	       unsigned cpus, struct host_plan *ret);

#endif
