// SPDX-License-Identifier: BSD-2-Clause
/* The child runs a loop of its own; the test is its client. */
#include "support/http_child.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void on_hangup(int sig, void *arg)
{
	char err[300] = "";

	if (http_reload(arg, err, sizeof(err)))
		fprintf(stderr, "reload: %s\n", err);
}

static int serve(const struct http_settings *settings, int ready)
{
	struct loop *loop = loop_new();
	struct http *h = NULL;
	unsigned int port;
	char err[300] = "no loop";

	signal(SIGPIPE, SIG_IGN);
	if (!loop || http_new(loop, settings, &h, err, sizeof(err)) ||
	    loop_add_signal(loop, SIGHUP, on_hangup, h)) {
		fprintf(stderr, "%s\n", err);
		return 1;
	}
	port = http_port(h);
	if (write(ready, &port, sizeof(port)) != sizeof(port))
		return 2;
	return loop_run(loop);
}

void http_child_start(struct http_child *c, const struct http_settings *t)
{
	int ready[2];

	assert_int_equal(pipe(ready), 0);
	c->pid = fork();
	if (c->pid == 0) {
		close(ready[0]);
		_exit(serve(t, ready[1]));
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c->port, sizeof(c->port)),
			 sizeof(c->port));
	close(ready[0]);
}

int http_child_stop(struct http_child *c)
{
	if (c->pid > 0) {
		kill(c->pid, SIGKILL);
		waitpid(c->pid, NULL, 0);
	}
	c->pid = 0;
	return 0;
}

size_t http_child_fds(const struct http_child *c)
{
	char path[64];
	size_t n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", c->pid);
	d = opendir(path);
	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2; /* . and .. */
}

size_t http_child_rss(const struct http_child *c)
{
	unsigned long pages = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/statm", c->pid);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*u %lu", &pages), 1);
	fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

int http_child_dial(const struct http_child *c, const char *from)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	struct timeval patience = { .tv_sec = 60 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (from) {
		assert_int_equal(inet_pton(AF_INET, from, &addr.sin_addr), 1);
		assert_int_equal(
			bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	}
	addr.sin_port = htons((uint16_t)c->port);
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)),
			 0);
	return fd;
}

size_t http_child_ask(const struct http_child *c, const char *bytes, size_t len,
		      char *ret, size_t ret_len)
{
	int fd = http_child_dial(c, NULL);
	size_t sent = 0, have = 0;
	ssize_t n;

	while (sent < len) {
		n = send(fd, bytes + sent, len - sent, MSG_NOSIGNAL);
		if (n <= 0)
			break; /* it has heard enough */
		sent += n;
	}
	shutdown(fd, SHUT_WR);
	while (have < ret_len - 1 &&
	       (n = read(fd, ret + have, ret_len - 1 - have)) > 0)
		have += n;
	ret[have] = 0;
	close(fd);
	return have;
}

void http_child_curl(char *ret, size_t len, const char *fmt, ...)
{
	char command[1024] = "exec 2>&1; curl -sS --max-time 60 --noproxy '*' ";
	size_t n = strlen(command);
	va_list ap;
	FILE *f;

	va_start(ap, fmt);
	vsnprintf(command + n, sizeof(command) - n, fmt, ap);
	va_end(ap);
	f = popen(command, "r");
	assert_non_null(f);
	n = fread(ret, 1, len - 1, f);
	ret[n] = 0;
	pclose(f);
}
