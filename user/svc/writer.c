// SPDX-License-Identifier: BSD-2-Clause
/* JSON or tables behind one interface. */
#include "svc/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "svc/cells.h"

#define GAP 2	 /* spaces between columns */
#define NARROW 6 /* no column is squeezed below this */
#define MAX_COLUMNS 16

void writer_init(struct writer *w, FILE *out, enum writer_format format,
		 enum writer_color color)
{
	const char *none = getenv("NO_COLOR");

	w->out = out;
	w->format = format;
	w->color = color == WRITER_COLOR_ALWAYS ||
		   (color == WRITER_COLOR_AUTO && isatty(fileno(out)) &&
		    !(none && *none));
}

static int done(struct writer *w)
{
	return ferror(w->out) ? -EIO : 0;
}

int writer_value(struct writer *w, const json_t *value)
{
	if (w->format != WRITER_JSON)
		return 0;
	if (json_dumpf(value, w->out, JSON_INDENT(2) | JSON_ENCODE_ANY))
		return -EIO;
	fputc('\n', w->out);
	return done(w);
}

int writer_line(struct writer *w, const json_t *value)
{
	if (w->format != WRITER_JSON)
		return 0;
	if (json_dumpf(value, w->out, JSON_COMPACT | JSON_ENCODE_ANY))
		return -EIO;
	fputc('\n', w->out);
	fflush(w->out);
	return done(w);
}

struct cell {
	struct buf text;
	size_t at; /* what earlier lines of the row have printed */
};

struct layout {
	const struct column *columns;
	size_t count;
	size_t width[MAX_COLUMNS];
	bool number[MAX_COLUMNS]; /* holds one */
	bool other[MAX_COLUMNS];  /* holds something else */
	bool right[MAX_COLUMNS];  /* numbers alone */
};

static void free_cells(struct cell **cells)
{
	for (size_t i = 0; *cells && i < MAX_COLUMNS; i++)
		buf_free(&(*cells)[i].text);
	free(*cells);
}

/* Widths that the columns would like; numbers are set right. */
static int measure(struct layout *l, const json_t *rows)
{
	_cleanup_(buf_free) struct buf text = {};
	const json_t *row, *value;
	size_t i;

	for (size_t c = 0; c < l->count; c++)
		l->width[c] = strlen(l->columns[c].title);
	json_array_foreach((json_t *)rows, i, row) {
		for (size_t c = 0; c < l->count; c++) {
			size_t width;

			value = cell_find(row, l->columns[c].key);
			buf_reset(&text);
			if (cell_text(value, l->columns[c].kind, &text))
				return -ENOMEM;
			width = cell_width(buf_text(&text), text.len);
			if (width > l->width[c])
				l->width[c] = width;
			l->number[c] |= json_is_number(value);
			l->other[c] |= value && !json_is_number(value) &&
				       !json_is_null(value);
		}
	}
	for (size_t c = 0; c < l->count; c++)
		l->right[c] = l->number[c] && !l->other[c];
	return 0;
}

/* Takes from the widest column until everything fits. */
static void squeeze(struct layout *l)
{
	size_t total = (l->count - 1) * GAP;

	for (size_t c = 0; c < l->count; c++)
		total += l->width[c];
	while (total > WRITER_WIDTH) {
		size_t widest = 0;

		for (size_t c = 1; c < l->count; c++)
			if (l->width[c] > l->width[widest])
				widest = c;
		if (l->width[widest] <= NARROW)
			return;
		l->width[widest]--;
		total--;
	}
}

/* One cell's share of a line; false when nothing of it is left. */
static bool put_cell(struct writer *w, const struct layout *l, size_t c,
		     struct cell *cell, struct buf *line)
{
	const char *text = buf_text(&cell->text) + cell->at;
	size_t len = cell_break(text, l->width[c]);
	size_t shown = len, pad;
	const char *color = "";

	while (shown && text[shown - 1] == ' ')
		shown--;
	pad = l->width[c] - cell_width(text, shown);
	if (w->color)
		color = cell_color(l->columns[c].kind, buf_text(&cell->text));
	buf_printf(line, "%*s%s%.*s%s", l->right[c] ? (int)pad : 0, "", color,
		   (int)shown, text, *color ? "\033[0m" : "");
	if (c + 1 < l->count)
		buf_printf(line, "%*s", (int)(l->right[c] ? GAP : pad + GAP),
			   "");
	cell->at += len;
	while (buf_text(&cell->text)[cell->at] == ' ')
		cell->at++;
	return buf_text(&cell->text)[cell->at];
}

static void put_row(struct writer *w, const struct layout *l,
		    struct cell *cells)
{
	bool more = true;

	while (more) {
		_cleanup_(buf_free) struct buf line = {};

		more = false;
		for (size_t c = 0; c < l->count; c++)
			more |= put_cell(w, l, c, &cells[c], &line);
		while (line.len && line.data[line.len - 1] == ' ')
			line.data[--line.len] = '\0';
		fprintf(w->out, "%s\n", buf_text(&line));
	}
}

static int put_rows(struct writer *w, struct layout *l, const json_t *rows)
{
	_cleanup_(free_cells) struct cell *cells = calloc(MAX_COLUMNS,
							  sizeof(*cells));
	const json_t *row;
	size_t i;

	if (!cells)
		return -ENOMEM;
	for (size_t c = 0; c < l->count; c++)
		buf_puts(&cells[c].text, l->columns[c].title);
	put_row(w, l, cells);
	json_array_foreach((json_t *)rows, i, row) {
		for (size_t c = 0; c < l->count; c++) {
			const struct column *column = &l->columns[c];

			buf_reset(&cells[c].text);
			cells[c].at = 0;
			if (cell_text(cell_find(row, column->key), column->kind,
				      &cells[c].text))
				return -ENOMEM;
		}
		put_row(w, l, cells);
	}
	return done(w);
}

int writer_table(struct writer *w, const json_t *rows,
		 const struct column *columns, size_t ncolumns)
{
	struct layout l = { .columns = columns, .count = ncolumns };
	int err;

	if (w->format != WRITER_TABLE)
		return 0;
	if (!ncolumns || ncolumns > MAX_COLUMNS)
		return -EINVAL;
	err = measure(&l, rows);
	if (err)
		return err;
	squeeze(&l);
	return put_rows(w, &l, rows);
}

/* Text wrapped to 80 columns; lines after the first are indented. */
static void put_wrapped(struct writer *w, const char *text, size_t indent,
			const char *color)
{
	while (*text) {
		size_t len = cell_break(text, WRITER_WIDTH - indent);
		size_t shown = len;

		while (shown && text[shown - 1] == ' ')
			shown--;
		fprintf(w->out, "%s%.*s%s\n", color, (int)shown, text,
			*color ? "\033[0m" : "");
		text += len;
		while (*text == ' ')
			text++;
		if (*text)
			fprintf(w->out, "%*s", (int)indent, "");
	}
}

int writer_facts(struct writer *w, const json_t *object,
		 const struct column *facts, size_t nfacts)
{
	_cleanup_(buf_free) struct buf text = {};
	size_t indent = 0;

	if (w->format != WRITER_TABLE)
		return 0;
	for (size_t i = 0; i < nfacts; i++)
		if (cell_find(object, facts[i].key) &&
		    strlen(facts[i].title) + 3 > indent)
			indent = strlen(facts[i].title) + 3;
	for (size_t i = 0; i < nfacts; i++) {
		const json_t *value = cell_find(object, facts[i].key);

		if (!value)
			continue;
		buf_reset(&text);
		if (cell_text(value, facts[i].kind, &text))
			return -ENOMEM;
		fprintf(w->out, "%s:%*s", facts[i].title,
			(int)(indent - strlen(facts[i].title) - 1), "");
		put_wrapped(w, buf_text(&text), indent,
			    w->color ?
				    cell_color(facts[i].kind, buf_text(&text)) :
				    "");
	}
	return done(w);
}

int writer_text(struct writer *w, const char *fmt, ...)
{
	_cleanup_(buf_free) struct buf text = {};
	va_list ap;
	int err;

	if (w->format != WRITER_TABLE)
		return 0;
	va_start(ap, fmt);
	err = buf_vprintf(&text, fmt, ap);
	va_end(ap);
	if (err)
		return err;
	if (!text.len)
		fputc('\n', w->out);
	put_wrapped(w, buf_text(&text), 0, "");
	return done(w);
}

int writer_raw(struct writer *w, const char *text)
{
	if (w->format != WRITER_TABLE)
		return 0;
	fputs(text, w->out);
	return done(w);
}
