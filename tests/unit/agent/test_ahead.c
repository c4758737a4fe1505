// SPDX-License-Identifier: BSD-2-Clause
/* Answers to who comes ahead of ours, and the pauses between them (F22). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/ahead.h"

#define SECOND 1000000000ull

static const struct hook_state good = { .kind = ATTACH_TCX,
					.ours = true,
					.first = true };

static struct hook_state behind(uint32_t program, const char *name)
{
	struct hook_state h = { .kind = ATTACH_TCX,
				.ours = true,
				.foreign_prog_id = program };

	snprintf(h.foreign_name, sizeof(h.foreign_name), "%s", name);
	return h;
}

/* Looks every five seconds at a hook where somebody is ahead each time. */
static unsigned int answers(struct ahead *s, uint64_t *now, unsigned int looks)
{
	const struct hook_state h = behind(7, "other");
	unsigned int n = 0;

	for (; looks--; *now += 5 * SECOND) {
		assert_false(ahead_see(s, &h, *now));
		if (ahead_wait(s, *now))
			continue;
		ahead_tried(s, *now);
		n++;
	}
	return n;
}

static void answers_become_rare(void **state)
{
	struct ahead s = {};
	uint64_t now = 1000 * SECOND;

	/* At 0, 5, 15, 35, 75, 155, 315 and 615 s: 8 in the first quarter of
	 * an hour, then 12 an hour. Unchecked it would be 720. */
	assert_int_equal(answers(&s, &now, 4), 3);
	assert_int_equal(answers(&s, &now, 179 - 4), 5);
	assert_int_equal(answers(&s, &now, 720), 12);
	assert_int_equal(s.times, 20);
}

static void the_first_is_at_once(void **state)
{
	const struct hook_state h = behind(7, "other");
	struct ahead s = {};

	assert_false(ahead_see(&s, &h, SECOND));
	assert_int_equal(ahead_wait(&s, SECOND), 0);
	ahead_tried(&s, SECOND);
	assert_int_equal(ahead_wait(&s, SECOND), AHEAD_PAUSE);
	assert_int_equal(ahead_wait(&s, SECOND + 1), AHEAD_PAUSE);
	assert_int_equal(ahead_wait(&s, (1 + AHEAD_PAUSE) * SECOND - 1), 1);
	assert_int_equal(ahead_wait(&s, (1 + AHEAD_PAUSE) * SECOND), 0);
	assert_false(ahead_contested(&s));
	ahead_tried(&s, 6 * SECOND);
	assert_false(ahead_contested(&s));
	ahead_tried(&s, 16 * SECOND);
	assert_true(ahead_contested(&s));
}

static void quiet_forgets(void **state)
{
	struct ahead s = {};
	uint64_t now = 1000 * SECOND;

	assert_int_equal(answers(&s, &now, 100), 7);
	s.told = true;
	now = s.seen_ns + AHEAD_QUIET * SECOND;
	assert_false(ahead_see(&s, &good, now));
	assert_int_equal(s.times, 7);
	assert_true(ahead_see(&s, &good, now + 1));
	assert_int_equal(s.times, 0);
	assert_int_equal(ahead_wait(&s, now + 1), 0);
	/* Of what was not told its end is not told either. */
	ahead_tried(&s, now);
	assert_false(ahead_see(&s, &good, now + AHEAD_QUIET * SECOND + 1));
	assert_int_equal(s.times, 0);
}

/* While it waits with another ahead, nothing is quiet. */
static void a_long_wait_is_no_quiet(void **state)
{
	const struct hook_state h = behind(7, "other");
	struct ahead s = {};
	uint64_t now = 1000 * SECOND;

	answers(&s, &now, 100);
	now += 3600 * SECOND;
	assert_false(ahead_see(&s, &h, now));
	assert_false(ahead_see(&s, &good, now + SECOND));
	assert_int_equal(s.times, 7);
}

static void each_is_told_of_once(void **state)
{
	struct hook_state h = behind(7, "other");
	struct ahead s = {};
	char text[AHEAD_TEXT];

	ahead_see(&s, &h, SECOND);
	assert_string_equal(ahead_who(&s, text), "program 7 (other)");
	s.told = true;
	/* Loaded anew it is the same. */
	h.foreign_prog_id = 8;
	ahead_see(&s, &h, SECOND);
	assert_true(s.told);
	assert_int_equal(s.prog_id, 8);
	h = behind(9, "third");
	ahead_see(&s, &h, SECOND);
	assert_false(s.told);
	/* Without names the numbers count. */
	h = behind(9, "");
	s.told = true;
	ahead_see(&s, &h, SECOND);
	assert_true(s.told);
	assert_string_equal(ahead_who(&s, text), "program 9");
	h = behind(10, "");
	ahead_see(&s, &h, SECOND);
	assert_false(s.told);
	h = behind(0, "");
	ahead_see(&s, &h, SECOND);
	assert_string_equal(ahead_who(&s, text), "a filter");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_become_rare),
		cmocka_unit_test(the_first_is_at_once),
		cmocka_unit_test(quiet_forgets),
		cmocka_unit_test(a_long_wait_is_no_quiet),
		cmocka_unit_test(each_is_told_of_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
