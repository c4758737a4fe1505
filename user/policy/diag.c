// SPDX-License-Identifier: BSD-2-Clause
/* Diagnostics: collecting, sorting, and the quoted line with its caret. */
#include "policy/diag.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* Kept of one run; the others are only counted, so that a hostile document
 * can't turn every byte of itself into a message. */
#define KEPT_MAX 1000
/* Code points quoted of a line: a pushed document is one long line. */
#define QUOTE_MAX 100
#define QUOTE_WHOLE 80 /* up to this column the line's start is shown */
#define QUOTE_BEFORE 60

int diags_add_source(struct diags *d, const char *name, const char *text,
		     size_t len)
{
	struct source *files = realloc(d->files,
				       (d->nfiles + 1) * sizeof(*files));
	if (!files)
		return -ENOMEM;
	d->files = files;

	_cleanup_free_ char *copy = malloc(len + 1);
	char *own_name = strdup(name);
	if (!copy || !own_name) {
		free(own_name);
		return -ENOMEM;
	}
	if (len)
		memcpy(copy, text, len);
	copy[len] = '\0';
	files[d->nfiles] = (struct source){ .name = own_name,
					    .text = TAKE_PTR(copy),
					    .len = len };
	return (int)d->nfiles++;
}

/* Messages quote the user's words: keep terminals and logs safe from them. */
static void make_printable(char *text)
{
	for (unsigned char *p = (unsigned char *)text; *p; p++) {
		bool c1 = p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;

		if (*p < 0x20 || *p == 0x7f || c1)
			*p = '?';
		if (c1)
			*++p = '?';
	}
}

static void add(struct diags *d, enum severity severity, struct pos pos,
		const char *fmt, va_list ap)
{
	if (severity == SEVERITY_ERROR)
		d->errors++;
	else
		d->warnings++;
	if (d->count >= KEPT_MAX)
		return;
	if (d->count % 64 == 0) {
		struct diag *items = realloc(d->items,
					     (d->count + 64) * sizeof(*items));
		if (!items)
			return;
		d->items = items;
	}

	char *text;
	if (vasprintf(&text, fmt, ap) < 0)
		return;
	make_printable(text);
	d->items[d->count++] = (struct diag){ .severity = severity,
					      .pos = pos,
					      .text = text };
}

void diag_error(struct diags *d, struct pos pos, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(d, SEVERITY_ERROR, pos, fmt, ap);
	va_end(ap);
}

void diag_warning(struct diags *d, struct pos pos, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(d, SEVERITY_WARNING, pos, fmt, ap);
	va_end(ap);
}

/* By place; items of one place stay in the order in which they were found. */
static int compare_items(const void *a, const void *b)
{
	const struct diag *x = *(const struct diag *const *)a;
	const struct diag *y = *(const struct diag *const *)b;

	if (x->pos.file != y->pos.file)
		return x->pos.file < y->pos.file ? -1 : 1;
	if (x->pos.line != y->pos.line)
		return x->pos.line < y->pos.line ? -1 : 1;
	if (x->pos.column != y->pos.column)
		return x->pos.column < y->pos.column ? -1 : 1;
	return x < y ? -1 : x > y;
}

/*
 * A place in a source that only moves forward, so that a thousand
 * diagnostics of one 16 MiB line cost one walk over it.
 */
struct cursor {
	const struct source *source;
	size_t offset;
	size_t line_start;
	int line;
	int column;
};

static bool continues(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/*
 * The bytes of the line break at p, 0 if there is none: what libyaml takes
 * for one (YAML 1.1 section 5.4). The text ends in NUL.
 */
static size_t line_break(const char *p)
{
	switch ((unsigned char)*p) {
	case '\n':
		return 1;
	case '\r':
		return p[1] == '\n' ? 2 : 1;
	case 0xc2:
		return p[1] == '\x85' ? 2 : 0;
	case 0xe2:
		return p[1] == '\x80' && (p[2] == '\xa8' || p[2] == '\xa9') ?
			       3 :
			       0;
	default:
		return 0;
	}
}

static bool cursor_seek_line(struct cursor *c, int line)
{
	const struct source *s = c->source;

	while (c->line < line && c->offset < s->len) {
		size_t len = line_break(s->text + c->offset);

		c->offset += len ? len : 1;
		if (!len)
			continue;
		c->line++;
		c->line_start = c->offset;
		c->column = 1;
	}
	return c->line == line;
}

static void cursor_seek_column(struct cursor *c, int column)
{
	const struct source *s = c->source;

	while (c->column < column && c->offset < s->len &&
	       !line_break(s->text + c->offset)) {
		c->offset++;
		while (c->offset < s->len && continues(s->text[c->offset]))
			c->offset++;
		c->column++;
	}
}

/* The bytes of the line around the cursor that are quoted. */
struct quote {
	size_t start, end;
	bool cut_left, cut_right;
};

static struct quote quote_around(const struct cursor *c)
{
	const struct source *s = c->source;
	struct quote q = { .start = c->offset, .end = c->offset };
	int before = c->column <= QUOTE_WHOLE ? QUOTE_WHOLE : QUOTE_BEFORE;
	int points = 0;

	while (q.start > c->line_start && points < before)
		if (!continues(s->text[--q.start]))
			points++;
	q.cut_left = q.start > c->line_start;
	while (q.end < s->len && !line_break(s->text + q.end) &&
	       (points < QUOTE_MAX || continues(s->text[q.end])))
		if (!continues(s->text[q.end++]))
			points++;
	q.cut_right = q.end < s->len && !line_break(s->text + q.end);
	return q;
}

/* The length of the well-formed code point at p, 0 if it is none. */
static size_t code_point(const char *p, const char *end)
{
	unsigned char c = (unsigned char)*p;
	size_t len = c < 0x80		   ? 1 :
		     c >= 0xc2 && c < 0xe0 ? 2 :
		     c >= 0xe0 && c < 0xf0 ? 3 :
		     c >= 0xf0 && c < 0xf5 ? 4 :
					     0;

	if (!len || (size_t)(end - p) < len)
		return 0;
	for (size_t i = 1; i < len; i++)
		if (!continues(p[i]))
			return 0;
	if (len == 2 && c == 0xc2 && (unsigned char)p[1] < 0xa0)
		return 0;
	return c < 0x80 && ((c < 0x20 && c != '\t') || c == 0x7f) ? 0 : len;
}

static int add_quoted(struct buf *out, const char *p, const char *end)
{
	while (p < end) {
		size_t len = code_point(p, end);
		int r = len ? buf_add(out, p, len) : buf_add(out, "?", 1);

		if (r)
			return r;
		p += len ? len : 1;
	}
	return 0;
}

/* Spaces up to the caret; a tab stays a tab, whatever its width is. */
static int add_indent(struct buf *out, const char *p, const char *end)
{
	while (p < end) {
		size_t len = code_point(p, end);
		int r = buf_add(out, *p == '\t' ? "\t" : " ", 1);

		if (r)
			return r;
		p += len ? len : 1;
	}
	return 0;
}

static int add_excerpt(struct buf *out, struct cursor *c, const struct pos *pos)
{
	/* An error at the end of the text has no line to quote. */
	if (pos->line <= 0 || !cursor_seek_line(c, pos->line) ||
	    c->line_start >= c->source->len)
		return 0;
	cursor_seek_column(c, pos->column);

	struct quote q = quote_around(c);
	const char *text = c->source->text;
	int r = buf_printf(out, "%5d | %s", pos->line, q.cut_left ? "..." : "");

	r = r ?: add_quoted(out, text + q.start, text + q.end);
	r = r ?: buf_puts(out, q.cut_right ? "...\n" : "\n");
	if (pos->column <= 0)
		return r;
	r = r ?: buf_printf(out, "      | %s", q.cut_left ? "   " : "");
	r = r ?: add_indent(out, text + q.start, text + c->offset);
	return r ?: buf_puts(out, "^\n");
}

static int add_item(struct buf *out, const struct diags *d,
		    const struct diag *item, struct cursor *c)
{
	const struct pos *pos = &item->pos;
	bool placed = pos->file >= 0 && (size_t)pos->file < d->nfiles;
	int r = 0;

	if (placed && c->source != &d->files[pos->file])
		*c = (struct cursor){ .source = &d->files[pos->file],
				      .line = 1,
				      .column = 1 };
	if (placed)
		r = buf_printf(out, "%s:", c->source->name);
	if (!r && placed && pos->line > 0)
		r = buf_printf(out, "%d:", pos->line);
	if (!r && placed && pos->line > 0 && pos->column > 0)
		r = buf_printf(out, "%d:", pos->column);
	r = r	  ?:
		    buf_printf(out, "%s%s: %s\n", placed ? " " : "",
			       item->severity == SEVERITY_ERROR ? "error" :
								  "warning",
			       item->text);
	return r || !placed ? r : add_excerpt(out, c, pos);
}

int diags_render(const struct diags *d, struct buf *out)
{
	if (!d->count)
		return 0;
	_cleanup_free_ const struct diag **sorted = calloc(d->count,
							   sizeof(*sorted));
	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < d->count; i++)
		sorted[i] = &d->items[i];
	qsort(sorted, d->count, sizeof(*sorted), compare_items);

	struct cursor cursor = { 0 };
	for (size_t i = 0; i < d->count; i++) {
		int r = add_item(out, d, sorted[i], &cursor);

		if (r)
			return r;
	}

	size_t more = (size_t)(d->errors + d->warnings) - d->count;
	return more ? buf_printf(out, "... and %zu more\n", more) : 0;
}

void diags_free(struct diags *d)
{
	for (size_t i = 0; i < d->count; i++)
		free(d->items[i].text);
	for (size_t i = 0; i < d->nfiles; i++) {
		free(d->files[i].name);
		free(d->files[i].text);
	}
	free(d->items);
	free(d->files);
	*d = (struct diags){ 0 };
}
