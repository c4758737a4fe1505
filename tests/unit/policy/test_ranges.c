// SPDX-License-Identifier: BSD-2-Clause
/* Sets of addresses as ranges: merging, families, tests, text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "policy/ranges.h"
#include "support/build.h"
#include "support/random.h"

#define _cleanup_ranges_ _cleanup_(ranges_free)

/* A closed set of the CIDRs in text, separated by blanks. */
static struct ranges of(const char *text)
{
	_cleanup_free_ char *copy = strdup(text);
	struct ranges r = { 0 };
	char *save = NULL;

	for (char *t = strtok_r(copy, " ", &save); t;
	     t = strtok_r(NULL, " ", &save)) {
		struct cidr cidr = build_cidr_of(t);

		ranges_add_cidr(&r, &cidr);
	}
	ranges_close(&r);
	assert_false(r.failed);
	return r;
}

static bool holds(const struct ranges *r, const char *address)
{
	struct moat_addr a = build_addr(address);
	addr_num n = addr_number(&a);

	return ranges_hold(r, n, n);
}

static void numbers(void **state)
{
	struct moat_addr a = build_addr("10.1.2.3"), b;

	assert_true(addr_number(&a) == (RANGES_V4_FIRST | 0x0a010203));
	b = addr_from_number(addr_number(&a));
	assert_true(addr_equal(&a, &b));
	a = build_addr("2001:db8::ff");
	b = addr_from_number(addr_number(&a));
	assert_true(addr_equal(&a, &b));
}

static void merging(void **state)
{
	_cleanup_ranges_ struct ranges r = of(
		"10.0.1.0/24 10.0.0.0/24 10.0.0.7 10.0.3.0/24 10.0.4.0/24");

	assert_int_equal(r.count, 2);
	assert_true(holds(&r, "10.0.1.255"));
	assert_false(holds(&r, "10.0.2.0"));
	assert_true(holds(&r, "10.0.4.255"));
	assert_false(holds(&r, "10.0.5.0"));
}

/* ::/0 is no IPv4, and the two together are everything. */
static void families(void **state)
{
	_cleanup_ranges_ struct ranges six = of("::/0");
	_cleanup_ranges_ struct ranges four = of("0.0.0.0/0");
	_cleanup_ranges_ struct ranges both = of("::/0 0.0.0.0/0");

	assert_int_equal(six.count, 2);
	assert_false(holds(&six, "10.0.0.1"));
	assert_true(holds(&six, "2001:db8::1"));
	assert_true(holds(&six, "::"));
	assert_false(holds(&four, "2001:db8::1"));
	assert_false(ranges_overlap(&four, &six));
	assert_int_equal(both.count, 1);
	assert_true(ranges_hold(&both, 0, RANGES_MAX));
	assert_true(ranges_subset(&six, &both));
	assert_false(ranges_subset(&both, &six));
}

static void relations(void **state)
{
	_cleanup_ranges_ struct ranges a = of("10.0.0.0/24 10.0.2.0/24");
	_cleanup_ranges_ struct ranges b = of("10.0.0.0/23 10.0.2.0/25");
	_cleanup_ranges_ struct ranges c = of("10.0.2.128/25");
	_cleanup_ranges_ struct ranges none = { 0 };

	assert_false(ranges_subset(&a, &b));
	assert_true(ranges_subset(&c, &a));
	assert_true(ranges_overlap(&a, &b));
	assert_false(ranges_overlap(&b, &c));
	assert_true(ranges_subset(&none, &c));
	assert_false(ranges_overlap(&none, &c));
}

/* Against the CIDRs themselves, address by address. */
static void random_sets(void **state)
{
	struct rng rng = { 4711 };

	for (int round = 0; round < 300; round++) {
		struct cidr cidrs[8];
		_cleanup_ranges_ struct ranges r = { 0 };

		for (size_t i = 0; i < ARRAY_SIZE(cidrs); i++) {
			__u8 length = (__u8)(24 + rng_below(&rng, 9));
			__u32 host = rng_below(&rng, 1024);

			host &= ~(__u32)0 << (32 - length);
			cidrs[i] = (struct cidr){ .addr = addr_from_v4(
							  0x0a000000 | host),
						  .family = 4,
						  .length = length };
			ranges_add_cidr(&r, &cidrs[i]);
		}
		ranges_close(&r);
		for (__u32 host = 0; host < 1100; host++) {
			struct moat_addr a = addr_from_v4(0x0a000000 | host);
			addr_num n = addr_number(&a);
			bool in = false;

			for (size_t i = 0; i < ARRAY_SIZE(cidrs); i++)
				in |= cidr_contains(&cidrs[i], &a);
			assert_int_equal(ranges_hold(&r, n, n), in);
			assert_int_equal(ranges_touch(&r, n, n), in);
		}
		for (size_t i = 1; i < r.count; i++)
			assert_true(r.items[i - 1].last + 1 < r.items[i].first);
	}
}

static void assert_text(const char *cidrs, const char *expected)
{
	_cleanup_ranges_ struct ranges r = of(cidrs);
	char text[RANGES_TEXT];

	assert_string_equal(ranges_print(&r, text), expected);
}

static void text(void **state)
{
	assert_text("", "0 addresses (none)");
	assert_text("10.0.0.7", "1 address (10.0.0.7)");
	assert_text("10.0.0.0/22", "1024 addresses (10.0.0.0/22)");
	assert_text("10.0.0.128/25 10.0.1.0/24",
		    "384 addresses (10.0.0.128-10.0.1.255)");
	assert_text("10.0.0.0/24 10.0.2.0/27",
		    "288 addresses (10.0.0.0/24 and 1 more range)");
	assert_text("fd00::/64", "2^64 addresses (fd00::/64)");
	assert_text("fd00::/64 10.0.0.1 10.0.0.3",
		    "over 2^64 addresses (10.0.0.1 and 2 more ranges)");
	assert_text("::/0 0.0.0.0/0", "over 2^127 addresses (::/0)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),     cmocka_unit_test(merging),
		cmocka_unit_test(families),    cmocka_unit_test(relations),
		cmocka_unit_test(random_sets), cmocka_unit_test(text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
