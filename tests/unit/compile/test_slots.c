// SPDX-License-Identifier: BSD-2-Clause
/* Rule counter slots: stable over generations, never reused while held. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "support/compiled.h"
#include "support/random.h"

static struct policy *with_rules(const char *const *names)
{
	struct policy *p = build_policy(MODE_ENFORCE);

	build_group(p, "g");
	build_member(p, p->groups[0].set, "10.0.0.0/8");
	for (; *names; names++) {
		struct rule *r = build_named(p, 0, MOAT_INGRESS, *names);

		build_peer_any(r);
		build_every(r);
	}
	return p;
}

static void compile(struct compiled *c, const char *const *names)
{
	struct policy *p = with_rules(names);
	struct config *config = build_config();

	image_free(c->image);
	compiled_make(c, p, config, NULL, 0);
	assert_non_null(c->image);
	build_config_free(config);
	policy_free(p);
}

static void expect_slot(const struct compiled *c, size_t slot, const char *name,
			bool in_use)
{
	const __u32 *rows = c->image->part[MOAT_PART_ROWS];
	char text[64];

	assert_string_equal(slot_name(&c->slots, slot, text, sizeof(text)),
			    name);
	assert_int_equal(c->slots.ids[slot].in_use, in_use);
	assert_true(slot < c->image->header.nslots);
	assert_int_equal(rows[c->image->header.slots + slot],
			 in_use ? MOAT_SLOT_EXISTS : 0);
}

#define NAMES(...) \
	(const char *const[]) \
	{ \
		__VA_ARGS__, NULL \
	}

static void life_of_a_slot(void **state)
{
	struct compiled c = { 0 };

	/* By name, whatever the order in the file. */
	compile(&c, NAMES("web", "db", "ssh"));
	expect_slot(&c, 0, "g/db", true);
	expect_slot(&c, 1, "g/ssh", true);
	expect_slot(&c, 2, "g/web", true);
	/* db is gone, but its flows may live: a new rule goes elsewhere. */
	compile(&c, NAMES("ssh", "api", "web"));
	expect_slot(&c, 0, "g/db", false);
	expect_slot(&c, 1, "g/ssh", true);
	expect_slot(&c, 2, "g/web", true);
	expect_slot(&c, 3, "g/api", true);
	/* It comes back to the slot it had. */
	compile(&c, NAMES("db"));
	expect_slot(&c, 0, "g/db", true);
	expect_slot(&c, 3, "g/api", false);
	slots_release(&c.slots, 1);
	compile(&c, NAMES("new", "db"));
	expect_slot(&c, 1, "g/new", true);
	expect_slot(&c, 2, "g/web", false);
	/* The last ones go altogether. */
	slots_release(&c.slots, 2);
	slots_release(&c.slots, 3);
	assert_int_equal(c.slots.count, 2);
	slots_release(&c.slots, 77);
	compiled_free(&c);
}

static void restore(void **state)
{
	struct slot_id id = { .owner = (char *)"g", .rule = (char *)"ssh" };
	struct slot_id other = { .nacl = true,
				 .owner = (char *)"g",
				 .rule = (char *)"ssh" };
	struct compiled c = { 0 };
	char text[8];

	assert_int_equal(slots_restore(&c.slots, 40, &id), 0);
	assert_int_equal(slots_restore(&c.slots, 40, &other), -EEXIST);
	assert_int_equal(slots_restore(&c.slots, 41, &id), -EEXIST);
	assert_int_equal(slots_restore(&c.slots, 41, &other), 0);
	compile(&c, NAMES("ssh", "web"));
	expect_slot(&c, 40, "g/ssh", true);
	expect_slot(&c, 41, "g/ssh", false);
	expect_slot(&c, 0, "g/web", true);
	expect_slot(&c, 1, "", false);
	assert_string_equal(
		slot_name(&c.slots, MOAT_SLOT_NONE, text, sizeof(text)), "");
	compiled_free(&c);
}

/* ssh in and ssh out, of a group, and 10 in and 10 out of a NACL. */
static void identity(void **state)
{
	struct policy *p = with_rules(NAMES("ssh"));
	struct config *config = build_config();
	struct compiled c = { 0 };
	size_t n = build_nacl(p, "n");

	p->sets[p->nacls[n].set].any = true;
	build_named(p, 0, MOAT_EGRESS, "ssh");
	for (int d = 0; d < 2; d++)
		build_entry(&p->nacls[n].rules[d], 10, false);
	compiled_make(&c, p, config, NULL, 0);
	assert_int_equal(c.slots.count, 6);
	expect_slot(&c, 0, "g/ssh", true);
	expect_slot(&c, 1, "g/ssh", true);
	assert_int_equal(c.slots.ids[0].direction, MOAT_INGRESS);
	assert_int_equal(c.slots.ids[1].direction, MOAT_EGRESS);
	expect_slot(&c, 2, "n/10", true);
	expect_slot(&c, 3, "n/10", true);
	expect_slot(&c, 4, "n/*", true);
	expect_slot(&c, 5, "n/*", true);
	compiled_free(&c);
	build_config_free(config);
	policy_free(p);
}

static unsigned flag_of(const struct compiled *c, size_t slot)
{
	const __u32 *rows = c->image->part[MOAT_PART_ROWS];

	return rows[c->image->header.slots + slot];
}

/* A flow follows the group of its credited rule; a NACL's has none. */
static void reevaluate(void **state)
{
	struct config *config = build_config();
	struct compiled c = { 0 };
	struct slot_id gone = { .owner = (char *)"g", .rule = (char *)"gone" };
	struct slot_id lost = { .owner = (char *)"lost",
				.rule = (char *)"rule" };
	struct slot_id nacl = { .nacl = true,
				.owner = (char *)"n",
				.rule = (char *)"5" };

	assert_int_equal(slots_restore(&c.slots, 1, &gone), 0);
	assert_int_equal(slots_restore(&c.slots, 2, &lost), 0);
	assert_int_equal(slots_restore(&c.slots, 3, &nacl), 0);
	for (int of_policy = 0; of_policy < 2; of_policy++) {
		struct policy *p = with_rules(NAMES("ssh"));

		p->on_tighten = of_policy ? TIGHTEN_REEVALUATE : TIGHTEN_KEEP;
		p->groups[0].on_tighten = of_policy ? TIGHTEN_KEEP :
						      TIGHTEN_REEVALUATE;
		image_free(c.image);
		compiled_make(&c, p, config, NULL, 0);
		assert_int_equal(!!(c.image->header.flags &
				    MOAT_IMAGE_REEVALUATE),
				 of_policy);
		assert_int_equal(flag_of(&c, 0),
				 MOAT_SLOT_EXISTS |
					 (of_policy ? 0 :
						      MOAT_SLOT_REEVALUATE));
		assert_int_equal(flag_of(&c, 1),
				 of_policy ? 0 : MOAT_SLOT_REEVALUATE);
		assert_int_equal(flag_of(&c, 2),
				 of_policy ? MOAT_SLOT_REEVALUATE : 0);
		assert_int_equal(flag_of(&c, 3), 0);
		policy_free(p);
	}
	compiled_free(&c);
	build_config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(life_of_a_slot),
		cmocka_unit_test(restore),
		cmocka_unit_test(identity),
		cmocka_unit_test(reevaluate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
