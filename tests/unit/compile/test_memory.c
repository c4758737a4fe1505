// SPDX-License-Identifier: BSD-2-Clause
/* The plan of a host's memory (G18). That it is what the kernel takes: see
 * tests/bpf/test_plan.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/map_size.h"
#include "compile/memory.h"

static const struct host_map *find(const struct host_plan *p, const char *name)
{
	for (size_t i = 0; i < p->count; i++)
		if (!strcmp(p->maps[i].name, name))
			return &p->maps[i];
	fail_msg("%s is not in the plan", name);
	return NULL;
}

static void defaults_fit(void **state)
{
	struct config *c = config_default();
	struct host_plan p;
	__u64 sum = 0;

	host_plan(c, NULL, 2, &p);
	assert_true(p.fits);
	for (size_t i = 0; i < p.count; i++)
		sum += p.maps[i].bytes;
	assert_int_equal(sum, p.bytes);
	assert_int_equal(find(&p, "flows")->entries, 1048576);
	assert_int_equal(find(&p, "embryonic_in")->entries, 65536);
	assert_int_equal(find(&p, "embryonic_out")->entries, 65536);
	assert_int_equal(find(&p, "fragments")->entries, 16384);
	/* A bucket of 16 bytes; 48 before the key of 40 and the record of 112;
	 * two more elements; the head, and 8 bytes a CPU. */
	assert_int_equal(find(&p, "flows")->bytes,
			 1048576ull * 16 + 1048578ull * (48 + 40 + 112) + 896 +
				 2 * 8);
	assert_int_equal(find(&p, "addr4")->bytes, 4096 + 4 * (4ull << 20));
	config_free(c);
}

/* More CPUs: more counters, though fewer rule slots at first. */
static void cpus_count(void **state)
{
	struct config *c = config_default();
	struct host_plan few, many;

	c->tables.memory = 1u << 30;
	host_plan(c, NULL, 2, &few);
	host_plan(c, NULL, 256, &many);
	assert_true(find(&many, "packets")->bytes >
		    100 * find(&few, "packets")->bytes);
	assert_true(find(&many, "rules")->bytes <= 13 << 20);
	assert_int_equal(find(&many, "addr4")->bytes,
			 find(&few, "addr4")->bytes);
	config_free(c);
}

static void policy_asks_for_more(void **state)
{
	struct compile_stats need = {
		.bytes = { [MOAT_PART_ADDR6] = (2u << 20) + 1 }, .slots = 20000
	};
	struct config *c = config_default();
	struct host_plan usual, more;

	host_plan(c, NULL, 2, &usual);
	host_plan(c, &need, 2, &more);
	assert_int_equal(find(&usual, "addr6")->bytes, 4096 + 4 * (1ull << 20));
	assert_int_equal(find(&more, "addr6")->bytes, 4096 + 4 * (4ull << 20));
	assert_int_equal(find(&usual, "rules")->entries, 512);
	assert_int_equal(find(&more, "rules")->entries, 1024);
	config_free(c);
}

static void little_memory(void **state)
{
	struct config *c = config_default();
	struct host_plan p;

	host_plan(c, NULL, 2, &p);
	c->tables.memory = p.bytes - 1;
	host_plan(c, NULL, 2, &p);
	assert_true(p.fits);
	assert_int_equal(find(&p, "addr4")->bytes,
			 4096 + 4 * (__u64)MOAT_PART_MIN);
	c->tables.memory = p.bytes - 1;
	host_plan(c, NULL, 2, &p);
	assert_false(p.fits);
	config_free(c);
}

static void sizes_of_maps(void **state)
{
	struct map_size m = { MAP_ARRAY, 4, 12, 10 };

	assert_int_equal(map_size_bytes(&m, 4), 312 + 10 * 16);
	m.kind = MAP_ARRAY_PERCPU;
	assert_int_equal(map_size_bytes(&m, 4), 312 + 10 * 8 + 10 * 16 * 4);
	m.kind = MAP_ARRAY_MAPPED;
	assert_int_equal(map_size_bytes(&m, 4), 4096 + 4096);
	m.kind = MAP_HASH_LRU;
	assert_int_equal(map_size_bytes(&m, 4),
			 896 + 16 * 16 + 10 * (48 + 8 + 16));
	m.kind = MAP_HASH;
	assert_int_equal(map_size_bytes(&m, 4),
			 896 + 16 * 16 + 14 * (48 + 8 + 16) + 8 * 4);
	m.kind = MAP_HASH_PERCPU;
	assert_int_equal(map_size_bytes(&m, 4),
			 896 + 16 * 16 + 10 * (48 + 8 + 8) + 10 * 16 * 4);
	m = (struct map_size){ MAP_RING, 0, 0, 1 << 20 };
	assert_int_equal(map_size_bytes(&m, 4), (1 << 20) + 3 * 4096);
	assert_int_equal(power_of_two(1), 1);
	assert_int_equal(power_of_two(1025), 2048);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_fit),
		cmocka_unit_test(cpus_count),
		cmocka_unit_test(policy_asks_for_more),
		cmocka_unit_test(little_memory),
		cmocka_unit_test(sizes_of_maps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
