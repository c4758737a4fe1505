// SPDX-License-Identifier: BSD-2-Clause
/*
 * Flow tables from user space: walks in slices, expiry that never takes a
 * live flow (F6, G7, R-23), ending one flow.
 */
#include "bpf/numbered.h"

#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#define ENTRIES 4096
#define SECOND ((__s64)datapath_facts()->hz)

static int open_once(void **state)
{
	*state = numbered_open(ENTRIES);
	return 0;
}

static int close_once(void **state)
{
	harness_close(*state);
	return 0;
}

struct keys {
	struct moat_flow_key key[ENTRIES];
	size_t count;
};

static bool collect(const struct flow_record *r, void *arg)
{
	struct keys *k = arg;

	k->key[k->count++] = r->key;
	return k->count < ENTRIES;
}

static int empty_tables(void **state)
{
	static const char *const names[] = {
#define X(symbol, name) name,
		MOAT_TABLES(X)
#undef X
	};
	struct harness *h = *state;
	static struct keys k;

	for (unsigned t = 0; t < MOAT_TABLE_COUNT; t++) {
		struct flow_slice s = {
			.table = t, .max = 4096, .fn = collect, .arg = &k
		};

		k.count = 0;
		if (t == MOAT_TABLE_FRAGMENTS)
			continue;
		while (flows_walk(h->dp, &s) > 0)
			;
		for (size_t i = 0; i < k.count; i++)
			bpf_map_delete_elem(harness_map(h, names[t]),
					    &k.key[i]);
		assert_int_equal(harness_count(h, t), 0);
	}
	return 0;
}

struct seen {
	unsigned char times[ENTRIES];
	size_t count, stop_at;
	enum moat_table table;
	int wrong;
};

static bool see(const struct flow_record *r, void *arg)
{
	struct seen *s = arg;
	unsigned n = numbered_of(r, ENTRIES);

	if (n == ENTRIES || r->table != s->table)
		s->wrong++;
	else
		s->times[n]++;
	return ++s->count != s->stop_at;
}

static void walk_sees_each_once(void **state)
{
	struct harness *h = *state;

	for (unsigned t = 0; t < MOAT_TABLE_COUNT; t++) {
		static struct seen seen;
		struct flow_slice s = {
			.table = t, .max = 100, .fn = see, .arg = &seen
		};
		int rc, slices = 0;

		if (t == MOAT_TABLE_FRAGMENTS)
			continue;
		seen = (struct seen){ .table = t };
		for (unsigned n = 0; n < 1000; n++)
			numbered_put(h, t, n, 60);
		do {
			size_t before = seen.count;

			rc = flows_walk(h->dp, &s);
			slices++;
			assert_true(seen.count - before <= 100);
		} while (rc > 0);
		assert_int_equal(rc, 0);
		assert_null(s.cursor);
		assert_true(slices >= 10);
		assert_int_equal(seen.wrong, 0);
		assert_int_equal(seen.count, 1000);
		for (unsigned n = 0; n < 1000; n++)
			assert_int_equal(seen.times[n], 1);
		assert_int_equal(harness_count(h, t), 1000);
	}
}

static void walk_stops(void **state)
{
	struct harness *h = *state;
	static struct seen seen;
	struct flow_slice s = { .max = 256, .fn = see, .arg = &seen };

	for (unsigned n = 0; n < 500; n++)
		numbered_put(h, MOAT_TABLE_FLOWS, n, 60);
	seen = (struct seen){ .stop_at = 3 };
	assert_int_equal(flows_walk(h->dp, &s), 0);
	assert_int_equal(seen.count, 3);
	assert_null(s.cursor);
	/* Broken off by the caller. */
	seen = (struct seen){};
	assert_int_equal(flows_walk(h->dp, &s), 1);
	assert_non_null(s.cursor);
	flow_walk_free(s.cursor);
	/* Fragments are no flows. */
	s = (struct flow_slice){ .table = MOAT_TABLE_FRAGMENTS, .fn = see };
	assert_int_equal(flows_walk(h->dp, &s), -EINVAL);
	assert_null(s.cursor);
	s.table = MOAT_TABLE_COUNT;
	assert_int_equal(flows_expire(h->dp, &s), -EINVAL);
}

static void empty_table(void **state)
{
	struct harness *h = *state;
	static struct seen seen;
	struct flow_slice s = {
		.table = MOAT_TABLE_UDP, .max = 256, .fn = see, .arg = &seen
	};

	assert_int_equal(flows_walk(h->dp, &s), 0);
	assert_int_equal(flows_expire(h->dp, &s), 0);
	assert_int_equal(s.live + s.deleted + seen.count, 0);
}

/* Live, just expired (somebody may hold it), expired long enough. */
static void expiry_waits_five_seconds(void **state)
{
	struct harness *h = *state;

	for (unsigned t = 0; t < MOAT_TABLE_COUNT; t++) {
		static struct seen seen;
		struct flow_slice s = {
			.table = t, .max = 128, .fn = see, .arg = &seen
		};

		if (t == MOAT_TABLE_FRAGMENTS)
			continue;
		for (unsigned n = 0; n < 900; n++)
			numbered_put(h, t, n,
				     n % 3 == 0 ? 60 :
				     n % 3 == 1 ? -1 :
						  -7);
		seen = (struct seen){ .table = t };
		numbered_expire(h, &s);
		assert_int_equal(s.deleted, 300);
		assert_int_equal(s.live, 600);
		assert_int_equal(seen.wrong, 0);
		assert_int_equal(seen.count, 300);
		for (unsigned n = 0; n < 900; n++) {
			assert_int_equal(seen.times[n], n % 3 == 2);
			assert_int_equal(numbered_there(h, t, n), n % 3 != 2);
		}
	}
}

/* A new flow in the place of an expired entry, put there between the look and
 * the deletion, as programs may do in tables that evict. */
struct revive {
	struct harness *h;
	size_t done;
};

static bool put_new(const struct flow_record *r, void *arg)
{
	struct revive *v = arg;
	struct moat_flow f = r->flow;

	f.created += 5000;
	f.expires = datapath_jiffies(v->h->dp) + 60 * SECOND;
	harness_put_flow(v->h, r->table, &r->key, &f);
	v->done++;
	return true;
}

static void new_flow_in_evicting_table_stays(void **state)
{
	static const enum moat_table tables[] = {
		MOAT_TABLE_EMBRYONIC_IN,
		MOAT_TABLE_EMBRYONIC_OUT,
		MOAT_TABLE_CLOSING,
		MOAT_TABLE_DENIED,
	};
	struct harness *h = *state;

	for (size_t i = 0; i < 4; i++) {
		struct revive v = { .h = h };
		struct flow_slice s = {
			.table = tables[i], .max = 128, .fn = put_new, .arg = &v
		};

		for (unsigned n = 0; n < 200; n++)
			numbered_put(h, tables[i], n, -60);
		numbered_expire(h, &s);
		assert_true(v.done >= 200);
		assert_int_equal(s.deleted, 0);
		for (unsigned n = 0; n < 200; n++)
			assert_true(numbered_there(h, tables[i], n));
	}
}

static void kill_expires_now(void **state)
{
	struct harness *h = *state;
	struct flow_record r = { .table = MOAT_TABLE_FLOWS,
				 .key = numbered_key(7) };
	struct moat_flow f;
	__u64 before, after;

	numbered_put(h, MOAT_TABLE_FLOWS, 7, 1000);
	numbered_put(h, MOAT_TABLE_FLOWS, 8, 1000);
	assert_true(harness_flow(h, r.table, &r.key, &r.flow));
	before = datapath_jiffies(h->dp);
	assert_int_equal(flows_kill(h->dp, &r), 0);
	after = datapath_jiffies(h->dp);
	assert_true(harness_flow(h, r.table, &r.key, &f));
	assert_in_range(f.expires, before, after);
	f.expires = r.flow.expires;
	assert_memory_equal(&f, &r.flow, sizeof(f));
	/* Its neighbour lives on. */
	r.key = numbered_key(8);
	assert_true(harness_flow(h, r.table, &r.key, &f));
	assert_true(f.expires > after + 900 * SECOND);
	/* Another flow has taken the key since: it is not ended. */
	r.flow = f;
	r.flow.created--;
	assert_int_equal(flows_kill(h->dp, &r), -ENOENT);
	r.key = numbered_key(9);
	assert_int_equal(flows_kill(h->dp, &r), -ENOENT);
	r.table = MOAT_TABLE_FRAGMENTS;
	assert_int_equal(flows_kill(h->dp, &r), -EINVAL);
	r.key = numbered_key(8);
	assert_true(harness_flow(h, MOAT_TABLE_FLOWS, &r.key, &f));
	assert_true(f.expires > after + 900 * SECOND);
}

/* P8: a large table in slices of at most 1,024, each entry handled once. */
static void large_table_in_slices(void **state)
{
	struct datapath_settings set;
	struct harness *h;
	struct flow_slice s = { .table = MOAT_TABLE_FLOWS, .max = 4096 };
	int slices = 0, rc;

	harness_settings(&set);
	set.table_entries[MOAT_TABLE_FLOWS] = 262144;
	h = harness_open(&set);
	for (unsigned n = 0; n < 60000; n++)
		numbered_put(h, MOAT_TABLE_FLOWS, n, n % 2 ? -60 : 60);
	do {
		size_t before = s.live + s.deleted;

		rc = flows_expire(h->dp, &s);
		assert_true(s.live + s.deleted - before <= 1024);
		slices++;
	} while (rc > 0);
	assert_int_equal(rc, 0);
	assert_true(slices >= 59);
	assert_int_equal(s.deleted, 30000);
	assert_int_equal(s.live, 30000);
	assert_int_equal(harness_count(h, MOAT_TABLE_FLOWS), 30000);
	harness_close(h);
}

#define emptied(test) cmocka_unit_test_setup(test, empty_tables)

int main(void)
{
	const struct CMUnitTest tests[] = {
		emptied(walk_sees_each_once),
		emptied(walk_stops),
		emptied(empty_table),
		emptied(expiry_waits_five_seconds),
		emptied(new_flow_in_evicting_table_stays),
		emptied(kill_expires_now),
		cmocka_unit_test(large_table_in_slices),
	};

	return cmocka_run_group_tests(tests, open_once, close_once);
}
