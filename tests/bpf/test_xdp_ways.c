// SPDX-License-Identifier: BSD-2-Clause
/*
 * The short way in XDP (bpf/xdp_quick.h) against the long one (bpf/xdp.h):
 * every byte of the headers changed to every value must get the same verdict,
 * reason, rule and counts.
 */
#include "bpf/harness.h"

#include <linux/bpf.h>
#include <linux/in.h>
#include <string.h>

#include "kern/private.h"

#define XDP ATTACH_XDP
#define S MOAT_TCP_FLAG_SYN
#define A MOAT_TCP_FLAG_ACK
#define F MOAT_TCP_FLAG_FIN

#define POLICY(groups, lists) \
	"version: 1\nname: p\nmode: enforce\nsecurity_groups:\n" \
	"  host:\n    mode: " groups "\n    members: [10.0.0.1, 'fd00::1']\n" \
	"    ingress:\n" \
	"      - {name: in, from: [any], protocol: [tcp, udp], ports: [80]}\n" \
	"      - {name: few, from: [any], protocol: tcp, ports: [81]," \
	" limit: {new_connections: 4/hour, burst: 3, per: source}}\n" \
	"  plain:\n    mode: " groups "\n    members: [10.0.0.2]\n" \
	"    ingress:\n" \
	"      - {name: in, from: [any], protocol: tcp, ports: [80]}\n" \
	"network_acls:\n" \
	"  edge:\n    mode: " lists "\n    applies_to: [host]\n" \
	"    ingress:\n" \
	"      - {rule: 1, action: deny, from: [10.66.0.0/16, 'fd66::/16']}\n" \
	"      - {rule: 2, action: allow, from: [any]}\n" \
	"    egress:\n" \
	"      - {rule: 1, action: allow, to: [any]}\n"

static struct harness *quick, *slow;

static struct harness *open_one(bool short_way)
{
	struct datapath_settings s;
	struct harness *h;

	harness_settings(&s);
	s.xdp_quick = short_way;
	s.long_way = !short_way;
	h = harness_open(&s);
	harness_own(h, "10.0.0.1", NULL);
	harness_own(h, "10.0.0.2", NULL);
	harness_own(h, "fd00::1", NULL);
	harness_broadcast(h, "10.0.0.255");
	datapath_heartbeat(h->dp);
	return h;
}

static int open_both(void **state)
{
	quick = open_one(true);
	slow = open_one(false);
	return 0;
}

static int close_both(void **state)
{
	harness_close(quick);
	harness_close(slow);
	return 0;
}

static void policies(const char *yaml)
{
	harness_policy(quick, yaml);
	harness_policy(slow, yaml);
}

static struct packet_spec from(const char *source, uint8_t proto,
			       uint16_t dport, uint8_t flags)
{
	bool six = strchr(source, ':');

	return (struct packet_spec){
		.family = six ? 6 : 4,
		.proto = proto,
		.sport = 2000,
		.dport = dport,
		.from = source,
		.to = six ? "fd00::1" : "10.0.0.1",
		.flags = flags,
		.payload_len = 20,
	};
}

static __u64 suppressed(void)
{
	struct moat_totals t;

	assert_int_equal(stats_totals(quick->dp, &t), 0);
	return t.denied_suppressed;
}

/* The first run learns what there is to know of the address. */
static void same(const struct packet *p, size_t at)
{
	struct outcome a, b;

	harness_frame(quick, XDP, p);
	a = harness_frame(quick, XDP, p);
	b = harness_frame(slow, XDP, p);
	a.trace.runs = b.trace.runs = 0;
	a.trace.generation = b.trace.generation = 0;
	if (a.action != b.action ||
	    memcmp(&a.trace, &b.trace, sizeof(a.trace)) ||
	    memcmp(&a.counted, &b.counted, sizeof(a.counted)) ||
	    memcmp(&a.would_drop, &b.would_drop, sizeof(a.would_drop)) ||
	    memcmp(&a.all, &b.all, sizeof(a.all)))
		fail_msg(
			"byte %zu = %02x: short way action %d, reason %u, "
			"%llu bytes; long way action %d, reason %u, %llu bytes",
			at, p->data[at], a.action, a.trace.reason,
			(unsigned long long)a.all.bytes, b.action,
			b.trace.reason, (unsigned long long)b.all.bytes);
}

static void every_byte(struct packet_spec s)
{
	static struct packet p;
	uint8_t was;

	packet_build(&s, &p);
	for (size_t at = 0; at < p.payload; at++) {
		was = p.data[at];
		for (int v = 0; v < 256; v++) {
			p.data[at] = v;
			same(&p, at);
		}
		p.data[at] = was;
	}
}

static void denied_by_groups(void **state)
{
	policies(POLICY("enforce", "enforce"));
	every_byte(from("10.9.0.1", IPPROTO_TCP, 443, S));
	every_byte(from("fd09::1", IPPROTO_TCP, 443, S));
}

static void denied_by_lists(void **state)
{
	policies(POLICY("enforce", "enforce"));
	every_byte(from("10.66.0.1", IPPROTO_TCP, 80, A));
	every_byte(from("fd66::1", IPPROTO_UDP, 53, 0));
}

/* Each source and port beside each mode: both layers, what they leave. */
static void modes_and_sources(void **state)
{
	static const char *const yaml[] = {
		POLICY("enforce", "enforce"),
		POLICY("audit", "enforce"),
		POLICY("enforce", "audit"),
		POLICY("audit", "audit"),
	};
	static const char *const sources[] = { "10.9.0.1",   "10.66.0.1",
					       "fd09::1",    "fd66::1",
					       "10.0.0.255", "fd00::1" };
	static const char *const ours[] = { "10.0.0.1", "10.0.0.2",
					    "10.0.0.255", "10.0.0.77" };
	static const uint8_t flags[] = { S, A, S | A, S | F, 0 };
	static struct packet p;
	struct packet_spec s;

	for (size_t n = 0; n < 4 * 6 * 4 * 5 * 3; n++) {
		if (n % (6 * 4 * 5 * 3) == 0)
			policies(yaml[n / (6 * 4 * 5 * 3)]);
		s = from(sources[n % 6], IPPROTO_TCP, 80 + n / 120 % 3,
			 flags[n / 6 % 5]);
		if (s.family == 4)
			s.to = ours[n / 30 % 4];
		packet_build(&s, &p);
		same(&p, p.l4 + 13);
	}
}

/* Nothing that is remembered outlives what it was made of. */
static void what_is_remembered(void **state)
{
	static const struct moat_failsafe none;
	struct moat_failsafe f = {};
	struct packet_spec s = from("10.9.0.1", IPPROTO_TCP, 443, S);
	__u64 before;

	failsafe_add4(&f, MOAT_INGRESS, IPPROTO_TCP, 440, 450);
	policies(POLICY("enforce", "enforce"));
	expect(quick, XDP, &s, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
	before = suppressed();
	expect(quick, XDP, &s, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
	assert_int_equal(suppressed(), before + 1); /* the short way */
	harness_failsafe(quick, &f);
	expect(quick, XDP, &s, MOAT_ALLOW, MOAT_REASON_NONE);
	harness_failsafe(quick, &none);
	expect(quick, XDP, &s, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
	expect(quick, XDP, &s, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
	assert_int_equal(datapath_set_own(quick->dp, NULL, 0), 0);
	expect(quick, XDP, &s, MOAT_ALLOW, MOAT_REASON_NONE);
	assert_int_equal(datapath_set_own(quick->dp, quick->own, quick->nown),
			 0);
	expect(quick, XDP, &s, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
	policies(POLICY("audit", "enforce"));
	expect(quick, XDP, &s, MOAT_ALLOW, MOAT_REASON_NONE);
}

/* A device's address with bits in every byte, and its change. */
static void for_other_hosts(void **state)
{
	static const __u8 macs[][6] = { { 2, 1, 0x80, 0xff, 0x7f, 0x55 },
					{ 2, 1, 0x80, 0xff, 0x7f, 0x54 },
					{} };
	struct packet_spec s = from("10.9.0.1", IPPROTO_TCP, 443, S);
	static struct packet p;

	policies(POLICY("enforce", "enforce"));
	for (size_t i = 0; i < 3; i++) {
		harness_mac(quick, HARNESS_IFINDEX, macs[i], 0);
		harness_mac(slow, HARNESS_IFINDEX, macs[i], 0);
		memcpy(s.to_mac, macs[i], 6);
		expect(quick, XDP, &s, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
		expect(quick, XDP, &s, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
		packet_build(&s, &p);
		for (size_t at = 0; at < 6; at++) {
			for (int v = 0; v < 256; v++) {
				p.data[at] = v;
				same(&p, at);
			}
			p.data[at] = s.to_mac[at];
		}
		if (i + 1 == 3)
			break;
		memcpy(s.to_mac, macs[i + 1], 6); /* not yet its address */
		expect(quick, XDP, &s, MOAT_ALLOW, MOAT_REASON_NONE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(denied_by_groups),
		cmocka_unit_test(denied_by_lists),
		cmocka_unit_test(modes_and_sources),
		cmocka_unit_test(what_is_remembered),
		cmocka_unit_test(for_other_hosts),
	};

	return cmocka_run_group_tests_name("xdp ways", tests, open_both,
					   close_both);
}
