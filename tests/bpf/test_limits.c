// SPDX-License-Identifier: BSD-2-Clause
/* Limits on new connections (F7): who pays, who doesn't, and with what. */
#include "bpf/harness.h"

#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>

#define IN ATTACH_TC_INGRESS
#define S MOAT_TCP_FLAG_SYN
#define A MOAT_TCP_FLAG_ACK
#define SLOW "new_connections: 4/hour"

/* Rates so slow that no token comes back while a test runs, but for fast. */
#define POLICY(mode, group_mode) \
	"version: 1\nname: p\nmode: " mode "\non_tighten: reevaluate\n" \
	"security_groups:\n" \
	"  web:\n" group_mode "    members: [10.0.0.1, \"fd00::1\"]\n" \
	"    ingress:\n" \
	"      - {name: api, from: [any], protocol: tcp, ports: [80], limit: {" SLOW \
	", burst: 3, per: source}}\n" \
	"      - {name: lb, from: [10.1.0.0/24], protocol: tcp, ports: [80]}\n" \
	"      - {name: all, from: [any], protocol: tcp, ports: [81], limit: {" SLOW \
	", burst: 2, per: rule}}\n" \
	"      - {name: mine, from: [any], protocol: tcp, ports: [82], limit: {" SLOW \
	", burst: 1, per: source}}\n" \
	"      - {name: ours, from: [any], protocol: tcp, ports: [82], limit: {" SLOW \
	", burst: 2, per: rule}}\n" \
	"      - {name: fast, from: [any], protocol: tcp, ports: [83], limit: {new_connections: 10/second, burst: 1, per: source}}\n" \
	"    egress: []\n" \
	"network_acls:\n  acl:\n    applies_to: [web]\n    ingress:\n" \
	"      - {rule: 1, action: deny, from: [10.6.6.0/24]}\n" \
	"      - {rule: 2, action: allow, from: any}\n" \
	"    egress:\n      - {rule: 1, action: allow, to: any}\n"

static struct harness *h;

static int open_once(void **state)
{
	h = harness_host("10.0.0.1", "fd00::1");
	return 0;
}

static int close_once(void **state)
{
	harness_close(h);
	return 0;
}

/* Full buckets, no flows. */
static int afresh(void **state)
{
	static const unsigned char none[16];
	int fd = harness_map(h, "buckets");

	for (__u32 i = 0; i < MOAT_BUCKETS; i++)
		assert_int_equal(bpf_map_update_elem(fd, &i, none, BPF_ANY), 0);
	assert_int_equal(flows_clear(h->dp), 0);
	harness_policy(h, POLICY("enforce", ""));
	return 0;
}

/* A new connection: from a port never used before. */
static struct packet_spec open_to(const char *from, uint16_t dport)
{
	static uint16_t sport = 2000;

	return (struct packet_spec){
		.family = strchr(from, ':') ? 6 : 4,
		.from = from,
		.to = strchr(from, ':') ? "fd00::1" : "10.0.0.1",
		.proto = 6,
		.sport = ++sport,
		.dport = dport,
		.flags = S,
	};
}

static void let_in(const char *from, uint16_t dport, const char *rule)
{
	struct packet_spec s = open_to(from, dport);

	expect_rule(h, IN, &s, MOAT_ALLOW, MOAT_REASON_SG_ALLOW, rule);
}

static void refuse(const char *from, uint16_t dport, const char *rule)
{
	__u32 slot = harness_slot(h, rule, MOAT_INGRESS);
	struct moat_rule_count before = harness_rule_count(h, slot), after;
	struct packet_spec s = open_to(from, dport);
	size_t flows = harness_count(h, MOAT_TABLE_EMBRYONIC_IN);

	expect_rule(h, IN, &s, MOAT_DROP, MOAT_REASON_RATE_LIMITED, rule);
	after = harness_rule_count(h, slot);
	assert_int_equal(after.limited, before.limited + 1);
	assert_int_equal(after.connections, before.connections);
	assert_int_equal(harness_count(h, MOAT_TABLE_EMBRYONIC_IN), flows);
}

static void per_source(void **state)
{
	for (int i = 0; i < 3; i++)
		let_in("10.2.0.1", 80, "web/api");
	refuse("10.2.0.1", 80, "web/api");
	refuse("10.2.0.1", 80, "web/api");
	for (int i = 0; i < 3; i++)
		let_in("10.2.0.2", 80, "web/api");
	refuse("10.2.0.2", 80, "web/api");
}

/* The owner of an IPv6 /64 has all of it. */
static void per_source_of_ipv6(void **state)
{
	let_in("2001:db8:0:1::1", 80, "web/api");
	let_in("2001:db8:0:1::2", 80, "web/api");
	let_in("2001:db8:0:1:ffff:ffff:ffff:ffff", 80, "web/api");
	refuse("2001:db8:0:1::3", 80, "web/api");
	let_in("2001:db8:0:2::1", 80, "web/api");
}

static void per_rule(void **state)
{
	let_in("10.2.0.1", 81, "web/all");
	let_in("10.3.0.1", 81, "web/all");
	refuse("10.4.0.1", 81, "web/all");
	let_in("10.4.0.1", 80, "web/api"); /* another rule's bucket */
}

/* A rule without a limit is credited first, in any order, and pays nothing. */
static void unlimited_rule_exempts(void **state)
{
	for (int i = 0; i < 20; i++)
		let_in("10.1.0.7", 80, "web/lb");
	for (int i = 0; i < 3; i++)
		let_in("10.2.0.1", 80, "web/api");
	refuse("10.2.0.1", 80, "web/api");
}

/* Over its limit a rule doesn't match, and the next is asked. */
static void next_limited_rule(void **state)
{
	let_in("10.2.0.1", 82, "web/mine");
	let_in("10.2.0.1", 82, "web/ours");
	let_in("10.2.0.1", 82, "web/ours");
	refuse("10.2.0.1", 82, "web/mine");
	let_in("10.2.0.2", 82, "web/mine");
	refuse("10.2.0.2", 82, "web/mine");
}

/* A repeated opening of a tracked flow is free, and always passes. */
static void repetitions_are_free(void **state)
{
	struct packet_spec s = open_to("10.2.0.1", 80);

	for (int i = 0; i < 10; i++)
		expect_rule(h, IN, &s, MOAT_ALLOW, MOAT_REASON_SG_ALLOW,
			    "web/api");
	let_in("10.2.0.1", 80, "web/api");
	let_in("10.2.0.1", 80, "web/api");
	refuse("10.2.0.1", 80, "web/api");
	expect(h, IN, &s, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	s.flags = A;
	expect(h, IN, &s, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
}

/* What the NACL denies has not opened anything. */
static void nacl_denies_first(void **state)
{
	struct packet_spec s = open_to("10.6.6.1", 81);

	for (int i = 0; i < 5; i++)
		expect_rule(h, IN, &s, MOAT_DROP, MOAT_REASON_NACL_DENY,
			    "acl/1");
	let_in("10.2.0.1", 81, "web/all");
	let_in("10.2.0.1", 81, "web/all");
}

/* A flow judged again after a push takes no token and needs none. */
static void judged_again_for_nothing(void **state)
{
	struct packet_spec s = open_to("10.2.0.1", 81), back, ack;

	expect(h, IN, &s, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	let_in("10.2.0.1", 81, "web/all");
	refuse("10.2.0.1", 81, "web/all");
	harness_policy(h, POLICY("enforce", ""));
	back = packet_reply(&s);
	back.flags = S | A;
	expect(h, ATTACH_TC_EGRESS, &back, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	ack = s;
	ack.flags = A;
	ack.ack = 1;
	expect(h, IN, &ack, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	refuse("10.2.0.1", 81, "web/all");
}

static void tokens_come_back(void **state)
{
	let_in("10.2.0.1", 83, "web/fast");
	refuse("10.2.0.1", 83, "web/fast");
	usleep(250000);
	let_in("10.2.0.1", 83, "web/fast");
	refuse("10.2.0.1", 83, "web/fast");
}

/* G13: audit drops nothing, and says what it would have dropped. */
static void audit_of(const char *text)
{
	struct packet_spec s;

	assert_int_equal(afresh(NULL), 0);
	harness_policy(h, text);
	let_in("10.2.0.1", 82, "web/mine");
	let_in("10.2.0.1", 82, "web/ours");
	let_in("10.2.0.1", 82, "web/ours");
	s = open_to("10.2.0.1", 82);
	expect_rule(h, IN, &s, MOAT_WOULD_DROP, MOAT_REASON_RATE_LIMITED,
		    "web/mine");
	for (int i = 0; i < 3; i++)
		let_in("10.2.0.1", 80, "web/api");
	s = open_to("10.2.0.1", 80);
	expect_rule(h, IN, &s, MOAT_WOULD_DROP, MOAT_REASON_RATE_LIMITED,
		    "web/api");
}

static void audit_counts_and_passes(void **state)
{
	audit_of(POLICY("enforce", "    mode: audit\n"));
	audit_of(POLICY("audit", ""));
}

/* XDP looks and never pays: taking it away changes no verdict (F7). A flow
 * that lives is not limited by it. */
static void xdp_only_looks(void **state)
{
	struct packet_spec live = open_to("10.2.0.1", 80), more;

	for (int i = 0; i < 10; i++) {
		expect(h, ATTACH_XDP, &live, MOAT_ALLOW, MOAT_REASON_NONE);
		more = open_to("10.2.0.1", 80);
		assert_int_equal(expect(h, ATTACH_XDP, &more, MOAT_ALLOW,
					MOAT_REASON_NONE)
					 .action,
				 XDP_PASS);
	}
	expect(h, IN, &live, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	for (int i = 0; i < 2; i++)
		let_in("10.2.0.1", 80, "web/api");
	more = open_to("10.2.0.1", 80);
	expect_rule(h, ATTACH_XDP, &more, MOAT_DROP, MOAT_REASON_RATE_LIMITED,
		    "web/api");
	expect(h, ATTACH_XDP, &live, MOAT_ALLOW, MOAT_REASON_NONE);
	more = open_to("10.1.0.7", 80);
	assert_int_equal(harness_run(h, ATTACH_XDP, &more).action, XDP_PASS);
}

#define fresh(test) cmocka_unit_test_setup(test, afresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		fresh(per_source),	  fresh(per_source_of_ipv6),
		fresh(per_rule),	  fresh(unlimited_rule_exempts),
		fresh(next_limited_rule), fresh(repetitions_are_free),
		fresh(nacl_denies_first), fresh(judged_again_for_nothing),
		fresh(tokens_come_back),  fresh(audit_counts_and_passes),
		fresh(xdp_only_looks),
	};

	return cmocka_run_group_tests(tests, open_once, close_once);
}
