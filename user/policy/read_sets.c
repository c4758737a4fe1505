// SPDX-License-Identifier: BSD-2-Clause
/* What a prefix list, a group's members and a NACL's applies_to hold. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "moat/base.h"
#include "policy/cidrs.h"
#include "policy/read.h"

/*
 * References multiply: 4,096 groups may each name a list of 100,000. Past
 * this need nothing more is copied, only counted, so that the message can
 * name it.
 */
#define COPIED_MAX (4ul * MOAT_MAX_CIDRS)

static bool add_cidrs(struct reader *r, struct cidrs *list,
		      const struct cidr *add, size_t count)
{
	r->cidrs += count;
	if (r->cidrs > COPIED_MAX)
		return true;
	if (!cidrs_add(list, add, count))
		return true;
	error_out_of_memory(r->diags);
	return false;
}

/* Hands the list to its set; what was repeated doesn't count. */
static void finish_set(struct reader *r, struct addr_set *set,
		       struct cidrs *list)
{
	size_t before = list->count;

	if (cidrs_unique(list)) {
		error_out_of_memory(r->diags);
		return;
	}
	r->cidrs -= before - list->count;
	set->cidrs = list->items;
	set->ncidrs = list->count;
	*list = (struct cidrs){ 0 };
}

/* One line of a list file, without comment and blanks around it. */
static void read_line(struct reader *r, struct pos pos, const char *line,
		      struct cidrs *list)
{
	size_t blank = strspn(line, " \t");
	size_t len = strcspn(line + blank, "#\r\n");
	char text[ADDR_TEXT] = "", token[NODE_TOKEN], network[ADDR_TEXT];
	struct cidr cidr;

	line += blank;
	while (len && strchr(" \t", line[len - 1]))
		len--;
	if (!len)
		return;
	pos.column = (int)blank + 1;
	memcpy(text, line, len < sizeof(text) ? len : sizeof(text) - 1);

	int error = len < sizeof(text) ? cidr_parse(text, &cidr) : -EINVAL;
	if (!error)
		add_cidrs(r, list, &cidr, 1);
	else if (error == -EDOM)
		diag_error(r->diags, pos,
			   "%s has host bits set; the network is %s",
			   text_token(text, token),
			   cidr_print(&cidr, false, network));
	else
		diag_error(r->diags, pos, "%s is no address or CIDR",
			   text_token(text, token));
}

static void read_list_text(struct reader *r, int file, struct cidrs *list)
{
	struct pos pos = { .file = file, .line = 1 };
	/* Errors add no sources: the text stays where it is. */
	const char *line = r->diags->files[file].text;

	/* CR LF, LF, or CR alone, as in the diagnostics: behind a break that
	 * is not seen addresses would be left out. */
	for (; line; pos.line++) {
		const char *end = strpbrk(line, "\r\n");

		read_line(r, pos, line, list);
		if (end && end[0] == '\r' && end[1] == '\n')
			end++;
		line = end ? end + 1 : NULL;
	}
}

/* PATH as the document's folder sees it. */
static char *list_name(const char *document, const char *path)
{
	const char *slash = *path == '/' ? NULL : strrchr(document, '/');
	char *name;

	if (asprintf(&name, "%.*s%s", slash ? (int)(slash - document) + 1 : 0,
		     document, path) < 0)
		return NULL;
	return name;
}

static void read_list_file(struct reader *r, const struct node *node,
			   struct cidrs *list)
{
	static const struct key_def keys[] = { { "file", true, NULL } };
	static const struct object_def def = OBJECT_DEF(
		"a prefix list in a file", keys);
	_cleanup_(buf_free) struct buf text = { 0 };
	struct field file;

	if (!read_object(r->diags, node, &def, &file) || !file.value)
		return;
	const char *path = read_text(r->diags, file.value, "file");
	if (!path)
		return;
	if (!r->options || !r->options->read_list) {
		diag_error(
			r->diags, node_pos(file.key),
			"lists in files are read by the CLI, which writes them into what it pushes");
		return;
	}

	const char *document = r->diags->files[node->file].name;
	_cleanup_free_ char *name = list_name(document, path);
	int error = r->options->read_list(document, path, &text,
					  r->options->arg);
	if (error || !name) {
		diag_error(r->diags, node_pos(file.value),
			   "can't read `%.200s`: %s", path, strerror(-error));
		return;
	}

	int index = diags_add_source(r->diags, name, buf_text(&text), text.len);
	if (index < 0) {
		error_out_of_memory(r->diags);
		return;
	}
	int errors = r->diags->errors;
	if (strlen(buf_text(&text)) != text.len)
		diag_error(
			r->diags, node_pos(file.value),
			"`%.200s` holds a NUL character: no list of addresses",
			path);
	else
		read_list_text(r, index, list);
	/* A deny list that a broken export left empty would open, silently. */
	if (!list->count && r->diags->errors == errors)
		diag_error(
			r->diags, node_pos(file.value),
			"`%.200s` holds no address; write [] if none is meant",
			path);
}

static void read_prefix_list(struct reader *r, struct addr_set *set,
			     const struct node *node)
{
	_cleanup_(cidrs_free) struct cidrs list = { 0 };
	struct items items;

	if (node->kind == NODE_MAPPING) {
		read_list_file(r, node, &list);
		finish_set(r, set, &list);
		return;
	}
	if (!read_items(r->diags, node, "a prefix list", &items))
		return;

	const struct node *item = items.first;
	for_each_item(i, item, items) {
		struct cidr cidr;

		if (read_cidr(r->diags, item, &cidr))
			add_cidrs(r, &list, &cidr, 1);
	}
	finish_set(r, set, &list);
}

void read_prefix_lists(struct reader *r)
{
	for (size_t i = 0; i < r->policy->nsets; i++) {
		struct addr_set *set = &r->policy->sets[i];

		if (set->kind == SET_PREFIX_LIST)
			read_prefix_list(r, set, r->set_nodes[i]);
	}
}

/* A name in members or applies_to: the set that it brings in, or NULL. */
static const struct addr_set *included_set(struct reader *r,
					   const struct addr_set *in,
					   const struct node *node)
{
	bool members = in->kind == SET_GROUP;

	if (!strcmp(node->text, "self") ||
	    (members && !strcmp(node->text, "any"))) {
		diag_error(
			r->diags, node_pos(node),
			members ?
				"members can't be `%s`: write the addresses of your hosts" :
				"applies_to can't be `%s`",
			node->text);
		return NULL;
	}

	const struct addr_set *set = find_set(r, node);
	if (!set)
		return NULL;
	if (set->kind == SET_NACL)
		diag_error(r->diags, node_pos(node),
			   "`%s` is a network ACL; its addresses have no name",
			   set->name);
	else if (members && set->kind == SET_GROUP)
		diag_error(
			r->diags, node_pos(node),
			"`%s` is a group; members are CIDRs, addresses and prefix lists",
			set->name);
	else
		return set;
	return NULL;
}

/* Remembers what applies_to names; items has room for all. */
static void note_item(struct addr_set *set, struct peer item)
{
	if (set->items)
		set->items[set->nitems++] = item;
}

static void include(struct reader *r, struct addr_set *set,
		    const struct node *item, struct cidrs *list)
{
	struct peer noted = { .kind = PEER_CIDR, .pos = node_pos(item) };

	if (item->kind != NODE_SCALAR || node_is_null(item) ||
	    looks_like_address(item->text)) {
		if (!read_cidr(r->diags, item, &noted.cidr))
			return;
		add_cidrs(r, list, &noted.cidr, 1);
		note_item(set, noted);
		return;
	}
	if (set->kind == SET_NACL && !strcmp(item->text, "any")) {
		set->any = true;
		noted.kind = PEER_ANY;
		note_item(set, noted);
		return;
	}

	const struct addr_set *from = included_set(r, set, item);
	if (!from)
		return;
	add_cidrs(r, list, from->cidrs, from->ncidrs);
	noted.kind = PEER_SET;
	noted.set = (size_t)(from - r->policy->sets);
	note_item(set, noted);
}

void read_set(struct reader *r, struct addr_set *set, const struct node *node)
{
	_cleanup_(cidrs_free) struct cidrs list = { 0 };
	bool nacl = set->kind == SET_NACL;
	const char *what = nacl ? "applies_to" : "members";
	struct items items;

	if (nacl ? !read_some_items(r->diags, node, what, &items) :
		   !read_items(r->diags, node, what, &items))
		return;
	if (nacl) {
		set->items = calloc(items.count, sizeof(*set->items));
		if (!set->items)
			error_out_of_memory(r->diags);
	}

	const struct node *item = items.first;
	for_each_item(i, item, items)
		include(r, set, item, &list);
	finish_set(r, set, &list);
}
