// SPDX-License-Identifier: BSD-2-Clause
/* Differences of flow counters over walks, moves, evictions and namesakes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "svc/flow_delta.h"

static struct flow_record record(unsigned int n, __u64 created, __u64 packets)
{
	struct flow_record r = { .table = MOAT_TABLE_FLOWS };

	r.key.local.w[3] = 1;
	r.key.remote.w[3] = n;
	r.key.proto = 6;
	r.flow.created = created;
	r.flow.packets[0] = packets;
	r.flow.bytes[0] = packets * 100;
	r.flow.packets[1] = packets * 2;
	r.flow.bytes[1] = packets * 200;
	return r;
}

static __u64 gain(struct flow_delta *d, struct flow_record r)
{
	struct moat_count gained[2];

	assert_int_equal(flow_delta_see(d, &r, gained), 0);
	assert_int_equal(gained[0].bytes, gained[0].packets * 100);
	assert_int_equal(gained[1].packets, gained[0].packets * 2);
	assert_int_equal(gained[1].bytes, gained[1].packets * 100);
	return gained[0].packets;
}

static void gains_once(void **state)
{
	CLEANUP(flow_delta) struct flow_delta *d = flow_delta_new();

	assert_int_equal(gain(d, record(1, 5, 10)), 10);
	assert_int_equal(gain(d, record(1, 5, 10)), 0);
	assert_int_equal(gain(d, record(1, 5, 25)), 15);
	assert_int_equal(gain(d, record(2, 5, 25)), 25);
}

/* A copy left behind in another table, older or newer, counts nothing. */
static void moved_flow(void **state)
{
	CLEANUP(flow_delta) struct flow_delta *d = flow_delta_new();
	struct flow_record stale = record(1, 5, 3);

	stale.table = MOAT_TABLE_EMBRYONIC_IN;
	assert_int_equal(gain(d, stale), 3);
	assert_int_equal(gain(d, record(1, 5, 10)), 7);
	assert_int_equal(gain(d, stale), 0);
	assert_int_equal(gain(d, record(1, 5, 12)), 2);
}

/* The same tuple again, later: another flow, though both may lie in tables. */
static void namesake(void **state)
{
	CLEANUP(flow_delta) struct flow_delta *d = flow_delta_new();

	assert_int_equal(gain(d, record(1, 5, 100)), 100);
	assert_int_equal(gain(d, record(1, 9, 4)), 4);
	assert_int_equal(gain(d, record(1, 5, 100)), 0);
	assert_int_equal(gain(d, record(1, 9, 5)), 1);
}

static void denied_is_another(void **state)
{
	CLEANUP(flow_delta) struct flow_delta *d = flow_delta_new();
	struct flow_record denied = record(1, 5, 100);

	denied.table = MOAT_TABLE_DENIED;
	assert_int_equal(gain(d, denied), 100);
	assert_int_equal(gain(d, record(1, 5, 7)), 7);
}

/* Many flows come and go: those not found twice are forgotten, the others
 * never, however the sweep is cut. */
static void forgets_the_gone_alone(void **state)
{
	CLEANUP(flow_delta) struct flow_delta *d = flow_delta_new();
	unsigned int i, scan, known = 0;

	for (i = 0; i < 20000; i++)
		gain(d, record(i, 1, 1));
	for (scan = 2; scan < 6; scan++) {
		flow_delta_next_scan(d);
		for (i = 0; i < 20000; i += 7)
			assert_int_equal(gain(d, record(i, 1, scan)), 1);
		for (i = 0; i < 200; i++)
			flow_delta_sweep(d, 333);
	}
	/* One that was forgotten is new; one that was not is not. */
	assert_int_equal(gain(d, record(1, 1, 50)), 50);
	assert_int_equal(gain(d, record(7, 1, 50)), 45);
	for (i = 8; i < 20000; i++)
		known += gain(d, record(i, 1, 50)) == 45;
	assert_int_equal(known, (20000 + 6) / 7 - 2);
}

/* A walk may miss a flow that moves against its order. */
static void missed_once(void **state)
{
	CLEANUP(flow_delta) struct flow_delta *d = flow_delta_new();

	assert_int_equal(gain(d, record(1, 1, 10)), 10);
	flow_delta_next_scan(d);
	flow_delta_sweep(d, 5000);
	assert_int_equal(gain(d, record(1, 1, 11)), 1);
}

/* A flow of days before us counts whole; later differences are told apart
 * though not all bits of the counters are kept. */
static void large_counters(void **state)
{
	CLEANUP(flow_delta) struct flow_delta *d = flow_delta_new();
	const __u64 much = 0x123456789abull, more = (1u << 31) - 1;

	assert_int_equal(gain(d, record(1, 5, much)), much);
	assert_int_equal(gain(d, record(1, 5, much)), 0);
	assert_int_equal(gain(d, record(1, 5, much + 3)), 3);
	/* 2^31 - 1 of the other direction, which counts twice. */
	assert_int_equal(gain(d, record(1, 5, much + 3 + more / 2)), more / 2);
	/* A copy in another table that stopped counting. */
	assert_int_equal(gain(d, record(1, 5, much + more / 2)), 0);
	assert_int_equal(gain(d, record(1, 5, much + 4 + more / 2)), 1);
}

/* The memory of a crowd is given back, and those who stay are not lost. */
static void crowd_leaves(void **state)
{
	CLEANUP(flow_delta) struct flow_delta *d = flow_delta_new();
	unsigned int i, scan;

	for (i = 0; i < 50000; i++)
		gain(d, record(i, 1, 1));
	for (scan = 0; scan < 8; scan++) {
		flow_delta_next_scan(d);
		for (i = 0; i < 100; i++)
			assert_int_equal(gain(d, record(i, 1, scan + 2)), 1);
		for (i = 0; i < 100; i++)
			flow_delta_sweep(d, 2000);
	}
	for (i = 0; i < 100; i++)
		assert_int_equal(gain(d, record(i, 1, 12)), 3);
	for (i = 100; i < 50000; i++)
		assert_int_equal(gain(d, record(i, 1, 1)), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gains_once),
		cmocka_unit_test(moved_flow),
		cmocka_unit_test(namesake),
		cmocka_unit_test(denied_is_another),
		cmocka_unit_test(forgets_the_gone_alone),
		cmocka_unit_test(missed_once),
		cmocka_unit_test(large_counters),
		cmocka_unit_test(crowd_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
