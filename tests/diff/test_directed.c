// SPDX-License-Identifier: BSD-2-Clause
/*
 * Incidents of others, as small policies whose answer is plain (attacks.md
 * section 4): rows 5, 6, 8, 15 and 16. Row 7 is test_cyclonus.c. Every answer
 * is asked of the reference and of the image engine.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <linux/in.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "engines.h"
#include "support/build.h"
#include "vary.h"

#define IN MOAT_INGRESS
#define OUT MOAT_EGRESS
#define TCP IPPROTO_TCP

static void expect(const struct engines *e, const struct probe *probe,
		   enum moat_verdict verdict, const char *rule)
{
	for (int which = 0; which < ENGINE_COUNT; which++) {
		struct answer a;
		char line[160];

		engines_judge(e, which, probe, &a);
		if (a.verdict != verdict || strcmp(a.rule, rule))
			fail_msg("%s: %s: %s %s, not %s %s",
				 engine_names[which],
				 probe_print(probe, line, sizeof(line)),
				 verdict_name(a.verdict), a.rule,
				 verdict_name(verdict), rule);
	}
}

/* One group of everybody that allows everything both ways. */
static struct policy *open_policy(void)
{
	struct policy *p = build_policy(MODE_ENFORCE);

	build_group(p, "all");
	build_member(p, p->groups[0].set, "0.0.0.0/0");
	build_member(p, p->groups[0].set, "::/0");
	for (int d = 0; d < 2; d++) {
		struct rule *r = build_named(p, 0, d, "any");

		build_peer_any(r);
		build_every(r);
	}
	return p;
}

static struct policy *one_group(const char *member)
{
	struct policy *p = build_policy(MODE_ENFORCE);

	build_group(p, "g");
	build_member(p, p->groups[0].set, member);
	return p;
}

/* ---- row 5: a broad deny beside a narrow allow (CVE-2024-47825) ---- */

struct pair {
	const char *broad, *narrow; /* CIDRs */
	const char *local, *in_narrow, *in_broad, *outside;
};

static const struct pair pairs[] = {
	{ "10.0.0.0/8", "10.1.0.0/16", "192.168.0.1", "10.1.2.3", "10.2.2.3",
	  "11.0.0.1" },
	{ "0.0.0.0/0", "10.1.2.3/32", "192.168.0.1", "10.1.2.3", "10.1.2.4",
	  NULL },
	{ "fd00::/8", "fd00:1::/33", "2001:db8::1", "fd00:1:7fff::1",
	  "fd00:1:8000::1", "fe00::1" },
	{ "fd00::/64", "fd00::5/128", "2001:db8::1", "fd00::5", "fd00::4",
	  "fd00:0:0:1::5" },
};

/* action[0], number[0]: of the broad rule; [1]: of the narrow one. */
static void check_pair(const struct pair *pair, const bool deny[2],
		       const int number[2], bool broad_first)
{
	struct config *c = build_config();
	struct policy *p = open_policy();
	size_t n = build_nacl(p, "acl");
	const char *cidr[2] = { pair->broad, pair->narrow };
	int winner = number[0] < number[1] ? 0 : 1;
	struct engines e;
	struct probe probe;
	char rule[16];

	p->sets[p->nacls[n].set].any = true;
	for (int i = 0; i < 2; i++) {
		int k = broad_first ? i : 1 - i;
		struct rule *r = build_entry(&p->nacls[n].rules[IN], number[k],
					     deny[k]);

		build_peer(r, cidr[k]);
		build_every(r);
	}
	assert_true(engines_open(&e, p, c, NULL, 0));
	probe = build_probe(IN, pair->local, pair->in_narrow, TCP, 80);
	snprintf(rule, sizeof(rule), "acl/%d", number[winner]);
	if (deny[winner])
		expect(&e, &probe, MOAT_DROP, rule);
	else
		expect(&e, &probe, MOAT_ALLOW, "all/any");
	probe.remote = build_addr(pair->in_broad);
	snprintf(rule, sizeof(rule), "acl/%d", number[0]);
	if (deny[0])
		expect(&e, &probe, MOAT_DROP, rule);
	else
		expect(&e, &probe, MOAT_ALLOW, "all/any");
	if (pair->outside) {
		probe.remote = build_addr(pair->outside);
		expect(&e, &probe, MOAT_DROP, "acl/*");
	}
	engines_close(&e);
	policy_free(p);
	build_config_free(c);
}

static void broad_and_narrow(void **state)
{
	static const int numbers[2][2] = { { 10, 20 }, { 20, 10 } };

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		for (int bits = 0; bits < 16; bits++) {
			bool deny[2] = { bits & 1, bits & 2 };

			check_pair(&pairs[i], deny, numbers[bits >> 2 & 1],
				   bits & 8);
		}
	}
}

/* ---- row 6: what is empty matches nothing (CVE-2025-64715) ---- */

static void empty_sets(void **state)
{
	struct config *c = build_config();
	struct policy *p = one_group("10.0.0.0/24");
	size_t list = build_list(p, "nobody"), other = build_group(p, "void");
	struct probe probe = build_probe(IN, "10.0.0.1", "9.9.9.9", TCP, 80);
	struct rule *r = build_named(p, 0, IN, "from-nobody");
	struct engines e;

	build_peer_set(r, list);
	build_peer_set(r, p->groups[other].set);
	build_every(r);
	p->groups[0].rules[OUT].absent = false;
	build_nacl(p, "idle"); /* applies to nobody */
	build_every(build_entry(&p->nacls[0].rules[IN], 1, true));
	build_peer_any(&p->nacls[0].rules[IN].rules[0]);
	assert_true(engines_open(&e, p, c, NULL, 0));
	expect(&e, &probe, MOAT_DROP, "");
	probe.remote = build_addr("10.0.0.2");
	expect(&e, &probe, MOAT_DROP, "");
	probe.direction = OUT;
	expect(&e, &probe, MOAT_DROP, "");
	engines_close(&e);

	/* A set that is emptied later closes what it opened. */
	build_member(p, list, "9.9.9.9/32");
	probe = build_probe(IN, "10.0.0.1", "9.9.9.9", TCP, 80);
	assert_true(engines_open(&e, p, c, NULL, 0));
	expect(&e, &probe, MOAT_ALLOW, "g/from-nobody");
	engines_close(&e);
	p->sets[list].ncidrs = 0;
	assert_true(engines_open(&e, p, c, NULL, 0));
	expect(&e, &probe, MOAT_DROP, "");
	engines_close(&e);
	policy_free(p);
	build_config_free(c);
}

/* ---- row 8: port ranges that overlap (CVE-2024-52529) ---- */

static const struct {
	const char *name;
	unsigned first, last;
} ranges[] = {
	{ "one", 80, 80 },
	{ "around", 79, 81 },
	{ "low", 0, 0 },
	{ "adjacent-a", 1000, 1999 },
	{ "adjacent-b", 2000, 2999 },
	{ "straddle", 1999, 2000 },
	{ "wide", 1500, 40000 },
	{ "inside", 30000, 30000 },
	{ "high", 65535, 65535 },
	{ "tail", 65000, 65534 },
};

/* First match in file order, over all 65,536 ports. */
static void port_ranges(void **state)
{
	struct config *c = build_config();
	struct policy *p = one_group("10.0.0.0/24");
	struct probe probe = build_probe(IN, "10.0.0.1", "9.9.9.9", TCP, 0);
	struct engines e;

	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		struct rule *r = build_named(p, 0, IN, ranges[i].name);

		build_peer_any(r);
		build_ports(r, TCP, ranges[i].first, ranges[i].last);
	}
	assert_true(engines_open(&e, p, c, NULL, 0));
	for (unsigned port = 0; port < 65536; port++) {
		char rule[32] = "";

		for (size_t i = 0; !*rule && i < ARRAY_SIZE(ranges); i++)
			if (ranges[i].first <= port && port <= ranges[i].last)
				snprintf(rule, sizeof(rule), "g/%s",
					 ranges[i].name);
		probe.dport = (uint16_t)port;
		expect(&e, &probe, *rule ? MOAT_ALLOW : MOAT_DROP, rule);
	}
	/* The same number of another protocol is another service. */
	probe.dport = 80;
	probe.proto = IPPROTO_UDP;
	expect(&e, &probe, MOAT_DROP, "");
	probe.proto = IPPROTO_SCTP;
	expect(&e, &probe, MOAT_DROP, "");
	engines_close(&e);
	policy_free(p);
	build_config_free(c);
}

/* As ordered rules: a deny of one port in an allow of all, and back. */
static void port_ranges_in_order(void **state)
{
	struct config *c = build_config();
	struct policy *p = open_policy();
	struct probe probe = build_probe(IN, "10.0.0.1", "9.9.9.9", TCP, 0);
	struct engines e;
	static const struct {
		int number;
		bool deny;
		unsigned first, last;
	} rules[] = {
		{ 30, false, 0, 65535 },
		{ 20, true, 8000, 8999 },
		{ 10, false, 8080, 8080 },
		{ 5, true, 65535, 65535 },
	};

	build_nacl(p, "acl");
	p->sets[p->nacls[0].set].any = true;
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		struct rule *r = build_entry(&p->nacls[0].rules[IN],
					     rules[i].number, rules[i].deny);

		build_peer_any(r);
		build_ports(r, TCP, rules[i].first, rules[i].last);
	}
	assert_true(engines_open(&e, p, c, NULL, 0));
	for (unsigned port = 0; port < 65536; port++) {
		bool open = port != 65535 &&
			    (port < 8000 || port > 8999 || port == 8080);

		probe.dport = (uint16_t)port;
		expect(&e, &probe, open ? MOAT_ALLOW : MOAT_DROP,
		       open	     ? "all/any" :
		       port == 65535 ? "acl/5" :
				       "acl/20");
	}
	engines_close(&e);
	policy_free(p);
	build_config_free(c);
}

/* ---- row 15: order without meaning gives the same bytes ---- */

static void same_image(const struct image *a, const struct image *b)
{
	assert_memory_equal(&a->header, &b->header, sizeof(a->header));
	for (int i = 0; i < MOAT_PART_COUNT; i++)
		assert_memory_equal(a->part[i], b->part[i], a->header.used[i]);
}

static void shuffled_orders(void **state)
{
	struct rng rng = { 15 };

	for (int i = 0; i < 10; i++) {
		struct policy *p = random_policy(&rng);
		struct config *c = build_config();
		struct engines a, b;

		assert_true(engines_open(&a, p, c, NULL, 0));
		for (int k = 0; k < 100; k++) {
			struct policy *other = vary(&rng, p, VARY_ORDER);

			assert_true(engines_open(&b, other, c, NULL, 0));
			same_image(a.image, b.image);
			engines_close(&b);
			policy_free(other);
		}
		engines_close(&a);
		policy_free(p);
		build_config_free(c);
	}
}

/* ---- row 16: nested prefixes with different ports are a union ---- */

static void check_nested(const char *const cidrs[4], const char *local,
			 const char *const remotes[5])
{
	static const unsigned ports[4] = { 443, 80, 22, 9100 };
	struct config *c = build_config();
	struct policy *p = one_group(local);
	struct engines e;

	for (int i = 0; i < 4; i++) {
		struct rule *r;
		char name[16];

		snprintf(name, sizeof(name), "r%d", i);
		r = build_named(p, 0, IN, name);
		build_peer(r, cidrs[i]);
		build_ports(r, TCP, ports[i], ports[i]);
	}
	assert_true(engines_open(&e, p, c, NULL, 0));
	/* remotes[n] is inside the first n CIDRs and outside the others. */
	for (int n = 0; n < 5; n++) {
		for (int i = 0; i < 4; i++) {
			struct probe probe = build_probe(IN, local, remotes[n],
							 TCP, ports[i]);
			char rule[32] = "";

			if (i < n)
				snprintf(rule, sizeof(rule), "g/r%d", i);
			expect(&e, &probe, i < n ? MOAT_ALLOW : MOAT_DROP,
			       rule);
		}
	}
	engines_close(&e);
	policy_free(p);
	build_config_free(c);
}

static void nested_prefixes(void **state)
{
	static const char *const v4[] = { "10.0.0.0/8", "10.1.0.0/16",
					  "10.1.1.0/24", "10.1.1.1/32" };
	static const char *const from4[] = { "11.0.0.0", "10.255.255.255",
					     "10.1.255.255", "10.1.1.0",
					     "10.1.1.1" };
	static const char *const v6[] = { "fd00::/8", "fd00:1::/48",
					  "fd00:1::/64", "fd00:1::1/128" };
	static const char *const from6[] = {
		"fe00::", "fd00:2::", "fd00:1:0:1::", "fd00:1::2", "fd00:1::1"
	};

	check_nested(v4, "192.168.0.1", from4);
	check_nested(v6, "2001:db8::1", from6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(broad_and_narrow),
		cmocka_unit_test(empty_sets),
		cmocka_unit_test(port_ranges),
		cmocka_unit_test(port_ranges_in_order),
		cmocka_unit_test(shuffled_orders),
		cmocka_unit_test(nested_prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
