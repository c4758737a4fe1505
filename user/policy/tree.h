/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A YAML document as a tree of nodes, each with its place. Built from
 * libyaml's events; policies and the agent's configuration are read from it.
 * A subset: no anchors, aliases or tags, one document, text keys, no key
 * twice in one mapping (YAML 1.2 section 3.2.1.3).
 */
#ifndef MOAT_TREE_H
#define MOAT_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "policy/diag.h"

#define TREE_MAX_DEPTH 32
#define TREE_MAX_NODES 2000000

enum node_kind {
	NODE_SCALAR,
	NODE_SEQUENCE,
	NODE_MAPPING,
	NODE_BAD, /* an error was given for it already */
};

/*
 * Owned by the tree. child is the first item of a sequence, or the first key
 * of a mapping, whose next is its value, whose next is the next key.
 */
struct node {
	uint8_t kind;
	bool plain; /* scalar without quotes */
	uint16_t file;
	int32_t line, column;
	uint32_t count;	  /* bytes of a scalar, items or pairs */
	const char *text; /* scalar; ends in NUL and holds no other */
	struct node *child;
	struct node *next;
};

struct tree;

/*
 * Reads source file of diags. NULL with an error in diags where the text is
 * no YAML or too large; then that is the only error of this file. Everything
 * else that is wrong is in diags, and a tree is returned.
 */
struct tree *tree_read(struct diags *diags, int file);
/* NULL for an empty document. */
const struct node *tree_root(const struct tree *tree);
void tree_free(struct tree *tree);
DEFINE_CLEANUP(tree, tree_free)

struct pos node_pos(const struct node *node);

/*
 * A scalar's text for a message, in backquotes, cut to a readable length,
 * into buf of NODE_TOKEN bytes; "a list" or "a mapping" for those. Returns
 * buf.
 */
#define NODE_TOKEN 80
char *node_token(const struct node *node, char *buf);
/* The same for any text. */
char *text_token(const char *text, char *buf);
/* An unquoted nothing, ~ or null: YAML's way to leave a value out. */
bool node_is_null(const struct node *node);

#endif
