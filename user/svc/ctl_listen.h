/* SPDX-License-Identifier: BSD-2-Clause */
/* Making a unix socket that only root and one group can reach. */
#ifndef MOAT_CTL_LISTEN_H
#define MOAT_CTL_LISTEN_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Makes the missing folders of path (the last one 0750, root:gid) and a
 * listening, non-blocking socket (0660, root:gid). A socket that nobody
 * answers on is replaced. Returns the fd, -EADDRINUSE if somebody does, or
 * another -errno, with a text in err. Folders that exist are left as they are.
 */
int ctl_listen(const char *path, gid_t gid, char *err, size_t errlen);

/* One line, why, to a client on fd that can't be served; best effort. */
void ctl_turn_away(int fd, const char *why);

#endif
