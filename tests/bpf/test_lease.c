// SPDX-License-Identifier: BSD-2-Clause
/*
 * Leases (moat/lease.h): that they are used, count every packet, and end when
 * the record says so, the policy changes, or somebody kills the flow.
 */
#include "bpf/connection.h"
#include "bpf/race.h"

#include <linux/in.h>
#include <pthread.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "kern/private.h"

#define IN ATTACH_TC_INGRESS
#define OUT ATTACH_TC_EGRESS
#define S MOAT_TCP_FLAG_SYN
#define A MOAT_TCP_FLAG_ACK
#define F MOAT_TCP_FLAG_FIN
#define R MOAT_TCP_FLAG_RST

#define POLICY(rule) \
	"version: 1\nname: p\nmode: enforce\nsecurity_groups:\n" \
	"  host:\n    members: [10.0.0.1, 'fd00::1']\n" \
	"    on_tighten: reevaluate\n" \
	"    ingress:\n      - " rule "\n"
static const char open_policy[] = POLICY(
	"{name: in, from: [any], protocol: [tcp, udp], ports: [80]}");
static const char shut_policy[] = POLICY(
	"{name: in, from: [any], protocol: tcp, ports: [81]}");

#define LEASE_SECONDS 2 /* a quarter of the timeout set below */

static struct harness *h;

static int open_once(void **state)
{
	struct datapath_settings s;

	harness_settings(&s);
	/* 24 buckets of four lines, to have them contended for. */
	s.table_entries[MOAT_TABLE_FLOWS] = 64;
	s.table_entries[MOAT_TABLE_UDP] = 512;
	s.timeout_seconds[MOAT_TIMEOUT_TCP_ESTABLISHED] = 4 * LEASE_SECONDS;
	s.midstream_drop = true;
	h = harness_open(&s);
	harness_own(h, "10.0.0.1", NULL);
	harness_own(h, "fd00::1", NULL);
	return 0;
}

static int close_once(void **state)
{
	harness_close(h);
	return 0;
}

static int afresh(void **state)
{
	harness_policy(h, open_policy);
	/* Two jiffies: a floor that the test before has raised is passed. */
	usleep(50000);
	return flows_clear(h->dp);
}

/* Both sides have sent once more than opening needs; 3 in, 2 out. */
static struct connection exchanged(int family, uint8_t proto)
{
	struct connection c = conn_established(h, family, proto);

	conn_ours(&c, A);
	conn_theirs(&c, A, MOAT_REASON_ESTABLISHED);
	return c;
}

/* The record alone, without what its lease has counted. */
static struct moat_flow record_of(const struct connection *c)
{
	struct moat_flow f;
	int fd = harness_map(h, c->table == MOAT_TABLE_UDP ? "udp" : "flows");

	assert_int_equal(bpf_map_lookup_elem(fd, &c->key, &f), 0);
	return f;
}

static struct moat_flow flow_of(const struct connection *c)
{
	struct moat_flow f;

	assert_true(harness_flow(h, c->table, &c->key, &f));
	return f;
}

static void leased(struct connection *c)
{
	conn_theirs(c, A, MOAT_REASON_ESTABLISHED);
	conn_theirs(c, A, MOAT_REASON_ESTABLISHED);
	assert_true(flow_of(c).packets[MOAT_INGRESS] >
		    record_of(c).packets[MOAT_INGRESS]);
}

static void counts_every_packet(void **state)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP };

	for (int i = 0; i < 4; i++) {
		struct connection c = exchanged(i & 1 ? 6 : 4, protos[i / 2]);
		__u64 before, length = i & 1 ? 40 : 20;
		struct moat_flow f;

		leased(&c);
		before = record_of(&c).packets[MOAT_EGRESS];
		c.ours.payload_len = 100;
		for (int n = 0; n < 7; n++)
			conn_ours(&c, A);
		f = flow_of(&c);
		assert_int_equal(record_of(&c).packets[MOAT_EGRESS], before);
		assert_int_equal(f.packets[MOAT_INGRESS], 5);
		assert_int_equal(f.packets[MOAT_EGRESS], 9);
		length += protos[i / 2] == IPPROTO_UDP ? 8 : 20;
		assert_int_equal(f.bytes[MOAT_INGRESS], 5 * length);
		assert_int_equal(f.bytes[MOAT_EGRESS], 9 * length + 700);
	}
}

static void segments_count_each(void **state)
{
	struct connection c = exchanged(4, IPPROTO_TCP);
	struct moat_flow f;

	leased(&c);
	c.ours.payload_len = 3000;
	h->gso_segs = 3;
	h->gso_size = 1000;
	conn_ours(&c, A);
	h->gso_segs = h->gso_size = 0;
	f = flow_of(&c);
	assert_int_equal(f.packets[MOAT_EGRESS], 2 + 3);
	assert_int_equal(f.bytes[MOAT_EGRESS], 2 * 40 + 3000 + 3 * 40);
}

/* What a lease counted is in the record once the flow begins to end. */
static void ends_with_fin_and_rst(void **state)
{
	struct connection c = exchanged(4, IPPROTO_TCP);

	leased(&c);
	conn_theirs(&c, R, MOAT_REASON_ESTABLISHED);
	assert_int_equal(record_of(&c).state, MOAT_FLOW_RESET);
	assert_int_equal(record_of(&c).packets[MOAT_INGRESS], 6);
	conn_theirs(&c, A,
		    MOAT_REASON_ESTABLISHED); /* revives: seen by the record */
	assert_int_equal(record_of(&c).state, MOAT_FLOW_ESTABLISHED);
	leased(&c);
	conn_ours(&c, F | A);
	assert_int_equal(record_of(&c).state, MOAT_FLOW_HALF_CLOSED);
	assert_int_equal(record_of(&c).packets[MOAT_INGRESS], 9);
	conn_theirs(&c, A, MOAT_REASON_ESTABLISHED);
	assert_int_equal(record_of(&c).packets[MOAT_INGRESS], 10);
	conn_theirs(&c, F | A, MOAT_REASON_ESTABLISHED);
	c.table = MOAT_TABLE_CLOSING;
	assert_int_equal(flow_of(&c).packets[MOAT_INGRESS], 11);
}

static void a_push_is_obeyed_by_the_next_packet(void **state)
{
	struct connection c = exchanged(6, IPPROTO_TCP);

	leased(&c);
	harness_policy(h, shut_policy);
	expect_rule(h, IN, &c.theirs, MOAT_DROP, MOAT_REASON_SG_NO_MATCH, "");
	harness_policy(h, open_policy);
	expect_rule(h, IN, &c.theirs, MOAT_ALLOW, MOAT_REASON_ESTABLISHED,
		    "host/in");
	leased(&c);
}

static void a_killed_flow_is_gone_at_once(void **state)
{
	struct connection c = exchanged(4, IPPROTO_TCP);
	struct flow_record r = { .table = MOAT_TABLE_FLOWS, .key = c.key };

	leased(&c);
	r.flow = record_of(&c);
	assert_int_equal(flows_kill(h->dp, &r), 0);
	expect(h, IN, &c.theirs, MOAT_DROP, MOAT_REASON_NO_FLOW);
}

static void an_expired_record_has_no_lease(void **state)
{
	struct connection c = exchanged(4, IPPROTO_TCP);

	leased(&c);
	harness_age(h, MOAT_TABLE_FLOWS, &c.key, -1);
	expect(h, IN, &c.theirs, MOAT_DROP, MOAT_REASON_NO_FLOW);
}

/* 100 flows of UDP for 96 lines: those without one are counted by their records. */
static void lines_are_contended_for(void **state)
{
	static struct connection c[100];
	unsigned without = 0;

	for (int i = 0; i < 100; i++)
		c[i] = exchanged(4, IPPROTO_UDP);
	for (int n = 0; n < 4; n++)
		for (int i = 0; i < 100; i++)
			conn_theirs(&c[i], A, MOAT_REASON_ESTABLISHED);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(flow_of(&c[i]).packets[MOAT_INGRESS], 7);
		without += record_of(&c[i]).packets[MOAT_INGRESS] == 7;
	}
	assert_in_range(without, 4, 99);
}

/* A flow that pauses loses its line to others and no count with it. */
static void a_line_goes_to_another_flow(void **state)
{
	struct connection c = exchanged(4, IPPROTO_TCP), other;

	leased(&c);
	conn_theirs(&c, A, MOAT_REASON_ESTABLISHED);
	sleep(LEASE_SECONDS + 2);
	for (int i = 0; i < 200; i++) {
		other = exchanged(4, IPPROTO_UDP);
		conn_theirs(&other, A, MOAT_REASON_ESTABLISHED);
	}
	assert_int_equal(record_of(&c).packets[MOAT_INGRESS], 6);
	conn_theirs(&c, A, MOAT_REASON_ESTABLISHED);
	assert_int_equal(flow_of(&c).packets[MOAT_INGRESS], 7);
}

/* Another incarnation of the same tuple begins from nothing. */
static void a_new_flow_inherits_no_count(void **state)
{
	struct connection c = exchanged(4, IPPROTO_TCP), again;

	leased(&c);
	assert_int_equal(bpf_map_delete_elem(harness_map(h, "flows"), &c.key),
			 0);
	leases_void(h->dp);
	usleep(100000);
	again = c;
	conn_theirs(&again, S, MOAT_REASON_SG_ALLOW);
	conn_ours(&again, S | A);
	conn_theirs(&again, A, MOAT_REASON_ESTABLISHED);
	for (int i = 0; i < 3; i++)
		conn_theirs(&again, A, MOAT_REASON_ESTABLISHED);
	assert_int_equal(flow_of(&again).packets[MOAT_INGRESS], 5);
}

#define ROUNDS 400
#define EACH 20000

struct side {
	enum attach_hook hook;
	struct packet packet;
	unsigned cpu;
};

static void *run_side(void *arg)
{
	struct side *s = arg;

	race_pin(s->cpu);
	for (int i = 0; i < ROUNDS; i++)
		race_run(h, s->hook, &s->packet, EACH);
	return NULL;
}

/* Renewals on one CPU while the other counts, over several leases. */
static void no_count_is_lost_to_a_race(void **state)
{
	struct connection c = exchanged(4, IPPROTO_TCP);
	static struct side side[4];
	pthread_t thread[4];
	struct moat_flow f;

	race_need_cpus();
	c.theirs.flags = A;
	c.ours.flags = A;
	for (unsigned i = 0; i < 4; i++) {
		side[i] = (struct side){ .hook = i & 1 ? OUT : IN,
					 .cpu = i / 2 };
		packet_build(i & 1 ? &c.ours : &c.theirs, &side[i].packet);
		assert_int_equal(pthread_create(&thread[i], NULL, run_side,
						&side[i]),
				 0);
	}
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	f = flow_of(&c);
	assert_int_equal(f.packets[MOAT_INGRESS], 3 + 2 * ROUNDS * EACH);
	assert_int_equal(f.packets[MOAT_EGRESS], 2 + 2 * ROUNDS * EACH);
	assert_int_equal(f.bytes[MOAT_INGRESS],
			 40ull * f.packets[MOAT_INGRESS]);
	assert_true(record_of(&c).packets[MOAT_INGRESS] > EACH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(counts_every_packet, afresh),
		cmocka_unit_test_setup(segments_count_each, afresh),
		cmocka_unit_test_setup(ends_with_fin_and_rst, afresh),
		cmocka_unit_test_setup(a_push_is_obeyed_by_the_next_packet,
				       afresh),
		cmocka_unit_test_setup(a_killed_flow_is_gone_at_once, afresh),
		cmocka_unit_test_setup(an_expired_record_has_no_lease, afresh),
		cmocka_unit_test_setup(lines_are_contended_for, afresh),
		cmocka_unit_test_setup(a_line_goes_to_another_flow, afresh),
		cmocka_unit_test_setup(a_new_flow_inherits_no_count, afresh),
		cmocka_unit_test_setup(no_count_is_lost_to_a_race, afresh),
	};

	return cmocka_run_group_tests(tests, open_once, close_once);
}
