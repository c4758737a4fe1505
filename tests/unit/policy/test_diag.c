// SPDX-License-Identifier: BSD-2-Clause
/* Diagnostics: order, places, quoted lines with their caret. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "policy/diag.h"

static void assert_rendered(struct diags *d, const char *expected)
{
	struct buf out = { 0 };

	assert_int_equal(diags_render(d, &out), 0);
	assert_string_equal(buf_text(&out), expected);
	buf_free(&out);
	diags_free(d);
	assert_int_equal(d->count, 0);
	assert_int_equal(d->nfiles, 0);
}

static int add_source(struct diags *d, const char *name, const char *text)
{
	return diags_add_source(d, name, text, strlen(text));
}

static void sorted_by_place(void **state)
{
	struct diags d = { 0 };

	assert_int_equal(add_source(&d, "a", "one\ntwo\nthree\n"), 0);
	assert_int_equal(add_source(&d, "b", "four\n"), 1);
	diag_error(&d, (struct pos){ 1, 1, 1 }, "e%d", 1);
	diag_warning(&d, (struct pos){ 0, 3, 2 }, "e2");
	diag_error(&d, (struct pos){ 0, 2, 3 }, "e3");
	diag_error(&d, (struct pos){ 0, 2, 1 }, "e4");
	diag_error(&d, (struct pos){ 0, 2, 1 }, "e5");
	diag_error(&d, (struct pos){ 0, 0, 0 }, "of the file");
	diag_error(&d, (struct pos){ -1, 0, 0 }, "of nothing");
	diag_error(&d, (struct pos){ 0, 2, 0 }, "of the line");
	assert_int_equal(d.errors, 7);
	assert_int_equal(d.warnings, 1);
	assert_rendered(&d, "error: of nothing\n"
			    "a: error: of the file\n"
			    "a:2: error: of the line\n"
			    "    2 | two\n"
			    "a:2:1: error: e4\n"
			    "    2 | two\n"
			    "      | ^\n"
			    "a:2:1: error: e5\n"
			    "    2 | two\n"
			    "      | ^\n"
			    "a:2:3: error: e3\n"
			    "    2 | two\n"
			    "      |   ^\n"
			    "a:3:2: warning: e2\n"
			    "    3 | three\n"
			    "      |  ^\n"
			    "b:1:1: error: e1\n"
			    "    1 | four\n"
			    "      | ^\n");
}

/* Tabs stay tabs, letters of several bytes are one column. */
static void columns(void **state)
{
	struct diags d = { 0 };

	add_source(&d, "a", "\t\xc3\xa4 \xe2\x82\xac\tx\n");
	diag_error(&d, (struct pos){ 0, 1, 6 }, "here");
	diag_error(&d, (struct pos){ 0, 1, 99 }, "behind the end");
	assert_rendered(&d, "a:1:6: error: here\n"
			    "    1 | \t\xc3\xa4 \xe2\x82\xac\tx\n"
			    "      | \t   \t^\n"
			    "a:1:99: error: behind the end\n"
			    "    1 | \t\xc3\xa4 \xe2\x82\xac\tx\n"
			    "      | \t   \t ^\n");
}

/* All that libyaml takes for a line break. */
static void line_breaks(void **state)
{
	struct diags d = { 0 };

	add_source(&d, "a",
		   "1\r\n2\r3\xc2\x85"
		   "4\xe2\x80\xa8"
		   "5\xe2\x80\xa9"
		   "6");
	diag_error(&d, (struct pos){ 0, 2, 1 }, "two");
	diag_error(&d, (struct pos){ 0, 4, 1 }, "four");
	diag_error(&d, (struct pos){ 0, 6, 1 }, "six");
	diag_error(&d, (struct pos){ 0, 7, 1 }, "no such line");
	assert_rendered(&d, "a:2:1: error: two\n"
			    "    2 | 2\n"
			    "      | ^\n"
			    "a:4:1: error: four\n"
			    "    4 | 4\n"
			    "      | ^\n"
			    "a:6:1: error: six\n"
			    "    6 | 6\n"
			    "      | ^\n"
			    "a:7:1: error: no such line\n");
}

static void long_lines(void **state)
{
	struct diags d = { 0 };
	char text[400], x[200];

	memset(x, 'x', sizeof(x));
	snprintf(text, sizeof(text), "%.150sHERE%.150s\n", x, x);
	add_source(&d, "a", text);
	diag_error(&d, (struct pos){ 0, 1, 151 }, "cut on both sides");

	char expected[600];
	snprintf(expected, sizeof(expected),
		 "a:1:151: error: cut on both sides\n"
		 "    1 | ...%.60sHERE%.36s...\n"
		 "      |    %60s^\n",
		 x, x, "");
	assert_rendered(&d, expected);
}

/* Neither message nor quoted line can speak to a terminal. */
static void control_characters(void **state)
{
	struct diags d = { 0 };

	add_source(&d, "a", "\x1b[31m\x7f\xc2\x9b \xff\xfe ok\n");
	diag_error(&d, (struct pos){ 0, 1, 1 }, "\x1b[31m%s",
		   "a\nb\xc2\x9b"
		   "c\xc3\xa4");
	assert_rendered(&d, "a:1:1: error: ?[31ma?b??c\xc3\xa4\n"
			    "    1 | ?[31m??? ?? ok\n"
			    "      | ^\n");
}

static void empty_text(void **state)
{
	struct diags d = { 0 };

	assert_int_equal(diags_add_source(&d, "a", NULL, 0), 0);
	diag_error(&d, (struct pos){ 0, 1, 1 }, "nothing");
	assert_rendered(&d, "a:1:1: error: nothing\n");
	assert_rendered(&d, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sorted_by_place),
		cmocka_unit_test(columns),
		cmocka_unit_test(line_breaks),
		cmocka_unit_test(long_lines),
		cmocka_unit_test(control_characters),
		cmocka_unit_test(empty_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
