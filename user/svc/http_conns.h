/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is connected to the metrics endpoint, and for how long. libmicrohttpd
 * knows silence alone: a client that sends a byte now and then stays for
 * ever, and thirty of them would keep out the scraper. Here a connection has
 * a life of its own length, and a crowd costs the crowd.
 */
#ifndef MOAT_HTTP_CONNS_H
#define MOAT_HTTP_CONNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct http_conn {
	struct http_conn *next; /* older */
	int fd;			/* libmicrohttpd's */
	uint64_t since_ms;	/* clock_boot_ns / 1000000 */
	uint8_t peer[16];	/* an IPv4 address or an IPv6 /64 */
	bool hung_up;
};

struct http_conns {
	struct http_conn *newest;
	size_t count; /* those hung up by us not counted */
	size_t max;
};

/*
 * Notes a connection. Over max, one is hung up: the oldest of the peer that
 * has most. NULL: no memory, and this one is hung up.
 */
struct http_conn *http_conns_add(struct http_conns *c, int fd,
				 const struct sockaddr *peer);
void http_conns_remove(struct http_conns *c, struct http_conn *conn);
/* Hangs up those that are older than life_ms. */
void http_conns_expire(struct http_conns *c, uint64_t life_ms);

#endif
