// SPDX-License-Identifier: BSD-2-Clause
/* Spans of services, carriers, and what happens when the steps run out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "policy/facts.h"
#include "support/build.h"
#include "support/random.h"
#include "support/warned.h"

#define HEAD "version: 1\nname: p\nmode: enforce\n"

static void assert_span(struct service_match m, const char *expected)
{
	char text[FACTS_TEXT];

	assert_string_equal(span_print(span_of(&m), text), expected);
}

static void spans(void **state)
{
	assert_span(
		(struct service_match){ .proto = -1, .type = -1, .code = -1 },
		"every protocol");
	assert_span((struct service_match){ .proto = 6,
					    .has_ports = true,
					    .first = 22,
					    .last = 22 },
		    "tcp 22");
	assert_span((struct service_match){ .proto = 17,
					    .has_ports = true,
					    .first = 1,
					    .last = 65535 },
		    "udp 1-65535");
	assert_span(
		(struct service_match){ .proto = 17, .type = -1, .code = -1 },
		"udp");
	assert_span(
		(struct service_match){ .proto = 47, .type = -1, .code = -1 },
		"gre");
	assert_span(
		(struct service_match){ .proto = 200, .type = -1, .code = -1 },
		"200");
	assert_span((struct service_match){ .proto = 1, .type = 8, .code = -1 },
		    "icmp type 8");
	assert_span(
		(struct service_match){ .proto = 58, .type = -1, .code = -1 },
		"icmpv6");
}

/* Ranges that touch are one, whatever their order in the rule. */
static void rule_spans(void **state)
{
	struct policy *p = read_valid(
		HEAD "security_groups:\n"
		     "  a:\n"
		     "    members: [10.1.0.0/24]\n"
		     "    ingress: [{name: r, from: [any], protocol: tcp, "
		     "ports: [100-200, 10, 50-99, 60-70, 201]}]\n");
	struct facts f;

	assert_int_equal(facts_init(&f, p), 0);
	const struct rule_facts *r = &f.groups[0][MOAT_INGRESS].rules[0];
	assert_int_equal(r->nspans, 2);
	assert_int_equal(r->spans[1].first, 6 << 16 | 50);
	assert_int_equal(r->spans[1].last, 6 << 16 | 201);
	assert_true(r->any);
	assert_true(
		spans_hold(r, (struct span){ 6 << 16 | 60, 6 << 16 | 201 }));
	assert_false(
		spans_hold(r, (struct span){ 6 << 16 | 49, 6 << 16 | 60 }));
	assert_true(
		spans_touch(r, (struct span){ 6 << 16 | 49, 6 << 16 | 50 }));
	assert_false(
		spans_touch(r, (struct span){ 17 << 16, 17 << 16 | 9999 }));
	facts_free(&f);
	policy_free(p);
}

/* "a b/n 10.1.0.0-10.1.0.127": groups, NACL and ranges of each carrier. */
static void assert_carriers(const struct facts *f, const char *expected)
{
	_cleanup_(buf_free) struct buf all = { 0 };
	char text[RANGES_TEXT];

	for (size_t i = 0; i < f->ncarriers; i++) {
		const struct carrier *c = &f->carriers[i];

		for (size_t k = 0; k < c->ngroups; k++)
			buf_printf(&all, "%s ",
				   f->policy->groups[c->groups[k]].name);
		if (c->nacl >= 0)
			buf_printf(&all, "/%s ",
				   f->policy->nacls[c->nacl].name);
		buf_printf(&all, "%s\n", ranges_print(&c->where, text));
	}
	assert_string_equal(buf_text(&all), expected);
}

static void carriers(void **state)
{
	struct policy *p = read_valid(
		HEAD
		"security_groups:\n"
		"  a: {members: [10.1.0.0/24, \"fd00::/64\"]}\n"
		"  b: {members: [10.1.0.128/25, 10.2.0.0/24, \"fd00::/64\"]}\n"
		"  c: {members: []}\n"
		"network_acls:\n"
		"  n: {applies_to: [10.1.0.192/26, 10.9.0.0/24]}\n");
	struct facts f;

	assert_int_equal(facts_init(&f, p), 0);
	assert_carriers(&f, "a 128 addresses (10.1.0.0/25)\n"
			    "a b over 2^64 addresses (10.1.0.128/26 and 1 more "
			    "range)\n"
			    "a b /n 64 addresses (10.1.0.192/26)\n"
			    "b 256 addresses (10.2.0.0/24)\n");
	/* And the other way round. */
	assert_int_equal(f.carried[1] - f.carried[0], 3);
	assert_int_equal(f.carried[2] - f.carried[1], 3);
	assert_int_equal(f.carried[3] - f.carried[2], 0);
	for (size_t i = f.carried[1]; i < f.carried[2]; i++) {
		const struct carrier *c = &f.carriers[f.carrier_of[i]];

		assert_int_equal(c->groups[c->ngroups - 1], 1);
	}
	facts_free(&f);
	policy_free(p);
}

/* Each address of random policies is in the carrier of its groups. */
static void random_carriers(void **state)
{
	struct rng rng = { 99 };

	for (int i = 0; i < 200; i++) {
		struct policy *p = random_policy(&rng);
		struct config *c = random_config(&rng);
		struct palette palette;
		struct facts f;

		assert_int_equal(facts_init(&f, p), 0);
		palette_make(p, c, &palette);
		for (int k = 0; k < 100; k++) {
			struct probe probe = random_probe(&rng, &palette);
			addr_num n = addr_number(&probe.local);
			size_t found = 0, groups = 0, in = 0;

			for (size_t g = 0; g < p->ngroups; g++)
				groups += ranges_hold(&f.sets[p->groups[g].set],
						      n, n);
			for (size_t m = 0; m < f.ncarriers; m++) {
				if (!ranges_hold(&f.carriers[m].where, n, n))
					continue;
				found++;
				in = f.carriers[m].ngroups;
			}
			assert_int_equal(found, groups > 0);
			assert_int_equal(in, groups);
		}
		palette_free(&palette);
		facts_free(&f);
		build_config_free(c);
		policy_free(p);
	}
}

static void steps_run_out(void **state)
{
	struct policy *p = read_valid(HEAD);
	struct diags diags = { 0 };
	struct facts f;

	assert_int_equal(facts_init(&f, p), 0);
	facts_finish(&f, &diags);
	assert_int_equal(diags.count, 0);
	assert_true(facts_spend(&f, FACTS_STEPS));
	assert_false(facts_spend(&f, 1));
	assert_true(f.exhausted);
	facts_finish(&f, &diags);
	assert_int_equal(diags.warnings, 1);
	assert_string_equal(diags.items[0].text,
			    "the policy is too entangled to look for every "
			    "warning: the search ended after 100000000 steps");
	diags_free(&diags);
	facts_free(&f);
	policy_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans),
		cmocka_unit_test(rule_spans),
		cmocka_unit_test(carriers),
		cmocka_unit_test(random_carriers),
		cmocka_unit_test(steps_run_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
