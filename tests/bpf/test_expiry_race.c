// SPDX-License-Identifier: BSD-2-Clause
/*
 * F6, G7, R-23: expiry runs all the time while packets arrive just before,
 * just after and five seconds after flows run out. No packet may miss a flow
 * that was live, and nothing may be deleted early.
 */
#include "bpf/harness.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define FLOWS 400
#define TIMEOUT 1 /* seconds */
#define SECONDS 14

static const char policy[] =
	"version: 1\nname: p\nmode: enforce\nsecurity_groups:\n"
	"  dns:\n    members: [10.0.0.1]\n    ingress:\n"
	"      - {name: q, from: [any], protocol: udp, ports: [53]}\n"
	"    egress: []\n";

struct race {
	struct harness *h;
	volatile bool stop;
	size_t deleted, early, failed;
};

static bool gone(const struct flow_record *r, void *arg)
{
	struct race *race = arg;

	if (r->flow.expires + 5ull * datapath_facts()->hz >
	    datapath_jiffies(race->h->dp))
		race->early++;
	return true;
}

static void *collector(void *arg)
{
	static const enum moat_table tables[] = { MOAT_TABLE_UDP,
						  MOAT_TABLE_EMBRYONIC_IN };
	struct race *race = arg;

	for (size_t i = 0; !race->stop; i++) {
		struct flow_slice s = { .table = tables[i % 2],
					.max = 64,
					.fn = gone,
					.arg = race };
		int rc;

		do
			rc = flows_expire(race->h->dp, &s);
		while (rc > 0);
		if (rc)
			race->failed++;
		race->deleted += s.deleted;
	}
	return NULL;
}

struct one {
	__u64 due;     /* jiffies of the next packet */
	__u64 expires; /* as its entry said after the last one, 0: none */
};

static __u64 live_until(struct harness *h, uint16_t port)
{
	struct moat_flow_key k = harness_key("10.0.0.1", 53, "10.9.0.1", port,
					     17);
	struct moat_flow f;
	__u64 now = datapath_jiffies(h->dp);

	if (harness_flow(h, MOAT_TABLE_UDP, &k, &f) && f.expires > now)
		return f.expires;
	if (harness_flow(h, MOAT_TABLE_EMBRYONIC_IN, &k, &f))
		return f.expires;
	return 0;
}

/* Gaps around the timeout, and around the moment of deletion. */
static __u64 next_gap(__u32 hz)
{
	unsigned r = rand() % 10;
	__u64 jitter = rand() % (hz / 4);

	if (r < 4)
		return TIMEOUT * hz * 6 / 10 + jitter;
	if (r < 7)
		return TIMEOUT * hz - hz / 8 + jitter;
	return TIMEOUT * hz + 5 * hz - hz / 8 + jitter;
}

static bool send_one(struct harness *h, uint16_t port)
{
	struct packet_spec s = { .family = 4,
				 .from = "10.9.0.1",
				 .to = "10.0.0.1",
				 .proto = 17,
				 .sport = port,
				 .dport = 53,
				 .payload_len = 20 };
	static struct packet p;
	struct run_packet run = { .hook = ATTACH_TC_INGRESS,
				  .ifindex = HARNESS_IFINDEX };
	struct run_result r;

	packet_build(&s, &p);
	run.frame = p.data;
	run.len = p.len;
	assert_int_equal(run_packet(h->dp, &run, &r), 0);
	assert_int_equal(r.trace.verdict, MOAT_ALLOW);
	return r.trace.reason == MOAT_REASON_ESTABLISHED;
}

static void no_live_flow_is_lost(void **state)
{
	static struct one flow[FLOWS];
	struct datapath_settings set;
	struct race race = {};
	size_t hits = 0, misses = 0, lost = 0;
	__u32 hz = datapath_facts()->hz;
	struct harness *h;
	pthread_t thread;
	__u64 end;

	harness_settings(&set);
	set.timeout_seconds[MOAT_TIMEOUT_UDP] = TIMEOUT;
	set.timeout_seconds[MOAT_TIMEOUT_UDP_STREAM] = TIMEOUT;
	h = race.h = harness_open(&set);
	harness_own(h, "10.0.0.1", NULL);
	harness_policy(h, policy);
	srand(1);
	end = datapath_jiffies(h->dp);
	for (size_t i = 0; i < FLOWS; i++)
		flow[i].due = end + rand() % hz;
	end += SECONDS * hz;
	assert_int_equal(pthread_create(&thread, NULL, collector, &race), 0);
	while (datapath_jiffies(h->dp) < end)
		for (size_t i = 0; i < FLOWS; i++) {
			struct one *f = &flow[i];
			bool hit;

			if (datapath_jiffies(h->dp) < f->due)
				continue;
			hit = send_one(h, 2000 + i);
			/* Live when the program had ended, so live within. */
			if (!hit && f->expires > datapath_jiffies(h->dp))
				lost++;
			hits += hit;
			misses += !hit;
			f->expires = live_until(h, 2000 + i);
			f->due = datapath_jiffies(h->dp) + next_gap(hz);
		}
	race.stop = true;
	pthread_join(thread, NULL);
	harness_close(h);
	assert_int_equal(lost, 0);
	assert_int_equal(race.early, 0);
	assert_int_equal(race.failed, 0);
	/* Both sides of the race took place. */
	assert_true(hits > 500);
	assert_true(misses > FLOWS + 300);
	assert_true(race.deleted > 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_live_flow_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
