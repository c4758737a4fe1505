// SPDX-License-Identifier: BSD-2-Clause
/*
 * XDP is an accelerator (design section 4, F19): it drops what tc would drop
 * anyhow, of a closed list, and passes all else without a word.
 */
#include "bpf/harness.h"

#include <linux/in.h>
#include <linux/in6.h>
#include <string.h>

#include "base/cleanup.h"

#define XDP ATTACH_XDP
#define IN ATTACH_TC_INGRESS
#define OUT ATTACH_TC_EGRESS
#define OURS "10.0.0.1"
#define THEIRS "10.1.0.1"
#define S MOAT_TCP_FLAG_SYN
#define A MOAT_TCP_FLAG_ACK

#define POLICY(mode) \
	"version: 1\nname: t\nmode: " mode "\n" \
	"security_groups:\n" \
	"  g:\n" \
	"    members: [10.0.0.0/24, \"fd00::/64\"]\n" \
	"    ingress:\n" \
	"      - {name: web, from: [any], protocol: tcp, ports: [80]}\n" \
	"    egress:\n" \
	"      - {name: all, to: [any]}\n" \
	"network_acls:\n" \
	"  n:\n" \
	"    applies_to: [g]\n" \
	"    ingress:\n" \
	"      - {rule: 1, action: deny, from: [10.66.0.0/16]}\n" \
	"      - {rule: 2, action: allow, from: [any]}\n" \
	"    egress:\n" \
	"      - {rule: 1, action: allow, to: [any]}\n"

static struct harness *h;
static uint16_t port = 3000;

static int open_once(void **state)
{
	h = harness_host(OURS, "fd00::1");
	return 0;
}

static int close_once(void **state)
{
	harness_close(h);
	return 0;
}

static int begin(void **state)
{
	harness_policy(h, POLICY("enforce"));
	return 0;
}

static struct packet_spec tcp(const char *from, uint16_t dport, uint8_t flags)
{
	return (struct packet_spec){
		.family = 4,
		.from = from,
		.to = OURS,
		.proto = IPPROTO_TCP,
		.sport = ++port,
		.dport = dport,
		.flags = flags,
	};
}

static struct packet_spec udp(const char *from, uint16_t dport)
{
	struct packet_spec p = tcp(from, dport, 0);

	p.proto = IPPROTO_UDP;
	return p;
}

static void dropped(struct packet_spec p, enum moat_reason why,
		    const char *rule)
{
	struct moat_totals before, after;

	assert_int_equal(stats_totals(h->dp, &before), 0);
	expect_rule(h, XDP, &p, MOAT_DROP, why, rule);
	assert_int_equal(stats_totals(h->dp, &after), 0);
	assert_int_equal(after.xdp_dropped, before.xdp_dropped + 1);
	expect_rule(h, IN, &p, MOAT_DROP, why, rule); /* tc says the same */
}

static void left(struct packet_spec p)
{
	struct outcome o = expect(h, XDP, &p, MOAT_ALLOW, MOAT_REASON_NONE);

	assert_int_equal(o.all.packets, 0);
}

static void drops(void **state)
{
	struct packet_spec p = tcp(THEIRS, 81, S), ping;

	dropped(p, MOAT_REASON_SG_NO_MATCH, "");
	dropped(tcp("10.66.0.1", 80, S), MOAT_REASON_NACL_DENY, "n/1");
	dropped(udp("10.66.0.1", 53), MOAT_REASON_NACL_DENY, "n/1");
	dropped(tcp("10.66.0.1", 80, A), MOAT_REASON_NACL_DENY, "n/1");
	ping = (struct packet_spec){ .family = 4,
				     .from = THEIRS,
				     .to = OURS,
				     .proto = IPPROTO_ICMP,
				     .type = 8 };
	dropped(ping, MOAT_REASON_SG_NO_MATCH, "");
	ping = (struct packet_spec){ .family = 6,
				     .from = "fd01::1",
				     .to = "fd00::1",
				     .proto = IPPROTO_ICMPV6,
				     .type = 128 };
	dropped(ping, MOAT_REASON_SG_NO_MATCH, "");
	dropped(tcp(THEIRS, 80, S | MOAT_TCP_FLAG_FIN), MOAT_REASON_TCP_FLAGS,
		"");
	dropped(tcp("127.0.0.1", 80, S), MOAT_REASON_BAD_SOURCE, "");
	dropped(tcp(OURS, 80, S), MOAT_REASON_OWN_SOURCE, "");
	p = tcp(THEIRS, 80, S);
	p.nvlan = 3;
	for (int i = 0; i < 3; i++)
		p.vlan[i].tpid = 0x8100;
	expect(h, XDP, &p, MOAT_DROP, MOAT_REASON_VLAN_DEPTH);
	p.nvlan = 2;
	p.dport = 81;
	expect(h, XDP, &p, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
}

/* What it leaves: also what tc then drops. */
static void leaves(void **state)
{
	struct packet_spec p = tcp(THEIRS, 80, S), inner = p;

	left(p);
	left(tcp(THEIRS, 81, A));
	left(udp(THEIRS, 53));
	p = udp(THEIRS, 53);
	p.more = true;
	p.payload_len = 56;
	left(p);
	p = udp("10.66.0.1", 53);
	p.offset = 8;
	p.payload_len = 8;
	left(p);
	p = (struct packet_spec){ .family = 4,
				  .from = "10.66.0.1",
				  .to = OURS,
				  .proto = IPPROTO_ICMP,
				  .type = 3,
				  .inner = &inner };
	left(p);
	p = udp("10.66.0.1", 68); /* DHCP */
	p.sport = 67;
	left(p);
	p = tcp(THEIRS, 81, S); /* forwarded */
	p.to = "10.0.0.77";
	left(p);
	p = (struct packet_spec){ .ethertype = PACKET_SET(0x0806),
				  .payload_len = 46 };
	left(p);
}

static void failsafe_is_left(void **state)
{
	static const struct moat_failsafe none;
	struct moat_failsafe f = {};
	struct packet_spec p = tcp("10.66.0.1", 22, S);
	struct packet_spec answer = udp("10.66.0.1", 4000);

	failsafe_add4(&f, MOAT_INGRESS, IPPROTO_TCP, 22, 22);
	failsafe_add4(&f, MOAT_EGRESS, IPPROTO_UDP, 53, 53);
	answer.sport = 53;
	dropped(p, MOAT_REASON_NACL_DENY, "n/1");
	harness_failsafe(h, &f);
	left(p);
	left(answer);
	expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_FAILSAFE);
	harness_failsafe(h, &none);
}

/* A flow's cached no of the NACL; one of an older policy is left to tc. */
static void flows(void **state)
{
	struct packet_spec p = udp(OURS, 53), back;

	p.to = "10.66.0.1";
	back = packet_reply(&p);
	expect(h, OUT, &p, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	dropped(back, MOAT_REASON_NACL_DENY, "n/1");
	harness_policy(h, POLICY("enforce"));
	left(back);
	expect(h, IN, &back, MOAT_DROP, MOAT_REASON_NACL_DENY);
	dropped(back, MOAT_REASON_NACL_DENY, "n/1");
}

static void audit_drops_nothing(void **state)
{
	harness_policy(h, POLICY("audit"));
	left(tcp(THEIRS, 81, S));
	left(tcp("10.66.0.1", 80, S));
	left(udp("10.66.0.1", 53));
	left(tcp(THEIRS, 80, S | MOAT_TCP_FLAG_FIN));
	h->config.before_first_pass = true;
	harness_built_in(h);
	left(tcp(THEIRS, 81, S));
}

/* Without a policy nothing is known of anybody: tc says so. */
static void no_policy(void **state)
{
	struct packet_spec p = tcp(THEIRS, 81, S);

	h->config.before_first_pass = false;
	harness_built_in(h);
	left(p);
	expect(h, IN, &p, MOAT_DROP, MOAT_REASON_NO_POLICY);
	p = udp("10.66.0.1", 53);
	left(p);
	expect(h, IN, &p, MOAT_DROP, MOAT_REASON_NO_POLICY);
}

static struct packet_spec to_mac(struct packet_spec p, const __u8 mac[6])
{
	memcpy(p.to_mac, mac, 6);
	return p;
}

static const __u8 zero_mac[6], mac_a[6] = { 2, 1, 1, 1, 1, 1 },
			       mac_b[6] = { 2, 1, 1, 1, 1, 2 };

/* Frames for another MAC address are tc's, which passes them. */
static void other_hosts(void **state)
{
	static const __u8 all[6] = { 255, 255, 255, 255, 255, 255 };
	static const __u8 some[6] = { 1, 0, 0x5e, 0, 0, 1 };
	const struct packet_spec closed[] = {
		tcp(THEIRS, 81, S),
		tcp("10.66.0.1", 80, A),
		tcp(THEIRS, 80, S | MOAT_TCP_FLAG_FIN),
		tcp("127.0.0.1", 80, S),
		{ .family = 6,
		  .from = "fd01::1",
		  .to = "fd00::1",
		  .proto = IPPROTO_ICMPV6,
		  .type = 128 },
	};
	static const enum moat_reason why[] = {
		MOAT_REASON_SG_NO_MATCH, MOAT_REASON_NACL_DENY,
		MOAT_REASON_TCP_FLAGS,	 MOAT_REASON_BAD_SOURCE,
		MOAT_REASON_SG_NO_MATCH,
	};
	struct packet_spec p;

	for (size_t i = 0; i < ARRAY_SIZE(closed); i++) {
		p = to_mac(closed[i], mac_a);
		left(p);
		expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_OTHER_HOST);
		p = to_mac(closed[i], all);
		expect(h, XDP, &p, MOAT_DROP, why[i]);
		p = to_mac(closed[i], some);
		expect(h, XDP, &p, MOAT_DROP, why[i]);
	}
	p = to_mac(tcp(THEIRS, 80, S), mac_a);
	p.nvlan = 1;
	p.vlan[0].tpid = 0x8100;
	p.dport = 81;
	left(p);
}

/* The device's address is what the agent last said; one whose address is not
 * known leaves all but group addresses to tc. */
static void mac_changes(void **state)
{
	struct packet_spec p = to_mac(tcp(THEIRS, 81, S), mac_a);

	left(p);
	harness_mac(h, HARNESS_IFINDEX, mac_a, 0);
	expect(h, XDP, &p, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
	left(to_mac(p, mac_b));
	left(to_mac(p, zero_mac));
	harness_mac(h, HARNESS_IFINDEX, mac_b, 0);
	left(p);
	p = to_mac(p, mac_b);
	expect(h, XDP, &p, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
	assert_int_equal(datapath_set_ifaces(h->dp, NULL, 0), 0);
	left(to_mac(p, zero_mac));
	harness_mac(h, HARNESS_IFINDEX, zero_mac, 0);
	dropped(to_mac(p, zero_mac), MOAT_REASON_SG_NO_MATCH, "");
}

/* What comes from an address of ours, or a broadcast's, has a reason of its own
 * at tc, whatever rules say of it. */
static void from_our_address(void **state)
{
	static const char *const sources[] = { "10.66.0.1", "10.66.0.255" };
	static const enum moat_reason why[] = { MOAT_REASON_OWN_SOURCE,
						MOAT_REASON_BAD_SOURCE };
	struct packet_spec p;

	dropped(tcp("10.66.0.1", 80, S), MOAT_REASON_NACL_DENY, "n/1");
	harness_own(h, "10.66.0.1", NULL);
	harness_broadcast(h, "10.66.0.255");
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		for (uint16_t dport = 80; dport < 82; dport++) {
			p = tcp(sources[i], dport, S);
			left(p);
			expect(h, IN, &p, MOAT_DROP, why[i]);
			p = tcp(sources[i], dport, A);
			left(p);
			expect(h, IN, &p, MOAT_DROP, why[i]);
			p = udp(sources[i], dport);
			left(p);
			expect(h, IN, &p, MOAT_DROP, why[i]);
		}
	}
}

/* A bond's XDP program runs on its ports: each has its own address, and the
 * bond's counters count. */
static void ports_of_a_bond(void **state)
{
	struct packet_spec p = to_mac(tcp(THEIRS, 81, S), mac_a);

	harness_iface(h, 7, OURS, "fd00::1");
	harness_mac(h, 7, mac_b, 0);
	harness_mac(h, HARNESS_IFINDEX, mac_a, 7);
	left(to_mac(p, mac_b));
	h->ifindex = 7;
	expect(h, XDP, &p, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
	h->ifindex = HARNESS_IFINDEX;
	assert_int_equal(harness_run(h, XDP, &p).all.packets, 0);
	harness_mac(h, HARNESS_IFINDEX, zero_mac, 0);
	dropped(to_mac(p, zero_mac), MOAT_REASON_SG_NO_MATCH, "");
}

/* With forwarding: judge tc judges them too. */
static void judged_when_forwarding(void **state)
{
	struct packet_spec p = to_mac(tcp(THEIRS, 81, S), mac_a);
	struct datapath_settings s;

	harness_settings(&s);
	s.forwarding_judge = true;
	harness_reload(h, &s);
	dropped(p, MOAT_REASON_SG_NO_MATCH, "");
	harness_settings(&s);
	harness_reload(h, &s);
	left(p);
}

/* G10: whatever of the frame is linear (F25). */
static void linear_lengths(void **state)
{
	static const __u32 lengths[] = { 14, 15, 20, 34, 35, 42, 54, 0 };
	struct packet_spec p;

	for (size_t i = 0; i < 8; i++) {
		h->linear = lengths[i];
		p = tcp(THEIRS, 81, S);
		p.payload_len = 3000;
		expect(h, XDP, &p, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
		p.dport = 80;
		left(p);
	}
	h->linear = 0;
}

#define at(test) cmocka_unit_test_setup(test, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		at(drops),
		at(leaves),
		at(failsafe_is_left),
		at(flows),
		at(audit_drops_nothing),
		at(no_policy),
		at(other_hosts),
		at(mac_changes),
		at(ports_of_a_bond),
		at(judged_when_forwarding),
		at(linear_lengths),
		at(from_our_address),
	};

	return cmocka_run_group_tests_name("xdp", tests, open_once, close_once);
}
