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
#define FEW_FLOWS 80 /* in an emulated machine: each must have its turn */
#define TIMEOUT 1    /* seconds */
#define SECONDS 14
#define SECONDS_MAX 280 /* a busy machine is long about both sides */

static const char policy[] =
	"version: 1\nname: p\nmode: enforce\nsecurity_groups:\n"
	"  dns:\n    members: [10.0.0.1]\n    ingress:\n"
	"      - {name: q, from: [any], protocol: udp, ports: [53]}\n"
	"    egress: []\n";

struct race {
	struct harness *h;
	volatile bool stop;
	volatile size_t deleted;
	size_t early, failed;
	size_t flows, hits, misses, lost;
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

/* Did both sides of the race take place? */
static bool enough(const struct race *race)
{
	return race->hits > 500 && race->misses > race->flows + 300 &&
	       race->deleted > 300;
}

static void turn(struct race *race, struct one *f, uint16_t port)
{
	struct harness *h = race->h;
	bool hit = send_one(h, port);

	/* Live when the program had ended, so live within. */
	if (!hit && f->expires > datapath_jiffies(h->dp))
		race->lost++;
	race->hits += hit;
	race->misses += !hit;
	f->expires = live_until(h, port);
	f->due = datapath_jiffies(h->dp) + next_gap(datapath_facts()->hz);
}

static void no_live_flow_is_lost(void **state)
{
	static struct one flow[FLOWS];
	struct datapath_settings set;
	struct race race = { .flows = getenv("MOAT_TEST_SLOW") ? FEW_FLOWS :
								 FLOWS };
	__u32 hz = datapath_facts()->hz;
	struct harness *h;
	pthread_t thread;
	__u64 begin, now;

	harness_settings(&set);
	set.timeout_seconds[MOAT_TIMEOUT_UDP] = TIMEOUT;
	set.timeout_seconds[MOAT_TIMEOUT_UDP_STREAM] = TIMEOUT;
	h = race.h = harness_open(&set);
	harness_own(h, "10.0.0.1", NULL);
	harness_policy(h, policy);
	srand(1);
	begin = now = datapath_jiffies(h->dp);
	for (size_t i = 0; i < race.flows; i++)
		flow[i].due = begin + rand() % hz;
	assert_int_equal(pthread_create(&thread, NULL, collector, &race), 0);
	while (now < begin + SECONDS * hz ||
	       (!enough(&race) && now < begin + SECONDS_MAX * hz)) {
		for (size_t i = 0; i < race.flows; i++)
			if (datapath_jiffies(h->dp) >= flow[i].due)
				turn(&race, &flow[i], 2000 + i);
		now = datapath_jiffies(h->dp);
	}
	race.stop = true;
	pthread_join(thread, NULL);
	harness_close(h);
	print_message("%zu hits, %zu misses, %zu deleted\n", race.hits,
		      race.misses, race.deleted);
	assert_int_equal(race.lost, 0);
	assert_int_equal(race.early, 0);
	assert_int_equal(race.failed, 0);
	assert_true(enough(&race));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_live_flow_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
