// SPDX-License-Identifier: BSD-2-Clause
/*
 * How long flows live (design 3.5): RST shortens, data revives, FINs close,
 * an opening over any of them, and what is past its expiry (F6, F9, F32).
 */
#include "bpf/harness.h"

#include <linux/in.h>

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

/* A connection of theirs to our port 80. */
struct connection {
	struct packet_spec theirs, ours;
	struct moat_flow_key key;
};

static struct connection connection(uint8_t proto)
{
	static uint16_t sport = 2000;
	struct connection c = { .theirs = {
					.family = 4,
					.from = "10.9.0.1",
					.to = "10.0.0.1",
					.proto = proto,
					.sport = ++sport,
					.dport = 80,
				} };

	c.ours = packet_reply(&c.theirs);
	c.key = harness_key("10.0.0.1", 80, "10.9.0.1", sport, proto);
	return c;
}

static void theirs(struct connection *c, uint8_t flags, enum moat_reason reason)
{
	c->theirs.flags = flags;
	c->theirs.seq = flags & S ? 100 : 101;
	c->theirs.ack = flags & A ? 501 : 0;
	expect(h, IN, &c->theirs, MOAT_ALLOW, reason);
}

static void ours(struct connection *c, uint8_t flags)
{
	c->ours.flags = flags;
	c->ours.seq = flags & S ? 500 : 501;
	c->ours.ack = 101;
	expect(h, OUT, &c->ours, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
}

static struct connection established(void)
{
	struct connection c = connection(IPPROTO_TCP);

	theirs(&c, S, MOAT_REASON_SG_ALLOW);
	ours(&c, S | A);
	theirs(&c, A, MOAT_REASON_ESTABLISHED);
	return c;
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
	struct connection c = connection(IPPROTO_TCP);

	theirs(&c, S, MOAT_REASON_SG_ALLOW);
	is(&c, MOAT_TABLE_EMBRYONIC_IN, MOAT_FLOW_NEW, 60);
	ours(&c, S | A);
	is(&c, MOAT_TABLE_EMBRYONIC_IN, MOAT_FLOW_ANSWERED, 60);
	theirs(&c, A, MOAT_REASON_ESTABLISHED);
	is(&c, MOAT_TABLE_FLOWS, MOAT_FLOW_ESTABLISHED, 432000);
	theirs(&c, F | A, MOAT_REASON_ESTABLISHED);
	is(&c, MOAT_TABLE_FLOWS, MOAT_FLOW_HALF_CLOSED, 3600);
	harness_age(h, MOAT_TABLE_FLOWS, &c.key, 1000);
	ours(&c, A);
	is(&c, MOAT_TABLE_FLOWS, MOAT_FLOW_HALF_CLOSED, 3600);
	ours(&c, F | A);
	is(&c, MOAT_TABLE_CLOSING, MOAT_FLOW_CLOSING, 120);
	theirs(&c, A, MOAT_REASON_ESTABLISHED);
	is(&c, MOAT_TABLE_CLOSING, MOAT_FLOW_CLOSING, 120);
}

static void reset_shortens_and_data_revives(void **state)
{
	struct connection c = established();

	theirs(&c, R, MOAT_REASON_ESTABLISHED);
	is(&c, MOAT_TABLE_FLOWS, MOAT_FLOW_RESET, 10);
	/* Another RST makes it no longer. */
	harness_age(h, MOAT_TABLE_FLOWS, &c.key, 5);
	theirs(&c, R | A, MOAT_REASON_ESTABLISHED);
	is(&c, MOAT_TABLE_FLOWS, MOAT_FLOW_RESET, 5);
	ours(&c, A);
	is(&c, MOAT_TABLE_FLOWS, MOAT_FLOW_ESTABLISHED, 432000);
	/* Past the ten seconds it is gone for good. */
	ours(&c, R);
	harness_age(h, MOAT_TABLE_FLOWS, &c.key, -1);
	c.ours.flags = A;
	expect(h, OUT, &c.ours, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
	theirs(&c, A, MOAT_REASON_SG_ALLOW); /* mid-stream, by the rules */
}

static void reset_of_the_half_open(void **state)
{
	struct connection c = connection(IPPROTO_TCP);

	theirs(&c, S, MOAT_REASON_SG_ALLOW);
	ours(&c, R | A);
	is(&c, MOAT_TABLE_EMBRYONIC_IN, MOAT_FLOW_RESET, 10);
	/* Port reuse: an allowed opening begins a new flow (F32). */
	theirs(&c, S, MOAT_REASON_SG_ALLOW);
	is(&c, MOAT_TABLE_EMBRYONIC_IN, MOAT_FLOW_NEW, 60);
}

/* F32: on an established flow an allowed SYN passes and changes nothing. */
static void opening_in_the_established(void **state)
{
	struct connection c = established();
	__u32 slot = harness_slot(h, "host/in", MOAT_INGRESS);
	__u64 before = harness_rule_count(h, slot).connections;

	theirs(&c, S, MOAT_REASON_SG_ALLOW);
	is(&c, MOAT_TABLE_FLOWS, MOAT_FLOW_ESTABLISHED, 432000);
	assert_int_equal(harness_rule_count(h, slot).connections, before);
	ours(&c, A);
	theirs(&c, A, MOAT_REASON_ESTABLISHED);
}

/* Design 3.7: an opening is judged by the rules of its own direction, also
 * where its tuple is known. */
static void opening_the_other_way(void **state)
{
	struct connection c = established();

	c.ours.flags = S;
	expect(h, OUT, &c.ours, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
	is(&c, MOAT_TABLE_FLOWS, MOAT_FLOW_ESTABLISHED, 432000);
	ours(&c, A);
}

/* A SYN-ACK that answers nothing: blind pairs earn no flow (F9). */
static void answer_to_nothing(void **state)
{
	struct connection c = connection(IPPROTO_TCP);

	theirs(&c, S, MOAT_REASON_SG_ALLOW);
	c.theirs.flags = S | A;
	expect(h, IN, &c.theirs, MOAT_DROP, MOAT_REASON_NO_FLOW);
	theirs(&c, A, MOAT_REASON_ESTABLISHED);
	theirs(&c, A, MOAT_REASON_ESTABLISHED);
	assert_int_equal(harness_count(h, MOAT_TABLE_FLOWS), 0);
}

static void segments_without_flow(void **state)
{
	static const uint8_t flags[] = { S | A, F | A, R, R | A, F | A | 0x20 };

	for (size_t i = 0; i < sizeof(flags); i++) {
		struct connection c = connection(IPPROTO_TCP);

		c.theirs.flags = flags[i];
		expect(h, IN, &c.theirs, MOAT_DROP, MOAT_REASON_NO_FLOW);
	}
	assert_int_equal(harness_count(h, MOAT_TABLE_EMBRYONIC_IN), 0);
}

/* F6: past its expiry an entry is a miss, is not touched, and a new flow of
 * its key waits beside it. */
static void expired_is_a_miss(void **state)
{
	struct connection c = connection(IPPROTO_UDP);
	struct moat_flow before, after;

	theirs(&c, 0, MOAT_REASON_SG_ALLOW);
	is(&c, MOAT_TABLE_UDP, MOAT_FLOW_NEW, 30);
	harness_age(h, MOAT_TABLE_UDP, &c.key, -1);
	assert_true(harness_flow(h, MOAT_TABLE_UDP, &c.key, &before));
	expect(h, OUT, &c.ours, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
	theirs(&c, 0, MOAT_REASON_SG_ALLOW);
	assert_true(harness_flow(h, MOAT_TABLE_UDP, &c.key, &after));
	assert_memory_equal(&before, &after, sizeof(before));
	is(&c, MOAT_TABLE_EMBRYONIC_IN, MOAT_FLOW_NEW, 30);
	expect(h, OUT, &c.ours, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	theirs(&c, 0, MOAT_REASON_ESTABLISHED);
}

static void others(void **state)
{
	struct connection c = connection(IPPROTO_UDP);

	theirs(&c, 0, MOAT_REASON_SG_ALLOW);
	ours(&c, 0);
	is(&c, MOAT_TABLE_UDP, MOAT_FLOW_ANSWERED, 30);
	harness_age(h, MOAT_TABLE_UDP, &c.key, 5);
	theirs(&c, 0, MOAT_REASON_ESTABLISHED);
	is(&c, MOAT_TABLE_UDP, MOAT_FLOW_ESTABLISHED, 180);
	c = connection(IPPROTO_SCTP);
	c.theirs.payload_len = c.ours.payload_len = 20;
	theirs(&c, 0, MOAT_REASON_SG_ALLOW);
	is(&c, MOAT_TABLE_OTHER, MOAT_FLOW_NEW, 600);
	ours(&c, 0);
}

/* The expiry is written when it moves by a second, not for every packet. */
static void expiry_moves_by_seconds(void **state)
{
	struct connection c = established();
	struct moat_flow a, b;

	harness_age(h, MOAT_TABLE_FLOWS, &c.key, 432000);
	assert_true(harness_flow(h, MOAT_TABLE_FLOWS, &c.key, &a));
	for (int i = 0; i < 20; i++)
		theirs(&c, A, MOAT_REASON_ESTABLISHED);
	assert_true(harness_flow(h, MOAT_TABLE_FLOWS, &c.key, &b));
	assert_int_equal(a.expires, b.expires);
	assert_int_equal(b.packets[MOAT_INGRESS], a.packets[MOAT_INGRESS] + 20);
	harness_age(h, MOAT_TABLE_FLOWS, &c.key, 431990);
	theirs(&c, A, MOAT_REASON_ESTABLISHED);
	is(&c, MOAT_TABLE_FLOWS, MOAT_FLOW_ESTABLISHED, 432000);
}

/* midstream: drop (design 3.5); known flows are no concern of it. */
static void midstream_drop(void **state)
{
	struct connection known = established(), c = connection(IPPROTO_TCP);
	struct datapath_settings s = settings;

	s.midstream_drop = true;
	harness_reload(h, &s);
	theirs(&known, A, MOAT_REASON_ESTABLISHED);
	c.theirs.flags = A;
	expect(h, IN, &c.theirs, MOAT_DROP, MOAT_REASON_NO_FLOW);
	theirs(&c, S, MOAT_REASON_SG_ALLOW);
	harness_reload(h, &settings);
	c = connection(IPPROTO_TCP);
	theirs(&c, A, MOAT_REASON_SG_ALLOW);
}

#define fresh(test) cmocka_unit_test_setup(test, afresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		fresh(timeouts_of_tcp),
		fresh(reset_shortens_and_data_revives),
		fresh(reset_of_the_half_open),
		fresh(opening_in_the_established),
		fresh(opening_the_other_way),
		fresh(answer_to_nothing),
		fresh(segments_without_flow),
		fresh(expired_is_a_miss),
		fresh(others),
		fresh(expiry_moves_by_seconds),
		fresh(midstream_drop),
	};

	return cmocka_run_group_tests(tests, open_once, close_once);
}
