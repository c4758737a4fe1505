// SPDX-License-Identifier: BSD-2-Clause
/* From JSON values to the text of cells. */
#include "svc/cells.h"

#include <string.h>

#include "base/cleanup.h"

const json_t *cell_find(const json_t *object, const char *path)
{
	const char *dot = strchr(path, '.');
	char name[64];

	if (!dot)
		return json_object_get(object, path);
	if ((size_t)(dot - path) >= sizeof(name))
		return NULL;
	memcpy(name, path, dot - path);
	name[dot - path] = '\0';
	return cell_find(json_object_get(object, name), dot + 1);
}

static int add_bytes(double n, struct buf *ret)
{
	static const char *const unit[] = { "B",   "KiB", "MiB",
					    "GiB", "TiB", "PiB" };
	size_t i = 0;

	while (n >= 1024 && i + 1 < ARRAY_SIZE(unit)) {
		n /= 1024;
		i++;
	}
	return buf_printf(ret, i && n < 10 ? "%.1f %s" : "%.0f %s", n, unit[i]);
}

/* Names come from policies and the wire: no byte of theirs may steer a
 * terminal. C1 controls are the UTF-8 sequences C2 80 to C2 9F. */
static int add_printable(const char *text, struct buf *ret)
{
	size_t start = ret->len;
	int err = buf_puts(ret, text);

	for (size_t i = start; !err && i < ret->len; i++) {
		unsigned char c = ret->data[i];

		if (c < ' ' || c == 127)
			ret->data[i] = '?';
		else if (c == 0xc2 && (unsigned char)ret->data[i + 1] < 0xa0)
			ret->data[i] = ret->data[i + 1] = '?';
	}
	return err;
}

static int add_list(const json_t *list, enum column_kind kind, struct buf *ret)
{
	size_t i;
	json_t *item;
	int err = 0;

	json_array_foreach((json_t *)list, i, item) {
		if (i && !err)
			err = buf_puts(ret, ", ");
		if (!err)
			err = cell_text(item, kind, ret);
	}
	return i || err ? err : buf_puts(ret, "-");
}

int cell_text(const json_t *value, enum column_kind kind, struct buf *ret)
{
	_cleanup_free_ char *dump = NULL;

	switch (value ? json_typeof(value) : JSON_NULL) {
	case JSON_NULL:
		return buf_puts(ret, "-");
	case JSON_TRUE:
		return buf_puts(ret, "yes");
	case JSON_FALSE:
		return buf_puts(ret, "no");
	case JSON_STRING:
		if (!json_string_length(value))
			return buf_puts(ret, "-");
		return add_printable(json_string_value(value), ret);
	case JSON_INTEGER:
		if (kind == COLUMN_BYTES)
			return add_bytes(json_number_value(value), ret);
		return buf_printf(ret, "%" JSON_INTEGER_FORMAT,
				  json_integer_value(value));
	case JSON_REAL:
		return buf_printf(ret, "%.3g", json_real_value(value));
	case JSON_ARRAY:
		return add_list(value, kind, ret);
	case JSON_OBJECT:
		break;
	}
	dump = json_dumps(value, JSON_COMPACT);
	return add_printable(dump ? dump : "-", ret);
}

const char *cell_color(enum column_kind kind, const char *text)
{
	static const struct {
		enum column_kind kind;
		const char *text, *color;
	} colors[] = {
		{ COLUMN_VERDICT, "allow", "\033[32m" },
		{ COLUMN_VERDICT, "drop", "\033[31m" },
		{ COLUMN_VERDICT, "would-drop", "\033[33m" },
		{ COLUMN_STATE, "yes", "\033[32m" },
		{ COLUMN_STATE, "ok", "\033[32m" },
		{ COLUMN_STATE, "no", "\033[31m" },
		{ COLUMN_STATE, "failed", "\033[31m" },
		{ COLUMN_STATE, "warning", "\033[33m" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(colors); i++)
		if (colors[i].kind == kind && !strcmp(colors[i].text, text))
			return colors[i].color;
	return "";
}

static bool continues(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

size_t cell_width(const char *text, size_t len)
{
	size_t width = 0;

	for (size_t i = 0; i < len; i++)
		width += !continues(text[i]);
	return width;
}

size_t cell_break(const char *text, size_t width)
{
	size_t len = 0, columns = 0, good = 0;

	while (text[len]) {
		if (!continues(text[len]) && columns++ == width)
			break;
		if (strchr(" ,/:.", text[len]) && columns * 2 > width)
			good = len + 1;
		len++;
	}
	if (!text[len])
		return len;
	/* A space that the line has no room for may end it. */
	if (text[len] == ' ' || !good)
		return len;
	return good;
}
