// SPDX-License-Identifier: BSD-2-Clause
/* Lines with a checksum each, into zeros that are there already. */
#include "agent/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/statefile.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/sha256.h"

#define HEAD "moat-journal 1\n"
#define HEAD_LEN (sizeof(HEAD) - 1)
#define SUM_LEN (SHA256_TEXT - 1)
#define ROOM (64u << 10) /* zeros: some 256 entries of one address */
#define JOURNAL_MAX (64u << 20)

static int add_line(struct buf *b, const json_t *entry)
{
	_cleanup_free_ char *text = json_dumps(entry, JSON_COMPACT);
	char sum[SHA256_TEXT];

	if (!text)
		return -ENOMEM;
	sha256_text(text, strlen(text), sum);
	return buf_printf(b, "%s %s\n", sum, text);
}

int journal_write(int dir, const char *name, const json_t *list,
		  size_t *ret_end)
{
	static const char zeros[ROOM];
	struct statefile_piece piece[2] = { [1] = { zeros, sizeof(zeros) } };
	struct buf b = {};
	json_t *entry;
	size_t i;
	int r = buf_puts(&b, HEAD);

	json_array_foreach((json_t *)list, i, entry)
		if (!r)
			r = add_line(&b, entry);
	if (!r) {
		piece[0] = (struct statefile_piece){ buf_text(&b), b.len };
		r = statefile_replace(dir, name, piece, 2);
	}
	if (!r)
		*ret_end = b.len;
	buf_free(&b);
	return r;
}

static int put_at(int fd, const struct buf *b, size_t at)
{
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (at + b->len > (size_t)st.st_size)
		return -ENOSPC;
	for (size_t done = 0; done < b->len; done += n) {
		n = pwrite(fd, buf_text(b) + done, b->len - done,
			   (off_t)(at + done));
		if (n < 0 && errno == EINTR)
			n = 0;
		/* Not that there was no room to begin with. */
		if (n < 0)
			return -EIO;
	}
	return fdatasync(fd) < 0 ? -EIO : 0;
}

int journal_append(int dir, const char *name, const json_t *entry, size_t *end)
{
	_cleanup_close_ int fd = openat(dir, name,
					O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	struct buf b = {};
	int r = fd < 0 ? -errno : add_line(&b, entry);

	if (!r)
		r = put_at(fd, &b, *end);
	if (!r)
		*end += b.len;
	buf_free(&b);
	return r;
}

/* ---- reading ---- */

static bool only_zeros(const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i])
			return false;
	return true;
}

/* NULL: not a line as it was written. */
static json_t *parse_line(const char *line, size_t len)
{
	const char *text = line + SUM_LEN + 1;
	char sum[SHA256_TEXT];

	if (len <= SUM_LEN + 1 || line[SUM_LEN] != ' ')
		return NULL;
	len -= SUM_LEN + 1;
	sha256_text(text, len, sum);
	return memcmp(line, sum, SUM_LEN) ?
		       NULL :
		       json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
}

/* A line that does not hold: 0 if a crash left it, and it is the last. */
static int check_torn(const char *line, const char *newline, const char *end)
{
	if (!newline)
		return 0;
	return memchr(line, 0, (size_t)(newline - line)) &&
			       only_zeros(newline + 1,
					  (size_t)(end - newline - 1)) ?
		       0 :
		       -EBADMSG;
}

static int parse(const struct buf *b, json_t *list, size_t *ret_end)
{
	const char *text = buf_text(b), *end = text + b->len;
	const char *at = text + HEAD_LEN, *newline;

	while (at < end && !only_zeros(at, (size_t)(end - at))) {
		json_t *entry = NULL;

		newline = memchr(at, '\n', (size_t)(end - at));
		if (newline)
			entry = parse_line(at, (size_t)(newline - at));
		if (!entry) {
			*ret_end = 0;
			return check_torn(at, newline, end);
		}
		if (json_array_append_new(list, entry))
			return -ENOMEM;
		at = newline + 1;
	}
	*ret_end = (size_t)(at - text);
	return 0;
}

static int read_old(int dir, const char *name, json_t **ret, size_t *ret_end)
{
	json_t *file, *list;
	int r = statefile_read(dir, name, &file);

	if (r)
		return r;
	list = json_incref(json_object_get(file, "entries"));
	json_decref(file);
	if (!json_is_array(list)) {
		json_decref(list);
		return -EBADMSG;
	}
	*ret = list;
	*ret_end = 0;
	return 0;
}

static int read_lines(const struct buf *b, json_t **ret, size_t *ret_end)
{
	json_t *list = json_array();
	int r = list ? parse(b, list, ret_end) : -ENOMEM;

	if (r)
		json_decref(list);
	else
		*ret = list;
	return r;
}

int journal_read(int dir, const char *name, json_t **ret, size_t *ret_end)
{
	_cleanup_close_ int fd = openat(dir, name,
					O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct buf b = {};
	int r;

	if (fd < 0)
		return -errno;
	r = buf_read_fd(&b, fd, JOURNAL_MAX);
	if (r)
		r = r == -EFBIG ? -EBADMSG : r;
	else if (b.len >= HEAD_LEN && !memcmp(buf_text(&b), HEAD, HEAD_LEN))
		r = read_lines(&b, ret, ret_end);
	else
		r = read_old(dir, name, ret, ret_end);
	buf_free(&b);
	return r;
}
