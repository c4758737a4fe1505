// SPDX-License-Identifier: BSD-2-Clause
/* base/addr: text forms of addresses, CIDRs and protocols. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"
#include "base/cleanup.h"

static void addresses(void **state)
{
	static const struct {
		const char *in, *out;
		int family;
	} good[] = {
		{ "10.0.0.1", "10.0.0.1", 4 },
		{ "255.255.255.255", "255.255.255.255", 4 },
		{ "0.0.0.0", "0.0.0.0", 4 },
		{ "::", "::", 6 },
		{ "fd00:20::A", "fd00:20::a", 6 },
		{ "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1", 6 },
	};
	static const char *const bad[] = {
		"",
		"10.0.0",
		"10.0.0.256",
		"10.0.0.01",
		"fe80::1%eth0",
		"::ffff:10.0.0.1",
		"::ffff:a00:1",
		":::",
		"a",
		" 10.0.0.1",
		"10.0.0.1 ",
		"1:2:3:4:5:6:7:8:9",
	};
	char text[ADDR_TEXT];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct moat_addr a;
		int family;

		assert_int_equal(addr_parse(good[i].in, &a, &family), 0);
		assert_int_equal(family, good[i].family);
		assert_int_equal(addr_is_v4(&a), family == 4);
		assert_string_equal(addr_print(&a, text), good[i].out);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct moat_addr a = { .d = { 1, 2 } };
		int family = 9;

		assert_int_equal(addr_parse(bad[i], &a, &family), -EINVAL);
		assert_int_equal(a.d[0], 1);
		assert_int_equal(family, 9);
	}
}

static void cidrs(void **state)
{
	static const struct {
		const char *in, *full, *brief;
		int err;
	} rows[] = {
		{ "10.0.0.0/8", "10.0.0.0/8", "10.0.0.0/8", 0 },
		{ "10.0.0.1", "10.0.0.1/32", "10.0.0.1", 0 },
		{ "0.0.0.0/0", "0.0.0.0/0", "0.0.0.0/0", 0 },
		{ "::/0", "::/0", "::/0", 0 },
		{ "fd00::1", "fd00::1/128", "fd00::1", 0 },
		{ "10.0.5.9/30", "10.0.5.8/30", "10.0.5.8/30", -EDOM },
		{ "10.0.0.1/0", "0.0.0.0/0", "0.0.0.0/0", -EDOM },
		{ "fd00:20::1/64", "fd00:20::/64", "fd00:20::/64", -EDOM },
		{ "2001:db8:8000::/33", "2001:db8:8000::/33",
		  "2001:db8:8000::/33", 0 },
		{ "::ffff:0:0:0/96", "::ffff:0:0:0/96", "::ffff:0:0:0/96", 0 },
	};
	static const char *const bad[] = {
		"10.0.0.0/33", "10.0.0.0/",   "10.0.0.0/-1", "10.0.0.0/08",
		"fd00::/129",  "fd00::/1000", "/8",	     "10.0.0.0/8/8",
		"any",	       "10.0.0.0/ 8", "10.0.0.0/8 ",
	};
	char text[ADDR_TEXT];
	struct cidr c;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(cidr_parse(rows[i].in, &c), rows[i].err);
		assert_string_equal(cidr_print(&c, false, text), rows[i].full);
		assert_string_equal(cidr_print(&c, true, text), rows[i].brief);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct cidr kept = { .length = 77 };

		assert_int_equal(cidr_parse(bad[i], &kept), -EINVAL);
		assert_int_equal(kept.length, 77);
	}
	cidr_parse("10.0.0.0/8", &c);
	assert_int_equal(addr_mapped_length(&c), 104);
}

static bool contains(const char *cidr, const char *addr)
{
	struct moat_addr a;
	struct cidr c;
	int family;

	assert_int_equal(cidr_parse(cidr, &c), 0);
	assert_int_equal(addr_parse(addr, &a, &family), 0);
	return cidr_contains(&c, &a);
}

static void containment(void **state)
{
	assert_true(contains("10.0.0.0/8", "10.255.255.255"));
	assert_false(contains("10.0.0.0/8", "11.0.0.0"));
	assert_true(contains("10.0.5.8/30", "10.0.5.11"));
	assert_false(contains("10.0.5.8/30", "10.0.5.12"));
	assert_true(contains("0.0.0.0/0", "1.2.3.4"));
	assert_false(contains("0.0.0.0/0", "::1"));
	assert_true(contains("::/0", "fd00::1"));
	assert_false(contains("::/0", "1.2.3.4"));
	assert_true(contains("fd00:20::/33", "fd00:20:7fff::1"));
	assert_false(contains("fd00:20::/33", "fd00:20:8000::1"));
	assert_true(contains("fd00::1", "fd00::1"));
	assert_false(contains("fd00::1", "fd00::2"));
}

static void order(void **state)
{
	static const char *const sorted[] = { "0.0.0.0/0",  "10.0.0.0/8",
					      "10.0.0.0/9", "10.1.0.0/16",
					      "::/0",	    "fd00::/8",
					      "fd00::/64" };
	struct cidr a, b;

	for (size_t i = 0; i + 1 < ARRAY_SIZE(sorted); i++) {
		cidr_parse(sorted[i], &a);
		cidr_parse(sorted[i + 1], &b);
		assert_true(cidr_compare(&a, &b) < 0);
		assert_true(cidr_compare(&b, &a) > 0);
		assert_int_equal(cidr_compare(&a, &a), 0);
	}
	assert_int_equal(
		addr_v4(&(struct moat_addr){ .b = { [12] = 1, 2, 3, 4 } }),
		0x01020304);
}

static void protocols(void **state)
{
	static const struct {
		const char *name;
		int proto;
		bool ports;
	} rows[] = {
		{ "tcp", 6, true },    { "udp", 17, true },
		{ "icmp", 1, false },  { "icmpv6", 58, false },
		{ "sctp", 132, true }, { "gre", 47, false },
		{ "esp", 50, false },  { "ah", 51, false },
		{ "0", 0, false },     { "255", 255, false },
		{ "89", 89, false },
	};
	static const char *const bad[] = { "",	 "256",	 "-1",	"TCP",
					   "06", "tcp ", "any", "1e1" };
	char text[8];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(proto_parse(rows[i].name), rows[i].proto);
		assert_string_equal(proto_print(rows[i].proto, text),
				    rows[i].name);
		assert_int_equal(proto_has_ports(rows[i].proto), rows[i].ports);
	}
	assert_int_equal(proto_parse("6"), 6);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(proto_parse(bad[i]), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),   cmocka_unit_test(cidrs),
		cmocka_unit_test(containment), cmocka_unit_test(order),
		cmocka_unit_test(protocols),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
