// SPDX-License-Identifier: BSD-2-Clause
/*
 * Connections of the control sockets. Each handles one request at a time and
 * is read only while nothing waits to be sent to it, so that neither input
 * nor output can pile up.
 */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "svc/ctl_listen.h"
#include "svc/ctl_peer.h"
#include "svc/ctl_server.h"

#define OUT_HIGH (256u << 10) /* bytes waiting: make no more parts */
#define PARTS_A_TURN 16	      /* then the other sources have theirs */
#define PARTS_NS 500000u      /* … or after so long: P8 */
#define REQUESTS_A_TURN 8
#define IN_HIGH (64u << 20) /* bytes of unfinished requests, all together */
#define ROOTS_OWN 8	    /* places that only root gets */

struct listener {
	struct ctl_server *server;
	char *path;
	int fd;
	bool read_only;
	bool paused; /* until the next tick */
	unsigned int connections;
};

struct conn {
	struct ctl_server *server;
	struct listener *listener;
	struct conn *next;
	int fd;
	struct ctl_peer peer;
	struct ctl_lines lines;
	struct buf out;
	struct ctl_stream stream;
	bool eof;	   /* the client has sent its last */
	bool last;	   /* hang up once out is empty */
	uint64_t since_ms; /* of the last progress that counts */
	uint32_t events;   /* asked of the loop */
};

struct ctl_server {
	struct loop *loop;
	struct ctl_settings settings;
	struct listener listeners[2];
	struct conn *conns;
	int timer;
	bool group_known;
	gid_t gid;
};

static uint64_t now_ms(void)
{
	return clock_boot_ns() / 1000000;
}

static void conn_free(struct conn *c)
{
	struct conn **p = &c->server->conns;

	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	c->listener->connections--;
	if (c->stream.end)
		c->stream.end(c->stream.state);
	loop_remove_fd(c->server->loop, c->fd);
	closep(&c->fd);
	ctl_lines_free(&c->lines);
	buf_free(&c->out);
	free(c);
}

/* Appends a reply and drops it. A reply too long for the protocol becomes an
 * error; without memory the connection ends. */
static void reply(struct conn *c, json_t *value)
{
	int r = value ? ctl_append(&c->out, value) : -ENOMEM;

	json_decref(value);
	if (r == -EMSGSIZE)
		reply(c, ctl_error(CTL_USAGE, "the reply is above %u bytes",
				   CTL_MESSAGE_MAX));
	else if (r)
		c->last = true;
}

static void hang_up(struct conn *c, enum ctl_code code, const char *why)
{
	reply(c, ctl_error(code, "%s", why));
	c->last = true;
}

static const struct ctl_command *find_command(const struct ctl_server *s,
					      const char *name)
{
	const struct ctl_command *command = s->settings.commands;

	while (command->name && strcmp(command->name, name) != 0)
		command++;
	return command->name ? command : NULL;
}

static json_t *dispatch(struct conn *c, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "cmd"));
	struct ctl_request rq = { .json = request, .peer = &c->peer };
	const struct ctl_command *command;
	json_t *answer;

	if (!name)
		return ctl_error(CTL_USAGE, "no \"cmd\" in the request");
	command = find_command(c->server, name);
	if (!command)
		return ctl_error(CTL_USAGE, "unknown command %.40s", name);
	if (c->peer.read_only && !command->look)
		return ctl_error(
			CTL_UNREACHABLE,
			"%s: permission denied: this is the read-only socket",
			name);
	rq.arg = c->server->settings.arg;
	answer = command->handle(&rq);
	if (rq.stream.next)
		c->stream = rq.stream;
	/* Handlers answer with a value of their own, never with the request. */
	/* cppcheck-suppress returnDanglingLifetime */
	return answer;
}

static void handle_line(struct conn *c, const char *line)
{
	json_t *request = NULL;
	char err[200];
	json_t *answer;

	if (line[strspn(line, " \t\r")] == 0)
		return;
	if (ctl_parse(line, &request, err, sizeof(err)) < 0) {
		reply(c, ctl_error(CTL_USAGE, "not a request: %s", err));
		return;
	}
	answer = dispatch(c, request);
	json_decref(request);
	if (answer || !c->stream.next)
		reply(c, answer);
}

/* Makes some parts of a streamed reply. */
static void pump(struct conn *c)
{
	uint64_t end = clock_boot_ns() + PARTS_NS;
	json_t *part;
	int n, more;

	for (n = 0; n < PARTS_A_TURN && c->stream.next && !c->last &&
		    c->out.len < OUT_HIGH && (!n || clock_boot_ns() < end);
	     n++) {
		part = NULL;
		more = c->stream.next(c->stream.state, &part);
		if (part || more <= 0)
			reply(c, part);
		if (more > 0)
			continue;
		if (c->stream.end)
			c->stream.end(c->stream.state);
		c->stream = (struct ctl_stream){ 0 };
	}
}

/* Takes one request out of what has arrived. False: there is none. */
static bool take_request(struct conn *c)
{
	_cleanup_free_ char *line = NULL;
	int r;

	if (c->last)
		return false;
	r = ctl_lines_next(&c->lines, &line);
	if (r > 0) {
		handle_line(c, line);
		c->since_ms = now_ms();
	} else if (r < 0) {
		hang_up(c, CTL_USAGE,
			r == -EMSGSIZE ? "request above 16 MiB" :
					 "bad request");
	}
	return r != 0;
}

/* False: the connection is gone. */
static bool send_some(struct conn *c)
{
	ssize_t n;

	while (c->out.len) {
		n = send(c->fd, c->out.data, c->out.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0)
			return false;
		buf_consume(&c->out, n);
		c->since_ms = now_ms();
	}
	if (c->out.cap > OUT_HIGH)
		buf_free(&c->out);
	return true;
}

static size_t held_bytes(const struct ctl_server *s)
{
	const struct conn *c;
	size_t n = 0;

	for (c = s->conns; c; c = c->next)
		n += c->lines.in.len - c->lines.start;
	return n;
}

static bool receive_some(struct conn *c)
{
	char data[65536];
	ssize_t n = recv(c->fd, data, sizeof(data), 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0) {
		c->eof = true;
		return true;
	}
	/* The clock of a request starts with its first byte. */
	if (c->lines.start == c->lines.in.len)
		c->since_ms = now_ms();
	if (ctl_lines_add(&c->lines, data, n))
		return false;
	/* Sixty-four clients of 16 MiB each would be more than there is. */
	if (held_bytes(c->server) > IN_HIGH) {
		hang_up(c, CTL_UNREACHABLE,
			"too much is being sent to the agent at once, try again");
	}
	return true;
}

static bool busy(const struct conn *c)
{
	return c->out.len || c->stream.next;
}

/* Moves a connection on as far as it goes now; frees it when it is done. */
static void advance(struct conn *c)
{
	int left = REQUESTS_A_TURN;
	uint32_t events;
	bool ok = true;

	do {
		pump(c);
		ok = send_some(c);
	} while (ok && !busy(c) && left-- && take_request(c));
	if (!ok || (!busy(c) && left >= 0 && (c->eof || c->last))) {
		conn_free(c);
		return;
	}
	/* While a reply waits nothing is read; HUP and ERR come anyway. With
	 * requests left over, being writable brings us back. */
	events = busy(c) || left < 0 ? EPOLLOUT : EPOLLIN;
	if (events != c->events) {
		c->events = events;
		if (loop_change_fd(c->server->loop, c->fd, events) < 0)
			conn_free(c);
	}
}

static void on_conn(int fd, uint32_t events, void *arg)
{
	struct conn *c = arg;

	if ((events & EPOLLERR) ||
	    (!busy(c) && (events & (EPOLLIN | EPOLLHUP)) && !receive_some(c)) ||
	    (busy(c) && (events & EPOLLHUP))) {
		conn_free(c);
		return;
	}
	advance(c);
}

static int conn_new(struct listener *l, int fd, const struct ctl_peer *peer)
{
	struct ctl_server *s = l->server;
	struct conn *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->server = s;
	c->listener = l;
	c->fd = fd;
	c->peer = *peer;
	c->peer.read_only = l->read_only;
	c->since_ms = now_ms();
	c->events = EPOLLIN;
	r = loop_add_fd(s->loop, fd, EPOLLIN, on_conn, c);
	if (r) {
		free(c);
		return r;
	}
	c->next = s->conns;
	s->conns = c;
	l->connections++;
	return 0;
}

/*
 * Room for one more. At the limit, the one that has waited longest for its
 * client, of the user who has most, is hung up; those whose reply is being
 * made or sent are left alone. Root has some places of its own on top.
 */
static bool make_room(struct listener *l, const struct ctl_peer *peer)
{
	unsigned int max = l->server->settings.max_connections +
			   (peer->uid == 0 ? ROOTS_OWN : 0);
	struct conn *c, *i, *victim = NULL;
	unsigned int n, most = 0;

	if (l->connections < max)
		return true;
	for (c = l->server->conns; c; c = c->next) {
		if (c->listener != l || busy(c))
			continue;
		for (n = 0, i = l->server->conns; i; i = i->next)
			n += i->listener == l && i->peer.uid == c->peer.uid;
		/* The newest come first: of a millisecond, too, the oldest. */
		if (!victim || n > most ||
		    (n == most && c->since_ms <= victim->since_ms)) {
			most = n;
			victim = c;
		}
	}
	if (!victim)
		return false;
	ctl_turn_away(victim->fd, "too many connections");
	conn_free(victim);
	return true;
}

static void on_listen(int listen_fd, uint32_t events, void *arg)
{
	struct listener *l = arg;
	_cleanup_close_ int fd = accept4(listen_fd, NULL, NULL,
					 SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct ctl_peer peer;

	/* With no descriptor left who waits would be reported on and on. */
	if (fd < 0 && errno != EAGAIN && errno != EINTR)
		l->paused = !loop_change_fd(l->server->loop, listen_fd, 0);
	if (fd < 0)
		return;
	if (!ctl_peer_allowed(fd, l->server->gid, &peer))
		ctl_turn_away(
			fd,
			"permission denied: neither root nor in the group of the socket");
	else if (!make_room(l, &peer))
		ctl_turn_away(fd, "too many connections");
	else if (conn_new(l, fd, &peer) == 0)
		fd = -1;
}

/* Ends connections that have kept us waiting for too long. */
static void on_timer(void *arg)
{
	struct ctl_server *s = arg;
	struct conn *c, *next;
	struct listener *l;
	uint64_t now = now_ms();
	unsigned int limit;

	for (l = s->listeners; l < s->listeners + 2; l++)
		if (l->paused)
			l->paused = loop_change_fd(s->loop, l->fd, EPOLLIN) < 0;
	for (c = s->conns; c; c = next) {
		next = c->next;
		limit = busy(c) || c->lines.start < c->lines.in.len ?
				s->settings.request_ms :
				s->settings.idle_ms;
		if (now - c->since_ms > limit)
			conn_free(c);
	}
}

static int open_listener(struct ctl_server *s, struct listener *l,
			 const char *path, char *err, size_t errlen)
{
	int r;

	l->path = strdup(path);
	if (!l->path)
		return -ENOMEM;
	r = ctl_listen(path, s->gid, err, errlen);
	if (r < 0)
		return r;
	l->fd = r;
	return loop_add_fd(s->loop, l->fd, EPOLLIN, on_listen, l);
}

static void defaults(struct ctl_settings *t)
{
	if (!t->max_connections)
		t->max_connections = 32;
	if (!t->request_ms)
		t->request_ms = 30000;
	if (!t->idle_ms)
		t->idle_ms = 120000;
}

static int start(struct ctl_server *s, char *err, size_t errlen)
{
	const struct ctl_settings *t = &s->settings;
	unsigned int period = t->request_ms < 1000 ? t->request_ms : 1000;
	int r;

	r = open_listener(s, &s->listeners[0], t->control_path, err, errlen);
	if (!r && t->read_path)
		r = open_listener(s, &s->listeners[1], t->read_path, err,
				  errlen);
	if (r)
		return r;
	s->timer = loop_add_timer(s->loop, period, period, on_timer, s);
	return s->timer < 0 ? s->timer : 0;
}

int ctl_server_new(struct loop *loop, const struct ctl_settings *settings,
		   struct ctl_server **ret, char *err, size_t errlen)
{
	struct ctl_server *s = calloc(1, sizeof(*s));
	const struct group *group;
	int i, r;

	snprintf(err, errlen, "out of memory");
	if (!s)
		return -ENOMEM;
	s->loop = loop;
	s->settings = *settings;
	defaults(&s->settings);
	group = getgrnam(settings->group);
	s->group_known = group != NULL;
	s->gid = group ? group->gr_gid : 0;
	for (i = 0; i < 2; i++)
		s->listeners[i] = (struct listener){ .server = s, .fd = -1 };
	s->listeners[1].read_only = true;
	r = start(s, err, errlen);
	if (r) {
		ctl_server_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void ctl_server_free(struct ctl_server *s)
{
	struct listener *l;

	if (!s)
		return;
	while (s->conns)
		conn_free(s->conns);
	for (l = s->listeners; l < s->listeners + 2; l++) {
		if (l->fd >= 0) {
			loop_remove_fd(s->loop, l->fd);
			close(l->fd);
			unlink(l->path);
		}
		free(l->path);
	}
	if (s->timer > 0)
		loop_remove_timer(s->loop, s->timer);
	free(s);
}

bool ctl_server_group_known(const struct ctl_server *s)
{
	return s->group_known;
}

size_t ctl_server_connections(const struct ctl_server *s)
{
	return s->listeners[0].connections + s->listeners[1].connections;
}
