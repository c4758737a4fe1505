// SPDX-License-Identifier: BSD-2-Clause
/*
 * Tables that are full, busy or hold what has expired (F6, F9, F47, G6), and
 * addresses that appear while the agent is dead (F36, G2).
 */
#include "bpf/harness.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/in.h>

#define IN ATTACH_TC_INGRESS
#define OUT ATTACH_TC_EGRESS
#define OURS "10.0.0.1"
#define THEIRS "10.1.0.1"
#define S MOAT_TCP_FLAG_SYN
#define A MOAT_TCP_FLAG_ACK
#define F MOAT_TCP_FLAG_FIN

#define POLICY(mode) \
	"version: 1\nname: t\nmode: " mode "\n" \
	"security_groups:\n" \
	"  g:\n" \
	"    members: [10.0.0.0/24]\n" \
	"    ingress:\n" \
	"      - {name: all, from: [any]}\n"

static struct harness *h;
static struct datapath_settings settings;
static uint16_t port = 3000;

static int open_once(void **state)
{
	struct moat_failsafe f = { .count = 1,
				   .entry = { { .peer.w[2] = htonl(0xffff),
						.length = 96,
						.direction = MOAT_INGRESS,
						.proto = IPPROTO_UDP,
						.first = 22,
						.last = 22 } } };

	harness_settings(&settings);
	settings.table_entries[MOAT_TABLE_UDP] = 64;
	h = harness_open(&settings);
	harness_own(h, OURS, NULL);
	harness_iface(h, HARNESS_IFINDEX, OURS, NULL);
	harness_failsafe(h, &f);
	return 0;
}

static int close_once(void **state)
{
	harness_close(h);
	return 0;
}

static int begin(void **state)
{
	datapath_heartbeat(h->dp);
	harness_policy(h, POLICY("enforce"));
	return 0;
}

static struct packet_spec udp(uint16_t sport, uint16_t dport)
{
	return (struct packet_spec){
		.family = 4,
		.from = THEIRS,
		.to = OURS,
		.proto = IPPROTO_UDP,
		.sport = sport,
		.dport = dport,
		.payload_len = 10,
	};
}

static struct packet_spec tcp(uint8_t flags, uint32_t seq, uint32_t ack)
{
	struct packet_spec p = udp(port, 80);

	p.proto = IPPROTO_TCP;
	p.flags = flags;
	p.seq = seq;
	p.ack = ack;
	return p;
}

static __u64 refused(enum moat_table table, enum moat_refusal why)
{
	struct moat_totals t;

	assert_int_equal(stats_totals(h->dp, &t), 0);
	return t.refused[table][why];
}

/* F6: an expired entry is a miss and stays as it is; the new flow waits in
 * the embryonic table until user space has deleted it, then moves. */
static void expired_entry(void **state)
{
	struct packet_spec p = udp(++port, 514), back = packet_reply(&p);
	struct moat_flow_key key = harness_key(OURS, 514, THEIRS, port,
					       IPPROTO_UDP);
	struct moat_flow old, f;

	expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	harness_age(h, MOAT_TABLE_UDP, &key, -1);
	assert_true(harness_flow(h, MOAT_TABLE_UDP, &key, &old));
	expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	assert_true(harness_flow(h, MOAT_TABLE_EMBRYONIC_IN, &key, &f));
	expect(h, OUT, &back, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	assert_true(harness_flow(h, MOAT_TABLE_UDP, &key, &f));
	assert_int_equal(f.expires, old.expires);
	assert_int_equal(f.packets[MOAT_INGRESS], old.packets[MOAT_INGRESS]);
	bpf_map_delete_elem(harness_map(h, "udp"), &key);
	expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	assert_true(harness_flow(h, MOAT_TABLE_UDP, &key, &f));
	/* All of the new flow's: the one that moved it counts in the copy. */
	assert_int_equal(f.packets[MOAT_INGRESS], 2);
	assert_int_equal(f.packets[MOAT_EGRESS], 1);
	expect(h, OUT, &back, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
}

/* A full table refuses new flows, counts, and leaves established ones be. */
static void full(void **state)
{
	struct packet_spec first = udp(++port, 514), p;
	__u64 before;
	int i;

	expect(h, IN, &first, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	for (i = 0; i < 1000; i++) {
		p = udp(20000 + i, 514);
		if (harness_run(h, IN, &p).trace.verdict == MOAT_DROP)
			break;
	}
	assert_in_range(i, 32, 999);
	before = refused(MOAT_TABLE_UDP, MOAT_REFUSAL_FULL);
	expect(h, IN, &p, MOAT_DROP, MOAT_REASON_TABLE_FULL);
	assert_int_equal(refused(MOAT_TABLE_UDP, MOAT_REFUSAL_FULL),
			 before + 1);
	expect(h, IN, &first, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	/* The failsafe passes untracked, both legs. */
	p.dport = 22;
	expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_FAILSAFE);
	p = packet_reply(&p);
	expect(h, OUT, &p, MOAT_ALLOW, MOAT_REASON_FAILSAFE);
	harness_policy(h, POLICY("audit"));
	p = udp(30000, 514);
	expect(h, IN, &p, MOAT_WOULD_DROP, MOAT_REASON_TABLE_FULL);
}

/* F47: busy or out of memory, an allowed opening passes without state. */
static void busy(void **state)
{
	static const int errors[] = { EBUSY, ENOMEM };
	static const enum moat_refusal why[] = { MOAT_REFUSAL_BUSY,
						 MOAT_REFUSAL_NOMEM };

	for (int i = 0; i < 2; i++) {
		__u64 before = refused(MOAT_TABLE_EMBRYONIC_IN, why[i]);
		struct packet_spec p;

		port++;
		p = tcp(S, 1, 0);
		settings.fault = errors[i];
		harness_reload(h, &settings);
		expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_UNTRACKED);
		assert_int_equal(refused(MOAT_TABLE_EMBRYONIC_IN, why[i]),
				 before + 1);
		settings.fault = 0;
		harness_reload(h, &settings);
		expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	}
}

/* The established table is full when the handshake completes: the flow stays
 * embryonic, passes, and moves when there is room, whatever was sent since. */
static void no_room_to_promote(void **state)
{
	struct moat_flow_key key;
	struct packet_spec p, q;
	struct moat_flow f;

	port++;
	key = harness_key(OURS, 80, THEIRS, port, IPPROTO_TCP);
	p = tcp(S, 1, 0);
	expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	p = tcp(0, 0, 0);
	q = packet_reply(&p);
	q.flags = S | A;
	q.seq = 100;
	expect(h, OUT, &q, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	settings.fault = E2BIG;
	harness_reload(h, &settings);
	p = tcp(A, 2, 101);
	expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	assert_false(harness_flow(h, MOAT_TABLE_FLOWS, &key, &f));
	assert_true(refused(MOAT_TABLE_FLOWS, MOAT_REFUSAL_FULL) > 0);
	settings.fault = 0;
	harness_reload(h, &settings);
	p = tcp(A, 2, 5000101);
	expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	assert_true(harness_flow(h, MOAT_TABLE_FLOWS, &key, &f));
	/* RST: ten seconds; data revives it. */
	p = tcp(MOAT_TCP_FLAG_RST, 2, 0);
	expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	assert_true(harness_flow(h, MOAT_TABLE_FLOWS, &key, &f));
	assert_int_equal(f.state, MOAT_FLOW_RESET);
	assert_in_range(f.expires - datapath_jiffies(h->dp), 1,
			10 * (__u64)datapath_facts()->hz);
	p = tcp(A, 2, 5000101);
	expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	assert_true(harness_flow(h, MOAT_TABLE_FLOWS, &key, &f));
	assert_int_equal(f.state, MOAT_FLOW_ESTABLISHED);
	assert_true(f.expires - datapath_jiffies(h->dp) >
		    400000 * (__u64)datapath_facts()->hz);
}

/* F36: the routes say whether an unknown address is ours. */
static void dead_agent(void **state)
{
	struct packet_spec p = tcp(S, 1, 0);
	struct moat_control c;
	__u32 zero = 0;

	p.sport = ++port;
	p.to = "10.0.0.99";
	expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_FORWARDED);
	assert_int_equal(
		bpf_map_lookup_elem(harness_map(h, "control"), &zero, &c), 0);
	c.heartbeat -= 11 * (__u64)datapath_facts()->hz;
	assert_int_equal(bpf_map_update_elem(harness_map(h, "control"), &zero,
					     &c, BPF_ANY),
			 0);
	/* The device doesn't forward: what comes to it is the host's. */
	expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	p.to = OURS;
	expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
}

#define at(test) cmocka_unit_test_setup(test, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		at(expired_entry),	at(full),	at(busy),
		at(no_room_to_promote), at(dead_agent),
	};

	return cmocka_run_group_tests_name("tables", tests, open_once,
					   close_once);
}
