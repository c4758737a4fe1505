/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Nodes to values, each with its error message: what the policy reader and
 * the configuration reader share. `what` is the key that the value belongs
 * to, or words for it. A node of kind NODE_BAD fails without a word.
 */
#ifndef MOAT_VALUE_H
#define MOAT_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "policy/diag.h"
#include "policy/tree.h"

/* A key of a mapping. refusal: known, but wrong here, and why; instead is
 * 1 + the index of the key that was meant, 0 if there is none. */
struct key_def {
	const char *name;
	bool needed;
	const char *refusal;
	int instead;
};

#define OBJECT_KEYS_MAX 24 /* of any object */
struct object_def {
	const char *what; /* "a rule": for messages */
	const struct key_def *keys;
	size_t nkeys;
};
#define OBJECT_DEF(what, keys) \
	{ \
		what, keys, ARRAY_SIZE(keys) \
	}

/* Both NULL if the key is not there. */
struct field {
	const struct node *key, *value;
};

/*
 * Sorts a mapping's pairs into ret by the order of def->keys. Unknown keys,
 * refused ones and missing ones are errors, but only a node that is no
 * mapping makes it return false.
 */
bool read_object(struct diags *d, const struct node *node,
		 const struct object_def *def, struct field *ret);

/* One value where a list stands is a list of one. */
struct items {
	const struct node *first;
	size_t count;
};
bool read_items(struct diags *d, const struct node *node, const char *what,
		struct items *ret);
/* The same, where an empty list would mean more than was written. */
bool read_some_items(struct diags *d, const struct node *node, const char *what,
		     struct items *ret);
#define for_each_item(i, node, items) \
	for (size_t i = (items).count; i-- > 0; (node) = (node)->next)

bool read_mapping(struct diags *d, const struct node *node, const char *what);
/* The text of a scalar with a value, owned by the tree, or NULL. */
const char *read_text(struct diags *d, const struct node *node,
		      const char *what);
/* A copy of a text of at most max bytes (0: any) without control characters.
 * NULL on error. */
char *read_copy(struct diags *d, const struct node *node, const char *what,
		size_t max);
bool read_number(struct diags *d, const struct node *node, const char *what,
		 const uint64_t range[2], uint64_t *ret);
/* true or false. */
bool read_bool(struct diags *d, const struct node *node, const char *what,
	       bool *ret);
/* Index into choices, which end in NULL; -1 on error. */
int read_choice(struct diags *d, const struct node *node, const char *what,
		const char *const *choices);
/* A NAME of interface.md section 1, owned by the tree, or NULL. */
const char *read_name(struct diags *d, const struct node *node,
		      const char *what);
/* An address or CIDR; host bits are an error that names the network. */
bool read_cidr(struct diags *d, const struct node *node, struct cidr *ret);
bool read_address(struct diags *d, const struct node *node, const char *what,
		  struct moat_addr *ret, int *ret_family);
/* A protocol's name or number, -1 on error. */
int read_protocol(struct diags *d, const struct node *node);
/* N or N-M. */
bool read_ports(struct diags *d, const struct node *node, uint16_t *ret_first,
		uint16_t *ret_last);
/* N with s, m, h or d, in seconds. */
bool read_duration(struct diags *d, const struct node *node, const char *what,
		   const uint64_t range[2], uint64_t *ret);
/* N with KiB, MiB, GiB or nothing, in bytes. */
bool read_size(struct diags *d, const struct node *node, const char *what,
	       const uint64_t range[2], uint64_t *ret);

/* Decimal digits and nothing else, no leading zero, at most max. */
bool parse_decimal(const char *text, size_t len, uint64_t max, uint64_t *ret);
void error_out_of_memory(struct diags *d);

#endif
