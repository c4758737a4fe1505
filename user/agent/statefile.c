// SPDX-License-Identifier: BSD-2-Clause
/* Temporary file, fsync, rename, fsync of the folder. */
#include "agent/statefile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/sha256.h"

#define STATE_MAX (64u << 20)
#define HEAD "moat-state 1 "

static int write_all(int fd, const char *data, size_t len)
{
	ssize_t n;

	while (len) {
		n = write(fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= n;
	}
	return 0;
}

static int write_temporary(int dir, const char *name, const char *body)
{
	char sum[SHA256_TEXT], head[128];
	_cleanup_close_ int fd = openat(dir, name, O_WRONLY | O_CREAT |
					O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
					0600);
	int r;

	if (fd < 0)
		return -errno;
	sha256_text(body, strlen(body), sum);
	snprintf(head, sizeof(head), HEAD "%s\n", sum);
	r = write_all(fd, head, strlen(head));
	if (!r)
		r = write_all(fd, body, strlen(body));
	if (!r && fsync(fd) < 0)
		r = -errno;
	return r;
}

int statefile_write(int dir, const char *name, const json_t *value)
{
	_cleanup_free_ char *body = json_dumps(value, JSON_COMPACT);
	char temporary[80];
	int r;

	if (!body)
		return -ENOMEM;
	snprintf(temporary, sizeof(temporary), "%s.tmp", name);
	r = write_temporary(dir, temporary, body);
	if (!r && renameat(dir, temporary, dir, name) < 0)
		r = -errno;
	if (r) {
		unlinkat(dir, temporary, 0);
		return r;
	}
	return fsync(dir) < 0 ? -errno : 0;
}

static int parse(const char *text, json_t **ret)
{
	const char *body = strchr(text, '\n');
	char sum[SHA256_TEXT];
	json_t *value;

	if (!body || strncmp(text, HEAD, strlen(HEAD)) != 0)
		return -EBADMSG;
	body++;
	sha256_text(body, strlen(body), sum);
	text += strlen(HEAD);
	if (strlen(sum) != (size_t)(body - 1 - text) ||
	    strncmp(sum, text, strlen(sum)) != 0)
		return -EBADMSG;
	value = json_loads(body, JSON_REJECT_DUPLICATES, NULL);
	if (!value)
		return -EBADMSG;
	*ret = value;
	return 0;
}

int statefile_read(int dir, const char *name, json_t **ret)
{
	_cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC |
					O_NOFOLLOW);
	struct buf b = {0};
	int r;

	if (fd < 0)
		return -errno;
	r = buf_read_fd(&b, fd, STATE_MAX);
	if (!r)
		r = b.len == strlen(buf_text(&b)) ?
			parse(buf_text(&b), ret) : -EBADMSG;
	else if (r == -EFBIG)
		r = -EBADMSG;
	buf_free(&b);
	return r;
}
