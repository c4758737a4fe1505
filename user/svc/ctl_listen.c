// SPDX-License-Identifier: BSD-2-Clause
/* Folder and socket, made under a tight umask; who is not let in. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "svc/ctl_listen.h"
#include "svc/ctl_proto.h"

#define BACKLOG 64

/*
 * Without CAP_CHOWN it stays root's own, which lets in fewer, not more; or has
 * the group already, in a folder with the set-group-ID bit.
 */
static int give(const char *path, gid_t gid)
{
	struct stat st;

	if (stat(path, &st) == 0 && st.st_gid == gid)
		return 0;
	return gid && chown(path, (uid_t)-1, gid) < 0 && errno != EPERM;
}

/* Makes one folder; one that exists is somebody's decision. */
static int make_folder(const char *path, mode_t mode, gid_t gid)
{
	if (mkdir(path, mode) == 0) {
		if (give(path, gid))
			return -errno;
		return chmod(path, mode) < 0 ? -errno : 0;
	}
	return errno == EEXIST ? 0 : -errno;
}

/* All folders above the socket: the last is the group's, those above are as
 * open as /run. */
static int make_folders(const char *path, gid_t gid)
{
	char folder[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char *last, *slash;
	int r;

	snprintf(folder, sizeof(folder), "%s", path);
	last = strrchr(folder, '/');
	if (!last || last == folder)
		return 0;
	*last = 0;
	for (slash = strchr(folder + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = 0;
		r = make_folder(folder, 0755, 0);
		*slash = '/';
		if (r)
			return r;
	}
	return make_folder(folder, 0750, gid);
}

/* Does anybody answer on the socket that lies there? */
static bool answered(const struct sockaddr_un *addr)
{
	_cleanup_close_ int fd = socket(
		AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return true;
	return connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 ||
	       errno == EAGAIN;
}

static int remove_stale(const struct sockaddr_un *addr)
{
	struct stat st;

	if (lstat(addr->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	if (answered(addr))
		return -EADDRINUSE;
	return unlink(addr->sun_path) < 0 ? -errno : 0;
}

/* The umask keeps the socket closed between bind() and chmod(). */
static int bind_socket(int fd, const struct sockaddr_un *addr, gid_t gid)
{
	mode_t before = umask(0177);
	int r = bind(fd, (const struct sockaddr *)addr, sizeof(*addr));

	r = r < 0 ? -errno : 0;
	umask(before);
	if (r)
		return r;
	if (give(addr->sun_path, gid))
		return -errno;
	if (chmod(addr->sun_path, 0660) < 0)
		return -errno;
	return listen(fd, BACKLOG) < 0 ? -errno : 0;
}

static int failed(int err, const char *path, char *text, size_t len)
{
	if (err == -EADDRINUSE)
		snprintf(text, len, "%s: another agent answers on it", path);
	else if (err == -EEXIST)
		snprintf(text, len, "%s: exists and is no socket", path);
	else
		snprintf(text, len, "%s: %s", path, strerror(-err));
	return err;
}

int ctl_listen(const char *path, gid_t gid, char *err, size_t errlen)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -1;
	mode_t before;
	int r;

	if (strlen(path) >= sizeof(addr.sun_path))
		return failed(-ENAMETOOLONG, path, err, errlen);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	before = umask(0022);
	r = make_folders(path, gid);
	umask(before);
	if (!r)
		r = remove_stale(&addr);
	if (r)
		return failed(r, path, err, errlen);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return failed(-errno, path, err, errlen);
	r = bind_socket(fd, &addr, gid);
	if (r)
		return failed(r, path, err, errlen);
	return TAKE_FD(fd);
}

void ctl_turn_away(int fd, const char *why)
{
	_cleanup_(buf_free) struct buf out = { 0 };
	json_t *value = ctl_error(CTL_UNREACHABLE, "%s", why);

	if (value && ctl_append(&out, value) == 0)
		(void)!send(fd, out.data, out.len, MSG_NOSIGNAL);
	json_decref(value);
}
