// SPDX-License-Identifier: BSD-2-Clause
/* Nodes to mappings, lists, texts, numbers and choices. */
#include "policy/value.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "policy/strmap.h"

void error_out_of_memory(struct diags *d)
{
	diag_error(d, (struct pos){ .file = -1 }, "out of memory");
}

/* False, with the message that node is not what it should be. */
static bool wrong_kind(struct diags *d, const struct node *node,
		       const char *what, const char *kind)
{
	char token[NODE_TOKEN];

	if (node->kind == NODE_BAD)
		return false;
	if (node_is_null(node))
		diag_error(d, node_pos(node), "%s has no value", what);
	else
		diag_error(d, node_pos(node), "%s must be %s, not %s", what,
			   kind, node_token(node, token));
	return false;
}

static const struct key_def *find_key(const struct object_def *def,
				      const char *name)
{
	for (size_t i = 0; i < def->nkeys; i++)
		if (!strcmp(def->keys[i].name, name))
			return &def->keys[i];
	return NULL;
}

static const struct key_def *nearest_key(const struct object_def *def,
					 const char *text)
{
	size_t len = strlen(text), best = len > 3 ? len / 3 + 2 : 2;
	const struct key_def *nearest = NULL;

	for (size_t i = 0; i < def->nkeys; i++) {
		const struct key_def *key = &def->keys[i];
		size_t distance = edit_distance(text, key->name, best - 1);

		/* An abbreviation: proto. */
		if (len >= 4 && !strncmp(text, key->name, len))
			distance = 0;
		if (distance < best && !key->refusal) {
			best = distance;
			nearest = key;
		}
	}
	return nearest;
}

/* Returns the key that was meant, so that nobody is told that it's missing. */
static const struct key_def *unknown_key(struct diags *d,
					 const struct node *key,
					 const struct object_def *def)
{
	const struct key_def *nearest = nearest_key(def, key->text);
	char token[NODE_TOKEN];

	if (nearest)
		diag_error(d, node_pos(key),
			   "unknown key %s in %s; did you mean `%s`?",
			   node_token(key, token), def->what, nearest->name);
	else
		diag_error(d, node_pos(key), "unknown key %s in %s",
			   node_token(key, token), def->what);
	return nearest;
}

static void missing_keys(struct diags *d, const struct node *node,
			 const struct object_def *def, const struct field *f,
			 const bool *excused)
{
	for (size_t i = 0; i < def->nkeys; i++)
		if (def->keys[i].needed && !f[i].key && !excused[i])
			diag_error(d, node_pos(node), "%s needs `%s`",
				   def->what, def->keys[i].name);
}

bool read_mapping(struct diags *d, const struct node *node, const char *what)
{
	return node->kind == NODE_MAPPING ||
	       wrong_kind(d, node, what, "a mapping");
}

bool read_object(struct diags *d, const struct node *node,
		 const struct object_def *def, struct field *ret)
{
	bool excused[OBJECT_KEYS_MAX] = { 0 };

	memset(ret, 0, def->nkeys * sizeof(*ret));
	if (!read_mapping(d, node, def->what))
		return false;
	for (const struct node *key = node->child; key; key = key->next->next) {
		if (key->kind != NODE_SCALAR)
			continue;
		const struct key_def *known = find_key(def, key->text);

		if (!known) {
			known = unknown_key(d, key, def);
			if (known)
				excused[known - def->keys] = true;
			continue;
		}
		if (known->refusal) {
			diag_error(d, node_pos(key), "%s", known->refusal);
			if (known->instead)
				excused[known->instead - 1] = true;
			continue;
		}
		if (!ret[known - def->keys].key)
			ret[known - def->keys] = (struct field){ key,
								 key->next };
	}
	missing_keys(d, node, def, ret, excused);
	return true;
}

bool read_items(struct diags *d, const struct node *node, const char *what,
		struct items *ret)
{
	if (node->kind == NODE_BAD || node_is_null(node))
		return wrong_kind(d, node, what, "");
	if (node->kind == NODE_SEQUENCE)
		*ret = (struct items){ node->child, node->count };
	else
		*ret = (struct items){ node, 1 };
	return true;
}

bool read_some_items(struct diags *d, const struct node *node, const char *what,
		     struct items *ret)
{
	if (!read_items(d, node, what, ret))
		return false;
	if (!ret->count)
		diag_error(d, node_pos(node), "%s is an empty list", what);
	return ret->count;
}

const char *read_text(struct diags *d, const struct node *node,
		      const char *what)
{
	if (node->kind == NODE_SCALAR && !node_is_null(node))
		return node->text;
	wrong_kind(d, node, what, "text");
	return NULL;
}

/* C1, too: U+0080 to U+009F, among them the CSI of terminals. */
static bool is_control(const char *p)
{
	unsigned char c = (unsigned char)p[0], next = (unsigned char)p[1];

	return iscntrl(c) || (c == 0xc2 && next >= 0x80 && next < 0xa0);
}

char *read_copy(struct diags *d, const struct node *node, const char *what,
		size_t max)
{
	const char *text = read_text(d, node, what);

	if (!text)
		return NULL;
	if (max && node->count > max) {
		diag_error(d, node_pos(node), "%s has %u bytes, above %zu",
			   what, node->count, max);
		return NULL;
	}
	for (const char *p = text; *p; p++) {
		if (!is_control(p) || *p == '\n' || *p == '\t')
			continue;
		diag_error(d, node_pos(node), "%s holds a control character",
			   what);
		return NULL;
	}

	char *copy = strdup(text);
	if (!copy)
		error_out_of_memory(d);
	return copy;
}

bool parse_decimal(const char *text, size_t len, uint64_t max, uint64_t *ret)
{
	uint64_t n = 0;

	if (!len || (len > 1 && text[0] == '0'))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9' ||
		    __builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(text[i] - '0'), &n))
			return false;
	}
	if (n > max)
		return false;
	*ret = n;
	return true;
}

bool read_number(struct diags *d, const struct node *node, const char *what,
		 const uint64_t range[2], uint64_t *ret)
{
	uint64_t n;
	char token[NODE_TOKEN];

	if (node->kind != NODE_SCALAR || node_is_null(node))
		return wrong_kind(d, node, what, "a number");
	if (node->plain &&
	    parse_decimal(node->text, node->count, UINT64_MAX, &n)) {
		if (n >= range[0] && n <= range[1]) {
			*ret = n;
			return true;
		}
		diag_error(d, node_pos(node), "%s %s is %s %llu", what,
			   node->text, n < range[0] ? "below" : "above",
			   (unsigned long long)range[n > range[0]]);
		return false;
	}
	diag_error(d, node_pos(node), "%s must be a %snumber, not %s", what,
		   node->plain ? "" : "bare ", node_token(node, token));
	return false;
}

bool read_bool(struct diags *d, const struct node *node, const char *what,
	       bool *ret)
{
	bool yes = node->kind == NODE_SCALAR && node->plain &&
		   !strcmp(node->text, "true");
	bool no = node->kind == NODE_SCALAR && node->plain &&
		  !strcmp(node->text, "false");

	if (!yes && !no)
		return wrong_kind(d, node, what, "true or false");
	*ret = yes;
	return true;
}

int read_choice(struct diags *d, const struct node *node, const char *what,
		const char *const *choices)
{
	_cleanup_(buf_free) struct buf all = { 0 };

	for (int i = 0; choices[i]; i++) {
		if (node->kind == NODE_SCALAR &&
		    !strcmp(node->text, choices[i]))
			return i;
		if (i && buf_puts(&all, choices[i + 1] ? ", " : " or "))
			return -1;
		if (buf_puts(&all, choices[i]))
			return -1;
	}
	wrong_kind(d, node, what, buf_text(&all));
	return -1;
}

static bool name_is_well_formed(const char *name, size_t len)
{
	if (!len || len > 63 || !isalnum((unsigned char)*name))
		return false;
	for (size_t i = 1; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("._-", name[i]))
			return false;
	return true;
}

const char *read_name(struct diags *d, const struct node *node,
		      const char *what)
{
	static const char *const reserved[] = { "any", "self", "other",
						"default-egress" };
	const char *name = read_text(d, node, what);
	char token[NODE_TOKEN];

	if (!name)
		return NULL;
	if (!name_is_well_formed(name, node->count)) {
		diag_error(
			d, node_pos(node),
			"%s %s is no name: at most 63 of letters, digits, '.', '_' and '-', the first a letter or digit",
			what, node_token(node, token));
		return NULL;
	}
	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++) {
		if (strcmp(name, reserved[i]) != 0)
			continue;
		diag_error(d, node_pos(node),
			   "%s can't be `%s`: a word of the language", what,
			   name);
		return NULL;
	}
	return name;
}
