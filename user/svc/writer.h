/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Output of the CLI. A command makes one JSON value and says how people are
 * to see it, in tables of columns and lists of facts whose keys are the
 * value's field names. With JSON asked for the value is printed and the rest
 * does nothing; else the other way round. So both show the same data.
 */
#ifndef MOAT_WRITER_H
#define MOAT_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <jansson.h>

#define WRITER_WIDTH 80 /* columns that every table fits */

enum writer_format { WRITER_TABLE, WRITER_JSON };
enum writer_color {
	WRITER_COLOR_AUTO,
	WRITER_COLOR_ALWAYS,
	WRITER_COLOR_NEVER
};

struct writer {
	FILE *out; /* not owned */
	enum writer_format format;
	bool color;
};

/* AUTO: colours on a terminal unless NO_COLOR is set and not empty. */
void writer_init(struct writer *w, FILE *out, enum writer_format format,
		 enum writer_color color);

enum column_kind {
	COLUMN_PLAIN,	/* text, or a number set right */
	COLUMN_BYTES,	/* a number as 1.5 MiB */
	COLUMN_VERDICT, /* allow green, drop red, would-drop yellow */
	COLUMN_STATE,	/* true, yes, ok green; false, no, failed red */
};

/*
 * key may be a path of members, "pending.deadline". Lists are joined by
 * commas, null and missing are "-", true is "yes".
 */
struct column {
	const char *title;
	const char *key;
	enum column_kind kind;
};

/* JSON: prints value on lines of its own. writer_line: on one line, flushed,
 * for streams. Does not take value. 0 or -EIO. */
int writer_value(struct writer *w, const json_t *value);
int writer_line(struct writer *w, const json_t *value);

/* Table: one line per element of the array rows (NULL: none), under a line of
 * titles. Columns that would not fit are wrapped, never cut. */
int writer_table(struct writer *w, const json_t *rows,
		 const struct column *columns, size_t ncolumns);
/* Table: "title:  value" for each member of object that is there. */
int writer_facts(struct writer *w, const json_t *object,
		 const struct column *facts, size_t nfacts);
/* Table: a line of text, wrapped at 80 columns; "" for an empty line. */
int writer_text(struct writer *w, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Table: text as it is, e.g. a document. */
int writer_raw(struct writer *w, const char *text);

#endif
