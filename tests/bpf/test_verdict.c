// SPDX-License-Identifier: BSD-2-Clause
/* Design section 3 by packets: rules, flows, audit, on all of TCP, UDP, ICMP. */
#include "bpf/harness.h"

#include <linux/in.h>
#include <linux/in6.h>

#define OURS "10.0.0.1"
#define THEIRS "10.1.0.1"
#define OURS6 "fd00::1"
#define THEIRS6 "fd01::1"

static const char policy[] =
	"version: 1\nname: t\nmode: enforce\n"
	"security_groups:\n"
	"  web:\n"
	"    members: [10.0.0.0/24, \"fd00::/64\"]\n"
	"    ingress:\n"
	"      - {name: http, from: [10.1.0.0/16, \"fd01::/16\"], protocol: tcp, ports: [80]}\n"
	"      - {name: syslog, from: [10.1.0.0/16], protocol: udp, ports: [514]}\n"
	"      - {name: ping, from: [any], service: ping}\n"
	"    egress:\n"
	"      - {name: dns, to: [10.1.0.0/16], protocol: udp, ports: [53]}\n"
	"      - {name: ssh, to: [\"fd01::/16\", 10.1.0.0/16], protocol: tcp, ports: [22]}\n"
	"      - {name: ping, to: [any], service: ping}\n";

static struct harness *h;

static int begin(void **state)
{
	h = harness_host(OURS, OURS6);
	harness_policy(h, policy);
	return 0;
}

static int end(void **state)
{
	harness_close(h);
	return 0;
}

static struct packet_spec tcp(const char *from, const char *to, uint8_t flags)
{
	return (struct packet_spec){
		.family = 4,
		.from = from,
		.to = to,
		.proto = IPPROTO_TCP,
		.sport = 40000,
		.dport = 80,
		.flags = flags,
	};
}

static struct packet_spec segment(const struct packet_spec *of, uint8_t flags,
				  uint32_t seq, uint32_t ack)
{
	struct packet_spec s = *of;

	s.flags = flags;
	s.seq = seq;
	s.ack = ack;
	return s;
}

#define S MOAT_TCP_FLAG_SYN
#define A MOAT_TCP_FLAG_ACK
#define F MOAT_TCP_FLAG_FIN
#define R MOAT_TCP_FLAG_RST
#define IN ATTACH_TC_INGRESS
#define OUT ATTACH_TC_EGRESS

static void tcp_life(struct packet_spec syn, struct moat_flow_key key)
{
	struct packet_spec back = packet_reply(&syn), p;
	struct moat_flow f;

	syn.seq = 1000;
	expect_rule(h, IN, &syn, MOAT_ALLOW, MOAT_REASON_SG_ALLOW, "web/http");
	assert_true(harness_flow(h, MOAT_TABLE_EMBRYONIC_IN, &key, &f));
	assert_int_equal(f.state, MOAT_FLOW_NEW);
	p = segment(&back, S | A, 0xffffff00, 1001);
	expect(h, OUT, &p, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	assert_false(harness_flow(h, MOAT_TABLE_FLOWS, &key, &f));
	p = segment(&syn, A, 1001, 0xffffff00); /* implausible */
	expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	assert_false(harness_flow(h, MOAT_TABLE_FLOWS, &key, &f));
	p = segment(&syn, A, 1001, 0xffffff01);
	expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	assert_true(harness_flow(h, MOAT_TABLE_FLOWS, &key, &f));
	assert_int_equal(f.state, MOAT_FLOW_ESTABLISHED);
	expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	p = segment(&back, A, 0xffffff01, 1001);
	expect(h, OUT, &p, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	assert_true(harness_flow(h, MOAT_TABLE_FLOWS, &key, &f));
	assert_int_equal(f.packets[MOAT_EGRESS], 2);
	p = segment(&syn, F | A, 1001, 0xffffff01);
	expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	assert_true(harness_flow(h, MOAT_TABLE_FLOWS, &key, &f));
	assert_int_equal(f.state, MOAT_FLOW_HALF_CLOSED);
	p = segment(&back, F | A, 0xffffff01, 1002);
	expect(h, OUT, &p, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	assert_true(harness_flow(h, MOAT_TABLE_CLOSING, &key, &f));
	assert_int_equal(f.state, MOAT_FLOW_CLOSING);
	p = segment(&syn, A, 1002, 0xffffff02);
	expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	/* F32: an allowed SYN over a closed flow begins a new one. */
	expect_rule(h, IN, &syn, MOAT_ALLOW, MOAT_REASON_SG_ALLOW, "web/http");
	assert_true(harness_flow(h, MOAT_TABLE_EMBRYONIC_IN, &key, &f));
	assert_int_equal(f.state, MOAT_FLOW_NEW);
}

static void tcp_over_ipv4(void **state)
{
	tcp_life(tcp(THEIRS, OURS, S),
		 harness_key(OURS, 80, THEIRS, 40000, IPPROTO_TCP));
}

static void tcp_over_ipv6(void **state)
{
	struct packet_spec s = tcp(THEIRS6, OURS6, S);

	s.family = 6;
	tcp_life(s, harness_key(OURS6, 80, THEIRS6, 40000, IPPROTO_TCP));
}

static void denied(void **state)
{
	struct packet_spec p = tcp(THEIRS, OURS, S);

	p.dport = 81;
	expect_rule(h, IN, &p, MOAT_DROP, MOAT_REASON_SG_NO_MATCH, "");
	p = tcp("10.2.0.1", OURS, S);
	expect_rule(h, IN, &p, MOAT_DROP, MOAT_REASON_SG_NO_MATCH, "");
	p = tcp(OURS, THEIRS, S);
	expect_rule(h, OUT, &p, MOAT_DROP, MOAT_REASON_SG_NO_MATCH, "");
	for (size_t i = 0; i < 3; i++) {
		static const uint8_t flags[] = { S | A, F | A, R };

		p = tcp("10.1.0.9", OURS, flags[i]);
		expect(h, IN, &p, MOAT_DROP, MOAT_REASON_NO_FLOW);
	}
	assert_int_equal(harness_count(h, MOAT_TABLE_FLOWS), 0);
	assert_int_equal(harness_count(h, MOAT_TABLE_EMBRYONIC_IN), 0);
}

static void midstream(void **state)
{
	struct packet_spec p = tcp(THEIRS, OURS, A), back = packet_reply(&p);
	struct moat_flow_key key = harness_key(OURS, 80, THEIRS, 40000,
					       IPPROTO_TCP);
	struct moat_flow f;

	expect_rule(h, IN, &p, MOAT_ALLOW, MOAT_REASON_SG_ALLOW, "web/http");
	expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	assert_false(harness_flow(h, MOAT_TABLE_FLOWS, &key, &f));
	expect(h, OUT, &back, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	assert_true(harness_flow(h, MOAT_TABLE_FLOWS, &key, &f));
}

static void udp(void **state)
{
	struct packet_spec p = {
		.family = 4,
		.from = OURS,
		.to = THEIRS,
		.proto = IPPROTO_UDP,
		.sport = 5000,
		.dport = 53,
		.payload_len = 20,
	};
	struct packet_spec back = packet_reply(&p), wrong;
	struct moat_flow_key key = harness_key(OURS, 5000, THEIRS, 53,
					       IPPROTO_UDP);
	struct moat_flow f;

	wrong = back;
	expect(h, IN, &back, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
	expect_rule(h, OUT, &p, MOAT_ALLOW, MOAT_REASON_SG_ALLOW, "web/dns");
	expect(h, IN, &back, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	wrong.dport = 5001;
	expect(h, IN, &wrong, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
	wrong = back;
	wrong.from = "10.1.0.2";
	expect(h, IN, &wrong, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
	assert_true(harness_flow(h, MOAT_TABLE_UDP, &key, &f));
	assert_int_equal(f.marks & MOAT_MARK_STREAM, 0);
	expect(h, OUT, &p, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	assert_true(harness_flow(h, MOAT_TABLE_UDP, &key, &f));
	assert_int_equal(f.marks, MOAT_MARK_STREAM);
}

static void ping(void **state)
{
	struct packet_spec p = {
		.family = 4,
		.from = OURS,
		.to = "8.8.8.8",
		.proto = IPPROTO_ICMP,
		.type = 8,
		.rest = 7 << 16 | 1,
	};
	struct packet_spec reply = packet_reply(&p), request;

	reply.type = 0;
	expect(h, IN, &reply, MOAT_DROP, MOAT_REASON_NO_FLOW);
	expect_rule(h, OUT, &p, MOAT_ALLOW, MOAT_REASON_SG_ALLOW, "web/ping");
	expect(h, IN, &reply, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	reply.rest = 8 << 16;
	expect(h, IN, &reply, MOAT_DROP, MOAT_REASON_NO_FLOW);
	/* F31: a timestamp reply with our identifier is no echo reply. */
	reply.rest = 7 << 16;
	reply.type = 14;
	expect(h, IN, &reply, MOAT_DROP, MOAT_REASON_NO_FLOW);
	/* GHSA-c66w-hq56-4q97: their request with our identifier is judged. */
	request = packet_reply(&p);
	expect_rule(h, IN, &request, MOAT_ALLOW, MOAT_REASON_SG_ALLOW,
		    "web/ping");
	p.family = 6;
	p.proto = IPPROTO_ICMPV6;
	p.from = OURS6;
	p.to = "2001:db8::1";
	p.type = 128;
	reply = packet_reply(&p);
	reply.type = 129;
	expect_rule(h, OUT, &p, MOAT_ALLOW, MOAT_REASON_SG_ALLOW, "web/ping");
	expect(h, IN, &reply, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
}

static void whose(void **state)
{
	struct packet_spec p = tcp(THEIRS, "10.0.0.77", S);

	expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_FORWARDED);
	p = tcp("10.0.0.77", THEIRS, S);
	expect(h, OUT, &p, MOAT_DROP, MOAT_REASON_SPOOFED_SOURCE);
	h->ingress_ifindex = 9;
	expect(h, OUT, &p, MOAT_ALLOW, MOAT_REASON_FORWARDED);
	h->ingress_ifindex = 0;
	p = tcp(OURS, "10.0.0.77", S);
	expect(h, IN, &p, MOAT_DROP, MOAT_REASON_OWN_SOURCE);
}

#define at(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		at(tcp_over_ipv4), at(tcp_over_ipv6), at(denied), at(midstream),
		at(udp),	   at(ping),	      at(whose),
	};

	return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
