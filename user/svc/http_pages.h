/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pages as they were last made. Making them takes at most a fifth of the
 * agent's time, and those that clients have asked for and not yet fetched at
 * most some MiB, however often they are asked for: beyond that the last one
 * is handed out again, and all clients share its bytes.
 */
#ifndef MOAT_HTTP_PAGES_H
#define MOAT_HTTP_PAGES_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct MHD_Response;

/* The page of a path (without query) into out. 0; -ENOENT: 404; else 500. */
typedef int (*http_page_fn)(const char *path, struct buf *out, void *arg);

#define HTTP_PAGES 4 /* paths there are, at most */

struct http_pages {
	http_page_fn make;
	void *arg;
	struct {
		char path[32];
		struct MHD_Response *response;
		uint64_t made_ns;
	} page[HTTP_PAGES];
	size_t held_bytes; /* of all pages that are still in memory */
	int64_t budget_ns; /* left for making */
	uint64_t at_ns;	   /* when budget_ns was right */
};

/* A response that the pages own, valid until the next call. 0, or what make
 * said; -ENOMEM. */
int http_pages_get(struct http_pages *p, const char *path,
		   struct MHD_Response **ret);
/* Lets go of pages older than two seconds; call now and then. */
void http_pages_age(struct http_pages *p);
/* Only after the last connection has ended. */
void http_pages_free(struct http_pages *p);

#endif
