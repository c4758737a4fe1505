// SPDX-License-Identifier: BSD-2-Clause
/* Temporary file, fsync, rename, fsync of the folder. */
#include "agent/statefile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/sha256.h"

#define STATE_MAX (64u << 20)
#define HEAD "moat-state 1 "
#define HEAD_DOCUMENT "moat-state 2 "

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

static int write_temporary(int dir, const char *name,
			   const struct statefile_piece *p, size_t n)
{
	_cleanup_close_ int fd = openat(
		dir, name,
		O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r = 0;

	if (fd < 0)
		return -errno;
	for (size_t i = 0; !r && i < n; i++)
		r = write_all(fd, p[i].data, p[i].len);
	if (!r && fsync(fd) < 0)
		r = -errno;
	return r;
}

int statefile_replace(int dir, const char *name,
		      const struct statefile_piece *p, size_t n)
{
	char temporary[80];
	int r;

	snprintf(temporary, sizeof(temporary), "%s.tmp", name);
	r = write_temporary(dir, temporary, p, n);
	if (!r && renameat(dir, temporary, dir, name) < 0)
		r = -errno;
	if (r) {
		unlinkat(dir, temporary, 0);
		return r;
	}
	return fsync(dir) < 0 ? -errno : 0;
}

int statefile_body(const json_t *value, struct statefile_body *ret)
{
	char *text = json_dumps(value, JSON_COMPACT);

	if (!text)
		return -ENOMEM;
	ret->text = text;
	sha256_text(text, strlen(text), ret->sum);
	return 0;
}

void statefile_body_free(struct statefile_body *b)
{
	free(b->text);
	*b = (struct statefile_body){};
}

int statefile_put(int dir, const char *name, const struct statefile_body *b)
{
	char head[128];
	int len = snprintf(head, sizeof(head), "%s%s\n",
			   b->document ? HEAD_DOCUMENT : HEAD, b->sum);
	const struct statefile_piece piece[] = {
		{ head, (size_t)len },
		{ b->text, strlen(b->text) },
		{ "\n", 1 },
		{ b->document, b->document ? strlen(b->document) : 0 },
	};

	return statefile_replace(dir, name, piece, b->document ? 4 : 2);
}

int statefile_write(int dir, const char *name, const json_t *value)
{
	_cleanup_(statefile_body_free) struct statefile_body b = {};
	int r = statefile_body(value, &b);

	return r ? r : statefile_put(dir, name, &b);
}

static bool sum_is(const char *sum, const char *data, size_t len)
{
	char actual[SHA256_TEXT];

	sha256_text(data, len, actual);
	return sum && strncmp(sum, actual, strlen(actual)) == 0;
}

/* What follows the line of JSON becomes a member of it. */
static int add_document(json_t *value, const char *document)
{
	size_t len = strlen(document);

	if (!sum_is(json_string_value(json_object_get(value, "sha256")),
		    document, len) ||
	    json_object_set_new(value, "document", json_stringn(document, len)))
		return -EBADMSG;
	return 0;
}

/* A document inside the JSON, as it was written before there was a line for
 * it: what is saved anew has to be what can be loaded. */
static bool document_fits(const json_t *value)
{
	const json_t *document = json_object_get(value, "document");

	return !document ||
	       (json_is_string(document) &&
		sum_is(json_string_value(json_object_get(value, "sha256")),
		       json_string_value(document),
		       json_string_length(document)));
}

static int parse(const char *text, json_t **ret)
{
	bool has_document = strncmp(text, HEAD_DOCUMENT, strlen(HEAD)) == 0;
	const char *sum = text + strlen(HEAD), *body = strchr(text, '\n');
	const char *end;
	json_t *value;

	if (!body || (!has_document && strncmp(text, HEAD, strlen(HEAD)) != 0))
		return -EBADMSG;
	body++;
	end = has_document ? strchr(body, '\n') : body + strlen(body);
	if (!end || body - 1 - sum != SHA256_TEXT - 1 ||
	    !sum_is(sum, body, (size_t)(end - body)))
		return -EBADMSG;
	value = json_loadb(body, (size_t)(end - body), JSON_REJECT_DUPLICATES,
			   NULL);
	if (value && (has_document ? add_document(value, end + 1) :
				     !document_fits(value))) {
		json_decref(value);
		value = NULL;
	}
	if (!value)
		return -EBADMSG;
	*ret = value;
	return 0;
}

int statefile_read(int dir, const char *name, json_t **ret)
{
	_cleanup_close_ int fd = openat(dir, name,
					O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct buf b = { 0 };
	int r;

	if (fd < 0)
		return -errno;
	r = buf_read_fd(&b, fd, STATE_MAX);
	if (!r)
		r = b.len == strlen(buf_text(&b)) ? parse(buf_text(&b), ret) :
						    -EBADMSG;
	else if (r == -EFBIG)
		r = -EBADMSG;
	buf_free(&b);
	return r;
}
