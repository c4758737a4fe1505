/* SPDX-License-Identifier: BSD-2-Clause */
/* The listening socket of the metrics endpoint. */
#ifndef MOAT_HTTP_LISTEN_H
#define MOAT_HTTP_LISTEN_H

#include <stdbool.h>

/*
 * Listens on ADDRESS:PORT or [ADDRESS]:PORT. The socket, or -EINVAL for
 * another text; -EPERM for an address that is not loopback's, unless remote;
 * another -errno. An address that the host has not yet is none.
 */
int http_listen(const char *listen, bool remote);

#endif
