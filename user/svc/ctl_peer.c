// SPDX-License-Identifier: BSD-2-Clause
/*
 * The kernel checked the mode at connect(); a descriptor may have been passed
 * on since, and a folder opened up by hand.
 */
#include "svc/ctl_peer.h"

#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include "svc/ctl_server.h"

#define GROUPS_MAX 256

bool ctl_peer_allowed(int fd, gid_t gid, struct ctl_peer *ret)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	gid_t groups[GROUPS_MAX];
	socklen_t size = sizeof(groups);
	size_t i;

	*ret = (struct ctl_peer){ .uid = (uid_t)-1, .gid = (gid_t)-1 };
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return false;
	*ret = (struct ctl_peer){ .uid = cred.uid,
				  .gid = cred.gid,
				  .pid = cred.pid };
	if (cred.uid == 0 || cred.uid == geteuid())
		return true;
	/* Group 0 is what is left where there is no such group. */
	if (!gid)
		return false;
	if (cred.gid == gid)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
		return false;
	for (i = 0; i < size / sizeof(*groups); i++)
		if (groups[i] == gid)
			return true;
	return false;
}
