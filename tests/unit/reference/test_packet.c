// SPDX-License-Identifier: BSD-2-Clause
/* Shapes never accepted (design 3.2), failsafe and essentials (3.5, 3.6). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <linux/in.h>
#include <linux/in6.h>

#include "base/cleanup.h"
#include "reference/reference.h"
#include "support/build.h"

#define IN MOAT_INGRESS
#define OUT MOAT_EGRESS
#define TCP IPPROTO_TCP
#define UDP IPPROTO_UDP
#define ICMP IPPROTO_ICMP
#define ICMP6 IPPROTO_ICMPV6

/* One group of all addresses that allows everything: what is dropped here is
 * dropped whatever the policy. */
static struct policy *open_policy(void)
{
	struct policy *p = build_policy(MODE_ENFORCE);
	size_t g = build_group(p, "all");

	build_member(p, p->groups[g].set, "0.0.0.0/0");
	build_member(p, p->groups[g].set, "::/0");
	for (int d = 0; d < 2; d++) {
		struct rule *r = build_named(p, g, d, "any");

		build_peer_any(r);
		build_every(r);
	}
	return p;
}

static struct policy *policy;
static struct config *config;

static int setup(void **state)
{
	policy = open_policy();
	config = build_config();
	return 0;
}

static int teardown(void **state)
{
	policy_free(policy);
	build_config_free(config);
	return 0;
}

static void expect(const struct probe *probe, enum moat_reason reason)
{
	struct answer a;

	reference_judge(policy, config, probe, &a);
	assert_string_equal(reason_name(a.reason), reason_name(reason));
	assert_int_equal(a.verdict, reason >= MOAT_REASON_VLAN_DEPTH ?
					    MOAT_DROP :
					    MOAT_ALLOW);
}

#define PASS MOAT_REASON_SG_ALLOW
#define SOURCE MOAT_REASON_BAD_SOURCE

static void sources(void **state)
{
	static const struct {
		const char *local, *remote;
		enum moat_reason reason;
	} cases[] = {
		{ "10.0.0.1", "127.0.0.1", SOURCE },
		{ "10.0.0.1", "127.255.255.255", SOURCE },
		{ "10.0.0.1", "126.255.255.255", PASS },
		{ "10.0.0.1", "128.0.0.0", PASS },
		{ "10.0.0.1", "0.0.0.0", SOURCE },
		{ "10.0.0.1", "0.1.2.3", SOURCE },
		{ "10.0.0.1", "1.0.0.0", PASS },
		{ "10.0.0.1", "223.255.255.255", PASS },
		{ "10.0.0.1", "224.0.0.0", SOURCE },
		{ "10.0.0.1", "239.255.255.255", SOURCE },
		{ "10.0.0.1", "240.0.0.1", PASS },
		{ "10.0.0.1", "255.255.255.254", PASS },
		{ "10.0.0.1", "255.255.255.255", SOURCE },
		{ "10.0.0.1", "10.0.0.1", MOAT_REASON_OWN_SOURCE },
		{ "127.0.0.1", "10.0.0.1", MOAT_REASON_BAD_DESTINATION },
		{ "fd00::1", "::1", SOURCE },
		{ "fd00::1", "::", SOURCE },
		{ "fd00::1", "::2", PASS },
		{ "fd00::1", "ff02::1", SOURCE },
		{ "fd00::1", "feff::1", PASS },
		{ "fd00::1", "fd00::1", MOAT_REASON_OWN_SOURCE },
		{ "::1", "fd00::1", MOAT_REASON_BAD_DESTINATION },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct probe p = build_probe(IN, cases[i].local,
					     cases[i].remote, TCP, 80);

		expect(&p, cases[i].reason);
	}
}

/* On egress our side is the source, and no packet has "our own" peer. */
static void sources_on_egress(void **state)
{
	struct probe p = build_probe(OUT, "127.0.0.1", "10.0.0.1", TCP, 80);

	expect(&p, SOURCE);
	p = build_probe(OUT, "10.0.0.1", "127.0.0.1", TCP, 80);
	expect(&p, MOAT_REASON_BAD_DESTINATION);
	p = build_probe(OUT, "10.0.0.1", "10.0.0.1", TCP, 80);
	expect(&p, PASS);
	p = build_probe(OUT, "10.0.0.1", "224.0.0.1", UDP, 80);
	expect(&p, PASS);
}

static void mapped_addresses(void **state)
{
	struct probe p = build_probe(IN, "fd00::1", "fd00::2", TCP, 80);

	p.remote = addr_from_v4(0x0a000001);
	expect(&p, SOURCE);
	p.direction = OUT;
	expect(&p, MOAT_REASON_BAD_DESTINATION);
	p.local = p.remote;
	p.remote = build_addr("fd00::2");
	expect(&p, SOURCE);
}

/* F4: DHCP, neighbour solicitation and MLD from an unspecified source. */
static void unspecified_sources(void **state)
{
	struct probe p = build_probe(OUT, "0.0.0.0", "255.255.255.255", UDP,
				     67);

	p.sport = 68;
	expect(&p, MOAT_REASON_ESSENTIAL_DHCP);
	config->essential[MOAT_ESSENTIAL_DHCP] = false;
	expect(&p, PASS);
	p.sport = 69;
	expect(&p, SOURCE);

	p = build_probe(OUT, "::", "ff02::1:ff00:99", ICMP6, 0);
	for (int type = 0; type < 256; type++) {
		p.type = (uint8_t)type;
		expect(&p, type == 135 || type == 131 || type == 132 ||
					   type == 143 ?
				   MOAT_REASON_ESSENTIAL_ND :
				   SOURCE);
	}
}

/* attacks.md 2.1: the kernel's nine sets, PSH left out of account. */
static void tcp_flags(void **state)
{
	struct probe p = build_probe(IN, "10.0.0.1", "10.0.0.2", TCP, 80);
	int valid = 0;

	p.flags_given = true;
	for (int flags = 0; flags < 64; flags++) {
		struct answer a;

		p.flags = (uint8_t)flags;
		reference_judge(policy, config, &p, &a);
		valid += a.reason != MOAT_REASON_TCP_FLAGS;
	}
	assert_int_equal(valid, 9 * 2);
	p.flags = 0;
	expect(&p, MOAT_REASON_TCP_FLAGS);
	p.flags = 0x03;
	expect(&p, MOAT_REASON_TCP_FLAGS);
	p.flags = 0x29;
	expect(&p, MOAT_REASON_TCP_FLAGS);
	p.flags = 0x22;
	expect(&p, PASS);
	p.flags = 0xc2;
	expect(&p, PASS);
}

static void icmp_families(void **state)
{
	struct probe p = build_probe(IN, "10.0.0.1", "10.0.0.2", ICMP6, 0);

	p.type = 128;
	expect(&p, MOAT_REASON_ICMP_FAMILY);
	p = build_probe(IN, "fd00::1", "fd00::2", ICMP, 0);
	p.type = 8;
	expect(&p, MOAT_REASON_ICMP_FAMILY);
}

/* RFC 8200, IANA's list: nothing behind such a header can be judged. */
static void extension_headers(void **state)
{
	struct probe p = build_probe(IN, "fd00::1", "fd00::2", 0, 0);
	int n = 0;

	for (p.proto = 0; p.proto < 256; p.proto++) {
		struct answer a;

		reference_judge(policy, config, &p, &a);
		n += a.reason == MOAT_REASON_EXT_HEADER;
	}
	assert_int_equal(n, 11);
	p.proto = 50;
	expect(&p, PASS);
	p.proto = 51;
	expect(&p, MOAT_REASON_EXT_HEADER);
	p = build_probe(IN, "10.0.0.1", "10.0.0.2", 51, 0);
	expect(&p, PASS);
}

static void essentials_icmp(void **state)
{
	struct probe p = build_probe(IN, "fe80::1", "fe80::2", ICMP6, 0);
	static const int nd[] = { 133, 135, 136 };
	static const int mld[] = { 130, 131, 132, 143 };

	for (size_t i = 0; i < ARRAY_SIZE(nd); i++) {
		p.type = (uint8_t)nd[i];
		p.code = 0;
		expect(&p, MOAT_REASON_ESSENTIAL_ND);
		p.code = 1;
		expect(&p, MOAT_REASON_ND_INVALID);
	}
	for (size_t i = 0; i < ARRAY_SIZE(mld); i++) {
		p.type = (uint8_t)mld[i];
		p.code = 0;
		expect(&p, MOAT_REASON_ESSENTIAL_ND);
	}
	p.type = 134;
	expect(&p, MOAT_REASON_ESSENTIAL_RA);
	config->essential[MOAT_ESSENTIAL_IPV6_RA] = false;
	expect(&p, PASS);
	p.type = 137;
	expect(&p, MOAT_REASON_REDIRECT);
	config->essential[MOAT_ESSENTIAL_IPV6_ND] = false;
	p.type = 135;
	expect(&p, PASS);
}

static void essentials_dhcp(void **state)
{
	struct probe p = build_probe(IN, "10.0.0.1", "10.0.0.2", UDP, 68);

	p.sport = 67;
	expect(&p, MOAT_REASON_ESSENTIAL_DHCP);
	p.direction = OUT;
	expect(&p, PASS);
	p = build_probe(IN, "fe80::1", "fe80::2", UDP, 546);
	p.sport = 547;
	expect(&p, MOAT_REASON_ESSENTIAL_DHCPV6);
	p.remote = build_addr("fd00::2");
	expect(&p, PASS);
	p = build_probe(OUT, "fe80::1", "ff02::1:2", UDP, 547);
	p.sport = 546;
	expect(&p, MOAT_REASON_ESSENTIAL_DHCPV6);
	/* DHCP's ports mean nothing in the other family. */
	p = build_probe(IN, "fe80::1", "fe80::2", UDP, 68);
	p.sport = 67;
	expect(&p, PASS);
}

static void failsafe(void **state)
{
	struct probe p = build_probe(IN, "10.0.0.1", "10.9.0.2", TCP, 22);

	build_failsafe_peer(build_failsafe(config, IN, TCP, 22),
			    build_cidr_of("10.9.0.0/24"));
	build_failsafe_peer(build_failsafe(config, OUT, UDP, 514),
			    build_cidr_of("10.8.0.0/24"));
	expect(&p, MOAT_REASON_FAILSAFE);
	p.dport = 23;
	expect(&p, PASS);
	p.dport = 22;
	p.remote = build_addr("10.9.1.0");
	expect(&p, PASS);
	/* The reply leg, but no connection of our own from port 22. */
	p = build_probe(OUT, "10.0.0.1", "10.9.0.2", TCP, 40000);
	p.sport = 22;
	expect(&p, PASS);
	p.flags_given = true;
	p.flags = MOAT_TCP_FLAG_SYN | MOAT_TCP_FLAG_ACK;
	expect(&p, MOAT_REASON_FAILSAFE);
	p = build_probe(OUT, "10.0.0.1", "10.8.0.2", UDP, 514);
	expect(&p, MOAT_REASON_FAILSAFE);
	p = build_probe(IN, "10.0.0.1", "10.8.0.2", UDP, 40000);
	p.sport = 514;
	expect(&p, MOAT_REASON_FAILSAFE);
	/* All of IPv6 is none of IPv4. */
	build_failsafe_peer(build_failsafe(config, IN, TCP, 23),
			    build_cidr_of("::/0"));
	p = build_probe(IN, "10.0.0.1", "10.9.0.2", TCP, 23);
	expect(&p, PASS);
	p = build_probe(IN, "fd00::1", "2001:db8::1", TCP, 23);
	expect(&p, MOAT_REASON_FAILSAFE);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(sources),		 TEST(sources_on_egress),
		TEST(mapped_addresses),	 TEST(unspecified_sources),
		TEST(tcp_flags),	 TEST(icmp_families),
		TEST(extension_headers), TEST(essentials_icmp),
		TEST(essentials_dhcp),	 TEST(failsafe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
