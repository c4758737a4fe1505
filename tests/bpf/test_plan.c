// SPDX-License-Identifier: BSD-2-Clause
/* G18, P7: the printed plan against what the kernel accounts. */
#include "bpf/harness.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "bpf/place.h"
#include "compile/memory.h"

static __u64 planned(const struct map_plan *plan, size_t n, const char *map)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(plan[i].map, map))
			return plan[i].bytes;
	fail_msg("%s is not in the plan", map);
	return 0;
}

static void within_tenth(const char *what, __u64 plan, __u64 real)
{
	if (plan * 10 > real * 11 || plan * 11 < real * 10)
		fail_msg("%s: planned %llu, really %llu", what,
			 (unsigned long long)plan, (unsigned long long)real);
}

static void compare_plan(const struct datapath_settings *s)
{
	struct map_plan plan[MAP_PLAN_MAX];
	struct map_bytes real[MAP_PLAN_MAX];
	struct harness *h = harness_open(s);
	__u64 total = 0, sum = 0;
	size_t n = datapath_plan(s, plan, &total);
	size_t m = stats_maps(h->dp, real, MAP_PLAN_MAX);

	assert_true(n > 10);
	assert_int_equal(n, m);
	for (size_t i = 0; i < m; i++) {
		within_tenth(real[i].name, planned(plan, n, real[i].name),
			     real[i].bytes);
		assert_int_equal(real[i].planned,
				 planned(plan, n, real[i].name));
		sum += real[i].bytes;
	}
	within_tenth("all maps", total, sum);
	harness_close(h);
}

static void small(void **state)
{
	struct datapath_settings s;

	harness_settings(&s);
	compare_plan(&s);
}

/* The agent's defaults (interface.md section 2), image arrays at the limit. */
static void defaults(void **state)
{
	struct datapath_settings s;

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
	compare_plan(&s);
}

/* Sizes that are no power of two. */
static void odd_sizes(void **state)
{
	struct datapath_settings s;

	harness_settings(&s);
	for (int i = 0; i < MOAT_TABLE_COUNT; i++)
		s.table_entries[i] = 3000 + 17 * i;
	s.part_bytes[MOAT_PART_ROWS] = MOAT_PART_MIN + 1;
	s.rule_slots = 1025;
	compare_plan(&s);
}

/*
 * What `moat compile` prints, which knows neither the programs nor their maps,
 * is what an agent of the same configuration makes.
 */
static void compile_says_the_same(void **state)
{
	struct config *c = config_default();
	struct map_plan plan[MAP_PLAN_MAX];
	struct datapath_settings s;
	struct host_plan told;
	__u64 total = 0;
	size_t n;

	assert_non_null(c);
	agent_settings(c, &s);
	n = datapath_plan(&s, plan, &total);
	host_plan(c, NULL, host_cpus(), &told);
	for (size_t i = 0; i < told.count; i++)
		if (told.maps[i].bytes != planned(plan, n, told.maps[i].name))
			fail_msg("%s: told %llu, planned %llu",
				 told.maps[i].name,
				 (unsigned long long)told.maps[i].bytes,
				 (unsigned long long)planned(
					 plan, n, told.maps[i].name));
	/* What is not told is small: the programs' own, a set for each load. */
	assert_true(told.bytes <= total);
	assert_true(total - told.bytes < 1 << 20);
	assert_true(told.fits);
	config_free(c);
}

/* P7: a million flows with any cache in at most 320 MiB. */
static void million_flows(void **state)
{
	struct map_plan plan[MAP_PLAN_MAX];
	struct datapath_settings s;
	__u64 total = 0;
	size_t n;

	harness_settings(&s);
	s.table_entries[MOAT_TABLE_FLOWS] = 1048576;
	n = datapath_plan(&s, plan, &total);
	assert_true(planned(plan, n, "flows") <= 320ull << 20);
}

static void limit_is_kept(void **state)
{
	struct map_plan plan[MAP_PLAN_MAX];
	struct datapath_settings s;
	struct datapath *dp = NULL;
	const char *why = NULL;
	__u64 total = 0;

	harness_settings(&s);
	assert_true(datapath_plan(&s, plan, &total) > 0);
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
	struct map_bytes maps[MAP_PLAN_MAX];
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
	n = stats_maps(dp, maps, MAP_PLAN_MAX);
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
		cmocka_unit_test(million_flows),
		cmocka_unit_test(limit_is_kept),
		cmocka_unit_test(living_maps_are_taken_over),
	};

	return cmocka_run_group_tests(tests, NULL, place_leave);
}
