/* SPDX-License-Identifier: BSD-2-Clause */
/* From JSON values to the text of cells, and its width; used by writer. */
#ifndef MOAT_CELLS_H
#define MOAT_CELLS_H

#include "base/buf.h"
#include "svc/writer.h"

/* The member at a path such as "pending.deadline", or NULL. Borrowed. */
const json_t *cell_find(const json_t *object, const char *path);
/* Appends the text that people see. Nothing that steers a terminal. */
int cell_text(const json_t *value, enum column_kind kind, struct buf *ret);
/* Escape sequence for a value of this kind, "" for none. */
const char *cell_color(enum column_kind kind, const char *text);
/* Columns that UTF-8 text takes. */
size_t cell_width(const char *text, size_t len);
/*
 * Bytes of text for one line of at most width columns; breaks behind a space
 * or one of ,/:. where that leaves half a line, else anywhere.
 */
size_t cell_break(const char *text, size_t width);

#endif
