// SPDX-License-Identifier: BSD-2-Clause
/*
 * IPv6 addresses through tables of tables: prefixes in clusters of every
 * scale, asked at both sides of each edge, in both halves of an address.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "support/compiled.h"
#include "support/random.h"

static struct policy *members(const struct cidr *cidrs, size_t n)
{
	struct policy *p = build_policy(MODE_ENFORCE);

	build_group(p, "g");
	for (size_t i = 0; i < n; i++)
		build_cidr(p, p->groups[0].set, cidrs[i]);
	return p;
}

static bool held(const struct cidr *cidrs, size_t n, const struct moat_addr *a)
{
	for (size_t i = 0; i < n; i++)
		if (cidr_contains(&cidrs[i], a))
			return true;
	return false;
}

static void asked(const struct compiled *c, const struct cidr *cidrs, size_t n,
		  const struct moat_addr *a)
{
	unsigned profile = image_profile(&c->view, a);
	char text[ADDR_TEXT];

	if ((profile == 0) != held(cidrs, n, a))
		fail_msg("%s: profile %u", addr_print(a, text), profile);
}

/* The address next to a: up, or down. */
static struct moat_addr beside(struct moat_addr a, bool up)
{
	for (int i = 15; i >= 0; i--) {
		a.b[i] = (__u8)(a.b[i] + (up ? 1 : -1));
		if (a.b[i] != (up ? 0 : 0xff))
			break;
	}
	return a;
}

static struct moat_addr end_of(const struct cidr *c)
{
	struct moat_addr a = c->addr;

	for (int bit = c->length; bit < 128; bit++)
		a.b[bit / 8] |= (__u8)(0x80 >> bit % 8);
	return a;
}

static void edges_hold(const struct cidr *cidrs, size_t n, bool tables)
{
	struct policy *p = members(cidrs, n);
	struct config *config = build_config();
	struct compiled c = { 0 };

	compiled_make(&c, p, config, NULL, 0);
	assert_non_null(c.image);
	assert_int_equal(!!(c.image->header.addr6_upper & MOAT_SPREAD), tables);
	for (size_t i = 0; i < n; i++) {
		struct moat_addr first = cidrs[i].addr;
		struct moat_addr last = end_of(&cidrs[i]);
		struct moat_addr before = beside(first, false);
		struct moat_addr after = beside(last, true);

		asked(&c, cidrs, n, &first);
		asked(&c, cidrs, n, &last);
		asked(&c, cidrs, n, &before);
		asked(&c, cidrs, n, &after);
	}
	compiled_free(&c);
	build_config_free(config);
	policy_free(p);
}

static struct cidr cidr6(__u64 hi, __u64 lo, unsigned length)
{
	struct cidr c = { .family = 6, .length = (__u8)length };

	for (int i = 0; i < 8; i++) {
		c.addr.b[i] = (__u8)(hi >> (56 - 8 * i));
		c.addr.b[i + 8] = (__u8)(lo >> (56 - 8 * i));
	}
	for (unsigned bit = length; bit < 128; bit++)
		c.addr.b[bit / 8] &= (__u8) ~(0x80 >> bit % 8);
	return c;
}

static void few_need_no_table(void **state)
{
	struct cidr cidrs[3];

	for (unsigned i = 0; i < 3; i++)
		cidrs[i] = cidr6(0x20010db800000000 + 2 * i, 0, 64);
	edges_hold(cidrs, 3, false);
}

static void scattered(void **state)
{
	struct rng r = { 31 };
	struct cidr cidrs[600];

	for (unsigned i = 0; i < 600; i++)
		cidrs[i] = cidr6(rng_next(&r) >> 3 | 1ull << 61, rng_next(&r),
				 20 + rng_below(&r, 109));
	edges_hold(cidrs, 600, true);
}

/* Half of what is left lies in a 64th of the space that is left: more scales
 * than tables may follow each other. */
static void clusters_of_every_scale(void **state)
{
	struct rng r = { 32 };
	struct cidr cidrs[1200];

	for (unsigned i = 0; i < 1200; i++) {
		unsigned shift = 6 * rng_below(&r, 11);
		__u64 hi = 0x2001000000000000 +
			   (rng_next(&r) >> 16 >> (shift > 47 ? 47 : shift));

		cidrs[i] = cidr6(hi, 0, 64);
	}
	edges_hold(cidrs, 1200, true);
}

/* The same within one /64, beside networks of another one. */
static void hosts_of_one_network(void **state)
{
	struct rng r = { 33 };
	struct cidr cidrs[1200];

	for (unsigned i = 0; i < 1200; i++)
		cidrs[i] = i % 8 ? cidr6(0x20010db8000000ff,
					 rng_next(&r) >> 6 * rng_below(&r, 11),
					 128) :
				   cidr6(0xfd00000000000000 | i, 0, 64);
	edges_hold(cidrs, 1200, true);
}

static void ends_of_the_space(void **state)
{
	struct cidr cidrs[40];

	for (unsigned i = 0; i < 20; i++) {
		cidrs[i] = cidr6(2 * i, 0, i ? 64 : 128);
		cidrs[20 + i] = cidr6(~0ull - 2 * i, ~0ull, i ? 64 : 128);
	}
	edges_hold(cidrs, 40, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(few_need_no_table),
		cmocka_unit_test(scattered),
		cmocka_unit_test(clusters_of_every_scale),
		cmocka_unit_test(hosts_of_one_network),
		cmocka_unit_test(ends_of_the_space),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
