// SPDX-License-Identifier: BSD-2-Clause
/* services: the file's own names for protocols and ports. */
#include <string.h>

#include "policy/read.h"
#include "policy/services.h"

static void read_entry(struct reader *r, const struct node *node,
		       struct match_list *ret)
{
	static const struct key_def keys[] = {
		{ "protocol", true, NULL },
		{ "ports", false, NULL },
		{ "icmp", false, NULL },
		{ "service", false, "a service can't name another one", 1 },
	};
	static const struct object_def def = OBJECT_DEF("a service", keys);
	struct field f[ARRAY_SIZE(keys)];

	if (!read_object(r->diags, node, &def, f) || !f[0].key)
		return;
	const struct service_fields fields = { .protocol = f[0],
					       .ports = f[1],
					       .icmp = f[2] };
	if (f[0].value->kind == NODE_SCALAR &&
	    !strcmp(f[0].value->text, "any")) {
		diag_error(
			r->diags, node_pos(f[0].value),
			"a service names its protocols; leave `service` out for all of them");
		return;
	}
	read_services(r, &fields, ret);
}

static void read_service(struct reader *r, const struct node *key,
			 struct own_service *own)
{
	const char *name = read_name(r->diags, key, "a service's name");
	struct items items;

	if (!name)
		return;
	if (builtin_exists(name)) {
		diag_error(
			r->diags, node_pos(key),
			"`%s` is a service of moat's own; choose another name",
			name);
		return;
	}

	const struct own_service *first = strmap_get(&r->services, name);
	if (first) {
		if (first->pos.file != key->file)
			diag_error(r->diags, node_pos(key),
				   "`%s` is defined twice; first in %s:%d",
				   name, r->diags->files[first->pos.file].name,
				   first->pos.line);
		return;
	}
	own->pos = node_pos(key);
	if (strmap_put(&r->services, name, own))
		error_out_of_memory(r->diags);
	if (!read_some_items(r->diags, key->next, "a service", &items))
		return;
	const struct node *item = items.first;
	for_each_item(i, item, items)
		read_entry(r, item, &own->matches);
}

void read_own_services(struct reader *r)
{
	size_t count = 0;

	for_each_document(i, r) {
		struct field *f = &r->top[i][TOP_SERVICES];

		if (f->value && !read_mapping(r->diags, f->value, "services"))
			*f = (struct field){ 0 };
		count += f->value ? f->value->count : 0;
	}
	r->own = calloc(count + 1, sizeof(*r->own));
	if (!r->own) {
		error_out_of_memory(r->diags);
		return;
	}
	for_each_document(i, r) {
		if (!r->top[i][TOP_SERVICES].value)
			continue;
		for_each_pair(key, r->top[i][TOP_SERVICES].value)
			if (key->kind == NODE_SCALAR)
				read_service(r, key, &r->own[r->nown++]);
	}
}
