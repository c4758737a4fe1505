// SPDX-License-Identifier: BSD-2-Clause
/* Lines, objects, codes and typed fields of the control protocol. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "svc/ctl_proto.h"

static void lines_cut_anywhere(void **state)
{
	const char text[] = "one\n\nthree\r\nrest";
	const char *expected[] = { "one", "", "three\r" };
	size_t step;

	for (step = 1; step < sizeof(text); step++) {
		struct ctl_lines l = { 0 };
		size_t i, n, seen = 0;
		char *line;

		for (i = 0; i < sizeof(text) - 1; i += n) {
			n = step < sizeof(text) - 1 - i ? step :
							  sizeof(text) - 1 - i;
			assert_int_equal(ctl_lines_add(&l, text + i, n), 0);
			while (ctl_lines_next(&l, &line) == 1) {
				assert_true(seen < ARRAY_SIZE(expected));
				assert_string_equal(line, expected[seen++]);
				free(line);
			}
		}
		assert_int_equal(seen, 3);
		ctl_lines_free(&l);
	}
}

static void line_with_nul(void **state)
{
	struct ctl_lines l = { 0 };
	char *line = NULL;

	assert_int_equal(ctl_lines_add(&l, "a\0b\n", 4), 0);
	assert_int_equal(ctl_lines_next(&l, &line), -EBADMSG);
	assert_null(line);
	ctl_lines_free(&l);
}

static void line_too_long(void **state)
{
	_cleanup_free_ char *data = malloc(CTL_MESSAGE_MAX);
	struct ctl_lines l = { 0 };
	char *line = NULL;

	assert_non_null(data);
	memset(data, 'x', CTL_MESSAGE_MAX);
	assert_int_equal(ctl_lines_add(&l, data, CTL_MESSAGE_MAX - 1), 0);
	assert_int_equal(ctl_lines_next(&l, &line), 0);
	assert_int_equal(ctl_lines_add(&l, "y", 1), 0);
	assert_int_equal(ctl_lines_next(&l, &line), -EMSGSIZE);
	ctl_lines_free(&l);
	/* One byte less and its newline: a line. */
	data[CTL_MESSAGE_MAX - 1] = '\n';
	assert_int_equal(ctl_lines_add(&l, data, CTL_MESSAGE_MAX), 0);
	assert_int_equal(ctl_lines_next(&l, &line), 1);
	assert_int_equal(strlen(line), CTL_MESSAGE_MAX - 1);
	free(line);
	ctl_lines_free(&l);
}

/* A slow sender of one long line, and a sender of many empty ones, must not
 * make the work grow with the square of the bytes. */
static void work_is_linear(void **state)
{
	uint64_t start = clock_boot_ns();
	struct ctl_lines l = { 0 };
	char chunk[4096];
	char *line;
	int i, seen = 0;

	memset(chunk, 'x', sizeof(chunk));
	for (i = 0; i < 4000; i++) {
		assert_int_equal(ctl_lines_add(&l, chunk, sizeof(chunk)), 0);
		assert_int_equal(ctl_lines_next(&l, &line), 0);
	}
	assert_int_equal(l.scanned, 4000 * sizeof(chunk));
	ctl_lines_free(&l);
	memset(chunk, '\n', sizeof(chunk));
	for (i = 0; i < 100; i++)
		assert_int_equal(ctl_lines_add(&l, chunk, sizeof(chunk)), 0);
	while (ctl_lines_next(&l, &line) == 1) {
		free(line);
		seen++;
	}
	assert_int_equal(seen, 100 * 4096);
	ctl_lines_free(&l);
	assert_true(clock_boot_ns() - start < 20000000000ULL);
}

static void parse_objects(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"1",
		"\"x\"",
		"null",
		"{",
		"{} {}",
		"{'a':1}",
		"{\"a\":1,\"a\":2}",
		"{\"a\":\"\\ud800\"}",
		"{\"a\":\"\xff\"}",
		"{\"a\":\"\\u0000\"}",
		"{\"a\":1e999}",
	};
	json_t *value = NULL;
	char err[200];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		err[0] = 0;
		assert_int_equal(ctl_parse(bad[i], &value, err, sizeof(err)),
				 -EBADMSG);
		assert_null(value);
		assert_string_not_equal(err, "");
	}
	assert_int_equal(
		ctl_parse("{\"cmd\":\"status\"}", &value, err, sizeof(err)), 0);
	assert_int_equal(json_object_size(value), 1);
	json_decref(value);
}

static void append_is_one_line(void **state)
{
	json_t *value = json_pack("{s:s}", "a", "x\ny");
	struct buf out = { 0 };

	assert_int_equal(ctl_append(&out, value), 0);
	assert_string_equal(buf_text(&out), "{\"a\":\"x\\ny\"}\n");
	json_decref(value);
	buf_free(&out);
}

static void errors_hold_any_bytes(void **state)
{
	json_t *reply = ctl_error(CTL_REFUSED, "bad \xc3%s", "\xff name");
	const char *error;

	assert_non_null(reply);
	assert_int_equal(ctl_reply_code(reply, &error), CTL_REFUSED);
	assert_string_equal(error, "bad ?? name");
	json_decref(reply);
}

static void reply_codes(void **state)
{
	static const struct {
		const char *text;
		enum ctl_code code;
		const char *error;
	} cases[] = {
		{ "{\"ok\":true}", CTL_OK, "" },
		{ "{\"ok\":true,\"code\":1}", CTL_NO, "" },
		{ "{\"ok\":false,\"code\":4,\"error\":\"no\"}", CTL_REFUSED,
		  "no" },
		{ "{\"ok\":false,\"code\":5}", CTL_ROLLED_BACK, "" },
		{ "{\"ok\":false}", CTL_USAGE, "" },
		{ "{\"ok\":false,\"code\":0}", CTL_USAGE, "" },
		{ "{\"ok\":1}", CTL_USAGE, "" },
		{ "{\"ok\":true,\"code\":\"1\"}", CTL_USAGE, "" },
		{ "{\"ok\":true,\"code\":77}", CTL_USAGE, "" },
		{ "{}", CTL_USAGE, "" },
	};
	const char *error;
	json_t *value;
	char err[80];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(
			ctl_parse(cases[i].text, &value, err, sizeof(err)), 0);
		assert_int_equal(ctl_reply_code(value, &error), cases[i].code);
		assert_string_equal(error, cases[i].error);
		json_decref(value);
	}
}

static void typed_fields(void **state)
{
	json_t *v = json_pack("{s:s, s:b, s:i, s:n, s:f}", "s", "text", "b", 1,
			      "i", 60, "n", "f", 1.5);
	const char *text = "default";
	bool yes = false;
	long long n = 7;

	assert_int_equal(ctl_get_string(v, "absent", &text), 0);
	assert_int_equal(ctl_get_string(v, "n", &text), 0);
	assert_string_equal(text, "default");
	assert_int_equal(ctl_get_string(v, "i", &text), -EINVAL);
	assert_int_equal(ctl_get_string(v, "s", &text), 0);
	assert_string_equal(text, "text");
	assert_int_equal(ctl_get_bool(v, "i", &yes), -EINVAL);
	assert_false(yes);
	assert_int_equal(ctl_get_bool(v, "b", &yes), 0);
	assert_true(yes);
	assert_int_equal(ctl_get_number(v, "i", 61, 100, &n), -EINVAL);
	assert_int_equal(ctl_get_number(v, "i", 1, 59, &n), -EINVAL);
	assert_int_equal(ctl_get_number(v, "f", 0, 100, &n), -EINVAL);
	assert_int_equal(n, 7);
	assert_int_equal(ctl_get_number(v, "i", 1, 60, &n), 0);
	assert_int_equal(n, 60);
	json_decref(v);
}

/* A message whose values would take gigabytes is none; a string may hold
 * anything. */
static void values_are_counted(void **state)
{
	_cleanup_free_ char *text = malloc(2u << 20);
	char err[200] = "";
	json_t *value = NULL;
	size_t n = 0;

	assert_non_null(text);
	n += sprintf(text, "{\"x\":[0");
	while (n < (1u << 20))
		n += sprintf(text + n, ",0");
	sprintf(text + n, "]}");
	assert_int_equal(ctl_parse(text, &value, err, sizeof(err)), -EBADMSG);
	assert_string_equal(err, "more than 262144 values");
	n = sprintf(text, "{\"x\":\"\\\"");
	while (n < (1u << 20))
		n += sprintf(text + n, ",:[\\\\");
	sprintf(text + n, "\"}");
	assert_int_equal(ctl_parse(text, &value, err, sizeof(err)), 0);
	json_decref(value);
	/* An unfinished string ends with the text. */
	assert_int_equal(ctl_parse("{\"x\":\"\\", &value, err, sizeof(err)),
			 -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_cut_anywhere),
		cmocka_unit_test(line_with_nul),
		cmocka_unit_test(line_too_long),
		cmocka_unit_test(work_is_linear),
		cmocka_unit_test(parse_objects),
		cmocka_unit_test(append_is_one_line),
		cmocka_unit_test(errors_hold_any_bytes),
		cmocka_unit_test(reply_codes),
		cmocka_unit_test(typed_fields),
		cmocka_unit_test(values_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
