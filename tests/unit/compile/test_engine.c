// SPDX-License-Identifier: BSD-2-Clause
/*
 * The image engine against the reference evaluator: verdict, reason and rule
 * of every packet (G11), and the built-in image.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <linux/in.h>

#include "reference/reference.h"
#include "support/compiled.h"
#include "support/random.h"

static void say_probe(const struct probe *p)
{
	char local[ADDR_TEXT], remote[ADDR_TEXT];

	print_message(
		"%s local %s remote %s proto %d sport %u dport %u type %u code %u flags %s%#x\n",
		p->direction ? "egress" : "ingress",
		addr_print(&p->local, local), addr_print(&p->remote, remote),
		p->proto, p->sport, p->dport, p->type, p->code,
		p->flags_given ? "" : "-", p->flags);
}

static void same_answer(const struct policy *p, const struct config *c,
			const struct compiled *compiled,
			const struct probe *probe)
{
	struct answer want, got;

	reference_judge(p, c, probe, &want);
	image_judge(&compiled->view, probe, &got);
	if (want.verdict != got.verdict || want.reason != got.reason ||
	    strcmp(want.rule, got.rule)) {
		say_probe(probe);
		print_message("reference %s %s '%s', image %s %s '%s'\n",
			      verdict_name(want.verdict),
			      reason_name(want.reason), want.rule,
			      verdict_name(got.verdict),
			      reason_name(got.reason), got.rule);
	}
	assert_int_equal(want.verdict, got.verdict);
	assert_int_equal(want.reason, got.reason);
	assert_string_equal(want.rule, got.rule);
}

#define POLICIES 400
#define PROBES 150

static void random_policies(void **state)
{
	struct rng rng = { 20261122 };
	unsigned verdicts[MOAT_VERDICT_COUNT] = { 0 };

	for (int i = 0; i < POLICIES; i++) {
		struct policy *p = random_policy(&rng);
		struct config *c = random_config(&rng);
		struct compiled compiled = { 0 };
		struct palette palette;

		palette_make(p, c, &palette);
		compiled_make(&compiled, p, c, NULL, 0);
		assert_non_null(compiled.image);
		assert_true(compiled.stats.all_profiles);
		for (int k = 0; k < PROBES; k++) {
			struct probe probe = random_probe(&rng, &palette);
			struct answer a;

			same_answer(p, c, &compiled, &probe);
			image_judge(&compiled.view, &probe, &a);
			verdicts[a.verdict]++;
		}
		palette_free(&palette);
		compiled_free(&compiled);
		build_config_free(c);
		policy_free(p);
	}
	for (int v = 0; v < MOAT_VERDICT_COUNT; v++)
		assert_true(verdicts[v] > POLICIES * PROBES / 50);
}

/* Profiles of a host's own addresses alone answer for these the same. */
static void hosts_alone(void **state)
{
	struct rng rng = { 7 };

	for (int i = 0; i < 40; i++) {
		struct policy *p = random_policy(&rng);
		struct config *c = random_config(&rng);
		struct compiled compiled = { 0 };
		struct palette palette;
		struct moat_addr hosts[4];

		palette_make(p, c, &palette);
		for (int k = 0; k < 4; k++)
			hosts[k] = random_local(&rng, &palette, k % 2 ? 6 : 4);
		compiled_make(&compiled, p, c, hosts, 4);
		assert_non_null(compiled.image);
		for (int k = 0; k < 100; k++) {
			struct probe probe = random_probe(&rng, &palette);

			probe.local = hosts[probe.family == 4 ? 0 : 1];
			same_answer(p, c, &compiled, &probe);
		}
		palette_free(&palette);
		compiled_free(&compiled);
		build_config_free(c);
		policy_free(p);
	}
}

static void built_in_image(void **state)
{
	for (int pass = 0; pass < 2; pass++) {
		struct rng rng = { 3 };
		struct policy *p = random_policy(&rng);
		struct config *c = random_config(&rng);
		struct compiled compiled = { 0 };
		struct palette palette;

		c->before_first_pass = pass;
		palette_make(p, c, &palette);
		compiled_make(&compiled, NULL, c, NULL, 0);
		assert_non_null(compiled.image);
		assert_int_equal(compiled.image->header.profiles, 0);
		assert_int_equal(compiled.image->header.rows, 1);
		assert_int_equal(!!(compiled.image->header.flags &
				    MOAT_IMAGE_PASS),
				 pass);
		assert_true(compiled.image->header.flags & MOAT_IMAGE_BUILT_IN);
		for (int k = 0; k < 1000; k++) {
			struct probe probe = random_probe(&rng, &palette);

			same_answer(NULL, c, &compiled, &probe);
		}
		palette_free(&palette);
		compiled_free(&compiled);
		build_config_free(c);
		policy_free(p);
	}
}

static void generation_is_told(void **state)
{
	struct config *c = build_config();
	struct compiled compiled = { 0 };
	struct probe probe = build_probe(MOAT_INGRESS, "10.0.0.1", "10.0.0.2",
					 IPPROTO_TCP, 22);
	struct answer a;

	compiled_make(&compiled, NULL, c, NULL, 0);
	compiled.image->header.generation = 77;
	image_judge(&compiled.view, &probe, &a);
	assert_int_equal(a.generation, 77);
	compiled_free(&compiled);
	build_config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_policies),
		cmocka_unit_test(hosts_alone),
		cmocka_unit_test(built_in_image),
		cmocka_unit_test(generation_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
