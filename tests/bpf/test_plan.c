// SPDX-License-Identifier: BSD-2-Clause
/* G18, P7: the printed plan against what the kernel accounts. */
#include "bpf/harness.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "bpf/place.h"
#include "compile/memory.h"

/* The maps of an instance of its own. */
struct maps {
	struct map_bytes map[STATS_MAPS_MAX];
	size_t n;
	__u64 planned, real; /* of all */
};

static struct maps maps_of(const struct datapath_settings *s)
{
	struct harness *h = harness_open(s);
	struct maps m = {};

	m.n = stats_maps(h->dp, m.map, STATS_MAPS_MAX);
	harness_close(h);
	assert_in_range(m.n, 10, STATS_MAPS_MAX - 1);
	for (size_t i = 0; i < m.n; i++) {
		m.planned += m.map[i].planned;
		m.real += m.map[i].bytes;
	}
	return m;
}

static __u64 planned(const struct maps *m, const char *map)
{
	for (size_t i = 0; i < m->n; i++)
		if (!strcmp(m->map[i].name, map))
			return m->map[i].planned;
	fail_msg("no map %s", map);
	return 0;
}

static unsigned linux_version(void)
{
	unsigned major = 0, minor = 0;

	assert_int_equal(
		sscanf(datapath_facts()->release, "%u.%u", &major, &minor), 2);
	return major << 8 | minor;
}

/*
 * The plan has the struct sizes of 6.18; on other kernels the head of a map is
 * some words longer or shorter, which shows in those of one entry. Before 5.11
 * a map is charged in whole pages.
 */
static __u64 heads(void)
{
	unsigned v = linux_version();

	if (v < (5 << 8 | 11))
		return sysconf(_SC_PAGESIZE) + 256;
	return v < (6 << 8 | 18) ? 256 : 0;
}

static void within_tenth(const char *what, __u64 plan, __u64 real)
{
	__u64 apart = plan > real ? plan - real : real - plan;

	if (apart > heads() && (plan * 10 > real * 11 || plan * 11 < real * 10))
		fail_msg("%s: planned %llu, really %llu", what,
			 (unsigned long long)plan, (unsigned long long)real);
}

static void compare_plan(const struct maps *m)
{
	unsigned v = linux_version();

	if (v >= (5 << 8 | 11) && v < (6 << 8 | 4)) {
		print_message(
			"from 5.11 to 6.3 the kernel tells the sizes of keys and values alone\n");
		skip();
	}
	for (size_t i = 0; i < m->n; i++)
		within_tenth(m->map[i].name, m->map[i].planned,
			     m->map[i].bytes);
	within_tenth("all maps", m->planned, m->real);
}

static void small(void **state)
{
	struct datapath_settings s;
	struct maps m;

	harness_settings(&s);
	m = maps_of(&s);
	compare_plan(&m);
}

/*
 * The agent's defaults (interface.md section 2), image arrays at the limit.
 * P7: a million flows with any cache in at most 320 MiB.
 */
static void defaults(void **state)
{
	struct datapath_settings s;
	struct maps m;

	harness_settings(&s);
	s.table_entries[MOAT_TABLE_FLOWS] = 1048576;
	s.table_entries[MOAT_TABLE_UDP] = 262144;
	s.table_entries[MOAT_TABLE_OTHER] = 65536;
	s.table_entries[MOAT_TABLE_EMBRYONIC_OUT] = 65536;
	s.table_entries[MOAT_TABLE_EMBRYONIC_IN] = 65536;
	s.table_entries[MOAT_TABLE_CLOSING] = 65536;
	s.table_entries[MOAT_TABLE_DENIED] = 65536;
	s.table_entries[MOAT_TABLE_FRAGMENTS] = 16384;
	for (int i = 0; i < MOAT_PART_COUNT; i++)
		s.part_bytes[i] = MOAT_PART_MAX;
	s.rule_slots = MOAT_RULE_SLOTS_MAX;
	m = maps_of(&s);
	assert_true(planned(&m, "flows") <= 320ull << 20);
	compare_plan(&m);
}

/* Sizes that are no power of two. */
static void odd_sizes(void **state)
{
	struct datapath_settings s;
	struct maps m;

	harness_settings(&s);
	for (int i = 0; i < MOAT_TABLE_COUNT; i++)
		s.table_entries[i] = 3000 + 17 * i;
	s.part_bytes[MOAT_PART_ROWS] = MOAT_PART_MIN + 1;
	s.rule_slots = 1025;
	m = maps_of(&s);
	compare_plan(&m);
}

/*
 * What `moat compile` prints, which knows neither the programs nor their maps,
 * is what an agent of the same configuration makes.
 */
static void compile_says_the_same(void **state)
{
	struct config *c = config_default();
	struct datapath_settings s;
	struct host_plan told;
	struct maps m;
	__u64 is;

	assert_non_null(c);
	agent_settings(c, &s);
	s.pin_dir = NULL;
	m = maps_of(&s);
	host_plan(c, NULL, host_cpus(), &told);
	for (size_t i = 0; i < told.count; i++) {
		is = planned(&m, told.maps[i].name);
		if (told.maps[i].bytes != is)
			fail_msg("%s: told %llu, planned %llu",
				 told.maps[i].name,
				 (unsigned long long)told.maps[i].bytes,
				 (unsigned long long)is);
	}
	/* What is not told is small: the programs' own, a set for each load. */
	assert_true(told.bytes <= m.planned);
	assert_true(m.planned - told.bytes < 1 << 20);
	assert_true(told.fits);
	config_free(c);
}

static void limit_is_kept(void **state)
{
	struct datapath_settings s;
	struct datapath *dp = NULL;
	const char *why = NULL;
	__u64 total;

	harness_settings(&s);
	total = maps_of(&s).planned;
	s.memory_limit = total - 1;
	assert_int_equal(datapath_open(&s, &dp, &why), -ENOSPC);
	assert_null(dp);
	assert_non_null(strstr(why, "tables.memory"));
	s.memory_limit = total;
	assert_int_equal(datapath_open(&s, &dp, &why), 0);
	datapath_close(dp);
}

/* A limit lowered between two starts must not keep the agent from its maps. */
static void living_maps_are_taken_over(void **state)
{
	struct map_bytes maps[STATS_MAPS_MAX];
	struct datapath_settings s;
	struct datapath *dp = NULL;
	const char *why = NULL;
	char dir[128];
	size_t n;

	snprintf(dir, sizeof(dir), "%s/plan", place_enter());
	harness_settings(&s);
	s.pin_dir = dir;
	assert_int_equal(datapath_open(&s, &dp, &why), 0);
	datapath_close(dp);
	s.memory_limit = 1 << 20;
	s.table_entries[MOAT_TABLE_FLOWS] = 50000;
	assert_int_equal(datapath_open(&s, &dp, &why), 0);
	n = stats_maps(dp, maps, STATS_MAPS_MAX);
	for (size_t i = 0; i < n; i++)
		if (!strcmp(maps[i].name, "flows"))
			assert_int_equal(maps[i].entries_max, 1024);
	datapath_close(dp);
	assert_int_equal(detach_all(dir), 0);
	assert_int_equal(datapath_open(&s, &dp, &why), -ENOSPC);
	assert_int_equal(detach_all(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small),
		cmocka_unit_test(defaults),
		cmocka_unit_test(odd_sizes),
		cmocka_unit_test(compile_says_the_same),
		cmocka_unit_test(limit_is_kept),
		cmocka_unit_test(living_maps_are_taken_over),
	};

	return cmocka_run_group_tests(tests, NULL, place_leave);
}
