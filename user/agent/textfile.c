// SPDX-License-Identifier: BSD-2-Clause
/* The metrics page as a file for node_exporter's textfile collector. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/log.h"

static int write_page(const char *path, const struct buf *page)
{
	/* What lies there is left over, or somebody's trap. */
	_cleanup_close_ int fd = unlink(path) < 0 && errno != ENOENT ?
					 -1 :
					 open(path,
					      O_WRONLY | O_CREAT | O_EXCL |
						      O_CLOEXEC,
					      0644);
	size_t done = 0;
	ssize_t n;

	/* node_exporter is another user, whatever our umask. */
	if (fd < 0 || fchmod(fd, 0644) < 0)
		return -errno;
	while (done < page->len) {
		n = write(fd, page->data + done, page->len - done);
		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? n : 0;
	}
	return 0;
}

void agent_write_textfile(struct agent *a)
{
	const char *path = a->config->textfile;
	struct buf page = {};
	char temporary[4096];
	int r;

	if (!path)
		return;
	snprintf(temporary, sizeof(temporary), "%s.tmp", path);
	r = agent_page("/metrics", &page, a);
	if (!r)
		r = write_page(temporary, &page);
	if (!r && rename(temporary, path) < 0)
		r = -errno;
	if (r && !a->textfile_failed)
		log_warning("%s: %s", path, strerror(-r));
	a->textfile_failed = r != 0;
	buf_free(&page);
}
