// SPDX-License-Identifier: BSD-2-Clause
/*
 * The same file gives the same bytes, and order without meaning (CIDRs in
 * lists, lists, peers, services, NACLs and their rules, hosts) changes none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "support/compiled.h"
#include "support/random.h"

/* Fisher and Yates. */
#define SHUFFLE(r, array, n) \
	do { \
		for (size_t i_ = (n); i_ > 1; i_--) { \
			size_t k_ = rng_below((r), (unsigned)i_); \
			__typeof__(*(array)) t_ = (array)[i_ - 1]; \
			(array)[i_ - 1] = (array)[k_]; \
			(array)[k_] = t_; \
		} \
	} while (0)

static void shuffle_rules(struct rng *r, struct ruleset *set)
{
	for (size_t i = 0; i < set->count; i++) {
		struct rule *rule = &set->rules[i];

		SHUFFLE(r, rule->peers, rule->npeers);
		SHUFFLE(r, rule->services, rule->nservices);
	}
}

static void rename_peers(struct ruleset *set, const size_t *to)
{
	for (size_t i = 0; i < set->count; i++)
		for (size_t k = 0; k < set->rules[i].npeers; k++)
			if (set->rules[i].peers[k].kind == PEER_SET)
				set->rules[i].peers[k].set =
					to[set->rules[i].peers[k].set];
}

/* Sets change places, and all that name them follow. */
static void shuffle_sets(struct rng *r, struct policy *p)
{
	_cleanup_free_ size_t *old = calloc(p->nsets + 1, sizeof(*old));
	_cleanup_free_ size_t *to = calloc(p->nsets + 1, sizeof(*to));
	_cleanup_free_ struct addr_set *sets = calloc(p->nsets + 1,
						      sizeof(*sets));

	assert_true(old && to && sets);
	for (size_t i = 0; i < p->nsets; i++)
		old[i] = i;
	SHUFFLE(r, old, p->nsets);
	for (size_t i = 0; i < p->nsets; i++) {
		sets[i] = p->sets[old[i]];
		to[old[i]] = i;
	}
	memcpy(p->sets, sets, p->nsets * sizeof(*sets));
	for (int d = 0; d < 2; d++) {
		for (size_t i = 0; i < p->ngroups; i++)
			rename_peers(&p->groups[i].rules[d], to);
		for (size_t i = 0; i < p->nnacls; i++)
			rename_peers(&p->nacls[i].rules[d], to);
	}
	for (size_t i = 0; i < p->ngroups; i++)
		p->groups[i].set = to[p->groups[i].set];
	for (size_t i = 0; i < p->nnacls; i++)
		p->nacls[i].set = to[p->nacls[i].set];
}

static struct policy *shuffled(struct rng *r, const struct policy *from)
{
	struct policy *p = build_copy(from);

	shuffle_sets(r, p);
	for (size_t i = 0; i < p->nsets; i++)
		SHUFFLE(r, p->sets[i].cidrs, p->sets[i].ncidrs);
	for (int d = 0; d < 2; d++) {
		for (size_t i = 0; i < p->ngroups; i++)
			shuffle_rules(r, &p->groups[i].rules[d]);
		for (size_t i = 0; i < p->nnacls; i++) {
			struct ruleset *set = &p->nacls[i].rules[d];

			shuffle_rules(r, set);
			SHUFFLE(r, set->rules, set->count);
		}
	}
	SHUFFLE(r, p->nacls, p->nnacls);
	return p;
}

static void same_bytes(const struct policy *a, const struct policy *b,
		       const struct config *c)
{
	struct compiled one = { 0 }, two = { 0 };
	void *first, *second;
	size_t n, m;

	compiled_make(&one, a, c, NULL, 0);
	compiled_make(&two, b, c, NULL, 0);
	assert_non_null(one.image);
	assert_non_null(two.image);
	first = compiled_bytes(one.image, &n);
	second = compiled_bytes(two.image, &m);
	assert_int_equal(n, m);
	assert_memory_equal(first, second, n);
	assert_int_equal(one.slots.count, two.slots.count);
	for (size_t i = 0; i < one.slots.count; i++) {
		assert_string_equal(one.slots.ids[i].owner,
				    two.slots.ids[i].owner);
		assert_string_equal(one.slots.ids[i].rule,
				    two.slots.ids[i].rule);
	}
	free(first);
	free(second);
	compiled_free(&one);
	compiled_free(&two);
}

static void a_hundred_orders(void **state)
{
	struct rng rng = { 100 };
	struct config *c = build_config();

	for (int i = 0; i < 20; i++) {
		struct policy *p = random_policy(&rng);

		same_bytes(p, p, c);
		for (int k = 0; k < 100; k++) {
			struct policy *q = shuffled(&rng, p);

			same_bytes(p, q, c);
			policy_free(q);
		}
		policy_free(p);
	}
	build_config_free(c);
}

/* A change that has a meaning changes the bytes: the test sees something. */
static void meaning_shows(void **state)
{
	struct rng rng = { 5 };
	struct config *c = build_config();
	unsigned differ = 0;

	for (int i = 0; i < 20; i++) {
		struct policy *p = random_policy(&rng);
		struct policy *q = build_copy(p);
		struct compiled one = { 0 }, two = { 0 };

		q->mode = p->mode == MODE_AUDIT ? MODE_ENFORCE : MODE_AUDIT;
		compiled_make(&one, p, c, NULL, 0);
		compiled_make(&two, q, c, NULL, 0);
		differ += one.image->header.checksum !=
			  two.image->header.checksum;
		compiled_free(&one);
		compiled_free(&two);
		policy_free(p);
		policy_free(q);
	}
	assert_int_equal(differ, 20);
	build_config_free(c);
}

/* Only which addresses are own matters, not in which order they are told. */
static void order_of_hosts(void **state)
{
	struct policy *p = build_policy(MODE_ENFORCE);
	struct config *c = build_config();
	struct moat_addr hosts[3] = { build_addr("10.0.2.1"),
				      build_addr("10.0.7.1"),
				      build_addr("10.0.5.1") };
	struct compiled one = { 0 }, two = { 0 };

	for (unsigned i = 0; i < 70; i++) {
		char name[8];
		struct cidr cidr = { .family = 4, .length = 24 };

		snprintf(name, sizeof(name), "g%u", i);
		build_group(p, name);
		cidr.addr = addr_from_v4(10u << 24 | i << 8);
		build_cidr(p, p->groups[i].set, cidr);
	}
	compiled_make(&one, p, c, hosts, 3);
	SHUFFLE(&(struct rng){ 2 }, hosts, 3);
	compiled_make(&two, p, c, hosts, 3);
	assert_int_equal(one.stats.profiles, 3);
	assert_int_equal(one.image->header.checksum,
			 two.image->header.checksum);
	compiled_free(&one);
	compiled_free(&two);
	policy_free(p);
	build_config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hundred_orders),
		cmocka_unit_test(meaning_shows),
		cmocka_unit_test(order_of_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
