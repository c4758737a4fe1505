// SPDX-License-Identifier: BSD-2-Clause
/*
 * Size: memory goes with CIDRs plus ranges, the largest policies fit,
 * and what does not fit is refused with need and limit named.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include <linux/in.h>

#include "reference/reference.h"
#include "support/big_policy.h"
#include "support/compiled.h"

static size_t total(const struct compiled *c)
{
	size_t n = 0;

	for (int i = 0; i < MOAT_PART_COUNT; i++)
		n += c->image->header.used[i];
	return n;
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static struct policy *one_group(void)
{
	struct policy *p = build_policy(MODE_ENFORCE);

	build_group(p, "g");
	build_member(p, p->groups[0].set, "10.20.0.0/16");
	return p;
}

static void overlapping_range(struct rule *r, unsigned i)
{
	/* Nested in pairs, and each overlapping the next. */
	unsigned first = 1000 + 500 * (i / 2) + (i % 2 ? 100 : 0);

	build_ports(r, IPPROTO_TCP, first, first + (i % 2 ? 100 : 600));
}

/* 1,000 CIDRs, nested, as one rule's peers, by 100 of its ranges. */
static size_t bytes_of_one_rule(unsigned cidrs, unsigned ranges)
{
	struct policy *p = one_group();
	struct config *c = build_config();
	struct compiled compiled = { 0 };
	struct rng rng = { 2 };
	struct rule *r = build_named(p, 0, MOAT_INGRESS, "product");
	size_t bytes;

	for (unsigned i = 0; i < cidrs; i++)
		build_peer_cidr(r, big_cidr(&rng, 30));
	for (unsigned i = 0; i < ranges; i++)
		overlapping_range(r, i);
	compiled_make(&compiled, p, c, NULL, 0);
	assert_non_null(compiled.image);
	bytes = total(&compiled) - MOAT_ADDR4_ROOT * sizeof(__u32);
	compiled_free(&compiled);
	build_config_free(c);
	policy_free(p);
	return bytes;
}

static void one_rule_is_linear(void **state)
{
	size_t few = bytes_of_one_rule(1000, 1);
	size_t one = bytes_of_one_rule(1, 100);
	size_t both = bytes_of_one_rule(1000, 100);

	print_message("1000 CIDRs: %zu B, 100 ranges: %zu B, both: %zu B\n",
		      few, one, both);
	assert_true(both <= few + one + 4096);
}

/* The same as 100 rules that share a prefix list of 1,000. */
static void shared_list_is_linear(void **state)
{
	struct policy *p = one_group();
	struct config *c = build_config();
	struct compiled compiled = { 0 };
	size_t list = build_list(p, "clients");
	struct rng rng = { 3 };
	char name[16];

	for (int i = 0; i < 1000; i++)
		build_cidr(p, list, big_cidr(&rng, 30));
	for (unsigned i = 0; i < 100; i++) {
		struct rule *r;

		snprintf(name, sizeof(name), "r%u", i);
		r = build_named(p, 0, MOAT_INGRESS, name);
		build_peer_set(r, list);
		overlapping_range(r, i);
	}
	compiled_make(&compiled, p, c, NULL, 0);
	assert_non_null(compiled.image);
	/* Nothing and list in two families, and the members. */
	assert_true(compiled.stats.classes <= 6);
	assert_true(compiled.stats.cells <= 2 * (2 * 100 + 4));
	assert_true(total(&compiled) < MOAT_ADDR4_ROOT * sizeof(__u32) +
					       1000 * 64 + 100 * 64 + 4096);
	compiled_free(&compiled);
	build_config_free(c);
	policy_free(p);
}

/* And as 1,000 rules, each with its CIDR and one of the 100 ranges. */
static void rule_each_is_linear(void **state)
{
	struct policy *p = one_group();
	struct config *c = build_config();
	struct compiled compiled = { 0 };
	struct rng rng = { 4 };
	char name[16];

	for (unsigned i = 0; i < 1000; i++) {
		struct rule *r;

		snprintf(name, sizeof(name), "r%u", i);
		r = build_named(p, 0, MOAT_INGRESS, name);
		build_peer_cidr(r, big_cidr(&rng, 30));
		overlapping_range(r, i % 100);
	}
	compiled_make(&compiled, p, c, NULL, 0);
	assert_non_null(compiled.image);
	assert_true(compiled.stats.row_words < 1000 * 32);
	compiled_free(&compiled);
	build_config_free(c);
	policy_free(p);
}

static void sample_against_reference(const struct policy *p,
				     const struct config *c,
				     const struct compiled *compiled,
				     struct rng *rng)
{
	for (int i = 0; i < 60; i++) {
		const struct group *g =
			&p->groups[rng_below(rng, (unsigned)p->ngroups)];
		const struct ruleset *set = &g->rules[i % 2];
		const struct rule *r =
			&set->rules[rng_below(rng, (unsigned)set->count)];
		const struct cidr *near =
			&r->peers[rng_below(rng, (unsigned)r->npeers)].cidr;
		struct probe probe = build_probe(
			i % 2, near->family == 4 ? "10.20.1.1" : "fd00:20::5",
			near->family == 4 ? "10.0.0.1" : "fd00::1",
			r->services[0].proto, r->services[0].first);
		struct answer want, got;

		probe.remote = random_near(rng, near);
		reference_judge(p, c, &probe, &want);
		image_judge(&compiled->view, &probe, &got);
		assert_int_equal(want.verdict, got.verdict);
		assert_int_equal(want.reason, got.reason);
		assert_string_equal(want.rule, got.rule);
	}
}

/* P2 and P7: 10,000 rules and 100,000 CIDRs are below 12 MiB. */
static void largest_policies(void **state)
{
	static const unsigned mixes[] = { 0, 30, 50 };

	for (size_t m = 0; m < sizeof(mixes) / sizeof(mixes[0]); m++) {
		const struct big_policy want = { 100, 10000, 100000, mixes[m] };
		struct compiled compiled = { 0 };
		struct rng rng = { 6 };
		struct policy *p = big_policy(&rng, &want);
		struct config *c = build_config();
		double start = now_ms();

		compiled_make(&compiled, p, c, NULL, 0);
		if (!compiled.image)
			fail_msg("%s", compiled.diags.items[0].text);
		print_message(
			"%u %% IPv6: %.0f ms with sanitizers, %zu bytes, %zu classes, %zu rows\n",
			mixes[m], now_ms() - start, total(&compiled),
			compiled.stats.classes, compiled.stats.rows);
		assert_int_equal(compiled.stats.rules, 10000);
		assert_true(total(&compiled) <= MOAT_SLOT_MAX);
		sample_against_reference(p, c, &compiled, &rng);
		compiled_free(&compiled);
		build_config_free(c);
		policy_free(p);
	}
}

/* Compiles what can't be, and gives the words. */
static void refused(const struct policy *p, const struct moat_addr *hosts,
		    size_t nhosts, const char *want)
{
	struct config *c = build_config();
	struct compiled compiled = { 0 };

	compiled_make(&compiled, p, c, hosts, nhosts);
	assert_null(compiled.image);
	assert_int_equal(compiled.diags.errors, 1);
	assert_string_equal(compiled.diags.items[0].text, want);
	compiled_free(&compiled);
	build_config_free(c);
}

static void refused_on_member(const struct policy *p, const char *want)
{
	struct moat_addr host = build_addr("10.20.0.1");

	refused(p, &host, 1, want);
}

static void too_many_classes(void **state)
{
	struct policy *p = build_policy(MODE_ENFORCE);
	char name[16];

	/* Each address of 10.0.0.0/16 is in its own pair of rules' lists. */
	for (unsigned i = 0; i < 2 * 300; i++) {
		size_t g;
		struct rule *r;

		snprintf(name, sizeof(name), "g%u", i);
		g = build_group(p, name);
		r = build_named(p, g, MOAT_INGRESS, "r");
		for (unsigned k = 0; k < 300; k++) {
			struct cidr c = { .family = 4, .length = 32 };
			unsigned at = i < 300 ? i * 300 + k : k * 300 + i - 300;

			c.addr = addr_from_v4(10u << 24 | at);
			build_peer_cidr(r, c);
		}
		build_every(r);
	}
	refused(p, NULL, 0,
		"address classes: 90002 needed, the limit is 65535");
	policy_free(p);
}

static void too_many_profiles(void **state)
{
	struct policy *p = build_policy(MODE_ENFORCE);
	struct config *c = build_config();
	struct compiled compiled = { 0 };
	struct moat_addr hosts[65], absent = build_addr("10.0.3.1");
	char text[24];

	for (unsigned i = 0; i < 65; i++) {
		size_t g;

		snprintf(text, sizeof(text), "g%u", i);
		g = build_group(p, text);
		snprintf(text, sizeof(text), "10.0.%u.0/24", i);
		build_member(p, p->groups[g].set, text);
		hosts[i] = addr_from_v4(10u << 24 | i << 8 | 1);
	}
	refused(p, hosts, 65,
		"profiles of this host: 65 needed, the limit is 64");
	/* A host with two of them has room, but not for the others' (F36). */
	compiled_make(&compiled, p, c, hosts, 2);
	assert_non_null(compiled.image);
	assert_false(compiled.stats.all_profiles);
	assert_int_equal(compiled.stats.profiles, 2);
	assert_int_equal(image_profile(&compiled.view, &hosts[1]), 1);
	assert_int_equal(image_profile(&compiled.view, &absent),
			 MOAT_PROFILE_NONE);
	compiled_free(&compiled);
	build_config_free(c);
	policy_free(p);
}

static void too_long_a_chain(void **state)
{
	struct policy *p = one_group();
	char name[16];

	for (unsigned i = 0; i < 9; i++) {
		struct rule *r;

		snprintf(name, sizeof(name), "r%u", i);
		r = build_named(p, 0, MOAT_INGRESS, name);
		build_peer_any(r);
		build_every(r);
		build_limit(r, 1000, 1);
	}
	refused_on_member(
		p,
		"limits that one packet may meet: 9 needed, the limit is 8, beginning with g/r0");
	policy_free(p);
}

/* 2,000 ports open to all, and 2,000 classes that each have one more. */
static void rows_too_large(void **state)
{
	struct policy *p = one_group();
	char name[16];

	for (unsigned i = 0; i < 2000; i++) {
		struct cidr c = { .family = 4, .length = 24 };
		struct rule *r;

		snprintf(name, sizeof(name), "any%u", i);
		r = build_named(p, 0, MOAT_INGRESS, name);
		build_peer_any(r);
		build_ports(r, IPPROTO_TCP, 10 * i, 10 * i);
		snprintf(name, sizeof(name), "one%u", i);
		r = build_named(p, 0, MOAT_EGRESS, name);
		c.addr = addr_from_v4(11u << 24 | i << 8);
		build_peer_cidr(r, c);
		build_ports(r, IPPROTO_TCP, i, i);
		r = build_named(p, 0, MOAT_INGRESS, name);
		build_peer_cidr(r, c);
		build_ports(r, IPPROTO_UDP, i, i);
	}
	refused_on_member(
		p,
		"bytes of part rows: at least 4194305 needed, the limit is 4194304");
	policy_free(p);
}

static struct policy *scattered6(size_t n, __u8 length)
{
	struct policy *p = one_group();
	struct addr_set *set = &p->sets[p->groups[0].set];
	struct rng rng = { 9 };

	free(set->cidrs);
	set->ncidrs = n;
	set->cidrs = calloc(n, sizeof(*set->cidrs));
	assert_non_null(set->cidrs);
	for (size_t i = 0; i < n; i++) {
		struct cidr *c = &set->cidrs[i];

		c->family = 6;
		c->length = length;
		c->addr.d[0] = rng_next(&rng);
		c->addr.d[1] = length > 64 ? rng_next(&rng) : 0;
		c->addr.b[0] = 0x20;
	}
	return p;
}

/* 100,000 networks of IPv6 fit, and 30,000 hosts. */
static void addr6_fits(void **state)
{
	for (int hosts = 0; hosts < 2; hosts++) {
		struct policy *p = scattered6(hosts ? 30000 : 100000,
					      hosts ? 128 : 64);
		struct config *c = build_config();
		struct compiled compiled = { 0 };
		const struct addr_set *set = &p->sets[p->groups[0].set];
		struct moat_addr a = set->cidrs[77].addr;

		compiled_make(&compiled, p, c, NULL, 0);
		assert_non_null(compiled.image);
		assert_int_equal(image_profile(&compiled.view, &a), 0);
		a.d[0] ^= 1ull << 63;
		assert_int_equal(image_profile(&compiled.view, &a),
				 MOAT_PROFILE_NONE);
		compiled_free(&compiled);
		build_config_free(c);
		policy_free(p);
	}
}

static void addr6_too_large(void **state)
{
	struct policy *p = scattered6(80000, 128);

	refused(p, NULL, 0,
		"bytes of part addr6: 6985728 needed, the limit is 4194304");
	policy_free(p);
}

static void slots_run_out(void **state)
{
	struct policy *p = one_group();
	struct config *c = build_config();
	struct compiled compiled = { 0 };
	struct slot_id id = { .owner = (char *)"old", .rule = NULL };
	struct moat_addr host = build_addr("10.20.0.1");
	char name[16];

	for (size_t i = 0; i < MOAT_RULE_SLOTS_MAX; i++) {
		snprintf(name, sizeof(name), "r%zu", i);
		id.rule = name;
		assert_int_equal(slots_restore(&compiled.slots, i, &id), 0);
	}
	id.rule = (char *)"more";
	assert_int_equal(slots_restore(&compiled.slots, MOAT_RULE_SLOTS_MAX,
				       &id),
			 -ERANGE);
	build_every(build_named(p, 0, MOAT_INGRESS, "new"));
	compiled_make(&compiled, p, c, &host, 1);
	assert_null(compiled.image);
	assert_string_equal(
		compiled.diags.items[0].text,
		"rule counter slots: 32768 needed, the limit is 32767");
	compiled_free(&compiled);
	build_config_free(c);
	policy_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_rule_is_linear),
		cmocka_unit_test(shared_list_is_linear),
		cmocka_unit_test(rule_each_is_linear),
		cmocka_unit_test(largest_policies),
		cmocka_unit_test(too_many_classes),
		cmocka_unit_test(too_many_profiles),
		cmocka_unit_test(too_long_a_chain),
		cmocka_unit_test(rows_too_large),
		cmocka_unit_test(addr6_fits),
		cmocka_unit_test(addr6_too_large),
		cmocka_unit_test(slots_run_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
