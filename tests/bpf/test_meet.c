// SPDX-License-Identifier: BSD-2-Clause
/*
 * Two CPUs that make one flow at once: both its sides send first. One flow
 * comes of it, counted once, and it holds the packets of both.
 */
#include "bpf/race.h"

#include <linux/in.h>
#include <linux/pkt_cls.h>
#include <pthread.h>
#include <stdio.h>

#define FLOWS 4000
#define FIRST_PORT 2000

static const char policy[] =
	"version: 1\nname: p\nmode: enforce\nsecurity_groups:\n"
	"  peers:\n    members: [10.0.0.1]\n    ingress:\n"
	"      - {name: in, from: [any], protocol: %s, ports: [80]}\n"
	"    egress:\n"
	"      - {name: out, to: [any], protocol: %s}\n";

struct stage {
	struct harness *h;
	uint8_t proto;
	volatile unsigned begun[2]; /* by each thread */
	unsigned long dropped[2];
};

static void build(const struct stage *st, unsigned n, bool ours,
		  struct packet *ret)
{
	struct packet_spec s = {
		.family = 4,
		.from = "10.9.0.1",
		.to = "10.0.0.1",
		.proto = st->proto,
		.sport = (uint16_t)(FIRST_PORT + n),
		.dport = 80,
		.payload_len = 20,
	}, back = packet_reply(&s);

	packet_build(ours ? &back : &s, ret);
}

static void send_all(struct stage *st, unsigned self)
{
	static struct packet p[2];

	race_pin(self);
	for (unsigned n = 1; n <= FLOWS; n++) {
		build(st, n, self, &p[self]);
		st->begun[self] = n;
		while (st->begun[!self] < n)
			;
		/* One comes a little earlier, by every distance. */
		for (volatile unsigned i = 0; i < (self ? n : n / 64) % 64; i++)
			;
		if (race_run(st->h, self ? ATTACH_TC_EGRESS : ATTACH_TC_INGRESS,
			     &p[self], 1) == TC_ACT_SHOT)
			st->dropped[self]++;
	}
}

static void *other(void *arg)
{
	send_all(arg, 1);
	return NULL;
}

static __u64 connections(struct harness *h, const char *rule, int direction)
{
	return harness_rule_count(h, harness_slot(h, rule, direction))
		.connections;
}

static void both_first(uint8_t proto, const char *name, enum moat_table table)
{
	struct datapath_settings set;
	struct moat_totals totals;
	struct stage st = { .proto = proto };
	struct moat_flow f;
	pthread_t thread;
	char text[500];

	race_need_cpus();
	harness_settings(&set);
	set.trace = false;
	set.table_entries[table] = 65536;
	st.h = harness_open(&set);
	harness_own(st.h, "10.0.0.1", NULL);
	snprintf(text, sizeof(text), policy, name, name);
	harness_policy(st.h, text);
	assert_int_equal(pthread_create(&thread, NULL, other, &st), 0);
	send_all(&st, 0);
	pthread_join(thread, NULL);
	assert_int_equal(st.dropped[0] + st.dropped[1], 0);
	assert_int_equal(stats_totals(st.h->dp, &totals), 0);
	assert_int_equal(totals.created[table], FLOWS);
	assert_int_equal(connections(st.h, "peers/in", MOAT_INGRESS) +
				 connections(st.h, "peers/out", MOAT_EGRESS),
			 FLOWS);
	for (unsigned n = 1; n <= FLOWS; n++) {
		uint16_t port = (uint16_t)(FIRST_PORT + n);
		struct moat_flow_key key = harness_key("10.0.0.1", 80,
						       "10.9.0.1", port, proto);

		assert_true(harness_flow(st.h, table, &key, &f));
		assert_int_equal(f.packets[MOAT_INGRESS], 1);
		assert_int_equal(f.packets[MOAT_EGRESS], 1);
		assert_true(f.seen[MOAT_INGRESS] && f.seen[MOAT_EGRESS]);
	}
	harness_close(st.h);
}

static void udp(void **state)
{
	both_first(IPPROTO_UDP, "udp", MOAT_TABLE_UDP);
}

static void sctp(void **state)
{
	both_first(IPPROTO_SCTP, "sctp", MOAT_TABLE_OTHER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(udp),
		cmocka_unit_test(sctp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
