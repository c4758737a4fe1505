// SPDX-License-Identifier: BSD-2-Clause
/*
 * Whose packet it is (design 3.8 to 3.10): ours, forwarded, to a group or
 * broadcast address, under an alias, unassigned, spoofed; F10, F36, F37.
 */
#include "bpf/harness.h"

#include <bpf/bpf.h>
#include <linux/in.h>
#include <string.h>

#include "bpf/place.h"

#define IN ATTACH_TC_INGRESS
#define OUT ATTACH_TC_EGRESS
#define S MOAT_TCP_FLAG_SYN
#define A MOAT_TCP_FLAG_ACK
#define TEMPORARY "2001:db8::7777"

static const char policy[] =
	"version: 1\nname: p\nmode: enforce\nsecurity_groups:\n"
	"  host:\n    members: [10.0.0.1, 10.0.0.255, \"fd00::1\"]\n    ingress:\n"
	"      - {name: web, from: [any], protocol: [tcp, udp], ports: [80]}\n"
	"    egress:\n"
	"      - {name: out, to: [any], protocol: tcp, ports: [443]}\n"
	"  guests:\n    members: [10.7.0.0/24]\n    ingress:\n"
	"      - {name: ssh, from: [any], protocol: tcp, ports: [22]}\n"
	"    egress:\n"
	"      - {name: dns, to: [any], protocol: tcp, ports: [53]}\n";

static struct harness *h;
static struct datapath_settings settings;

static int open_once(void **state)
{
	place_enter();
	place_run("sysctl -qw net.ipv4.ip_forward=1");
	place_veth("w0", "w1");
	place_run("ip addr add 10.99.0.1/24 dev w0");
	place_run("ip addr add 10.7.0.9/32 dev lo");
	harness_settings(&settings);
	h = harness_open(&settings);
	harness_own(h, "10.0.0.1", NULL);
	harness_own(h, "10.0.0.5", NULL); /* in no group */
	harness_own(h, "fd00::1", NULL);
	harness_own(h, "fe80::1", "fd00::1");
	harness_own(h, "169.254.0.1", "10.0.0.1");
	harness_own(h, TEMPORARY, "fd00::1");
	harness_broadcast(h, "10.0.0.255");
	harness_iface(h, HARNESS_IFINDEX, "10.0.0.1", "fd00::1");
	datapath_heartbeat(h->dp);
	harness_policy(h, policy);
	return 0;
}

static int close_once(void **state)
{
	harness_close(h);
	return place_leave(state);
}

/* Loading may take longer than the agent's silence that is its death. */
static void reload(const struct datapath_settings *s)
{
	harness_reload(h, s);
	datapath_heartbeat(h->dp);
}

static int afresh(void **state)
{
	h->ingress_ifindex = 0;
	reload(&settings);
	return flows_clear(h->dp);
}

static struct packet_spec tcp(const char *from, const char *to, uint16_t dport)
{
	static uint16_t sport = 2000;

	return (struct packet_spec){ .family = strchr(from, ':') ? 6 : 4,
				     .from = from,
				     .to = to,
				     .proto = IPPROTO_TCP,
				     .sport = ++sport,
				     .dport = dport,
				     .flags = S };
}

static void in(const char *from, const char *to, uint16_t dport,
	       enum moat_verdict verdict, enum moat_reason reason)
{
	struct packet_spec s = tcp(from, to, dport);

	expect(h, IN, &s, verdict, reason);
}

static void out(const char *from, const char *to, uint16_t dport,
		enum moat_verdict verdict, enum moat_reason reason)
{
	struct packet_spec s = tcp(from, to, dport);

	expect(h, OUT, &s, verdict, reason);
}

static void ours(void **state)
{
	in("10.9.0.1", "10.0.0.1", 80, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	in("10.9.0.1", "10.0.0.1", 81, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
	out("10.0.0.1", "10.9.0.1", 443, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	out("10.0.0.1", "10.9.0.1", 80, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
}

/* F37: an own link-local or temporary address has its alias's profile. */
static void aliases(void **state)
{
	in("fe80::9", "fe80::1", 80, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	in("fe80::9", "fe80::1", 81, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
	out("2001:db8::7777", "2001:db8::9", 443, MOAT_ALLOW,
	    MOAT_REASON_SG_ALLOW);
	out("2001:db8::7777", "2001:db8::9", 80, MOAT_DROP,
	    MOAT_REASON_SG_NO_MATCH);
	in("169.254.0.9", "169.254.0.1", 80, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	in("169.254.0.9", "169.254.0.1", 22, MOAT_DROP,
	   MOAT_REASON_SG_NO_MATCH);
}

/* Multicast and broadcast: the interface's first global address judges. */
static void group_addresses(void **state)
{
	static const struct {
		const char *from, *to;
	} t[] = {
		{ "10.0.0.9", "10.0.0.255" },
		{ "10.0.0.9", "255.255.255.255" },
		{ "10.0.0.9", "239.1.1.1" },
		{ "fe80::9", "ff02::1" },
	};

	for (size_t i = 0; i < 4; i++) {
		struct packet_spec s = tcp(t[i].from, t[i].to, 80);

		s.proto = IPPROTO_UDP;
		s.flags = 0;
		expect(h, IN, &s, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
		s.dport = 81;
		expect(h, IN, &s, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
	}
}

static void unassigned(void **state)
{
	struct datapath_settings s = settings;
	struct packet_spec p = tcp("10.9.0.1", "10.0.0.5", 80), back;

	in("10.9.0.1", "10.0.0.5", 80, MOAT_DROP, MOAT_REASON_UNASSIGNED);
	out("10.0.0.5", "10.9.0.1", 443, MOAT_DROP, MOAT_REASON_UNASSIGNED);
	s.unassigned_allow = true;
	reload(&s);
	expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_UNASSIGNED_ALLOW);
	back = packet_reply(&p);
	back.flags = S | A;
	expect(h, OUT, &back, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	out("10.0.0.5", "10.9.0.1", 443, MOAT_ALLOW,
	    MOAT_REASON_UNASSIGNED_ALLOW);
	/* Of assigned addresses it opens nothing. */
	in("10.9.0.1", "10.0.0.1", 81, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
}

/* F10: what is neither to nor from us passes, and leaves no state. */
static void forwarded(void **state)
{
	in("10.9.0.1", "10.7.0.1", 80, MOAT_ALLOW, MOAT_REASON_FORWARDED);
	in("fd00::9", "fd07::1", 80, MOAT_ALLOW, MOAT_REASON_FORWARDED);
	h->ingress_ifindex = 9;
	out("10.7.0.1", "10.9.0.1", 80, MOAT_ALLOW, MOAT_REASON_FORWARDED);
	/* Masqueraded: the source is ours, judged as the host. */
	out("10.0.0.1", "10.9.0.1", 443, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	out("10.0.0.1", "10.9.0.1", 80, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
	assert_int_equal(harness_count(h, MOAT_TABLE_EMBRYONIC_IN), 0);
	assert_int_equal(harness_count(h, MOAT_TABLE_EMBRYONIC_OUT), 1);
}

/* forwarding: judge: inward for its destination, outward for its source. */
static void forwarding_judged(void **state)
{
	struct datapath_settings s = settings;
	struct packet_spec p = tcp("10.9.0.1", "10.7.0.1", 22), back;

	s.forwarding_judge = true;
	reload(&s);
	expect_rule(h, IN, &p, MOAT_ALLOW, MOAT_REASON_SG_ALLOW, "guests/ssh");
	back = packet_reply(&p);
	back.flags = S | A;
	h->ingress_ifindex = 9;
	expect(h, OUT, &back, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	h->ingress_ifindex = 0;
	in("10.9.0.1", "10.7.0.1", 80, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
	in("10.9.0.1", "10.8.0.1", 80, MOAT_DROP, MOAT_REASON_UNASSIGNED);
	h->ingress_ifindex = 9;
	out("10.7.0.1", "10.9.0.1", 53, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	out("10.7.0.1", "10.9.0.1", 80, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
	out("10.8.0.1", "10.9.0.1", 53, MOAT_DROP, MOAT_REASON_UNASSIGNED);
}

/* What our own stack sends under an address that is not ours; no state. */
static void spoofed(void **state)
{
	struct packet_spec p = tcp("10.7.0.1", "10.9.0.1", 53), back;

	expect(h, OUT, &p, MOAT_DROP, MOAT_REASON_SPOOFED_SOURCE);
	back = packet_reply(&p);
	back.flags = S | A;
	expect(h, IN, &back, MOAT_ALLOW, MOAT_REASON_FORWARDED);
	out("fd00::77", "fd00::9", 443, MOAT_DROP, MOAT_REASON_SPOOFED_SOURCE);
	assert_int_equal(harness_count(h, MOAT_TABLE_EMBRYONIC_OUT), 0);
	in("10.0.0.1", "10.0.0.5", 80, MOAT_DROP, MOAT_REASON_OWN_SOURCE);
	in("10.0.0.255", "10.0.0.1", 80, MOAT_DROP, MOAT_REASON_BAD_SOURCE);
	/* Of a type that advertises where it is ICMPv6 (RFC 4862 5.4.4). */
	p = tcp("10.0.0.5", "10.0.0.1", 0);
	p.proto = IPPROTO_ICMP;
	p.type = 136;
	expect(h, IN, &p, MOAT_DROP, MOAT_REASON_OWN_SOURCE);
	/* A subnet's broadcast address is nobody's, also among members. */
	out("10.0.0.255", "10.9.0.1", 443, MOAT_DROP,
	    MOAT_REASON_SPOOFED_SOURCE);
}

static void age_heartbeat(unsigned seconds)
{
	struct moat_control c = {};
	__u32 zero = 0;
	int fd = harness_map(h, "control");

	assert_int_equal(bpf_map_lookup_elem(fd, &zero, &c), 0);
	c.heartbeat = datapath_jiffies(h->dp) -
		      (__u64)seconds * datapath_facts()->hz;
	assert_int_equal(bpf_map_update_elem(fd, &zero, &c, BPF_ANY), 0);
}

/*
 * F36, G2: an address that appeared since the agent died is judged by its
 * class, as the kernel's sockets and routes say that it is ours. 10.7.0.9 is
 * such a one, on lo; 10.99.0.9 is behind a device of ours.
 */
static void agent_dead(void **state)
{
	in("10.9.0.1", "10.7.0.9", 22, MOAT_ALLOW, MOAT_REASON_FORWARDED);
	out("10.7.0.9", "10.9.0.1", 53, MOAT_DROP, MOAT_REASON_SPOOFED_SOURCE);
	age_heartbeat(60);
	in("10.9.0.1", "10.7.0.9", 22, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	in("10.9.0.1", "10.7.0.9", 23, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
	out("10.7.0.9", "10.9.0.1", 53, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	out("10.7.0.9", "10.9.0.1", 54, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
	in("10.9.0.1", "10.99.0.9", 22, MOAT_ALLOW, MOAT_REASON_FORWARDED);
	/* Known addresses are judged as ever; so after it is back. */
	ours(state);
	aliases(state);
	age_heartbeat(0);
	out("10.7.0.9", "10.9.0.1", 53, MOAT_DROP, MOAT_REASON_SPOOFED_SOURCE);
}

/* Where the host doesn't forward, whatever comes to it is its own. */
static void agent_dead_without_forwarding(void **state)
{
	place_run("ip route replace 10.7.0.64/26 dev w0");
	place_run("sysctl -qw net.ipv4.ip_forward=0");
	in("10.9.0.1", "10.7.0.99", 22, MOAT_ALLOW, MOAT_REASON_FORWARDED);
	age_heartbeat(11);
	in("10.9.0.1", "10.7.0.99", 22, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	ours(state);
	place_run("sysctl -qw net.ipv4.ip_forward=1");
	in("10.9.0.1", "10.7.0.98", 22, MOAT_ALLOW, MOAT_REASON_FORWARDED);
	age_heartbeat(0);
}

/* Routes take in whole networks, which own addresses don't name: the kernel is
 * asked, also while the agent lives. 10.7.0.9 is on lo. */
static void local_networks(void **state)
{
	in("10.9.0.1", "10.7.0.9", 22, MOAT_ALLOW, MOAT_REASON_FORWARDED);
	assert_int_equal(datapath_set_local_networks(h->dp, true), 0);
	in("10.9.0.1", "10.7.0.9", 22, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	in("10.9.0.1", "10.7.0.9", 23, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
	in("10.9.0.1", "10.99.0.9", 22, MOAT_ALLOW, MOAT_REASON_FORWARDED);
	out("10.7.0.9", "10.9.0.1", 53, MOAT_DROP, MOAT_REASON_SPOOFED_SOURCE);
	ours(state);
	assert_int_equal(datapath_set_local_networks(h->dp, false), 0);
	in("10.9.0.1", "10.7.0.9", 23, MOAT_ALLOW, MOAT_REASON_FORWARDED);
}

#define fresh(test) cmocka_unit_test_setup(test, afresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		fresh(ours),
		fresh(aliases),
		fresh(group_addresses),
		fresh(unassigned),
		fresh(forwarded),
		fresh(forwarding_judged),
		fresh(spoofed),
		fresh(local_networks),
		fresh(agent_dead),
		fresh(agent_dead_without_forwarding),
	};

	return cmocka_run_group_tests(tests, open_once, close_once);
}
