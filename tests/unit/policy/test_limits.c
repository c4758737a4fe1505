// SPDX-License-Identifier: BSD-2-Clause
/*
 * Limits: exactly at them a policy is read, one above they name need and
 * limit. And what a hostile document can't make the reader spend.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "policy/reader.h"

#define HEAD "version: 1\nname: p\nmode: audit\n"

/* Reads and frees text; NULL said: it is a policy, else its only error. */
static void expect(struct buf *text, const char *said)
{
	const struct document doc = { "p", buf_text(text), text->len };
	struct diags diags = { 0 };
	struct policy *p = policy_read(&doc, 1, NULL, &diags);

	if (said) {
		assert_null(p);
		assert_int_equal(diags.errors, 1);
		assert_string_equal(diags.items[0].text, said);
	} else {
		if (diags.count)
			print_error("%s\n", diags.items[0].text);
		assert_non_null(p);
	}
	policy_free(p);
	diags_free(&diags);
	buf_free(text);
}

static struct buf rules(int count)
{
	struct buf text = { 0 };

	buf_puts(&text, HEAD "security_groups:\n  g:\n    ingress:\n");
	for (int i = 0; i < count / 2; i++)
		buf_printf(&text, "      - {name: r%d, from: any}\n", i);
	buf_puts(&text, "network_acls:\n  n:\n    applies_to: any\n"
			"    ingress:\n");
	for (int i = 0; i < count - count / 2; i++)
		buf_printf(&text, "      - {rule: %d, action: deny}\n", i + 1);
	return text;
}

static void ten_thousand_rules(void **state)
{
	struct buf text = rules(10000);

	expect(&text, NULL);
	text = rules(10001);
	expect(&text, "the policy has 10001 rules, above 10000");
}

static struct buf cidrs(int count)
{
	struct buf text = { 0 };

	buf_puts(&text, HEAD "prefix_lists:\n  a:\n");
	for (int i = 0; i < count; i++)
		buf_printf(&text, "    - 10.%d.%d.%d\n", i >> 16, i >> 8 & 255,
			   i & 255);
	/* Repeated ones count once. */
	buf_puts(&text, "    - 10.0.0.0\n");
	return text;
}

static void hundred_thousand_cidrs(void **state)
{
	struct buf text = cidrs(100000);

	expect(&text, NULL);
	text = cidrs(100001);
	expect(&text,
	       "the policy has 100001 addresses and CIDRs, above 100000 (a list counts again where it makes up a group)");
}

static struct buf names(int count)
{
	struct buf text = { 0 };

	buf_puts(&text, HEAD "prefix_lists:\n");
	for (int i = 0; i < count; i++)
		buf_printf(&text, "  l%d: []\n", i);
	return text;
}

static void four_thousand_names(void **state)
{
	struct buf text = names(4096);

	expect(&text, NULL);
	text = names(4097);
	expect(&text,
	       "the policy has 4097 groups, prefix lists and network ACLs, above 4096");
}

static void sixteen_megabytes_together(void **state)
{
	size_t len = (16u << 20) - sizeof(HEAD) + 1;
	_cleanup_free_ char *filler = malloc(len + 1);
	struct diags diags = { 0 };

	assert_non_null(filler);
	memset(filler, '#', len);
	memcpy(filler, "{} ", 3);
	for (int more = 0; more < 2; more++) {
		const struct document docs[] = {
			{ "a", HEAD, sizeof(HEAD) - 1 },
			{ "b", filler, len + more },
		};
		struct policy *p;

		filler[len] = '#';
		p = policy_read(docs, 2, NULL, &diags);
		assert_int_equal(p != NULL, !more);
		policy_free(p);
	}
	assert_int_equal(diags.errors, 1);
	assert_string_equal(
		diags.items[0].text,
		"the policy has 16777217 bytes in 2 files, above 16777216 in 60000");
	diags_free(&diags);
}

/* 2,000 groups of 20,000 addresses each are counted, not built. */
static void references_multiply(void **state)
{
	struct buf text = cidrs(20000);

	buf_puts(&text, "security_groups:\n");
	for (int i = 0; i < 2000; i++)
		buf_printf(&text, "  g%d: {members: a}\n", i);
	expect(&text,
	       "the policy has 40020000 addresses and CIDRs, above 100000 (a list counts again where it makes up a group)");
}

/* 1,000 rules of a service of 2,000 ports likewise. */
static void services_multiply(void **state)
{
	struct buf text = { 0 };

	buf_puts(&text,
		 HEAD "services:\n  s:\n    protocol: tcp\n    ports:\n");
	for (int i = 0; i < 2000; i++)
		buf_printf(&text, "      - %d\n", i);
	buf_puts(&text, "security_groups:\n  g:\n    ingress:\n");
	for (int i = 0; i < 1000; i++)
		buf_printf(&text,
			   "      - {name: r%d, from: any, service: s}\n", i);
	expect(&text,
	       "the policy's rules have 2002000 protocols and ports, above 1000000");
}

/* A million faults: a thousand messages and a count. */
static void many_errors(void **state)
{
	struct buf text = { 0 }, said = { 0 };
	struct diags diags = { 0 };

	buf_puts(&text, HEAD "prefix_lists: {a: [");
	for (int i = 0; i < 200000; i++)
		buf_puts(&text, "x,");
	buf_puts(&text, "]}\n");

	const struct document doc = { "p", buf_text(&text), text.len };
	assert_null(policy_read(&doc, 1, NULL, &diags));
	assert_int_equal(diags.errors, 200000);
	assert_int_equal(diags.count, 1000);
	assert_int_equal(diags_render(&diags, &said), 0);
	assert_non_null(strstr(buf_text(&said), "\n... and 199000 more\n"));
	assert_true(said.len < 300000);
	diags_free(&diags);
	buf_free(&text);
	buf_free(&said);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ten_thousand_rules),
		cmocka_unit_test(hundred_thousand_cidrs),
		cmocka_unit_test(four_thousand_names),
		cmocka_unit_test(sixteen_megabytes_together),
		cmocka_unit_test(references_multiply),
		cmocka_unit_test(services_multiply),
		cmocka_unit_test(many_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
