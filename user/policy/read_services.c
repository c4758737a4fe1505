// SPDX-License-Identifier: BSD-2-Clause
/* protocol with ports or icmp, or service, to a list of matches. */
#include <netinet/in.h>
#include <string.h>

#include "policy/icmp.h"
#include "policy/read.h"
#include "policy/services.h"

struct protocols {
	uint8_t number[256];
	size_t count;
};

/* Adds matches within MATCHES_MAX; what is above it is only counted. */
static bool matches_add(struct reader *r, struct match_list *list,
			const struct service_match *add, size_t count)
{
	r->matches += count;
	if (!count || r->matches > MATCHES_MAX)
		return true;
	if (list->cap - list->count < count) {
		size_t cap = list->cap * 2 + count;
		struct service_match *items = realloc(list->items,
						      cap * sizeof(*items));

		if (!items) {
			error_out_of_memory(r->diags);
			return false;
		}
		list->items = items;
		list->cap = cap;
	}
	memcpy(list->items + list->count, add, count * sizeof(*add));
	list->count += count;
	return true;
}

static bool add_match(struct reader *r, struct match_list *list, int proto)
{
	const struct service_match match = { .proto = proto,
					     .type = -1,
					     .code = -1 };

	return matches_add(r, list, &match, 1);
}

/* False on error. `any` leaves the list empty. */
static bool read_protocols(struct reader *r, const struct field *field,
			   struct protocols *ret)
{
	struct items items;
	bool seen[256] = { 0 }, ok = true;
	char text[8];

	if (!read_some_items(r->diags, field->value, "protocol", &items))
		return false;
	ret->count = 0;
	const struct node *item = items.first;
	if (items.count == 1 && item->kind == NODE_SCALAR &&
	    !strcmp(item->text, "any"))
		return true;
	for_each_item(i, item, items) {
		int proto = read_protocol(r->diags, item);

		ok = ok && proto >= 0;
		if (proto < 0)
			continue;
		if (seen[proto]) {
			diag_error(r->diags, node_pos(item),
				   "protocol %s stands twice",
				   proto_print(proto, text));
			ok = false;
			continue;
		}
		seen[proto] = true;
		ret->number[ret->count++] = (uint8_t)proto;
	}
	return ok;
}

static bool read_icmp_object(struct reader *r, const struct node *node,
			     struct service_match *ret)
{
	static const struct key_def keys[] = { { "type", true, NULL },
					       { "code", false, NULL } };
	static const struct object_def def = OBJECT_DEF("icmp", keys);
	static const uint64_t byte[2] = { 0, 255 };
	struct field f[ARRAY_SIZE(keys)];
	uint64_t type, code;

	if (!read_object(r->diags, node, &def, f) || !f[0].value ||
	    !read_number(r->diags, f[0].value, "type", byte, &type))
		return false;
	ret->type = (int)type;
	ret->code = -1;
	if (!f[1].value)
		return true;
	if (!read_number(r->diags, f[1].value, "code", byte, &code))
		return false;
	ret->code = (int)code;
	return true;
}

static bool read_icmp_name(struct reader *r, const struct node *node,
			   struct service_match *ret)
{
	const char *name = read_text(r->diags, node, "icmp");
	char token[NODE_TOKEN];

	if (!name)
		return false;
	if (icmp_by_name(name, ret->proto, &ret->type, &ret->code))
		return true;
	if (icmp_name_exists(name)) {
		diag_error(r->diags, node_pos(node), "`%s` is no type of %s",
			   name,
			   ret->proto == IPPROTO_ICMP ? "icmp" : "icmpv6");
		return false;
	}

	if (node->plain && strspn(name, "0123456789") == node->count) {
		diag_error(r->diags, node_pos(node),
			   "write {type: %s} for a number", name);
		return false;
	}

	const char *nearest = icmp_nearest(name);
	diag_error(r->diags, node_pos(node), "%s is no ICMP type%s%s%s",
		   node_token(node, token), nearest ? "; did you mean `" : "",
		   nearest ?: "", nearest ? "`?" : "");
	return false;
}

bool read_icmp(struct reader *r, const struct node *node, bool numbers,
	       struct service_match *ret)
{
	if (node->kind != NODE_MAPPING)
		return read_icmp_name(r, node, ret);
	if (numbers)
		return read_icmp_object(r, node, ret);
	diag_error(
		r->diags, node_pos(node),
		"numbers mean different types in icmp and icmpv6; split the rule or use names");
	return false;
}

static bool read_port_match(struct reader *r, const struct node *item,
			    bool alone, struct service_match *m)
{
	m->has_ports = true;
	m->type = -1;
	m->code = -1;
	return read_ports(r->diags, item, &m->first, &m->last);
}

static bool has_icmp(int proto)
{
	return proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6;
}

/* What narrows a protocol: its destination ports or its ICMP types. */
struct narrowing {
	const char *key, *what;
	bool (*has)(int proto);
	/* alone: no other protocol is in the rule. */
	bool (*read)(struct reader *r, const struct node *item, bool alone,
		     struct service_match *m);
};
static const struct narrowing by_ports = { "ports", "ports", proto_has_ports,
					   read_port_match };
static const struct narrowing by_icmp = { "icmp", "ICMP types", has_icmp,
					  read_icmp };

static bool all_have(struct reader *r, const struct narrowing *n,
		     const struct field *field,
		     const struct protocols *protocols)
{
	char text[8];

	for (size_t p = 0; p < protocols->count; p++) {
		if (n->has(protocols->number[p]))
			continue;
		diag_error(r->diags, node_pos(field->value),
			   "protocol %s has no %s%s",
			   proto_print(protocols->number[p], text), n->what,
			   protocols->count > 1 ? "; split the rule" : "");
		return false;
	}
	return true;
}

/* Of one protocol after the other, in the order of both lists. */
static bool read_narrowed(struct reader *r, const struct narrowing *n,
			  const struct field *field,
			  const struct protocols *protocols,
			  struct match_list *ret)
{
	struct items items;

	if (!all_have(r, n, field, protocols) ||
	    !read_some_items(r->diags, field->value, n->key, &items))
		return false;

	int errors = r->diags->errors;
	for (size_t p = 0; p < protocols->count; p++) {
		const struct node *item = items.first;

		for_each_item(i, item, items) {
			struct service_match m = {
				.proto = protocols->number[p],
			};

			if (n->read(r, item, protocols->count == 1, &m))
				matches_add(r, ret, &m, 1);
		}
		if (r->diags->errors != errors)
			return false;
	}
	return true;
}

static bool read_by_protocol(struct reader *r, const struct service_fields *f,
			     struct match_list *ret)
{
	struct protocols protocols;

	if (f->ports.key && f->icmp.key) {
		diag_error(r->diags, node_pos(f->icmp.key),
			   "`ports` and `icmp` exclude each other");
		return false;
	}
	if (!read_protocols(r, &f->protocol, &protocols))
		return false;
	if (!protocols.count && (f->ports.key || f->icmp.key)) {
		diag_error(
			r->diags, node_pos(f->protocol.value),
			"`any` includes every protocol and stands alone, without ports or types");
		return false;
	}
	if (f->ports.key)
		return read_narrowed(r, &by_ports, &f->ports, &protocols, ret);
	if (f->icmp.key)
		return read_narrowed(r, &by_icmp, &f->icmp, &protocols, ret);
	for (size_t p = 0; p < protocols.count; p++)
		if (!add_match(r, ret, protocols.number[p]))
			return false;
	return protocols.count || add_match(r, ret, -1);
}

static void unknown_service(struct reader *r, const struct node *node)
{
	const char *nearest = r->diags->errors < 50 ?
				      strmap_nearest(&r->services, node->text) :
				      NULL;
	char token[NODE_TOKEN];

	if (!nearest)
		nearest = builtin_nearest(node->text);
	diag_error(r->diags, node_pos(node), "no service is named %s%s%s%s",
		   node_token(node, token), nearest ? "; did you mean `" : "",
		   nearest ?: "", nearest ? "`?" : "");
}

static bool read_by_name(struct reader *r, const struct node *node,
			 struct match_list *ret)
{
	struct service_match builtin[BUILTIN_MATCHES];
	const char *name = read_text(r->diags, node, "service");

	if (!name)
		return false;
	const struct own_service *own = strmap_get(&r->services, name);
	if (own)
		return matches_add(r, ret, own->matches.items,
				   own->matches.count);
	size_t count = builtin_service(name, builtin);
	if (count)
		return matches_add(r, ret, builtin, count);
	unknown_service(r, node);
	return false;
}

static bool read_service_list(struct reader *r, const struct service_fields *f,
			      struct match_list *ret)
{
	const struct field *others[] = { &f->protocol, &f->ports, &f->icmp };
	struct items items;
	bool ok = true;

	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		if (!others[i]->key)
			continue;
		diag_error(r->diags, node_pos(others[i]->key),
			   "`service` says it all; take `%s` out",
			   others[i]->key->text);
		ok = false;
	}
	if (!read_some_items(r->diags, f->service.value, "service", &items))
		return false;
	const struct node *item = items.first;
	for_each_item(i, item, items)
		ok = read_by_name(r, item, ret) && ok;
	return ok;
}

bool read_services(struct reader *r, const struct service_fields *f,
		   struct match_list *ret)
{
	if (f->service.key)
		return read_service_list(r, f, ret);
	if (f->protocol.key)
		return read_by_protocol(r, f, ret);
	if (f->ports.key) {
		diag_error(r->diags, node_pos(f->ports.key),
			   "`ports` needs `protocol`");
		return false;
	}
	if (f->icmp.key) {
		diag_error(r->diags, node_pos(f->icmp.key),
			   "`icmp` needs `protocol`: icmp, icmpv6 or both");
		return false;
	}
	return add_match(r, ret, -1);
}

void matches_free(struct match_list *list)
{
	free(list->items);
	*list = (struct match_list){ 0 };
}
