// SPDX-License-Identifier: BSD-2-Clause
/* Replies through the NACL, both ends of a packet, and tests:. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <stdlib.h>
#include <string.h>

#include "reference/reference.h"
#include "support/build.h"

#define IN MOAT_INGRESS
#define OUT MOAT_EGRESS
#define TCP IPPROTO_TCP

static struct policy *policy;
static struct config *config;
static size_t front;

static void allow(struct ruleset *rules, int number, int proto, unsigned first,
		  unsigned last)
{
	struct rule *r = build_entry(rules, number, false);

	build_peer_any(r);
	build_ports(r, proto, first, last);
}

/* a 10.1.0.0/16 may reach b 10.2.0.0/16 on tcp/80 and ping it; b has a NACL
 * that lets tcp/80 in and only tcp/1024-65535 out. */
static int setup(void **state)
{
	size_t a, b;
	struct rule *r;

	policy = build_policy(MODE_ENFORCE);
	config = build_config();
	a = build_group(policy, "a");
	b = build_group(policy, "b");
	front = build_nacl(policy, "front");
	build_member(policy, policy->groups[a].set, "10.1.0.0/16");
	build_member(policy, policy->groups[b].set, "10.2.0.0/16");
	build_member(policy, policy->nacls[front].set, "10.2.0.0/16");
	r = build_named(policy, a, OUT, "web");
	build_peer_set(r, policy->groups[b].set);
	build_ports(r, TCP, 80, 80);
	build_icmp(r, IPPROTO_ICMP, 8, 0);
	r = build_named(policy, b, IN, "web");
	build_peer_set(r, policy->groups[a].set);
	build_ports(r, TCP, 80, 80);
	build_icmp(r, IPPROTO_ICMP, 8, 0);
	allow(&policy->nacls[front].rules[IN], 10, TCP, 80, 80);
	build_icmp(&policy->nacls[front].rules[IN].rules[0], IPPROTO_ICMP, 8,
		   -1);
	allow(&policy->nacls[front].rules[OUT], 20, TCP, 1024, 65535);
	return 0;
}

static int teardown(void **state)
{
	policy_free(policy);
	build_config_free(config);
	return 0;
}

static void replies(void **state)
{
	struct probe p = build_probe(IN, "10.2.0.1", "10.1.0.1", TCP, 80);
	struct answer a = { .reason = MOAT_REASON_NONE };

	assert_true(reference_reply(policy, config, &p, &a));
	assert_int_equal(a.reason, MOAT_REASON_NONE);
	p.sport = 1023;
	assert_false(reference_reply(policy, config, &p, &a));
	assert_int_equal(a.reason, MOAT_REASON_REPLY_DENIED);
	assert_int_equal(a.verdict, MOAT_DROP);
	assert_string_equal(a.rule, "front/*");
	policy->nacls[front].mode = MODE_AUDIT;
	assert_false(reference_reply(policy, config, &p, &a));
	assert_int_equal(a.verdict, MOAT_WOULD_DROP);
}

static void icmp_replies(void **state)
{
	struct probe p = build_probe(IN, "10.2.0.1", "10.1.0.1", IPPROTO_ICMP,
				     0);
	struct answer a;

	p.type = 8;
	assert_false(reference_reply(policy, config, &p, &a));
	/* The reply has type 0: a rule for 8 does not let it out. */
	allow(&policy->nacls[front].rules[OUT], 30, TCP, 1, 1);
	build_icmp(&policy->nacls[front].rules[OUT].rules[1], IPPROTO_ICMP, 8,
		   -1);
	assert_false(reference_reply(policy, config, &p, &a));
	build_icmp(&policy->nacls[front].rules[OUT].rules[1], IPPROTO_ICMP, 0,
		   0);
	assert_true(reference_reply(policy, config, &p, &a));
	p.type = 9; /* nothing answers it */
	assert_true(reference_reply(policy, config, &p, &a));
}

static void failsafe_replies_pass(void **state)
{
	struct probe p = build_probe(IN, "10.2.0.1", "10.1.0.1", TCP, 80);
	struct answer a;

	p.sport = 1023;
	assert_false(reference_reply(policy, config, &p, &a));
	build_failsafe_peer(build_failsafe(config, IN, TCP, 80),
			    build_cidr_of("10.1.0.0/16"));
	assert_true(reference_reply(policy, config, &p, &a));
}

static void whole_path(void **state)
{
	struct probe p = build_probe(OUT, "10.1.0.1", "10.2.0.1", TCP, 80);
	struct path_leg legs[4];

	assert_true(reference_path(policy, config, &p, legs));
	for (int i = 0; i < 4; i++)
		assert_true(legs[i].judged);
	assert_string_equal(legs[0].name, "sender egress");
	assert_string_equal(legs[0].answer.rule, "a/web");
	assert_string_equal(legs[1].name, "receiver ingress");
	assert_string_equal(legs[1].answer.rule, "b/web");
	assert_string_equal(legs[2].name, "reply egress");
	assert_string_equal(legs[2].answer.rule, "front/20");
	assert_int_equal(legs[2].answer.reason, MOAT_REASON_ESTABLISHED);
	assert_string_equal(legs[3].name, "reply ingress");
	assert_string_equal(legs[3].answer.rule, "");

	p.sport = 1;
	assert_false(reference_path(policy, config, &p, legs));
	assert_int_equal(legs[2].answer.reason, MOAT_REASON_REPLY_DENIED);
	p.dport = 81;
	assert_false(reference_path(policy, config, &p, legs));
	assert_int_equal(legs[0].answer.reason, MOAT_REASON_SG_NO_MATCH);
	assert_int_equal(legs[1].answer.reason, MOAT_REASON_NACL_DENY);
	assert_false(legs[2].judged);
	assert_false(legs[3].judged);
}

static void strangers_are_not_judged(void **state)
{
	struct probe p = build_probe(OUT, "9.9.9.9", "10.2.0.1", TCP, 80);
	struct path_leg legs[4];

	assert_false(reference_path(policy, config, &p, legs));
	assert_false(legs[0].judged);
	assert_true(legs[1].judged);
	assert_int_equal(legs[1].answer.reason, MOAT_REASON_SG_NO_MATCH);
	p.remote = build_addr("9.9.9.8");
	assert_true(reference_path(policy, config, &p, legs));
	assert_false(legs[1].judged);
}

static void add_test(const char *src, const char *dst, int dport, bool expect)
{
	struct policy_test t = {
		.src = build_addr(src),
		.dst = build_addr(dst),
		.family = 4,
		.proto = TCP,
		.sport = 40000,
		.dport = (uint16_t)dport,
		.type = -1,
		.code = -1,
		.expect_allow = expect,
		.pos = { .file = -1, .line = 7 },
	};

	policy->tests = realloc(policy->tests,
				(policy->ntests + 1) * sizeof(t));
	assert_non_null(policy->tests);
	policy->tests[policy->ntests++] = t;
}

static void tests_of_a_policy(void **state)
{
	struct diags d = { 0 };

	add_test("10.1.0.1", "10.2.0.1", 80, true);
	add_test("10.1.0.1", "10.2.0.1", 81, false);
	add_test("9.9.9.9", "10.2.0.1", 80, false);
	reference_run_tests(policy, config, &d);
	assert_int_equal(d.errors, 0);
	add_test("10.1.0.1", "10.2.0.1", 81, true);
	add_test("10.1.0.1", "10.2.0.1", 80, false);
	add_test("9.9.9.9", "9.9.9.8", 80, false);
	reference_run_tests(policy, config, &d);
	assert_int_equal(d.errors, 3);
	assert_string_equal(d.items[0].text,
			    "test fails: expected allow, but sender egress "
			    "says drop (sg-no-match)");
	assert_string_equal(d.items[1].text,
			    "test fails: expected drop, but it is allowed "
			    "(sender egress: a/web, receiver ingress: b/web)");
	assert_non_null(strstr(d.items[2].text, "judges nothing"));
	assert_int_equal(d.items[0].pos.line, 7);
	diags_free(&d);
}

/* A policy in audit is tested as it will be when enforced. */
static void tests_of_an_audit_policy(void **state)
{
	struct diags d = { 0 };

	policy->mode = MODE_AUDIT;
	add_test("10.1.0.1", "10.2.0.1", 81, false);
	add_test("10.1.0.1", "10.2.0.1", 80, true);
	reference_run_tests(policy, config, &d);
	assert_int_equal(d.errors, 0);
	diags_free(&d);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(replies),
		TEST(icmp_replies),
		TEST(failsafe_replies_pass),
		TEST(whole_path),
		TEST(strangers_are_not_judged),
		TEST(tests_of_a_policy),
		TEST(tests_of_an_audit_policy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
