// SPDX-License-Identifier: BSD-2-Clause
/* libyaml's events to a tree of nodes in an arena. */
#include "policy/tree.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "moat/base.h"
#include "policy/strmap.h"
#include "policy/tree_error.h"

#define CHUNK (64u << 10)

struct chunk {
	struct chunk *next;
	size_t used, size;
	_Alignas(16) char data[];
};

struct tree {
	struct chunk *chunks;
	struct node *root;
	size_t nodes;
};

/* An open collection, and where its next child goes. */
struct level {
	struct node *node;
	struct node **tail;
	bool value_next; /* mapping: a key waits for its value */
};

struct builder {
	struct tree *tree;
	struct diags *diags;
	int file;
	yaml_parser_t parser;
	struct level level[TREE_MAX_DEPTH];
	int depth;
	int documents;
	bool stop; /* an error after which nothing can be read */
};

static void *tree_alloc(struct tree *t, size_t size)
{
	struct chunk *c = t->chunks;

	size = (size + 7) & ~(size_t)7;
	if (!c || c->size - c->used < size) {
		size_t room = size > CHUNK ? size : CHUNK;

		c = malloc(sizeof(*c) + room);
		if (!c)
			return NULL;
		*c = (struct chunk){ .next = t->chunks, .size = room };
		t->chunks = c;
	}
	c->used += size;
	return c->data + c->used - size;
}

void tree_free(struct tree *t)
{
	if (!t)
		return;
	while (t->chunks) {
		struct chunk *next = t->chunks->next;

		free(t->chunks);
		t->chunks = next;
	}
	free(t);
}

const struct node *tree_root(const struct tree *t)
{
	return t->root;
}

struct pos node_pos(const struct node *node)
{
	return (struct pos){ .file = node->file,
			     .line = node->line,
			     .column = node->column };
}

char *text_token(const char *text, char *buf)
{
	size_t len = strlen(text);
	size_t cut = len;

	if (len > NODE_TOKEN - 8)
		for (cut = NODE_TOKEN - 8;
		     cut > 0 && ((unsigned char)text[cut] & 0xc0) == 0x80;)
			cut--;
	snprintf(buf, NODE_TOKEN, "`%.*s%s`", (int)cut, text,
		 cut < len ? "..." : "");
	return buf;
}

char *node_token(const struct node *node, char *buf)
{
	if (node->kind == NODE_SCALAR && node_is_null(node))
		return strcpy(buf, "nothing");
	if (node->kind == NODE_SCALAR)
		return text_token(node->text, buf);
	return strcpy(buf,
		      node->kind == NODE_SEQUENCE ? "a list" : "a mapping");
}

bool node_is_null(const struct node *node)
{
	return node->kind == NODE_SCALAR && node->plain &&
	       (!*node->text || !strcmp(node->text, "~") ||
		!strcmp(node->text, "null"));
}

static struct pos mark_pos(const struct builder *b, yaml_mark_t mark)
{
	return (struct pos){ .file = b->file,
			     .line = (int)mark.line + 1,
			     .column = (int)mark.column + 1 };
}

/* Stops the reading with an error. */
static void refuse(struct builder *b, yaml_mark_t mark, const char *text)
{
	diag_error(b->diags, mark_pos(b, mark), "%s", text);
	b->stop = true;
}

static struct node *new_node(struct builder *b, const yaml_event_t *e,
			     enum node_kind kind)
{
	struct tree *t = b->tree;

	if (t->nodes++ >= TREE_MAX_NODES) {
		diag_error(b->diags, mark_pos(b, e->start_mark),
			   "the document has more than %d values",
			   TREE_MAX_NODES);
		b->stop = true;
		return NULL;
	}
	struct node *node = tree_alloc(t, sizeof(*node));
	if (!node) {
		refuse(b, e->start_mark, "out of memory");
		return NULL;
	}
	*node = (struct node){ .kind = kind,
			       .file = (uint16_t)b->file,
			       .line = (int)e->start_mark.line + 1,
			       .column = (int)e->start_mark.column + 1 };
	return node;
}

/* Hangs a node into the collection that is open. */
static void attach(struct builder *b, struct node *node)
{
	if (!b->depth) {
		b->tree->root = node;
		return;
	}

	struct level *l = &b->level[b->depth - 1];
	*l->tail = node;
	l->tail = &node->next;
	if (l->node->kind == NODE_SEQUENCE) {
		l->node->count++;
		return;
	}
	if (!l->value_next) {
		l->node->count++;
		if (node->kind != NODE_SCALAR && node->kind != NODE_BAD) {
			diag_error(b->diags, node_pos(node),
				   "a key must be text");
			node->kind = NODE_BAD;
		}
	}
	l->value_next = !l->value_next;
}

static void reject_extras(struct builder *b, const yaml_event_t *e,
			  const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor)
		diag_error(
			b->diags, mark_pos(b, e->start_mark),
			"anchors are not allowed here; write the value out, or quote it if it begins with &");
	if (tag)
		diag_error(
			b->diags, mark_pos(b, e->start_mark),
			"tags are not allowed here; quote the value if it begins with !");
}

static void on_scalar(struct builder *b, const yaml_event_t *e)
{
	const char *value = (const char *)e->data.scalar.value;
	size_t len = e->data.scalar.length;

	reject_extras(b, e, e->data.scalar.anchor, e->data.scalar.tag);
	struct node *node = new_node(b, e, NODE_SCALAR);
	char *text = node ? tree_alloc(b->tree, len + 1) : NULL;
	if (!text) {
		if (node)
			refuse(b, e->start_mark, "out of memory");
		return;
	}
	memcpy(text, value, len);
	text[len] = '\0';
	node->text = text;
	node->count = (uint32_t)len;
	node->plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	if (strlen(text) != len) {
		diag_error(b->diags, node_pos(node),
			   "a text can't hold a NUL character");
		node->kind = NODE_BAD;
	}
	attach(b, node);
}

static void on_alias(struct builder *b, const yaml_event_t *e)
{
	struct node *node = new_node(b, e, NODE_BAD);

	diag_error(
		b->diags, mark_pos(b, e->start_mark),
		"aliases are not allowed here; quote this value if it begins with *");
	if (node)
		attach(b, node);
}

static void on_start(struct builder *b, const yaml_event_t *e)
{
	bool seq = e->type == YAML_SEQUENCE_START_EVENT;

	if (seq)
		reject_extras(b, e, e->data.sequence_start.anchor,
			      e->data.sequence_start.tag);
	else
		reject_extras(b, e, e->data.mapping_start.anchor,
			      e->data.mapping_start.tag);
	if (b->depth == TREE_MAX_DEPTH) {
		diag_error(b->diags, mark_pos(b, e->start_mark),
			   "nested more than %d levels deep", TREE_MAX_DEPTH);
		b->stop = true;
		return;
	}
	struct node *node = new_node(b, e, seq ? NODE_SEQUENCE : NODE_MAPPING);
	if (!node)
		return;
	attach(b, node);
	b->level[b->depth++] = (struct level){ .node = node,
					       .tail = &node->child };
}

static void repeated_key(struct builder *b, const struct node *key,
			 const struct node *first)
{
	char token[NODE_TOKEN];

	diag_error(b->diags, node_pos(key),
		   "key %s stands twice, first in line %d",
		   node_token(key, token), first->line);
}

/* Most mappings are rules of a few keys: compare them pair by pair. */
static void check_few_keys(struct builder *b, const struct node *mapping)
{
	for (const struct node *key = mapping->child; key;
	     key = key->next->next) {
		const struct node *k = mapping->child;

		while (k != key &&
		       (k->kind != NODE_SCALAR || key->kind != NODE_SCALAR ||
			k->count != key->count ||
			memcmp(k->text, key->text, k->count) != 0))
			k = k->next->next;
		if (k != key)
			repeated_key(b, key, k);
	}
}

static void check_keys(struct builder *b, const struct node *mapping)
{
	_cleanup_(strmap_free) struct strmap seen = { 0 };

	for (const struct node *key = mapping->child; key;
	     key = key->next->next) {
		if (key->kind != NODE_SCALAR)
			continue;
		const struct node *first = strmap_get(&seen, key->text);

		if (first)
			repeated_key(b, key, first);
		else if (strmap_put(&seen, key->text, (void *)key))
			diag_error(b->diags, node_pos(key), "out of memory");
	}
}

static void on_end(struct builder *b)
{
	struct node *node = b->level[--b->depth].node;

	if (node->kind == NODE_MAPPING && node->count <= 8)
		check_few_keys(b, node);
	else if (node->kind == NODE_MAPPING)
		check_keys(b, node);
}

static void on_event(struct builder *b, const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (b->documents++)
			refuse(b, e->start_mark,
			       "a second document in one file; give several files instead");
		break;
	case YAML_ALIAS_EVENT:
		on_alias(b, e);
		break;
	case YAML_SCALAR_EVENT:
		on_scalar(b, e);
		break;
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		on_start(b, e);
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		on_end(b);
		break;
	default:
		break;
	}
}

static int build(struct builder *b)
{
	bool done = false;

	while (!done && !b->stop) {
		yaml_event_t event;

		if (!yaml_parser_parse(&b->parser, &event))
			return -EINVAL;
		on_event(b, &event);
		done = event.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
	}
	return 0;
}

/* Forgets what was found before a syntax error: that stands alone. */
static void rewind_diags(struct diags *d, const struct diags *start)
{
	while (d->count > start->count)
		free(d->items[--d->count].text);
	d->errors = start->errors;
	d->warnings = start->warnings;
}

struct tree *tree_read(struct diags *diags, int file)
{
	const struct source *source = &diags->files[file];
	const struct diags start = *diags;

	if (source->len > MOAT_MAX_DOCUMENT) {
		diag_error(diags, (struct pos){ .file = file },
			   "the document has %zu bytes, above %u", source->len,
			   MOAT_MAX_DOCUMENT);
		return NULL;
	}

	CLEANUP(tree) struct tree *tree = calloc(1, sizeof(*tree));
	struct builder b = { .tree = tree, .diags = diags, .file = file };
	if (!tree || !yaml_parser_initialize(&b.parser)) {
		diag_error(diags, (struct pos){ .file = file },
			   "out of memory");
		return NULL;
	}
	yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(
		&b.parser, (const unsigned char *)source->text, source->len);
	int r = build(&b);
	if (r)
		rewind_diags(diags, &start);
	if (r)
		tree_syntax_error(diags, file, &b.parser);
	yaml_parser_delete(&b.parser);
	return r || b.stop ? NULL : TAKE_PTR(tree);
}
