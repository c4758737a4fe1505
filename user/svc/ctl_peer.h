/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is at the other end of a unix socket, and may they be. */
#ifndef MOAT_CTL_PEER_H
#define MOAT_CTL_PEER_H

#include <stdbool.h>
#include <sys/types.h>

struct ctl_peer;

/*
 * Root, the agent's own user, and members of the group gid (0: nobody else).
 * *ret says who it was when it connected (SO_PEERCRED, unix(7)), also for
 * those who may not; its read_only is false.
 */
bool ctl_peer_allowed(int fd, gid_t gid, struct ctl_peer *ret);

#endif
