// SPDX-License-Identifier: BSD-2-Clause
/* from and to: any, self, names, CIDRs and addresses. */
#include <string.h>

#include "policy/read.h"

static bool read_named_peer(struct reader *r, const struct node *node,
			    long self, struct peer *ret)
{
	if (!strcmp(node->text, "any")) {
		ret->kind = PEER_ANY;
		return true;
	}
	ret->kind = PEER_SET;
	if (!strcmp(node->text, "self")) {
		if (self < 0)
			diag_error(r->diags, node_pos(node),
				   "`self` means nothing here: name the group");
		ret->set = (size_t)self;
		ret->self = true;
		return self >= 0;
	}

	const struct addr_set *set = find_set(r, node);
	if (!set)
		return false;
	if (set->kind == SET_NACL) {
		diag_error(r->diags, node_pos(node),
			   "`%s` is a network ACL and can't be a peer",
			   set->name);
		return false;
	}
	ret->set = (size_t)(set - r->policy->sets);
	return true;
}

static bool read_peer(struct reader *r, const struct node *node, long self,
		      struct peer *ret)
{
	struct peer peer = { .pos = node_pos(node) };

	if (node->kind == NODE_SCALAR && !node_is_null(node) &&
	    !looks_like_address(node->text)) {
		if (!read_named_peer(r, node, self, &peer))
			return false;
	} else {
		peer.kind = PEER_CIDR;
		if (!read_cidr(r->diags, node, &peer.cidr))
			return false;
		r->cidrs++;
	}
	*ret = peer;
	return true;
}

bool read_peers(struct reader *r, const struct field *field, long self,
		struct peer_list *ret)
{
	struct items items;

	if (!field->value ||
	    !read_some_items(r->diags, field->value, field->key->text, &items))
		return false;
	_cleanup_free_ struct peer *peers = calloc(items.count, sizeof(*peers));
	if (!peers) {
		error_out_of_memory(r->diags);
		return false;
	}

	const struct node *item = items.first;
	size_t n = 0;
	for_each_item(i, item, items)
		n += read_peer(r, item, self, &peers[n]);
	*ret = (struct peer_list){ TAKE_PTR(peers), n };
	return true;
}
