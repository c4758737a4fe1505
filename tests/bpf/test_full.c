// SPDX-License-Identifier: BSD-2-Clause
/*
 * Full and busy tables (design 3.5, F9, F47, G6): new flows are refused and
 * counted, established ones never touched, the failsafe never locked out, and
 * a busy map drops nothing.
 */
#include "bpf/harness.h"

#include <errno.h>
#include <linux/in.h>

#include <bpf/bpf.h>

#define IN ATTACH_TC_INGRESS
#define OUT ATTACH_TC_EGRESS
#define S MOAT_TCP_FLAG_SYN
#define A MOAT_TCP_FLAG_ACK
#define ROOM 8

#define POLICY(mode) \
	"version: 1\nname: p\nmode: " mode "\nsecurity_groups:\n" \
	"  host:\n    members: [10.0.0.1]\n    ingress:\n" \
	"      - {name: in, from: [any], protocol: [tcp, udp, sctp], ports: [80]}\n" \
	"      - {name: ping, from: [any], service: ping}\n" \
	"    egress: []\n"

static struct harness *h;
static struct datapath_settings settings;

static int open_once(void **state)
{
	struct moat_failsafe f = {};

	failsafe_add4(&f, MOAT_INGRESS, IPPROTO_TCP, 22, 22);
	failsafe_add4(&f, MOAT_INGRESS, IPPROTO_UDP, 23, 23);
	harness_settings(&settings);
	for (int i = 0; i < MOAT_TABLE_COUNT; i++)
		settings.table_entries[i] = i == MOAT_TABLE_EMBRYONIC_IN ?
						    1024 :
						    ROOM;
	h = harness_open(&settings);
	harness_own(h, "10.0.0.1", NULL);
	harness_failsafe(h, &f);
	return 0;
}

static int close_once(void **state)
{
	harness_close(h);
	return 0;
}

static int afresh(void **state)
{
	assert_int_equal(flows_clear(h->dp), 0);
	harness_policy(h, POLICY("enforce"));
	return 0;
}

static struct packet_spec packet(uint8_t proto, uint16_t dport)
{
	static uint16_t sport = 2000;

	return (struct packet_spec){
		.family = 4,
		.from = "10.9.0.1",
		.to = "10.0.0.1",
		.proto = proto,
		.sport = ++sport,
		.dport = dport,
		.flags = proto == IPPROTO_TCP ? S : 0,
		.seq = 100,
		.payload_len = proto == IPPROTO_TCP ? 0 : 20,
	};
}

static __u64 refused(enum moat_table table, enum moat_refusal why)
{
	struct moat_totals t;

	assert_int_equal(stats_totals(h->dp, &t), 0);
	return t.refused[table][why];
}

static void fills(uint8_t proto, enum moat_table table)
{
	__u64 before = refused(table, MOAT_REFUSAL_FULL);
	struct packet_spec first = packet(proto, 80), p, back;

	expect(h, IN, &first, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	for (int i = 1; i < ROOM; i++) {
		p = packet(proto, 80);
		expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	}
	p = packet(proto, 80);
	for (__u64 i = 1; i <= 3; i++) {
		expect(h, IN, &p, MOAT_DROP, MOAT_REASON_TABLE_FULL);
		assert_int_equal(refused(table, MOAT_REFUSAL_FULL), before + i);
	}
	/* Those that live do so, both ways. */
	back = packet_reply(&first);
	expect(h, OUT, &back, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	expect(h, IN, &first, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	assert_int_equal(harness_count(h, table), ROOM);
}

static void udp_full(void **state)
{
	struct packet_spec p, back;

	fills(IPPROTO_UDP, MOAT_TABLE_UDP);
	/* G6, R-01: the failsafe passes untracked, both legs. */
	p = packet(IPPROTO_UDP, 23);
	back = packet_reply(&p);
	expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_FAILSAFE);
	expect(h, OUT, &back, MOAT_ALLOW, MOAT_REASON_FAILSAFE);
	expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_FAILSAFE);
}

static void others_full(void **state)
{
	fills(IPPROTO_SCTP, MOAT_TABLE_OTHER);
}

static void audit_drops_nothing(void **state)
{
	struct packet_spec p;

	fills(IPPROTO_UDP, MOAT_TABLE_UDP);
	harness_policy(h, POLICY("audit"));
	p = packet(IPPROTO_UDP, 80);
	expect(h, IN, &p, MOAT_WOULD_DROP, MOAT_REASON_TABLE_FULL);
}

static struct packet_spec shake(struct packet_spec *syn)
{
	struct packet_spec back = packet_reply(syn), ack = *syn;

	expect(h, IN, syn, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	back.flags = S | A;
	back.seq = 500;
	back.ack = 101;
	expect(h, OUT, &back, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	ack.flags = A;
	ack.seq = 101;
	ack.ack = 501;
	expect(h, IN, &ack, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	return ack;
}

/* F9: a handshake that finds no room stays half-open, loses nothing, and is
 * promoted by the first packet after there is room. */
static void flows_full(void **state)
{
	__u64 before = refused(MOAT_TABLE_FLOWS, MOAT_REFUSAL_FULL);
	struct packet_spec syn, ack, first;
	struct moat_flow_key key, gone;

	syn = packet(IPPROTO_TCP, 80);
	gone = harness_key("10.0.0.1", 80, "10.9.0.1", syn.sport, IPPROTO_TCP);
	first = shake(&syn);
	for (int i = 1; i < ROOM; i++) {
		syn = packet(IPPROTO_TCP, 80);
		shake(&syn);
	}
	assert_int_equal(harness_count(h, MOAT_TABLE_FLOWS), ROOM);
	syn = packet(IPPROTO_TCP, 80);
	key = harness_key("10.0.0.1", 80, "10.9.0.1", syn.sport, IPPROTO_TCP);
	ack = shake(&syn);
	assert_int_equal(refused(MOAT_TABLE_FLOWS, MOAT_REFUSAL_FULL),
			 before + 1);
	expect(h, IN, &ack, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	assert_false(harness_flow(h, MOAT_TABLE_FLOWS, &key, NULL));
	expect(h, IN, &first, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	assert_int_equal(bpf_map_delete_elem(harness_map(h, "flows"), &gone),
			 0);
	expect(h, IN, &ack, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	assert_true(harness_flow(h, MOAT_TABLE_FLOWS, &key, NULL));
}

/* R-23 and attacks 2.3: what is denied costs no state; half-open flows live
 * apart, so no flood of openings reaches the established ones. */
static void denied_costs_nothing(void **state)
{
	for (int i = 0; i < 50; i++) {
		struct packet_spec p = packet(i & 1 ? 6 : 17, 81);

		expect(h, IN, &p, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
	}
	assert_int_equal(harness_count(h, MOAT_TABLE_FLOWS), 0);
	assert_int_equal(harness_count(h, MOAT_TABLE_UDP), 0);
	assert_int_equal(harness_count(h, MOAT_TABLE_EMBRYONIC_IN), 0);
	assert_true(harness_count(h, MOAT_TABLE_DENIED) <= ROOM);
}

static void openings_reach_no_established(void **state)
{
	struct packet_spec syn = packet(IPPROTO_TCP, 80), ack = shake(&syn);

	for (int i = 0; i < 5000; i++) {
		struct packet_spec p = packet(IPPROTO_TCP, 80), back;

		expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
		back = packet_reply(&p);
		back.flags = S | A;
		expect(h, OUT, &back, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	}
	expect(h, IN, &ack, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	assert_int_equal(harness_count(h, MOAT_TABLE_FLOWS), 1);
}

static void with_fault(int error)
{
	struct datapath_settings s = settings;

	s.fault = error;
	harness_reload(h, &s);
}

/* F47: -EBUSY and -ENOMEM: an allowed opening passes without state. */
static void busy_drops_nothing(void **state)
{
	static const struct {
		int error;
		enum moat_refusal why;
	} faults[] = {
		{ EBUSY, MOAT_REFUSAL_BUSY },
		{ ENOMEM, MOAT_REFUSAL_NOMEM },
		{ ENOENT, MOAT_REFUSAL_OTHER },
	};

	for (size_t i = 0; i < 3; i++) {
		struct packet_spec udp = packet(IPPROTO_UDP, 80);
		struct packet_spec syn = packet(IPPROTO_TCP, 80);
		__u64 before = refused(MOAT_TABLE_UDP, faults[i].why);
		__u64 half_open = refused(MOAT_TABLE_EMBRYONIC_IN,
					  faults[i].why);

		with_fault(faults[i].error);
		expect(h, IN, &udp, MOAT_ALLOW, MOAT_REASON_UNTRACKED);
		expect(h, IN, &syn, MOAT_ALLOW, MOAT_REASON_UNTRACKED);
		assert_int_equal(refused(MOAT_TABLE_UDP, faults[i].why),
				 before + 1);
		assert_int_equal(harness_count(h, MOAT_TABLE_UDP), 0);
		assert_int_equal(refused(MOAT_TABLE_EMBRYONIC_IN,
					 faults[i].why),
				 half_open + 1);
		udp.dport = 81;
		expect(h, IN, &udp, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
		with_fault(0);
		expect(h, IN, &syn, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
		assert_int_equal(flows_clear(h->dp), 0);
	}
}

/* Promotion that fails: the flow stays where it is, and its packets pass. */
static void busy_promotion(void **state)
{
	struct packet_spec syn = packet(IPPROTO_TCP, 80), back, ack = syn;
	struct moat_flow_key key = harness_key("10.0.0.1", 80, "10.9.0.1",
					       syn.sport, IPPROTO_TCP);

	expect(h, IN, &syn, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	back = packet_reply(&syn);
	back.flags = S | A;
	back.seq = 500;
	expect(h, OUT, &back, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	with_fault(EBUSY);
	ack.flags = A;
	ack.ack = 501;
	for (int i = 0; i < 3; i++)
		expect(h, IN, &ack, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	assert_false(harness_flow(h, MOAT_TABLE_FLOWS, &key, NULL));
	with_fault(0);
	expect(h, IN, &ack, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	assert_true(harness_flow(h, MOAT_TABLE_FLOWS, &key, NULL));
}

/* The table is full when the handshake completes: the flow moves when there is
 * room, whatever was sent since, and is then like any other. */
static void room_comes_late(void **state)
{
	struct packet_spec syn = packet(IPPROTO_TCP, 80), ack = syn,
			   reset = syn;
	__u64 before = refused(MOAT_TABLE_FLOWS, MOAT_REFUSAL_FULL);
	__u64 hz = datapath_facts()->hz;
	struct moat_flow_key key = harness_key("10.0.0.1", 80, "10.9.0.1",
					       syn.sport, IPPROTO_TCP);
	struct packet_spec back = packet_reply(&syn);
	struct moat_flow f;

	expect(h, IN, &syn, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	back.flags = S | A;
	back.seq = 100;
	expect(h, OUT, &back, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	with_fault(E2BIG);
	ack.flags = A;
	ack.seq = 101;
	ack.ack = 101;
	expect(h, IN, &ack, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	assert_false(harness_flow(h, MOAT_TABLE_FLOWS, &key, NULL));
	assert_int_equal(refused(MOAT_TABLE_FLOWS, MOAT_REFUSAL_FULL),
			 before + 1);
	with_fault(0);
	ack.ack = 5000101;
	expect(h, IN, &ack, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	assert_true(harness_flow(h, MOAT_TABLE_FLOWS, &key, NULL));
	/* RST: ten seconds; data revives it. */
	reset.flags = MOAT_TCP_FLAG_RST;
	reset.seq = 101;
	expect(h, IN, &reset, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	assert_true(harness_flow(h, MOAT_TABLE_FLOWS, &key, &f));
	assert_int_equal(f.state, MOAT_FLOW_RESET);
	assert_in_range(f.expires - datapath_jiffies(h->dp), 1, 10 * hz);
	expect(h, IN, &ack, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	assert_true(harness_flow(h, MOAT_TABLE_FLOWS, &key, &f));
	assert_int_equal(f.state, MOAT_FLOW_ESTABLISHED);
	assert_true(f.expires - datapath_jiffies(h->dp) > 400000 * hz);
}

/* The failsafe under every fault. */
static void failsafe_under_faults(void **state)
{
	static const int errors[] = { E2BIG, EBUSY, ENOMEM };

	for (size_t i = 0; i < 3; i++) {
		struct packet_spec syn = packet(IPPROTO_TCP, 22), back;

		with_fault(errors[i]);
		back = packet_reply(&syn);
		back.flags = S | A;
		expect(h, IN, &syn, MOAT_ALLOW, MOAT_REASON_FAILSAFE);
		expect(h, OUT, &back, MOAT_ALLOW, MOAT_REASON_FAILSAFE);
		syn.flags = A;
		expect(h, IN, &syn, MOAT_ALLOW, MOAT_REASON_FAILSAFE);
		/* Our port, their opening: no way out for ourselves. */
		back.flags = S;
		expect(h, OUT, &back, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
	}
	with_fault(0);
}

#define fresh(test) cmocka_unit_test_setup(test, afresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		fresh(udp_full),
		fresh(others_full),
		fresh(audit_drops_nothing),
		fresh(flows_full),
		fresh(denied_costs_nothing),
		fresh(openings_reach_no_established),
		fresh(busy_drops_nothing),
		fresh(busy_promotion),
		fresh(room_comes_late),
		fresh(failsafe_under_faults),
	};

	return cmocka_run_group_tests(tests, open_once, close_once);
}
