/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The metrics endpoint: libmicrohttpd driven by our loop. GET and HEAD of
 * exact paths, one answer a connection, few connections of bounded life, TLS
 * 1.2 and later where configured. What a client does costs it its connection.
 */
#ifndef MOAT_HTTP_H
#define MOAT_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/loop.h"
#include "svc/http_pages.h"

struct http_settings {
	const char *listen;		/* 127.0.0.1:9849, [::1]:9849 */
	const char *tls_cert, *tls_key; /* PEM files; both NULL: plain */
	const char *tls_client_ca;	/* PEM file; NULL: any client */
	bool allow_remote;    /* plain on another address than loopback */
	unsigned int life_ms; /* of a connection; 0: 20000 */
	http_page_fn page;
	void *arg;
};

struct http;

/*
 * The strings of settings have to outlive it. 0 or -errno with a text in err:
 * -EPERM for a plain endpoint on an address that is not loopback's; -EACCES
 * also for a key that others may read.
 */
int http_new(struct loop *loop, const struct http_settings *settings,
	     struct http **ret, char *err, size_t errlen);
void http_free(struct http *h);
/* Reads certificate, key and CA again. On failure the old ones stay in use;
 * new ones cut the connections of the moment. As http_new(). */
int http_reload(struct http *h, char *err, size_t errlen);
/* The port listened on, for tests that ask for port 0. */
unsigned int http_port(const struct http *h);

#endif
