// SPDX-License-Identifier: BSD-2-Clause
/* At most one NACL an address, over the whole space; who holds an address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "support/compiled.h"
#include "support/random.h"

static struct policy *with_nacls(const char *const *first,
				 const char *const *second)
{
	struct policy *p = build_policy(MODE_ENFORCE);

	build_nacl(p, "front");
	build_nacl(p, "back");
	for (; *first; first++)
		build_member(p, p->nacls[0].set, *first);
	for (; *second; second++)
		build_member(p, p->nacls[1].set, *second);
	return p;
}
#define CIDRS(...) \
	(const char *const[]) \
	{ \
		__VA_ARGS__, NULL \
	}

static void expect_error(struct policy *p, const char *want)
{
	struct diags diags = { 0 };
	struct config *config = build_config();
	struct compiled c = { 0 };

	compile_check_overlap(p, &diags);
	compiled_make(&c, p, config, NULL, 0);
	if (!want) {
		assert_int_equal(diags.count, 0);
		assert_non_null(c.image);
	} else {
		assert_int_equal(diags.count, 1);
		assert_string_equal(diags.items[0].text, want);
		assert_int_equal(diags.items[0].pos.line, 9);
		/* The compiler does not take it either. */
		assert_null(c.image);
		assert_string_equal(c.diags.items[0].text, want);
	}
	diags_free(&diags);
	compiled_free(&c);
	build_config_free(config);
}

static void two_on_one_address(void **state)
{
	struct policy *p = with_nacls(CIDRS("10.0.0.0/9", "fd00::/64"),
				      CIDRS("10.128.0.0/9", "fd00:0:0:1::/64"));

	expect_error(p, NULL);
	p->nacls[1].pos = (struct pos){ .file = -1, .line = 9 };
	build_member(p, p->nacls[1].set, "10.127.255.255");
	build_member(p, p->nacls[1].set, "10.3.0.0/24");
	expect_error(
		p,
		"network ACLs front and back both apply to 10.3.0.0: at most one may apply to an address");
	policy_free(p);
	p = with_nacls(CIDRS("fd00::/64"), CIDRS("fd00::7", "10.0.0.0/8"));
	p->nacls[1].pos = (struct pos){ .file = -1, .line = 9 };
	expect_error(
		p,
		"network ACLs front and back both apply to fd00::7: at most one may apply to an address");
	policy_free(p);
	p = with_nacls(CIDRS("fd00::/64"), (const char *const[]){ NULL });
	p->sets[p->nacls[1].set].any = true;
	p->nacls[1].pos = (struct pos){ .file = -1, .line = 9 };
	expect_error(
		p,
		"network ACLs front and back both apply to fd00::: at most one may apply to an address");
	policy_free(p);
}

static void one_may_overlap_itself(void **state)
{
	struct policy *p = with_nacls(CIDRS("10.0.0.0/8", "10.1.0.0/16"),
				      CIDRS("11.0.0.0/8", "11.0.0.0/9"));

	expect_error(p, NULL);
	policy_free(p);
}

static void groups_and_nacl_of(void **state)
{
	struct policy *p = with_nacls(CIDRS("10.0.0.0/8"), CIDRS("fd00::/8"));
	struct moat_addr in = build_addr("10.1.0.5"),
			 v6 = build_addr("fd00::1");
	struct moat_addr out = build_addr("192.0.2.1");
	size_t of[3] = { 9, 9, 9 };

	build_group(p, "a");
	build_group(p, "b");
	build_group(p, "c");
	build_member(p, p->groups[0].set, "10.1.0.0/16");
	build_member(p, p->groups[1].set, "::/0");
	build_member(p, p->groups[2].set, "10.1.0.5");
	assert_int_equal(policy_groups_of(p, &in, of, 3), 2);
	assert_int_equal(of[0], 0);
	assert_int_equal(of[1], 2);
	assert_int_equal(of[2], 9);
	/* The count is whole where the room is not. */
	assert_int_equal(policy_groups_of(p, &in, of, 1), 2);
	assert_int_equal(policy_groups_of(p, &v6, of, 3), 1);
	assert_int_equal(of[0], 1);
	assert_int_equal(policy_groups_of(p, &out, of, 3), 0);
	assert_int_equal(policy_nacl_of(p, &in), 0);
	assert_int_equal(policy_nacl_of(p, &v6), 1);
	assert_int_equal(policy_nacl_of(p, &out), -1);
	policy_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_on_one_address),
		cmocka_unit_test(one_may_overlap_itself),
		cmocka_unit_test(groups_and_nacl_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
