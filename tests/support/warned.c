// SPDX-License-Identifier: BSD-2-Clause
/* Warnings of a policy given as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "support/warned.h"

#define HEAD "version: 1\nname: p\nmode: enforce\n"
#define HEAD_LINES 3

static struct policy *read_text(const char *text, struct diags *diags)
{
	const struct document doc = { "p.yaml", text, strlen(text) };
	_cleanup_(buf_free) struct buf said = { 0 };
	struct policy *p = policy_read(&doc, 1, NULL, diags);

	assert_int_equal(diags_render(diags, &said), 0);
	assert_string_equal(buf_text(&said), "");
	assert_non_null(p);
	return p;
}

struct policy *read_valid(const char *text)
{
	struct diags diags = { 0 };
	struct policy *p = read_text(text, &diags);

	diags_free(&diags);
	return p;
}

static int by_place(const void *a, const void *b)
{
	const struct diag *x = a, *y = b;

	if (x->pos.line != y->pos.line)
		return x->pos.line - y->pos.line;
	if (x->pos.column != y->pos.column)
		return x->pos.column - y->pos.column;
	return strcmp(x->text, y->text);
}

void assert_warned(const char *text, warned_fn fn, const void *arg,
		   const char *expected)
{
	_cleanup_(buf_free) struct buf whole = { 0 };
	_cleanup_(buf_free) struct buf said = { 0 };
	struct diags diags = { 0 };
	struct policy *p;

	buf_printf(&whole, HEAD "%s", text);
	p = read_text(buf_text(&whole), &diags);
	fn(p, &diags, arg);
	assert_int_equal(diags.errors, 0);
	if (diags.count)
		qsort(diags.items, diags.count, sizeof(*diags.items), by_place);
	for (size_t i = 0; i < diags.count; i++)
		buf_printf(&said, "%d:%d %s\n",
			   diags.items[i].pos.line - HEAD_LINES,
			   diags.items[i].pos.column, diags.items[i].text);
	assert_string_equal(buf_text(&said), expected);
	policy_free(p);
	diags_free(&diags);
}
