// SPDX-License-Identifier: BSD-2-Clause
/* Sizes of a host's maps (bpf/maps.h), and what they take. */
#include "compile/memory.h"

#include <unistd.h>

#include "base/cleanup.h"
#include "base/map_size.h"
#include "moat/counters.h"
#include "moat/flow.h"
#include "moat/host.h"
#include "moat/lease.h"

/* Rule counters are per CPU: on a host with hundreds of them room for every
 * rule of the largest policy would be room for none on most. */
#define RULE_BYTES (4u << 20)
#define RULES_LEAST 1024
#define RULES_MOST 16384

unsigned host_cpus(void)
{
	long n = sysconf(_SC_NPROCESSORS_CONF);

	return n > 0 ? (unsigned)n : 1;
}

__u32 host_table_entries(const struct config *c, int table)
{
	switch (table) {
	case MOAT_TABLE_FLOWS:
		return c->tables.flows;
	case MOAT_TABLE_UDP:
		return c->tables.udp;
	case MOAT_TABLE_OTHER:
		return c->tables.other;
	case MOAT_TABLE_CLOSING:
		return c->tables.closing;
	case MOAT_TABLE_DENIED:
		return c->tables.denied;
	case MOAT_TABLE_FRAGMENTS:
		return c->tables.fragments;
	default:
		return c->tables.embryonic;
	}
}

void host_sizes(unsigned cpus, bool least, __u32 ret_bytes[MOAT_PART_COUNT],
		__u32 *ret_slots)
{
	static const __u32 usual[MOAT_PART_COUNT] = {
		[MOAT_PART_ADDR4] = 4u << 20,
		[MOAT_PART_ADDR6] = 1u << 20,
		[MOAT_PART_CLASSES] = 512u << 10,
		[MOAT_PART_ROWS] = 4u << 20,
	};
	__u32 n = least ? RULES_LEAST : RULES_MOST;

	while (n > RULES_LEAST &&
	       n * sizeof(struct moat_rule_count) * cpus > RULE_BYTES)
		n /= 2;
	*ret_slots = n;
	for (int i = 0; i < MOAT_PART_COUNT; i++)
		ret_bytes[i] = least ? MOAT_PART_MIN : usual[i];
}

struct planned {
	struct host_plan *plan;
	unsigned cpus;
};

static void add(struct planned *p, const char *name, struct map_size size)
{
	struct host_map *m = &p->plan->maps[p->plan->count++];

	*m = (struct host_map){ name, size.entries,
				map_size_bytes(&size, p->cpus) };
	p->plan->bytes += m->bytes;
}

static void add_flow_tables(struct planned *p, const struct config *c)
{
	static const char *const names[] = {
#define X(symbol, name) name,
		MOAT_TABLES(X)
#undef X
	};

	for (int t = 0; t < MOAT_TABLE_COUNT; t++) {
		bool fragments = t == MOAT_TABLE_FRAGMENTS;
		bool plain = t == MOAT_TABLE_FLOWS || t == MOAT_TABLE_UDP ||
			     t == MOAT_TABLE_OTHER;

		add(p, names[t],
		    (struct map_size){ plain ? MAP_HASH : MAP_HASH_LRU,
				       fragments ?
					       sizeof(struct moat_frag_key) :
					       sizeof(struct moat_flow_key),
				       fragments ? sizeof(struct moat_frag) :
						   sizeof(struct moat_flow),
				       host_table_entries(c, t) });
	}
	add(p, "leases",
	    (struct map_size){ MAP_ARRAY_MAPPED, 4, sizeof(struct moat_leases),
			       MOAT_LEASE_BUCKETS(c->tables.flows) });
}

static void add_set(struct planned *p, const struct compile_stats *need,
		    bool least)
{
	static const char *const names[] = {
#define X(symbol, name) name,
		MOAT_PARTS(X)
#undef X
	};
	__u32 bytes[MOAT_PART_COUNT], slots;

	host_sizes(p->cpus, least, bytes, &slots);
	if (need && need->slots > slots)
		slots = need->slots;
	for (int i = 0; i < MOAT_PART_COUNT; i++) {
		if (need && need->bytes[i] > bytes[i])
			bytes[i] = need->bytes[i];
		add(p, names[i],
		    (struct map_size){ MAP_ARRAY_MAPPED, 4,
				       image_part_round(bytes[i]),
				       MOAT_SLOTS });
	}
	add(p, "image",
	    (struct map_size){ MAP_ARRAY_MAPPED, 4, sizeof(struct moat_image),
			       MOAT_SLOTS });
	add(p, "rules",
	    (struct map_size){ MAP_ARRAY_PERCPU, 4,
			       sizeof(struct moat_rule_counters),
			       image_rule_elements(slots) });
}

static void add_rest(struct planned *p)
{
	static const struct {
		const char *name;
		struct map_size size;
	} rest[] = {
		{ "control",
		  { MAP_ARRAY_MAPPED, 4, sizeof(struct moat_control), 1 } },
		{ "own",
		  { MAP_HASH, sizeof(struct moat_addr), sizeof(struct moat_own),
		    MOAT_OWN_MAX } },
		{ "ifaces",
		  { MAP_ARRAY, 4, sizeof(struct moat_iface), MOAT_IFACES } },
		{ "failsafe",
		  { MAP_ARRAY, 4, sizeof(struct moat_failsafe), 1 } },
		{ "host", { MAP_ARRAY, 4, sizeof(struct moat_host), 1 } },
		{ "buckets", { MAP_ARRAY, 4, 16, MOAT_BUCKETS } },
		{ "packets",
		  { MAP_ARRAY_PERCPU, 4, sizeof(struct moat_iface_counters),
		    MOAT_IFACES * 2 } },
		{ "totals",
		  { MAP_ARRAY_PERCPU, 4, sizeof(struct moat_totals), 1 } },
		{ "ethertypes",
		  { MAP_HASH_PERCPU, 4, sizeof(struct moat_count),
		    MOAT_ETHERTYPES_MAX } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rest); i++)
		add(p, rest[i].name, rest[i].size);
}

static void plan(const struct config *c, const struct compile_stats *need,
		 struct planned *p, bool least)
{
	*p->plan = (struct host_plan){};
	add_flow_tables(p, c);
	add_set(p, need, least);
	add_rest(p);
	p->plan->fits = p->plan->bytes <= c->tables.memory;
}

void host_plan(const struct config *c, const struct compile_stats *need,
	       unsigned cpus, struct host_plan *ret)
{
	struct planned p = { ret, cpus };

	plan(c, need, &p, false);
	if (!ret->fits)
		plan(c, need, &p, true);
}
