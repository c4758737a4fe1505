// SPDX-License-Identifier: BSD-2-Clause
/*
 * Classes (F13): two addresses are of one class exactly when every list holds
 * both or neither. Against the lists themselves, on the edges of every CIDR.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "compile/plan.h"
#include "support/big_policy.h"

static bool set_holds(const struct addr_set *s, const struct moat_addr *a)
{
	if (s->any)
		return true;
	for (size_t i = 0; i < s->ncidrs; i++)
		if ((s->cidrs[i].family == 4) == addr_is_v4(a) &&
		    cidr_contains(&s->cidrs[i], a))
			return true;
	return false;
}

static bool peers_hold(const struct policy *p, const struct rule *r,
		       const struct moat_addr *a)
{
	for (size_t i = 0; i < r->npeers; i++) {
		const struct peer *peer = &r->peers[i];

		if (peer->kind == PEER_ANY ||
		    (peer->kind == PEER_SET &&
		     set_holds(&p->sets[peer->set], a)) ||
		    (peer->kind == PEER_CIDR &&
		     (peer->cidr.family == 4) == addr_is_v4(a) &&
		     cidr_contains(&peer->cidr, a)))
			return true;
	}
	return false;
}

/* Each list as a character: equal strings, equal treatment. */
static void treatment(const struct policy *p, const struct plan *plan,
		      const struct moat_addr *a, struct buf *ret)
{
	buf_reset(ret);
	buf_puts(ret, addr_is_v4(a) ? "4" : "6");
	for (size_t i = 0; i < p->ngroups; i++)
		buf_puts(ret,
			 set_holds(&p->sets[p->groups[i].set], a) ? "x" : ".");
	for (size_t i = 0; i < p->nnacls; i++)
		buf_puts(ret,
			 set_holds(&p->sets[p->nacls[i].set], a) ? "x" : ".");
	for (size_t i = 0; i < plan->nrules; i++)
		if (plan->rules[i].rule)
			buf_puts(ret, peers_hold(p, plan->rules[i].rule, a) ?
					      "x" :
					      ".");
}

static void check_space(const struct policy *p, const struct plan *plan,
			const struct space *s, struct rng *rng)
{
	char **of = calloc(s->nclasses, sizeof(*of));
	struct config *c = build_config();
	struct palette palette;
	struct buf text = { 0 };

	assert_non_null(of);
	palette_make(p, c, &palette);
	for (size_t i = 0; i < palette.ncidrs * 6; i++) {
		struct moat_addr a = random_near(
			rng, &palette.cidrs[i % palette.ncidrs]);
		__u32 class = space_class_of(s, &a);

		assert_true(class < s->nclasses);
		treatment(p, plan, &a, &text);
		if (of[class])
			assert_string_equal(of[class], buf_text(&text));
		else
			of[class] = buf_take(&text);
	}
	for (size_t i = 0; i < s->nclasses; i++)
		for (size_t k = 0; k < i; k++)
			if (of[i] && of[k])
				assert_string_not_equal(of[i], of[k]);
	for (size_t i = 0; i < s->nclasses; i++)
		free(of[i]);
	free(of);
	buf_free(&text);
	palette_free(&palette);
	build_config_free(c);
}

static void random_policies(void **state)
{
	struct rng rng = { 31 };

	for (int i = 0; i < 150; i++) {
		struct policy *p = random_policy(&rng);
		struct space *s = space_new(p);
		struct plan *plan = plan_new(p, s);

		assert_int_equal(space_build(s), 0);
		check_space(p, plan, s, &rng);
		plan_free(plan);
		space_free(s);
		policy_free(p);
	}
}

/* Two CIDRs of one list, touching or apart, are one class; a list that stands
 * in two rules is one list, in whatever order it is written. */
static void one_list_one_class(void **state)
{
	struct policy *p = build_policy(MODE_ENFORCE);
	size_t g = build_group(p, "g");
	struct space *s = space_new(p);
	struct plan *plan;
	struct rule *r;

	r = build_named(p, g, MOAT_INGRESS, "a");
	build_peer(r, "10.0.0.0/24");
	build_peer(r, "10.9.0.0/24");
	build_peer(r, "fd00::/64");
	build_peer(r, "10.0.0.7");
	r = build_named(p, g, MOAT_INGRESS, "b");
	build_peer(r, "fd00::/64");
	build_peer(r, "10.0.0.7");
	build_peer(r, "10.9.0.0/24");
	build_peer(r, "10.0.0.0/24");
	build_peer(r, "10.0.0.0/24");
	plan = plan_new(p, s);
	assert_int_equal(plan->rules[0].list, plan->rules[1].list);
	assert_int_equal(space_build(s), 0);
	assert_int_equal(s->nclasses, 4);
	assert_int_equal(s->nsegments[FAMILY4], 5);
	plan_free(plan);
	space_free(s);
	policy_free(p);
}

/*
 * A thousand lists that all hold 10/8, each with own networks in it: what is
 * kept grows with the CIDRs, not with CIDRs times lists (a million here).
 */
static void overlap_is_incremental(void **state)
{
	struct policy *p = build_policy(MODE_ENFORCE);
	size_t g = build_group(p, "g"), cidrs = 0;
	struct rng rng = { 12 };
	struct space *s = space_new(p);
	struct plan *plan;

	for (int i = 0; i < 1000; i++) {
		char name[16];
		struct rule *r;

		snprintf(name, sizeof(name), "r%d", i);
		r = build_named(p, g, MOAT_INGRESS, name);
		build_peer(r, "10.0.0.0/8");
		for (int k = 0; k < 10; k++) {
			struct cidr c = { .family = 4, .length = 24 };

			c.addr = addr_from_v4(10u << 24 | rng_below(&rng, 65536)
								  << 8);
			build_peer_cidr(r, c);
			cidrs++;
		}
		build_peer(r, "192.0.2.0/24");
		build_peer_cidr(r, big_cidr(&rng, 0));
	}
	plan = plan_new(p, s);
	assert_int_equal(space_build(s), 0);
	assert_true(s->lists.count < 40 * cidrs);
	plan_free(plan);
	space_free(s);
	policy_free(p);
}

/* The ends of both spaces. */
static void edges(void **state)
{
	struct policy *p = build_policy(MODE_ENFORCE);
	size_t g = build_group(p, "g");
	const char *members[] = {
		"0.0.0.0/32",
		"255.255.255.255/32",
		"::/128",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
		"fd00::ffff:ffff:ffff:ffff/128",
		"fd00:0:0:1::/64",
	};
	struct moat_addr a;
	struct space *s;
	struct plan *plan;

	for (size_t i = 0; i < 6; i++)
		build_member(p, p->groups[g].set, members[i]);
	s = space_new(p);
	plan = plan_new(p, s);
	assert_int_equal(space_build(s), 0);
	assert_int_equal(s->nclasses, 4);
	for (size_t i = 0; i < 6; i++) {
		a = build_cidr_of(members[i]).addr;
		assert_true(space_class_of(s, &a) >= 2);
	}
	a = build_addr("0.0.0.1");
	assert_int_equal(space_class_of(s, &a), CLASS_NOTHING4);
	a = build_addr("255.255.255.254");
	assert_int_equal(space_class_of(s, &a), CLASS_NOTHING4);
	a = build_addr("::1");
	assert_int_equal(space_class_of(s, &a), CLASS_NOTHING6);
	a = build_addr("fd00::ffff:ffff:ffff:fffe");
	assert_int_equal(space_class_of(s, &a), CLASS_NOTHING6);
	a = build_addr("fd00:0:0:2::");
	assert_int_equal(space_class_of(s, &a), CLASS_NOTHING6);
	plan_free(plan);
	space_free(s);
	policy_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_policies),
		cmocka_unit_test(one_list_one_class),
		cmocka_unit_test(overlap_is_incremental),
		cmocka_unit_test(edges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
