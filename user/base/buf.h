/* SPDX-License-Identifier: BSD-2-Clause */
/* A growable byte string with printf append; always NUL-terminated. */
#ifndef MOAT_BUF_H
#define MOAT_BUF_H

#include <stdarg.h>
#include <stddef.h>

struct buf {
	char *data; /* NULL until the first append; owned */
	size_t len;
	size_t cap;
};

/* All return 0 or -ENOMEM; on failure the buffer is unchanged. */
int buf_add(struct buf *b, const void *data, size_t len);
int buf_puts(struct buf *b, const char *text);
int buf_printf(struct buf *b, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
int buf_vprintf(struct buf *b, const char *fmt, va_list ap);
void buf_consume(struct buf *b, size_t len); /* drops the first len bytes */
void buf_reset(struct buf *b);		     /* keeps the memory */
void buf_free(struct buf *b);		     /* frees, back to {0} */
/* The text, "" when empty; owned by the buffer. */
const char *buf_text(const struct buf *b);
/* Hands the text over; the buffer is empty afterwards. NULL on -ENOMEM. */
char *buf_take(struct buf *b);
/* Whole file, at most max bytes. 0, -EFBIG or another -errno. */
int buf_read_file(struct buf *b, const char *path, size_t max);
int buf_read_fd(struct buf *b, int fd, size_t max);

#endif
