// SPDX-License-Identifier: BSD-2-Clause
/* The notification protocol of systemd. */
#include "agent/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "base/cleanup.h"

/* Length of the address; 0: nobody asked to be told. */
static socklen_t manager(struct sockaddr_un *ret)
{
	const char *path = getenv("NOTIFY_SOCKET");

	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (!path || (path[0] != '/' && path[0] != '@') ||
	    strlen(path) >= sizeof(ret->sun_path))
		return 0;
	memcpy(ret->sun_path, path, strlen(path));
	/* An abstract address has no NUL at its end and one at its start. */
	if (path[0] == '@')
		ret->sun_path[0] = 0;
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
			   strlen(path));
}

bool notify_wanted(void)
{
	struct sockaddr_un addr;

	return manager(&addr) > 0;
}

/* keep -1: the text alone. */
static int send_text(char *text, int keep)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {};
	struct sockaddr_un addr;
	struct iovec part = { text, strlen(text) };
	struct msghdr m = { .msg_name = &addr,
			    .msg_iov = &part,
			    .msg_iovlen = 1 };
	_cleanup_close_ int fd = -1;

	m.msg_namelen = manager(&addr);
	if (!m.msg_namelen)
		return -ENOTCONN;
	if (keep >= 0) {
		m.msg_control = &control;
		m.msg_controllen = sizeof(control.space);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.head), &keep, sizeof(int));
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || sendmsg(fd, &m, MSG_NOSIGNAL) < 0)
		return -errno;
	return 0;
}

void notify(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	send_text(text, -1);
}

int notify_fd(int fd, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return send_text(text, fd);
}

void notify_reloading(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	notify("RELOADING=1\nMONOTONIC_USEC=%lld",
	       (long long)t.tv_sec * 1000000 + t.tv_nsec / 1000);
}
