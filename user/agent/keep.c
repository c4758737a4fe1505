// SPDX-License-Identifier: BSD-2-Clause
/*
 * Maps and links in the hands of the service manager (F21): pins can be hidden
 * by another mount, or removed, and the next agent goes on all the same.
 * systemd: FileDescriptorStoreMax= in the unit, FDSTORE in sd_notify(3), and
 * LISTEN_FDS in sd_listen_fds(3).
 */
#include "agent/keep.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/notify.h"
#include "base/cleanup.h"

#define FIRST_FD 3   /* SD_LISTEN_FDS_START */
#define KEEP_MAX 512 /* FileDescriptorStoreMax= of the unit */

static unsigned long number_of(const char *variable)
{
	const char *text = getenv(variable);

	return text ? strtoul(text, NULL, 10) : 0;
}

static void take_one(struct keep *k, int fd, const char *name, size_t len)
{
	struct kept_fd *to = &k->given[k->ngiven];
	__u32 id = kept_id(fd);

	if (!id || !len || len >= sizeof(to->name)) {
		close(fd);
		return;
	}
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	memcpy(to->name, name, len);
	to->name[len] = 0;
	to->fd = fd;
	to->id = id;
	k->ngiven++;
}

int keep_take(struct keep *k)
{
	unsigned long count = number_of("LISTEN_FDS"), i;
	const char *name = getenv("LISTEN_FDNAMES");
	size_t len;

	if (number_of("LISTEN_PID") != (unsigned long)getpid())
		count = 0;
	if (count > KEEP_MAX)
		count = KEEP_MAX;
	k->given = calloc(count + 1, sizeof(*k->given));
	if (!k->given)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		len = name ? strcspn(name, ":") : 0;
		take_one(k, FIRST_FD + (int)i, name, len);
		if (name)
			name += len + (name[len] == ':');
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return 0;
}

void keep_opened(struct keep *k)
{
	size_t i;

	for (i = 0; i < k->ngiven; i++)
		close(k->given[i].fd);
	/* They are in the store all the same. */
	free(k->stored);
	k->stored = k->given;
	k->nstored = k->ngiven;
	k->given = NULL;
	k->ngiven = 0;
}

static const struct kept_fd *find(const struct kept_fd *list, size_t n,
				  const char *name)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strcmp(list[i].name, name) == 0)
			return &list[i];
	return NULL;
}

/* A name may hold several descriptors: it is emptied before it is filled. */
static int store(const struct keep *k, const struct kept_fd *fresh)
{
	const struct kept_fd *old = find(k->stored, k->nstored, fresh->name);

	if (old && old->id == fresh->id)
		return 0;
	if (old)
		notify("FDSTOREREMOVE=1\nFDNAME=%s", fresh->name);
	return notify_fd(fresh->fd, "FDSTORE=1\nFDPOLL=0\nFDNAME=%s",
			 fresh->name);
}

void keep_now(struct keep *k, struct datapath *dp)
{
	_cleanup_free_ struct kept_fd *now = NULL;
	size_t i, n, done = 0;

	if (!notify_wanted())
		return;
	now = calloc(KEEP_MAX, sizeof(*now));
	if (!now)
		return;
	n = datapath_keepable(dp, now, KEEP_MAX);
	for (i = 0; i < k->nstored; i++)
		if (!find(now, n, k->stored[i].name))
			notify("FDSTOREREMOVE=1\nFDNAME=%s", k->stored[i].name);
	/* What could not be sent is tried again with the next news. */
	for (i = 0; i < n; i++)
		if (store(k, &now[i]) == 0)
			now[done++] = now[i];
	free(k->stored);
	k->stored = TAKE_PTR(now);
	k->nstored = done;
}

void keep_free(struct keep *k)
{
	keep_opened(k);
	free(k->stored);
	*k = (struct keep){};
}
