// SPDX-License-Identifier: BSD-2-Clause
/*
 * What libyaml says of a text that it can't read, with a place, and with the
 * advice for the two values that people forget to quote.
 */
#include "policy/tree_error.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

/* The byte offset of a mark; libyaml counts code points. */
static size_t mark_offset(const struct source *s, yaml_mark_t mark)
{
	size_t offset = 0;

	for (size_t n = 0; n < mark.index && offset < s->len; n++) {
		offset++;
		while (offset < s->len &&
		       ((unsigned char)s->text[offset] & 0xc0) == 0x80)
			offset++;
	}
	return offset;
}

static bool in_address(char c)
{
	return isxdigit((unsigned char)c) || c == ':' || c == '.' || c == '/';
}

/*
 * The IPv6 address around an offset, as start and length. Something with two
 * colons, or one at its end after hexadecimal digits ("fd00:", which is how
 * far libyaml got).
 */
static size_t address_around(const struct source *s, size_t at,
			     size_t *ret_start)
{
	size_t start = at, end = at, colons = 0;

	while (start > 0 && in_address(s->text[start - 1]))
		start--;
	while (end < s->len && in_address(s->text[end]))
		end++;
	for (size_t i = start; i < end; i++)
		colons += s->text[i] == ':';
	if (colons < 2 || end - start > 49)
		return 0;
	*ret_start = start;
	return end - start;
}

/* Reports an address that wants quotes. */
static bool hint_address(struct diags *diags, int file, yaml_mark_t mark)
{
	const struct source *s = &diags->files[file];
	size_t at = mark_offset(s, mark), start = 0;
	size_t len = address_around(s, at, &start);

	if (!len)
		return false;
	struct pos pos = { .file = file,
			   .line = (int)mark.line + 1,
			   .column = (int)(mark.column + 1 + start - at) };
	diag_error(
		diags, pos,
		"quote this value: \"%.*s\" (a colon means something in YAML)",
		(int)len, s->text + start);
	return true;
}

static bool hint_star(struct diags *diags, int file, yaml_mark_t mark)
{
	const struct source *s = &diags->files[file];
	size_t at = mark_offset(s, mark), len = 0;

	if (at >= s->len || s->text[at] != '*')
		return false;
	while (at + len < s->len && !strchr(",]} \t\r\n", s->text[at + len]) &&
	       len < 60)
		len++;
	struct pos pos = { .file = file,
			   .line = (int)mark.line + 1,
			   .column = (int)mark.column + 1 };
	diag_error(
		diags, pos,
		"quote this value: \"%.*s\" (an unquoted * is an alias in YAML)",
		(int)len, s->text + at);
	return true;
}

/* An encoding error has an offset in bytes and no mark. */
static struct pos offset_pos(const struct source *s, int file, size_t offset)
{
	struct pos pos = { .file = file, .line = 1, .column = 1 };

	for (size_t i = 0; i < offset && i < s->len; i++) {
		if (s->text[i] == '\n') {
			pos.line++;
			pos.column = 1;
		} else if (((unsigned char)s->text[i] & 0xc0) != 0x80) {
			pos.column++;
		}
	}
	return pos;
}

void tree_syntax_error(struct diags *diags, int file, const yaml_parser_t *p)
{
	const char *problem = p->problem ? p->problem : "can't be read";

	if (p->error == YAML_MEMORY_ERROR) {
		diag_error(diags, (struct pos){ .file = file },
			   "out of memory");
		return;
	}
	if (p->error == YAML_READER_ERROR) {
		diag_error(diags,
			   offset_pos(&diags->files[file], file,
				      p->problem_offset),
			   "YAML: %s", problem);
		return;
	}
	if (hint_address(diags, file, p->problem_mark) ||
	    (p->context && (hint_star(diags, file, p->context_mark) ||
			    hint_address(diags, file, p->context_mark))))
		return;

	struct pos pos = { .file = file,
			   .line = (int)p->problem_mark.line + 1,
			   .column = (int)p->problem_mark.column + 1 };
	if (p->context && p->context_mark.line != p->problem_mark.line)
		diag_error(diags, pos, "YAML: %s %s that begins in line %zu",
			   problem, p->context, p->context_mark.line + 1);
	else if (p->context)
		diag_error(diags, pos, "YAML: %s %s", problem, p->context);
	else
		diag_error(diags, pos, "YAML: %s", problem);
}
