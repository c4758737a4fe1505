// SPDX-License-Identifier: BSD-2-Clause
/*
 * At most one NACL an address: the walk over sorted CIDRs against asking
 * every address of two small blocks. And the parts it stands on: CIDRs
 * without repetitions, and the hash table with its suggestions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "policy/cidrs.h"
#include "policy/reader.h"
#include "policy/strmap.h"
#include "support/random.h"

#define NACLS 4

/* Inside 10.0.0.0/28 or fd00::/124, or now and then all of a family. */
static struct cidr small_cidr(struct rng *r)
{
	struct cidr c = build_cidr_of("10.0.0.0/28");
	unsigned keep = rng_below(r, 5);

	if (rng_percent(r, 50))
		c = build_cidr_of("fd00::/124");
	if (rng_percent(r, 2)) {
		return build_cidr_of(c.family == 4 ? "0.0.0.0/0" : "::/0");
	}
	c.addr.b[15] = (__u8)(rng_below(r, 16) & (0xf0 >> keep));
	c.length = (__u8)(c.length + keep);
	return c;
}

/* True if some address of the two blocks is held by two sets. */
static bool overlaps(const struct cidrs sets[NACLS])
{
	for (unsigned i = 0; i < 32; i++) {
		struct moat_addr a = build_addr(i < 16 ? "10.0.0.0" : "fd00::");
		unsigned holders = 0;

		a.b[15] = i & 15;
		for (int n = 0; n < NACLS; n++) {
			bool in = false;

			for (size_t j = 0; j < sets[n].count; j++)
				in = in || cidr_contains(&sets[n].items[j], &a);
			holders += in;
		}
		if (holders > 1)
			return true;
	}
	return false;
}

static bool reads(const struct cidrs sets[NACLS])
{
	_cleanup_(buf_free) struct buf text = { 0 };
	struct diags diags = { 0 };
	char cidr[ADDR_TEXT];

	buf_puts(&text, "version: 1\nname: p\nmode: audit\nnetwork_acls:\n");
	for (int n = 0; n < NACLS; n++) {
		if (!sets[n].count)
			continue;
		buf_printf(&text, "  n%d: {applies_to: [", n);
		for (size_t j = 0; j < sets[n].count; j++)
			buf_printf(&text, "\"%s\",",
				   cidr_print(&sets[n].items[j], false, cidr));
		buf_puts(&text, "]}\n");
	}
	const struct document doc = { "p", buf_text(&text), text.len };
	struct policy *p = policy_read(&doc, 1, NULL, &diags);
	bool ok = p;

	policy_free(p);
	for (size_t i = 0; i < diags.count; i++)
		assert_non_null(
			strstr(diags.items[i].text, "at most one network ACL"));
	diags_free(&diags);
	return ok;
}

static void against_every_address(void **state)
{
	struct rng r = { 7 };
	unsigned refused = 0;

	for (int round = 0; round < 3000; round++) {
		struct cidrs sets[NACLS] = { 0 };

		for (int n = 0; n < NACLS; n++) {
			unsigned count = rng_below(&r, 3);

			while (count--) {
				struct cidr c = small_cidr(&r);

				assert_int_equal(cidrs_add(&sets[n], &c, 1), 0);
			}
		}
		if (!sets[0].count && !sets[1].count && !sets[2].count &&
		    !sets[3].count)
			continue;
		bool bad = overlaps(sets);
		assert_int_equal(reads(sets), !bad);
		refused += bad;
		for (int n = 0; n < NACLS; n++)
			cidrs_free(&sets[n]);
	}
	assert_true(refused > 500 && refused < 2500);
}

static void first_of_equal_cidrs(void **state)
{
	static const char *const in[] = { "10.0.0.0/8", "10.0.0.0/9", "::/0",
					  "10.0.0.0/8", "0.0.0.0/0",  "::/0",
					  "10.0.0.0/9", "fd00::/8" };
	static const char *const out[] = { "10.0.0.0/8", "10.0.0.0/9", "::/0",
					   "0.0.0.0/0", "fd00::/8" };
	struct cidrs list = { 0 };
	char text[ADDR_TEXT];

	assert_int_equal(cidrs_unique(&list), 0);
	for (size_t i = 0; i < ARRAY_SIZE(in); i++) {
		struct cidr c = build_cidr_of(in[i]);

		assert_int_equal(cidrs_add(&list, &c, 1), 0);
	}
	assert_int_equal(cidrs_unique(&list), 0);
	assert_int_equal(list.count, ARRAY_SIZE(out));
	for (size_t i = 0; i < ARRAY_SIZE(out); i++)
		assert_string_equal(cidr_print(&list.items[i], false, text),
				    out[i]);
	cidrs_free(&list);
}

static void hash_table(void **state)
{
	static char keys[5000][8];
	struct strmap map = { 0 };

	assert_null(strmap_get(&map, "x"));
	for (int i = 0; i < 5000; i++) {
		snprintf(keys[i], sizeof(keys[i]), "k%d", i);
		assert_null(strmap_get(&map, keys[i]));
		assert_int_equal(strmap_put(&map, keys[i], keys[i]), 0);
	}
	for (int i = 0; i < 5000; i++)
		assert_ptr_equal(strmap_get(&map, keys[i]), keys[i]);
	assert_null(strmap_get(&map, "k5000"));
	strmap_free(&map);
	assert_null(strmap_get(&map, "k1"));
}

static void suggestions(void **state)
{
	struct strmap map = { 0 };
	char x[200];

	assert_int_equal(edit_distance("kitten", "sitting", 9), 3);
	assert_int_equal(edit_distance("", "abc", 9), 3);
	assert_int_equal(edit_distance("abc", "xyz", 2), 3);
	memset(x, 'x', sizeof(x) - 1);
	x[sizeof(x) - 1] = '\0';
	assert_int_equal(edit_distance(x, x, 5), 6);

	assert_null(strmap_nearest(&map, "bastion"));
	strmap_put(&map, "bastion", x);
	strmap_put(&map, "monitoring", x);
	assert_string_equal(strmap_nearest(&map, "bastoin"), "bastion");
	assert_string_equal(strmap_nearest(&map, "monitring"), "monitoring");
	assert_null(strmap_nearest(&map, "storage"));
	strmap_free(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(against_every_address),
		cmocka_unit_test(first_of_equal_cidrs),
		cmocka_unit_test(hash_table),
		cmocka_unit_test(suggestions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
