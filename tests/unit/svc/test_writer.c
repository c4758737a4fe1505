// SPDX-License-Identifier: BSD-2-Clause
/* svc/writer: JSON and tables of the same value, widths, colours. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "svc/cells.h"
#include "svc/writer.h"

static char *text;
static size_t text_len;

static struct writer open_writer(enum writer_format format,
				 enum writer_color color)
{
	struct writer w;

	free(text);
	text = NULL;
	writer_init(&w, open_memstream(&text, &text_len), format, color);
	return w;
}

static const char *close_writer(struct writer *w)
{
	fclose(w->out);
	return text;
}

static int drop_text(void **state)
{
	free(text);
	text = NULL;
	return 0;
}

static const struct column columns[] = {
	{ "verdict", "verdict", COLUMN_VERDICT },
	{ "rule", "rule" },
	{ "packets", "packets" },
	{ "bytes", "bytes", COLUMN_BYTES },
};

static json_t *sample(void)
{
	json_t *rows = json_pack("[{s:s,s:s,s:i,s:i},{s:s,s:n,s:i,s:i}]",
				 "verdict", "allow", "rule", "trainers/ssh",
				 "packets", 7, "bytes", 1536, "verdict", "drop",
				 "rule", "packets", 12345, "bytes", 40);

	assert_non_null(rows);
	return rows;
}

static void one_value_two_forms(void **state)
{
	struct writer w = open_writer(WRITER_TABLE, WRITER_COLOR_AUTO);
	json_t *rows = sample(), *back;

	writer_value(&w, rows);
	assert_int_equal(writer_table(&w, rows, columns, 4), 0);
	assert_string_equal(close_writer(&w),
			    "verdict  rule          packets    bytes\n"
			    "allow    trainers/ssh        7  1.5 KiB\n"
			    "drop     -               12345     40 B\n");
	w = open_writer(WRITER_JSON, WRITER_COLOR_ALWAYS);
	assert_int_equal(writer_value(&w, rows), 0);
	assert_int_equal(writer_table(&w, rows, columns, 4), 0);
	assert_int_equal(writer_text(&w, "talk"), 0);
	back = json_loads(close_writer(&w), 0, NULL);
	assert_true(json_equal(back, rows));
	json_decref(back);
	w = open_writer(WRITER_JSON, WRITER_COLOR_AUTO);
	writer_line(&w, json_array_get(rows, 0));
	assert_string_equal(close_writer(&w),
			    "{\"verdict\":\"allow\",\"rule\":\"trainers/ssh\","
			    "\"packets\":7,\"bytes\":1536}\n");
	json_decref(rows);
}

static void colors(void **state)
{
	struct writer w = open_writer(WRITER_TABLE, WRITER_COLOR_ALWAYS);
	json_t *rows = sample();

	writer_table(&w, rows, columns, 1);
	assert_string_equal(
		close_writer(&w),
		"verdict\n\033[32mallow\033[0m\n\033[31mdrop\033[0m\n");
	setenv("NO_COLOR", "1", 1);
	w = open_writer(WRITER_TABLE, WRITER_COLOR_AUTO);
	assert_false(w.color);
	unsetenv("NO_COLOR");
	close_writer(&w);
	json_decref(rows);
}

/* No line is wider than 80 columns and no character is lost. */
static void wide_tables_wrap(void **state)
{
	static const struct column wide[] = {
		{ "from", "from" },
		{ "to", "to" },
		{ "rule", "rule" },
		{ "packets", "packets" },
	};
	const char *address = "fd00:1111:2222:3333:4444:5555:6666:7777:65535";
	struct writer w = open_writer(WRITER_TABLE, WRITER_COLOR_NEVER);
	json_t *rows = json_pack("[{s:s,s:s,s:s,s:i}]", "from", address, "to",
				 address, "rule",
				 "a-group-with-a-long-name/and-a-rule",
				 "packets", 1000000);
	size_t colons = 0, longest = 0, column = 0;

	assert_int_equal(writer_table(&w, rows, wide, 4), 0);
	close_writer(&w);
	for (const char *p = text; *p; p++) {
		colons += *p == ':';
		column = *p == '\n' ? 0 : column + 1;
		if (column > longest)
			longest = column;
	}
	assert_true(longest <= 80);
	assert_int_equal(colons, 16);
	assert_non_null(strstr(text, "1000000\n"));
	json_decref(rows);
}

static void facts(void **state)
{
	static const struct column rows[] = {
		{ "policy", "policy" },
		{ "not there", "absent" },
		{ "deadline", "pending.deadline" },
		{ "groups", "groups" },
		{ "enforcing", "ok", COLUMN_STATE },
	};
	struct writer w = open_writer(WRITER_TABLE, WRITER_COLOR_NEVER);
	json_t *object = json_pack("{s:s,s:{s:i},s:[s,s],s:b}", "policy",
				   "evil\033[2Jname\xc2\x9b", "pending",
				   "deadline", 12, "groups", "base", "trainers",
				   "ok", 1);

	assert_int_equal(writer_facts(&w, object, rows, 5), 0);
	assert_string_equal(close_writer(&w), "policy:     evil?[2Jname??\n"
					      "deadline:   12\n"
					      "groups:     base, trainers\n"
					      "enforcing:  yes\n");
	json_decref(object);
}

static void text_wraps(void **state)
{
	struct writer w = open_writer(WRITER_TABLE, WRITER_COLOR_NEVER);

	writer_text(&w, "%s %s", "one two three four five six seven eight nine",
		    "ten eleven twelve thirteen fourteen fifteen");
	writer_text(&w, "%s", "");
	writer_raw(&w, "raw\n");
	assert_string_equal(
		close_writer(&w),
		"one two three four five six seven eight nine ten eleven twelve "
		"thirteen fourteen\nfifteen\n\nraw\n");
}

static void breaks(void **state)
{
	assert_int_equal(cell_break("short", 10), 5);
	assert_int_equal(cell_break("exactly10!", 10), 10);
	assert_int_equal(cell_break("exactly10! more", 10), 10);
	assert_int_equal(cell_break("abcdef/ghijkl", 10), 7);
	assert_int_equal(cell_break("a/cdefghijklm", 10), 10);
	assert_int_equal(cell_break("\xc3\xa4\xc3\xb6\xc3\xbc", 2), 4);
	assert_int_equal(cell_width("\xc3\xa4x", 3), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_teardown(f, drop_text)
		T(one_value_two_forms), T(colors),
		T(wide_tables_wrap),	T(facts),
		T(text_wraps),		T(breaks),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
