// SPDX-License-Identifier: BSD-2-Clause
/* base/log and base/clock: what lines and times look like. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"

static int saved, ends[2];

static void capture(void)
{
	assert_int_equal(pipe(ends), 0);
	saved = dup(STDERR_FILENO);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
}

static void release(char *text, size_t len)
{
	ssize_t n;

	dup2(saved, STDERR_FILENO);
	close(saved);
	n = read(ends[0], text, len - 1);
	text[n > 0 ? n : 0] = '\0';
	close(ends[0]);
}

static void lines(void **state)
{
	char text[512];
	int err;

	capture();
	log_warning("table %s is %d%% full", "flows", 90);
	log_debug("not shown");
	err = log_error(-ENOENT, "no %s", "file\nforged");
	log_lines(LOG_LEVEL_ERROR,
		  "f:1:2: error: no\n    1 | a\tb\n      | ^\n");
	log_lines(LOG_LEVEL_ERROR, "");
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("shown");
	log_set_level(LOG_LEVEL_INFO);
	release(text, sizeof(text));
	assert_int_equal(err, -ENOENT);
	assert_string_equal(text, "<4>table flows is 90% full\n"
				  "<3>no file?forged\n"
				  "<3>f:1:2: error: no\n<3>    1 | a?b\n"
				  "<3>      | ^\n<7>shown\n");
}

static void times(void **state)
{
	uint64_t first = clock_boot_ns();
	char text[32];

	assert_string_equal(clock_rfc3339(0, text, sizeof(text)),
			    "1970-01-01T00:00:00.000Z");
	assert_string_equal(clock_rfc3339(1700000000123, text, sizeof(text)),
			    "2023-11-14T22:13:20.123Z");
	assert_string_equal(clock_rfc3339(-1, text, sizeof(text)),
			    "1969-12-31T23:59:59.999Z");
	assert_true(clock_boot_ns() >= first);
	assert_in_range(clock_wall_ms() / 1000, time(NULL) - 2, time(NULL) + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),
		cmocka_unit_test(times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
