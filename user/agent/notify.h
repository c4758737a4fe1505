/* SPDX-License-Identifier: BSD-2-Clause */
/* sd_notify(3) without libsystemd: a datagram to NOTIFY_SOCKET. */
#ifndef MOAT_NOTIFY_H
#define MOAT_NOTIFY_H

/* "READY=1", "STATUS=…". Does nothing where nobody asked for it. */
void notify(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* RELOADING=1 with the time that Type=notify-reload wants. */
void notify_reloading(void);

#endif
