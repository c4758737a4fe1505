// SPDX-License-Identifier: BSD-2-Clause
/*
 * How long flows live (design 3.5): RST shortens, data revives, FINs close,
 * an opening over any of them, and what is past its expiry (F6, F9, F32).
 */
#include "bpf/connection.h"

#include <linux/in.h>

#include <bpf/bpf.h>

#define IN ATTACH_TC_INGRESS
#define OUT ATTACH_TC_EGRESS
#define S MOAT_TCP_FLAG_SYN
#define A MOAT_TCP_FLAG_ACK
#define F MOAT_TCP_FLAG_FIN
#define R MOAT_TCP_FLAG_RST

static const char policy[] =
	"version: 1\nname: p\nmode: enforce\nsecurity_groups:\n"
	"  host:\n    members: [10.0.0.1]\n    ingress:\n"
	"      - {name: in, from: [any], protocol: [tcp, udp, sctp], ports: [80]}\n"
	"    egress:\n"
	"      - {name: out, to: [any], protocol: tcp, ports: [443]}\n";

static struct harness *h;
static struct datapath_settings settings;

static int open_once(void **state)
{
	harness_settings(&settings);
	h = harness_open(&settings);
	harness_own(h, "10.0.0.1", NULL);
	harness_policy(h, policy);
	return 0;
}

static int close_once(void **state)
{
	harness_close(h);
	return 0;
}

static int afresh(void **state)
{
	return flows_clear(h->dp);
}

/* State of the entry, and that it lives this long from now. */
static void is(struct connection *c, enum moat_table table,
	       enum moat_flow_state state, int seconds)
{
	__s64 hz = datapath_facts()->hz, left;
	struct moat_flow f;

	assert_true(harness_flow(h, table, &c->key, &f));
	assert_int_equal(f.state, state);
	left = (__s64)(f.expires - datapath_jiffies(h->dp));
	assert_in_range(left / hz, seconds - 3, seconds);
}

static void timeouts_of_tcp(void **state)
{
	struct connection c = conn_new(h, 4, IPPROTO_TCP);

	conn_theirs(&c, S, MOAT_REASON_SG_ALLOW);
	is(&c, MOAT_TABLE_EMBRYONIC_IN, MOAT_FLOW_NEW, 60);
	conn_ours(&c, S | A);
	is(&c, MOAT_TABLE_EMBRYONIC_IN, MOAT_FLOW_ANSWERED, 60);
	conn_theirs(&c, A, MOAT_REASON_ESTABLISHED);
	is(&c, MOAT_TABLE_FLOWS, MOAT_FLOW_ESTABLISHED, 432000);
	conn_theirs(&c, F | A, MOAT_REASON_ESTABLISHED);
	is(&c, MOAT_TABLE_FLOWS, MOAT_FLOW_HALF_CLOSED, 3600);
	harness_age(h, MOAT_TABLE_FLOWS, &c.key, 1000);
	conn_ours(&c, A);
	is(&c, MOAT_TABLE_FLOWS, MOAT_FLOW_HALF_CLOSED, 3600);
	conn_ours(&c, F | A);
	is(&c, MOAT_TABLE_CLOSING, MOAT_FLOW_CLOSING, 120);
	conn_theirs(&c, A, MOAT_REASON_ESTABLISHED);
	is(&c, MOAT_TABLE_CLOSING, MOAT_FLOW_CLOSING, 120);
}

static void reset_shortens_and_data_revives(void **state)
{
	struct connection c = conn_established(h, 4, IPPROTO_TCP);

	conn_theirs(&c, R, MOAT_REASON_ESTABLISHED);
	is(&c, MOAT_TABLE_FLOWS, MOAT_FLOW_RESET, 10);
	/* Another RST makes it no longer. */
	harness_age(h, MOAT_TABLE_FLOWS, &c.key, 5);
	conn_theirs(&c, R | A, MOAT_REASON_ESTABLISHED);
	is(&c, MOAT_TABLE_FLOWS, MOAT_FLOW_RESET, 5);
	conn_ours(&c, A);
	is(&c, MOAT_TABLE_FLOWS, MOAT_FLOW_ESTABLISHED, 432000);
	/* Past the ten seconds it is gone for good. */
	conn_ours(&c, R);
	harness_age(h, MOAT_TABLE_FLOWS, &c.key, -1);
	c.ours.flags = A;
	expect(h, OUT, &c.ours, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
	conn_theirs(&c, A, MOAT_REASON_SG_ALLOW); /* mid-stream, by the rules */
}

static void reset_of_the_half_open(void **state)
{
	struct connection c = conn_new(h, 4, IPPROTO_TCP);

	conn_theirs(&c, S, MOAT_REASON_SG_ALLOW);
	conn_ours(&c, R | A);
	is(&c, MOAT_TABLE_EMBRYONIC_IN, MOAT_FLOW_RESET, 10);
	/* Port reuse: an allowed opening begins a new flow (F32). */
	conn_theirs(&c, S, MOAT_REASON_SG_ALLOW);
	is(&c, MOAT_TABLE_EMBRYONIC_IN, MOAT_FLOW_NEW, 60);
}

/* A RST between SYN-ACK and ACK, late or forged, is no reason for which the
 * flow that goes on stays half-open. */
static void reset_before_the_third_segment(void **state)
{
	for (int i = 0; i < 2; i++) {
		struct connection c = conn_new(h, 4, IPPROTO_TCP);

		conn_theirs(&c, S, MOAT_REASON_SG_ALLOW);
		conn_ours(&c, S | A);
		if (i)
			conn_theirs(&c, R, MOAT_REASON_ESTABLISHED);
		else
			conn_ours(&c, R | A);
		is(&c, MOAT_TABLE_EMBRYONIC_IN, MOAT_FLOW_RESET, 10);
		/* What acknowledges no SYN-ACK of ours still earns nothing. */
		c.theirs.flags = A;
		c.theirs.ack = 500;
		expect(h, IN, &c.theirs, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
		assert_int_equal(harness_count(h, MOAT_TABLE_FLOWS), i);
		conn_theirs(&c, A, MOAT_REASON_ESTABLISHED);
		is(&c, MOAT_TABLE_FLOWS, MOAT_FLOW_ESTABLISHED, 432000);
	}
}

/*
 * A port used anew while the former flow's entry, past its expiry, waits to be
 * deleted: the new flow waits in the half-open table (F6), but lives as long as
 * what it is, an established one that may fall silent.
 */
static void established_while_it_waits(void **state)
{
	struct connection c = conn_established(h, 4, IPPROTO_TCP);

	conn_theirs(&c, F | A, MOAT_REASON_ESTABLISHED);
	conn_ours(&c, F | A);
	is(&c, MOAT_TABLE_CLOSING, MOAT_FLOW_CLOSING, 120);
	conn_theirs(&c, S, MOAT_REASON_SG_ALLOW);
	conn_ours(&c, S | A);
	is(&c, MOAT_TABLE_EMBRYONIC_IN, MOAT_FLOW_ANSWERED, 60);
	conn_theirs(&c, A, MOAT_REASON_ESTABLISHED);
	is(&c, MOAT_TABLE_EMBRYONIC_IN, MOAT_FLOW_ESTABLISHED, 432000);
	conn_ours(&c, A);
	is(&c, MOAT_TABLE_EMBRYONIC_IN, MOAT_FLOW_ESTABLISHED, 432000);
	assert_int_equal(bpf_map_delete_elem(harness_map(h, "flows"), &c.key),
			 0);
	conn_ours(&c, A);
	is(&c, MOAT_TABLE_FLOWS, MOAT_FLOW_ESTABLISHED, 432000);
}

/* F32: on an established flow an allowed SYN passes and changes nothing. */
static void opening_in_the_established(void **state)
{
	struct connection c = conn_established(h, 4, IPPROTO_TCP);
	__u32 slot = harness_slot(h, "host/in", MOAT_INGRESS);
	__u64 before = harness_rule_count(h, slot).connections;

	conn_theirs(&c, S, MOAT_REASON_SG_ALLOW);
	is(&c, MOAT_TABLE_FLOWS, MOAT_FLOW_ESTABLISHED, 432000);
	assert_int_equal(harness_rule_count(h, slot).connections, before);
	conn_ours(&c, A);
	conn_theirs(&c, A, MOAT_REASON_ESTABLISHED);
}

/* A closed flow that found no room among the closing ones stays where it is: a
 * connection over it is not closed with it (F32). */
static void opening_in_the_closed(void **state)
{
	struct connection c = conn_established(h, 4, IPPROTO_TCP);
	struct moat_flow f;

	conn_theirs(&c, F | A, MOAT_REASON_ESTABLISHED);
	assert_true(harness_flow(h, MOAT_TABLE_FLOWS, &c.key, &f));
	f.state = MOAT_FLOW_CLOSING;
	f.fin[0] = f.fin[1] = 1;
	assert_int_equal(flows_clear(h->dp), 0);
	harness_put_flow(h, MOAT_TABLE_FLOWS, &c.key, &f);
	harness_age(h, MOAT_TABLE_FLOWS, &c.key, 100);
	conn_theirs(&c, S, MOAT_REASON_SG_ALLOW);
	is(&c, MOAT_TABLE_FLOWS, MOAT_FLOW_RESET, 10);
	conn_ours(&c, S | A);
	conn_theirs(&c, A, MOAT_REASON_ESTABLISHED);
	is(&c, MOAT_TABLE_FLOWS, MOAT_FLOW_ESTABLISHED, 432000);
	conn_ours(&c, F | A);
	is(&c, MOAT_TABLE_FLOWS, MOAT_FLOW_HALF_CLOSED, 3600);
	assert_int_equal(harness_count(h, MOAT_TABLE_CLOSING), 0);
	conn_theirs(&c, F | A, MOAT_REASON_ESTABLISHED);
	is(&c, MOAT_TABLE_CLOSING, MOAT_FLOW_CLOSING, 120);
}

/* Design 3.7: an opening is judged by the rules of its own direction, also
 * where its tuple is known. */
static void opening_the_other_way(void **state)
{
	struct connection c = conn_established(h, 4, IPPROTO_TCP);

	c.ours.flags = S;
	expect(h, OUT, &c.ours, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
	is(&c, MOAT_TABLE_FLOWS, MOAT_FLOW_ESTABLISHED, 432000);
	conn_ours(&c, A);
}

/* A SYN-ACK that answers nothing: blind pairs earn no flow (F9). */
static void answer_to_nothing(void **state)
{
	struct connection c = conn_new(h, 4, IPPROTO_TCP);

	conn_theirs(&c, S, MOAT_REASON_SG_ALLOW);
	c.theirs.flags = S | A;
	expect(h, IN, &c.theirs, MOAT_DROP, MOAT_REASON_NO_FLOW);
	conn_theirs(&c, A, MOAT_REASON_ESTABLISHED);
	conn_theirs(&c, A, MOAT_REASON_ESTABLISHED);
	assert_int_equal(harness_count(h, MOAT_TABLE_FLOWS), 0);
}

static void segments_without_flow(void **state)
{
	static const uint8_t flags[] = { S | A, F | A, R, R | A, F | A | 0x20 };

	for (size_t i = 0; i < sizeof(flags); i++) {
		struct connection c = conn_new(h, 4, IPPROTO_TCP);

		c.theirs.flags = flags[i];
		expect(h, IN, &c.theirs, MOAT_DROP, MOAT_REASON_NO_FLOW);
	}
	assert_int_equal(harness_count(h, MOAT_TABLE_EMBRYONIC_IN), 0);
}

/* F6: past its expiry an entry is a miss, is not touched, and a new flow of
 * its key waits beside it until user space has deleted it, then moves. */
static void expired_is_a_miss(void **state)
{
	struct connection c = conn_new(h, 4, IPPROTO_UDP);
	struct moat_flow before, after;

	conn_theirs(&c, 0, MOAT_REASON_SG_ALLOW);
	is(&c, MOAT_TABLE_UDP, MOAT_FLOW_NEW, 30);
	harness_age(h, MOAT_TABLE_UDP, &c.key, -1);
	assert_true(harness_flow(h, MOAT_TABLE_UDP, &c.key, &before));
	expect(h, OUT, &c.ours, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
	conn_theirs(&c, 0, MOAT_REASON_SG_ALLOW);
	assert_true(harness_flow(h, MOAT_TABLE_UDP, &c.key, &after));
	assert_memory_equal(&before, &after, sizeof(before));
	is(&c, MOAT_TABLE_EMBRYONIC_IN, MOAT_FLOW_NEW, 30);
	expect(h, OUT, &c.ours, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	conn_theirs(&c, 0, MOAT_REASON_ESTABLISHED);
	assert_int_equal(bpf_map_delete_elem(harness_map(h, "udp"), &c.key), 0);
	conn_theirs(&c, 0, MOAT_REASON_ESTABLISHED);
	assert_true(harness_flow(h, MOAT_TABLE_UDP, &c.key, &after));
	/* All of the new flow's: the one that moved it counts in the copy. */
	assert_int_equal(after.packets[MOAT_INGRESS], 3);
	assert_int_equal(after.packets[MOAT_EGRESS], 1);
	expect(h, OUT, &c.ours, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
}

static void others(void **state)
{
	struct connection c = conn_new(h, 4, IPPROTO_UDP);

	conn_theirs(&c, 0, MOAT_REASON_SG_ALLOW);
	conn_ours(&c, 0);
	is(&c, MOAT_TABLE_UDP, MOAT_FLOW_ANSWERED, 30);
	harness_age(h, MOAT_TABLE_UDP, &c.key, 5);
	conn_theirs(&c, 0, MOAT_REASON_ESTABLISHED);
	is(&c, MOAT_TABLE_UDP, MOAT_FLOW_ESTABLISHED, 180);
	c = conn_new(h, 4, IPPROTO_SCTP);
	c.theirs.payload_len = c.ours.payload_len = 20;
	conn_theirs(&c, 0, MOAT_REASON_SG_ALLOW);
	is(&c, MOAT_TABLE_OTHER, MOAT_FLOW_NEW, 600);
	conn_ours(&c, 0);
}

/* The expiry is written when it moves by a second, not for every packet. */
static void expiry_moves_by_seconds(void **state)
{
	struct connection c = conn_established(h, 4, IPPROTO_TCP);
	struct moat_flow a, b;

	harness_age(h, MOAT_TABLE_FLOWS, &c.key, 432000);
	assert_true(harness_flow(h, MOAT_TABLE_FLOWS, &c.key, &a));
	for (int i = 0; i < 20; i++)
		conn_theirs(&c, A, MOAT_REASON_ESTABLISHED);
	assert_true(harness_flow(h, MOAT_TABLE_FLOWS, &c.key, &b));
	assert_int_equal(a.expires, b.expires);
	assert_int_equal(b.packets[MOAT_INGRESS], a.packets[MOAT_INGRESS] + 20);
	harness_age(h, MOAT_TABLE_FLOWS, &c.key, 431990);
	conn_theirs(&c, A, MOAT_REASON_ESTABLISHED);
	is(&c, MOAT_TABLE_FLOWS, MOAT_FLOW_ESTABLISHED, 432000);
}

/* midstream: drop (design 3.5); known flows are no concern of it. */
static void midstream_drop(void **state)
{
	struct connection known = conn_established(h, 4, IPPROTO_TCP),
			  c = conn_new(h, 4, IPPROTO_TCP);
	struct datapath_settings s = settings;

	s.midstream_drop = true;
	harness_reload(h, &s);
	conn_theirs(&known, A, MOAT_REASON_ESTABLISHED);
	c.theirs.flags = A;
	expect(h, IN, &c.theirs, MOAT_DROP, MOAT_REASON_NO_FLOW);
	conn_theirs(&c, S, MOAT_REASON_SG_ALLOW);
	harness_reload(h, &settings);
	c = conn_new(h, 4, IPPROTO_TCP);
	conn_theirs(&c, A, MOAT_REASON_SG_ALLOW);
}

/* A SYN over a flow picked up in its middle, that nobody confirmed: what it
 * opens is a flow of its own, settled by its own handshake. */
static void opening_over_midstream(void **state)
{
	struct connection c = conn_new(h, 4, IPPROTO_TCP);

	c.theirs.sport = c.ours.dport = 443;
	c.key = harness_key(c.theirs.to, 80, c.theirs.from, 443, IPPROTO_TCP);
	c.ours.flags = A;
	expect(h, OUT, &c.ours, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	is(&c, MOAT_TABLE_EMBRYONIC_OUT, MOAT_FLOW_NEW, 60);
	conn_theirs(&c, S, MOAT_REASON_SG_ALLOW);
	assert_int_equal(harness_count(h, MOAT_TABLE_FLOWS), 0);
	is(&c, MOAT_TABLE_EMBRYONIC_IN, MOAT_FLOW_NEW, 60);
	conn_ours(&c, S | A);
	conn_ours(&c, A);
	assert_int_equal(harness_count(h, MOAT_TABLE_FLOWS), 0);
	conn_theirs(&c, A, MOAT_REASON_ESTABLISHED);
	is(&c, MOAT_TABLE_FLOWS, MOAT_FLOW_ESTABLISHED, 432000);
	conn_ours(&c, A);
}

#define fresh(test) cmocka_unit_test_setup(test, afresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		fresh(timeouts_of_tcp),
		fresh(reset_shortens_and_data_revives),
		fresh(reset_of_the_half_open),
		fresh(reset_before_the_third_segment),
		fresh(established_while_it_waits),
		fresh(opening_in_the_established),
		fresh(opening_in_the_closed),
		fresh(opening_the_other_way),
		fresh(answer_to_nothing),
		fresh(segments_without_flow),
		fresh(expired_is_a_miss),
		fresh(others),
		fresh(expiry_moves_by_seconds),
		fresh(midstream_drop),
		fresh(opening_over_midstream),
	};

	return cmocka_run_group_tests(tests, open_once, close_once);
}
