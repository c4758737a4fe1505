/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The metrics endpoint: libmicrohttpd driven by our loop, GET and HEAD only,
 * few connections, each with a timeout, TLS where configured.
 */
#ifndef MOAT_HTTP_H
#define MOAT_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/loop.h"

/* The page of a path (without query) into out. 0; -ENOENT: 404; else 500. */
typedef int (*http_page_fn)(const char *path, struct buf *out, void *arg);

struct http_settings {
	const char *listen;	/* 127.0.0.1:9849, [::1]:9849 */
	const char *tls_cert, *tls_key;	/* PEM files; both NULL: plain */
	const char *tls_client_ca;	/* PEM file; NULL: any client */
	bool allow_remote;	/* plain on another address than loopback */
	http_page_fn page;
	void *arg;
};

struct http;

/* 0 or -errno with a text in err: -EPERM for a plain endpoint on an address
 * that is not loopback's. */
int http_new(struct loop *loop, const struct http_settings *settings,
	     struct http **ret, char *err, size_t errlen);
void http_free(struct http *h);
/* The port listened on, for tests that ask for port 0. */
unsigned int http_port(const struct http *h);

#endif
