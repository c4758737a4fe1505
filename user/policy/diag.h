/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Diagnostics of one run: every error and warning with file, line and column.
 * Nothing here prints; diag_render() makes the text.
 */
#ifndef MOAT_DIAG_H
#define MOAT_DIAG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* A place in a source file; line and column count from 1, 0: unknown. */
struct pos {
	int file; /* index into struct diags.files, -1: none */
	int line;
	int column;
};

enum severity { SEVERITY_ERROR, SEVERITY_WARNING };

struct diag {
	enum severity severity;
	struct pos pos;
	char *text; /* owned; says what is wrong and what to do */
};

/* A source: kept for the quoted line. name and text are owned. */
struct source {
	char *name;
	char *text;
	size_t len;
};

/* errors and warnings count all; items are the first 1,000 of them. */
struct diags {
	struct diag *items;
	size_t count;
	struct source *files;
	size_t nfiles;
	int errors;
	int warnings;
};

/* Takes a copy of text. Returns the file's index, or -ENOMEM. */
int diags_add_source(struct diags *d, const char *name, const char *text,
		     size_t len);
void diag_error(struct diags *d, struct pos pos, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void diag_warning(struct diags *d, struct pos pos, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/*
 * Appends all diagnostics, sorted by file, line and column:
 *   policy.yaml:14:15: error: port 70000 is above 65535
 *      14 |     ports: [70000]
 *         |             ^
 */
int diags_render(const struct diags *d, struct buf *out);
void diags_free(struct diags *d); /* back to {0} */

#endif
