// SPDX-License-Identifier: BSD-2-Clause
/* Lines and objects of the control protocol. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "svc/ctl_proto.h"

#define KEEP_MAX 65536 /* bytes of memory that an idle client keeps */

int ctl_lines_add(struct ctl_lines *l, const void *data, size_t len)
{
	if (l->start > (l->in.len >> 1)) {
		buf_consume(&l->in, l->start);
		l->scanned -= l->start;
		l->start = 0;
	}
	return buf_add(&l->in, data, len);
}

int ctl_lines_next(struct ctl_lines *l, char **ret_line)
{
	const char *line, *end;
	size_t len;
	char *copy;

	if (l->scanned == l->in.len)
		return 0;
	line = l->in.data + l->start;
	end = memchr(l->in.data + l->scanned, '\n', l->in.len - l->scanned);
	len = (end ? (size_t)(end - l->in.data) : l->in.len) - l->start;
	if (len >= CTL_MESSAGE_MAX)
		return -EMSGSIZE;
	if (!end) {
		l->scanned = l->in.len;
		return 0;
	}
	if (memchr(line, 0, len))
		return -EBADMSG;
	copy = strndup(line, len);
	if (!copy)
		return -ENOMEM;
	l->start += len + 1;
	l->scanned = l->start;
	/* A long request has left its memory: it is not kept for the next. */
	if (l->start == l->in.len && l->in.cap > KEEP_MAX)
		ctl_lines_free(l);
	*ret_line = copy;
	return 1;
}

void ctl_lines_free(struct ctl_lines *l)
{
	buf_free(&l->in);
	l->start = 0;
	l->scanned = 0;
}

/* The quote that ends a string, or the NUL behind an unfinished one. */
static const char *end_of_string(const char *p)
{
	while (*p && *p != '"')
		p += p[0] == '\\' && p[1] ? 2 : 1;
	return p;
}

/*
 * Each value stands behind a bracket, a comma or a colon. A short text of many
 * values would take a hundred times its bytes, and seconds.
 */
static bool too_many_values(const char *line)
{
	size_t n = 0;

	while ((line = strpbrk(line, "\"[,:")) && n <= CTL_VALUES_MAX) {
		if (*line != '"')
			n++;
		else
			line = end_of_string(line + 1);
		line += *line != 0;
	}
	return n > CTL_VALUES_MAX;
}

int ctl_parse(const char *line, json_t **ret, char *err, size_t errlen)
{
	if (too_many_values(line)) {
		snprintf(err, errlen, "more than %u values", CTL_VALUES_MAX);
		return -EBADMSG;
	}
	return ctl_parse_reply(line, ret, err, errlen);
}

int ctl_parse_reply(const char *line, json_t **ret, char *err, size_t errlen)
{
	json_error_t error;
	json_t *value = json_loads(line, JSON_REJECT_DUPLICATES, &error);

	if (!value) {
		snprintf(err, errlen, "column %d: %s", error.column,
			 error.text);
		return -EBADMSG;
	}
	if (!json_is_object(value)) {
		json_decref(value);
		snprintf(err, errlen, "not a JSON object");
		return -EBADMSG;
	}
	*ret = value;
	return 0;
}

int ctl_append(struct buf *out, const json_t *value)
{
	_cleanup_free_ char *text = json_dumps(value, JSON_COMPACT);
	size_t before = out->len;
	int r;

	if (!text)
		return -EINVAL;
	if (strlen(text) + 1 > CTL_MESSAGE_MAX)
		return -EMSGSIZE;
	r = buf_puts(out, text);
	if (r)
		return r;
	r = buf_puts(out, "\n");
	if (r) {
		out->len = before;
		out->data[before] = 0;
	}
	return r;
}

json_t *ctl_ok(void)
{
	return json_pack("{s:b}", "ok", 1);
}

/* A message cut in the middle of a character is no JSON string. */
static void to_ascii(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text >= 0x80)
			*text = '?';
}

json_t *ctl_error(enum ctl_code code, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	json_t *message;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		text = NULL;
		return NULL;
	}
	message = json_string(text);
	if (!message) {
		to_ascii(text);
		message = json_string(text);
	}
	return json_pack("{s:b, s:i, s:o}", "ok", 0, "code", (int)code, "error",
			 message);
}

enum ctl_code ctl_reply_code(const json_t *reply, const char **ret_error)
{
	const json_t *ok = json_object_get(reply, "ok");
	const json_t *code = json_object_get(reply, "code");
	const char *error = json_string_value(json_object_get(reply, "error"));
	json_int_t value = json_integer_value(code);

	*ret_error = error ? error : "";
	if (!json_is_boolean(ok) || (code && !json_is_integer(code)))
		return CTL_USAGE;
	if (json_is_true(ok) && !code)
		return CTL_OK;
	if (value < CTL_OK || value > CTL_ROLLED_BACK ||
	    (json_is_false(ok) && value == CTL_OK))
		return CTL_USAGE;
	return (enum ctl_code)value;
}

int ctl_get_string(const json_t *request, const char *key, const char **ret)
{
	const json_t *value = json_object_get(request, key);

	if (!value || json_is_null(value))
		return 0;
	if (!json_is_string(value))
		return -EINVAL;
	*ret = json_string_value(value);
	return 0;
}

int ctl_get_bool(const json_t *request, const char *key, bool *ret)
{
	const json_t *value = json_object_get(request, key);

	if (!value || json_is_null(value))
		return 0;
	if (!json_is_boolean(value))
		return -EINVAL;
	*ret = json_is_true(value);
	return 0;
}

int ctl_get_number(const json_t *request, const char *key, long long min,
		   long long max, long long *ret)
{
	const json_t *value = json_object_get(request, key);

	if (!value || json_is_null(value))
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < min ||
	    json_integer_value(value) > max)
		return -EINVAL;
	*ret = json_integer_value(value);
	return 0;
}
