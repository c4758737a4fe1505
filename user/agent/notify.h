/* SPDX-License-Identifier: BSD-2-Clause */
/* sd_notify(3) without libsystemd: a datagram to NOTIFY_SOCKET. */
#ifndef MOAT_NOTIFY_H
#define MOAT_NOTIFY_H

#include <stdbool.h>

/* "READY=1", "STATUS=…". Does nothing where nobody asked for it. */
void notify(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same with a descriptor. 0, or -errno: the manager has not got it. */
int notify_fd(int fd, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Does anybody listen? */
bool notify_wanted(void);
/* RELOADING=1 with the time that Type=notify-reload wants. */
void notify_reloading(void);

#endif
