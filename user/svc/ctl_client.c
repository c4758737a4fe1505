// SPDX-License-Identifier: BSD-2-Clause
/* Blocking client of the control socket. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "svc/ctl_client.h"

struct ctl_client {
	int fd;
	int timeout_ms;
	struct ctl_lines lines;
};

static int64_t now_ms(void)
{
	return (int64_t)(clock_boot_ns() / 1000000);
}

/* 0 when fd is ready for events; -ETIMEDOUT or another -errno. */
static int wait_for(int fd, short events, int64_t deadline)
{
	struct pollfd p = { .fd = fd, .events = events };
	int64_t left;
	int n;

	do {
		left = deadline - now_ms();
		if (left < 0)
			return -ETIMEDOUT;
		n = poll(&p, 1, (int)left);
	} while ((n < 0 && errno == EINTR) || n == 0);
	return n < 0 ? -errno : 0;
}

/*
 * A non-blocking connect to a unix socket never gives EINPROGRESS: a full
 * backlog is EAGAIN, and has to be tried again.
 */
static int connect_until(int fd, const struct sockaddr_un *addr,
			 int64_t deadline)
{
	while (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0) {
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (now_ms() >= deadline)
			return -ETIMEDOUT;
		if (errno == EAGAIN)
			usleep(10000);
	}
	return 0;
}

int ctl_connect(const char *path, int timeout_ms, struct ctl_client **ret)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -1;
	struct ctl_client *c;
	int r;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = connect_until(fd, &addr, now_ms() + timeout_ms);
	if (r)
		return r;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->fd = TAKE_FD(fd);
	c->timeout_ms = timeout_ms;
	*ret = c;
	return 0;
}

void ctl_close(struct ctl_client *c)
{
	if (!c)
		return;
	close(c->fd);
	ctl_lines_free(&c->lines);
	free(c);
}

void ctl_set_timeout(struct ctl_client *c, int timeout_ms)
{
	c->timeout_ms = timeout_ms;
}

static int send_all(int fd, const char *data, size_t len, int64_t deadline)
{
	ssize_t n;
	int r;

	while (len) {
		n = send(fd, data, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			r = wait_for(fd, POLLOUT, deadline);
			if (r)
				return r;
			continue;
		}
		if (n < 0)
			return errno == EPIPE ? -ECONNRESET : -errno;
		data += n;
		len -= n;
	}
	return 0;
}

/* Reads what is there; waits until something is. */
static int receive(struct ctl_client *c, int64_t deadline)
{
	char data[65536];
	ssize_t n;
	int r;

	do {
		r = wait_for(c->fd, POLLIN, deadline);
		if (r)
			return r;
		n = recv(c->fd, data, sizeof(data), 0);
	} while (n < 0 && (errno == EINTR || errno == EAGAIN));
	if (n < 0)
		return -errno;
	if (n == 0)
		return -ECONNRESET;
	return ctl_lines_add(&c->lines, data, n);
}

static int next_object(struct ctl_client *c, int64_t deadline, json_t **ret)
{
	_cleanup_free_ char *line = NULL;
	char err[160];
	int r;

	while ((r = ctl_lines_next(&c->lines, &line)) == 0) {
		r = receive(c, deadline);
		if (r)
			return r;
	}
	if (r < 0)
		return r == -EMSGSIZE ? -EBADMSG : r;
	return ctl_parse_reply(line, ret, err, sizeof(err));
}

static int send_request(struct ctl_client *c, const json_t *request,
			int64_t deadline)
{
	struct buf out = { 0 };
	int r = ctl_append(&out, request);

	if (!r)
		r = send_all(c->fd, out.data, out.len, deadline);
	buf_free(&out);
	return r;
}

int ctl_call(struct ctl_client *c, const json_t *request, ctl_part_fn part,
	     void *arg, json_t **ret_reply)
{
	int64_t deadline = now_ms() + c->timeout_ms;
	json_t *object = NULL;
	bool go_on;
	int r;

	/* An agent that will not listen says why before it hangs up. */
	r = send_request(c, request, deadline);
	if (r && r != -ECONNRESET)
		return r;
	for (;;) {
		r = next_object(c, deadline, &object);
		if (r)
			return r;
		if (json_object_get(object, "ok")) {
			*ret_reply = object;
			return 0;
		}
		go_on = !part || part(object, arg);
		json_decref(object);
		if (!go_on)
			return -ECANCELED;
	}
}

char *ctl_explain_error(int err, const char *path, char *buf, size_t len)
{
	switch (err) {
	case -EACCES:
	case -EPERM:
		snprintf(buf, len,
			 "permission denied on %s: be root or a "
			 "member of the socket's group",
			 path);
		break;
	case -ENOENT:
	case -ECONNREFUSED:
		snprintf(buf, len, "moatd is not running here (%s: %s)", path,
			 strerror(-err));
		break;
	case -ETIMEDOUT:
		snprintf(buf, len, "moatd did not answer in time on %s", path);
		break;
	case -ECONNRESET:
		snprintf(buf, len, "moatd closed the connection on %s", path);
		break;
	default:
		snprintf(buf, len, "%s: %s", path, strerror(-err));
	}
	return buf;
}
