// SPDX-License-Identifier: BSD-2-Clause
/* Log lines to stderr, journald priorities where it is not a terminal. */
#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"

static enum log_level max_level = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	max_level = level;
}

/* Control characters would let a quoted name forge or hide log lines. */
static void make_printable(struct buf *line)
{
	for (size_t i = 0; i < line->len; i++)
		if ((unsigned char)line->data[i] < ' ' || line->data[i] == 127)
			line->data[i] = '?';
}

static void write_line(enum log_level level, const char *fmt, va_list ap)
{
	struct buf text = {}, line = {};
	bool terminal = isatty(STDERR_FILENO);
	ssize_t written;

	if (level > max_level)
		return;
	if (!buf_vprintf(&text, fmt, ap)) {
		make_printable(&text);
		if (!terminal)
			buf_printf(&line, "<%d>", (int)level);
		buf_printf(&line, "%s\n", buf_text(&text));
		/* One write, so that lines of two programs never mix. */
		written = write(STDERR_FILENO, buf_text(&line), line.len);
		(void)written;
	}
	buf_free(&line);
	buf_free(&text);
}

void log_write(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(level, fmt, ap);
	va_end(ap);
}

void log_lines(enum log_level level, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		log_write(level, "%.*s", (int)len, text);
		text += len + (text[len] == '\n');
	}
}

int log_error(int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(LOG_LEVEL_ERROR, fmt, ap);
	va_end(ap);
	return err;
}
