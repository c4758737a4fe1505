// SPDX-License-Identifier: BSD-2-Clause
/*
 * The first walk over the merged documents: every prefix list, group and
 * NACL gets its set, so that a rule may name what stands further down or in
 * another file. Sets are numbered lists first, then groups, then NACLs,
 * whatever the order of the sections.
 */
#include <string.h>

#include "moat/base.h"
#include "policy/read.h"

static const struct {
	enum top_key key;
	enum set_kind kind;
	const char *what, *a_name;
} sections[] = {
	{ TOP_PREFIX_LISTS, SET_PREFIX_LIST, "prefix_lists",
	  "a prefix list's name" },
	{ TOP_GROUPS, SET_GROUP, "security_groups", "a group's name" },
	{ TOP_NACLS, SET_NACL, "network_acls", "a network ACL's name" },
};

bool looks_like_address(const char *text)
{
	return strpbrk(text, ":/") || !text[strspn(text, "0123456789.")];
}

/* Suggestions are for people: past a screenful nobody reads them. */
static const char *suggest(const struct reader *r, const char *text)
{
	return r->diags->errors < 50 ? strmap_nearest(&r->names, text) : NULL;
}

struct addr_set *find_set(struct reader *r, const struct node *node)
{
	struct addr_set *set = strmap_get(&r->names, node->text);
	char token[NODE_TOKEN];

	if (set)
		return set;

	const char *nearest = suggest(r, node->text);
	diag_error(r->diags, node_pos(node),
		   "no group or prefix list is named %s%s%s%s",
		   node_token(node, token), nearest ? "; did you mean `" : "",
		   nearest ?: "", nearest ? "`?" : "");
	return NULL;
}

static void defined_twice(struct reader *r, const struct node *key,
			  const struct addr_set *first)
{
	const struct pos *pos = &first->pos;

	/* In one mapping it is a duplicate key, and told already. */
	if (pos->file == key->file &&
	    first->kind == r->policy->sets[r->policy->nsets].kind)
		return;
	diag_error(r->diags, node_pos(key),
		   "`%s` is defined twice; first in %s:%d", key->text,
		   r->diags->files[pos->file].name, pos->line);
}

static void declare(struct reader *r, const struct node *key, size_t section)
{
	struct policy *p = r->policy;
	struct addr_set *set = &p->sets[p->nsets];
	const char *name = read_name(r->diags, key, sections[section].a_name);

	if (!name)
		return;
	if (looks_like_address(name)) {
		diag_error(
			r->diags, node_pos(key),
			"`%s` would be read as an address; choose another name",
			name);
		return;
	}
	set->kind = sections[section].kind;

	const struct addr_set *first = strmap_get(&r->names, name);
	if (first) {
		defined_twice(r, key, first);
		return;
	}
	set->pos = node_pos(key);
	set->name = strdup(name);
	if (!set->name || strmap_put(&r->names, name, set)) {
		error_out_of_memory(r->diags);
		return;
	}
	r->set_nodes[p->nsets++] = key->next;
	p->ngroups += set->kind == SET_GROUP;
	p->nnacls += set->kind == SET_NACL;
}

/* Names of all sections, which are mappings or left out from here on. */
static size_t count_names(struct reader *r)
{
	size_t count = 0;

	for_each_document(i, r) {
		for (size_t s = 0; s < ARRAY_SIZE(sections); s++) {
			struct field *f = &r->top[i][sections[s].key];

			if (f->value &&
			    !read_mapping(r->diags, f->value, sections[s].what))
				*f = (struct field){ 0 };
			count += f->value ? f->value->count : 0;
		}
	}
	return count;
}

static bool allocate(struct reader *r, size_t count)
{
	struct policy *p = r->policy;

	p->sets = calloc(count + 1, sizeof(*p->sets));
	r->set_nodes = calloc(count + 1, sizeof(*r->set_nodes));
	if (p->sets && r->set_nodes)
		return true;
	error_out_of_memory(r->diags);
	return false;
}

bool declare_names(struct reader *r)
{
	size_t count = count_names(r);

	if (count > MOAT_MAX_NAMES) {
		diag_error(
			r->diags, r->whole,
			"the policy has %zu groups, prefix lists and network ACLs, above %d",
			count, MOAT_MAX_NAMES);
		return false;
	}
	if (!allocate(r, count))
		return false;
	for (size_t s = 0; s < ARRAY_SIZE(sections); s++) {
		for_each_document(i, r) {
			const struct field *f = &r->top[i][sections[s].key];

			if (!f->value)
				continue;
			for_each_pair(key, f->value)
				if (key->kind == NODE_SCALAR)
					declare(r, key, s);
		}
	}

	struct policy *p = r->policy;
	p->groups = calloc(p->ngroups + 1, sizeof(*p->groups));
	p->nacls = calloc(p->nnacls + 1, sizeof(*p->nacls));
	if (p->groups && p->nacls)
		return true;
	error_out_of_memory(r->diags);
	return false;
}
