/* SPDX-License-Identifier: BSD-2-Clause */
/* An HTTP endpoint in a child process, asked by curl and by hand. */
#ifndef MOAT_TEST_HTTP_CHILD_H
#define MOAT_TEST_HTTP_CHILD_H

#include <stddef.h>
#include <sys/types.h>

#include "svc/http.h"

struct http_child {
	pid_t pid;
	unsigned int port;
};

/* Starts it; settings->page included. SIGHUP makes it read its keys again.
 * Asserts that it came up. */
void http_child_start(struct http_child *c, const struct http_settings *t);
/* Kills it. 0, so that it serves a teardown. */
int http_child_stop(struct http_child *c);
/* Descriptors that it has open now. */
size_t http_child_fds(const struct http_child *c);
/* Its resident memory, KiB. */
size_t http_child_rss(const struct http_child *c);

/* A connection to 127.0.0.1 and its port, from that source (NULL: any); reads
 * end after 10 s. */
int http_child_dial(const struct http_child *c, const char *from);
/* Sends bytes on a connection of its own, then reads all there is to read. */
size_t http_child_ask(const struct http_child *c, const char *bytes, size_t len,
		      char *ret, size_t ret_len);
/* What `curl ARGS` prints, both streams. */
void http_child_curl(char *ret, size_t len, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
