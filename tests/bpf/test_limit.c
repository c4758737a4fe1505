// SPDX-License-Identifier: BSD-2-Clause
/* Limits on new connections (F7), at tc and in XDP. */
#include "bpf/harness.h"

#include <linux/in.h>

#define IN ATTACH_TC_INGRESS
#define OURS "10.0.0.1"
#define S MOAT_TCP_FLAG_SYN
#define A MOAT_TCP_FLAG_ACK

static struct harness *h;
static uint16_t port = 3000;

/* Rates so slow that no token comes back while a test runs. */
#define POLICY(mode, name, per, rest) \
	"version: 1\nname: t\nmode: " mode "\n" \
	"security_groups:\n" \
	"  g:\n" \
	"    members: [10.0.0.0/24, \"fd00::/64\"]\n" \
	"    ingress:\n" \
	"      - {name: " name \
	", from: [any], protocol: tcp, ports: [80], limit: " \
	"{new_connections: 4/hour, burst: 3, per: " per "}}\n" rest \
	"    egress: []\n"

static int open_once(void **state)
{
	h = harness_open(NULL);
	harness_own(h, OURS, NULL);
	harness_own(h, "fd00::1", NULL);
	harness_iface(h, HARNESS_IFINDEX, OURS, "fd00::1");
	datapath_heartbeat(h->dp);
	return 0;
}

static int close_once(void **state)
{
	harness_close(h);
	return 0;
}

static struct packet_spec syn(const char *from)
{
	return (struct packet_spec){
		.family = 4,
		.from = from,
		.to = OURS,
		.proto = IPPROTO_TCP,
		.sport = ++port,
		.dport = 80,
		.flags = S,
	};
}

static void spend(const char *from, const char *rule)
{
	for (int i = 0; i < 3; i++) {
		struct packet_spec p = syn(from);

		expect_rule(h, IN, &p, MOAT_ALLOW, MOAT_REASON_SG_ALLOW, rule);
	}
}

static void limited(const char *from, const char *rule)
{
	struct packet_spec p = syn(from);

	expect_rule(h, IN, &p, MOAT_DROP, MOAT_REASON_RATE_LIMITED, rule);
}

static void per_source(void **state)
{
	struct packet_spec p = syn("10.1.0.1");

	harness_policy(h, POLICY("enforce", "a", "source", ""));
	/* A retransmitted opening costs nothing, and so does its flow. */
	for (int i = 0; i < 5; i++)
		expect_rule(h, IN, &p, MOAT_ALLOW, MOAT_REASON_SG_ALLOW, "g/a");
	for (int i = 0; i < 2; i++) {
		struct packet_spec q = syn("10.1.0.1");

		expect(h, IN, &q, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	}
	limited("10.1.0.1", "g/a");
	expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	p.flags = A;
	expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	spend("10.1.0.2", "g/a");
	limited("10.1.0.2", "g/a");
}

/* An IPv6 host owns its /64. */
static void per_source_of_ipv6(void **state)
{
	static const char *const from[] = { "fd01::1", "fd01::2",
					    "fd01::ffff:0:0:1", "fd01::9",
					    "fd01:0:0:1::1" };

	harness_policy(h, POLICY("enforce", "six", "source", ""));
	for (int i = 0; i < 5; i++) {
		struct packet_spec p = syn(from[i]);

		p.family = 6;
		p.to = "fd00::1";
		expect_rule(h, IN, &p, i == 3 ? MOAT_DROP : MOAT_ALLOW,
			    i == 3 ? MOAT_REASON_RATE_LIMITED :
				     MOAT_REASON_SG_ALLOW,
			    "g/six");
	}
}

static void per_rule(void **state)
{
	harness_policy(h, POLICY("enforce", "b", "rule", ""));
	spend("10.1.0.1", "g/b");
	limited("10.1.0.2", "g/b");
}

/* An unlimited rule that matches too is credited, whatever the order. */
static void unlimited_beside(void **state)
{
	harness_policy(
		h,
		POLICY("enforce", "c", "source",
		       "      - {name: lb, from: [10.1.0.7], protocol: tcp, ports: [80]}\n"));
	spend("10.1.0.7", "g/lb");
	spend("10.1.0.7", "g/lb");
	spend("10.1.0.8", "g/c");
	limited("10.1.0.8", "g/c");
}

/* Over the first one's limit the next in file order is asked. */
static void chain(void **state)
{
	harness_policy(
		h,
		POLICY("enforce", "d", "source",
		       "      - {name: e, from: [any], protocol: tcp, ports: [80], limit: "
		       "{new_connections: 4/hour, burst: 3, per: rule}}\n"));
	spend("10.1.0.9", "g/d");
	spend("10.1.0.9", "g/e");
	limited("10.1.0.9", "g/d");
}

static void in_audit(void **state)
{
	struct packet_spec p;

	harness_policy(h, POLICY("audit", "f", "source", ""));
	spend("10.1.0.1", "g/f");
	p = syn("10.1.0.1");
	expect_rule(h, IN, &p, MOAT_WOULD_DROP, MOAT_REASON_RATE_LIMITED,
		    "g/f");
}

/* XDP looks and never spends; a flow that lives isn't limited by it. */
static void xdp_only_looks(void **state)
{
	struct packet_spec p, live = syn("10.1.0.1");

	harness_policy(h, POLICY("enforce", "x", "source", ""));
	for (int i = 0; i < 9; i++) {
		p = syn("10.1.0.1");
		expect(h, ATTACH_XDP, &p, MOAT_ALLOW, MOAT_REASON_NONE);
	}
	expect(h, IN, &live, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	for (int i = 0; i < 2; i++) {
		p = syn("10.1.0.1");
		expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	}
	p = syn("10.1.0.1");
	expect_rule(h, ATTACH_XDP, &p, MOAT_DROP, MOAT_REASON_RATE_LIMITED,
		    "g/x");
	expect(h, ATTACH_XDP, &live, MOAT_ALLOW, MOAT_REASON_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(per_source),
		cmocka_unit_test(per_source_of_ipv6),
		cmocka_unit_test(per_rule),
		cmocka_unit_test(unlimited_beside),
		cmocka_unit_test(chain),
		cmocka_unit_test(in_audit),
		cmocka_unit_test(xdp_only_looks),
	};

	return cmocka_run_group_tests_name("limit", tests, open_once,
					   close_once);
}
