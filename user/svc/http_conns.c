// SPDX-License-Identifier: BSD-2-Clause
/* Connections of the metrics endpoint: newest first, few enough to walk. */
#include "svc/http_conns.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

static uint64_t now_ms(void)
{
	return clock_boot_ns() / 1000000;
}

static void set_peer(uint8_t ret[16], const struct sockaddr *addr)
{
	memset(ret, 0, 16);
	if (addr->sa_family == AF_INET6)
		memcpy(ret, &((const struct sockaddr_in6 *)addr)->sin6_addr, 8);
	else
		memcpy(ret + 12, &((const struct sockaddr_in *)addr)->sin_addr,
		       4);
}

/* libmicrohttpd reads the end and closes the socket, which is its own. */
static void hang_up(struct http_conns *c, struct http_conn *conn)
{
	shutdown(conn->fd, SHUT_RDWR);
	if (!conn->hung_up)
		c->count--;
	conn->hung_up = true;
}

static size_t count_of(const struct http_conns *c, const uint8_t peer[16])
{
	const struct http_conn *i;
	size_t n = 0;

	for (i = c->newest; i; i = i->next)
		n += !i->hung_up && memcmp(i->peer, peer, 16) == 0;
	return n;
}

/* The list is newest first: the last of equals is the oldest. */
static struct http_conn *crowding(const struct http_conns *c)
{
	struct http_conn *i, *victim = NULL;
	size_t n, most = 0;

	for (i = c->newest; i; i = i->next) {
		n = i->hung_up ? 0 : count_of(c, i->peer);
		if (n && n >= most) {
			most = n;
			victim = i;
		}
	}
	return victim;
}

struct http_conn *http_conns_add(struct http_conns *c, int fd,
				 const struct sockaddr *peer)
{
	struct http_conn *conn = calloc(1, sizeof(*conn));
	struct http_conn *victim;

	if (!conn) {
		shutdown(fd, SHUT_RDWR);
		return NULL;
	}
	conn->fd = fd;
	conn->since_ms = now_ms();
	set_peer(conn->peer, peer);
	conn->next = c->newest;
	c->newest = conn;
	c->count++;
	victim = c->count > c->max ? crowding(c) : NULL;
	if (victim)
		hang_up(c, victim);
	return conn;
}

void http_conns_remove(struct http_conns *c, struct http_conn *conn)
{
	struct http_conn **p = &c->newest;

	while (*p != conn)
		p = &(*p)->next;
	*p = conn->next;
	c->count -= !conn->hung_up;
	free(conn);
}

void http_conns_expire(struct http_conns *c, uint64_t life_ms)
{
	uint64_t now = now_ms();
	struct http_conn *i;

	for (i = c->newest; i; i = i->next)
		if (!i->hung_up && now - i->since_ms > life_ms)
			hang_up(c, i);
}
