// SPDX-License-Identifier: BSD-2-Clause
/* failsafe: the way in that no policy can close. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "moat/host.h"
#include "policy/cidrs.h"
#include "policy/config_read.h"

void config_free_failsafe(struct config *c)
{
	for (size_t i = 0; i < c->nfailsafe; i++) {
		free(c->failsafe[i].name);
		free(c->failsafe[i].peers);
	}
	free(c->failsafe);
	c->failsafe = NULL;
	c->nfailsafe = 0;
}

int config_default_failsafe(struct config *c)
{
	/* RFC 1918, RFC 6598, RFC 4193, RFC 4291: nobody from outside. */
	static const char *const peers[] = { "10.0.0.0/8",     "172.16.0.0/12",
					     "192.168.0.0/16", "100.64.0.0/10",
					     "fc00::/7",       "fe80::/10" };
	struct failsafe_rule *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	c->failsafe = f;
	c->nfailsafe = 1;
	f->name = strdup("ssh");
	f->peers = calloc(ARRAY_SIZE(peers), sizeof(*f->peers));
	if (!f->name || !f->peers)
		return -ENOMEM;
	f->direction = MOAT_INGRESS;
	f->proto = IPPROTO_TCP;
	f->ports[f->nports].first = 22;
	f->ports[f->nports++].last = 22;
	for (size_t i = 0; i < ARRAY_SIZE(peers); i++)
		if (cidr_parse(peers[i], &f->peers[f->npeers++]))
			return -EINVAL;
	return 0;
}

static void read_failsafe_ports(struct diags *d, const struct node *node,
				struct failsafe_rule *f)
{
	struct items items;

	if (!read_some_items(d, node, "ports", &items))
		return;
	if (items.count > ARRAY_SIZE(f->ports)) {
		diag_error(d, node_pos(node),
			   "a failsafe entry has %zu ports, above %zu",
			   items.count, ARRAY_SIZE(f->ports));
		return;
	}
	const struct node *item = items.first;
	for_each_item(i, item, items) {
		uint16_t first, last;

		if (!read_ports(d, item, &first, &last))
			continue;
		f->ports[f->nports].first = first;
		f->ports[f->nports++].last = last;
	}
}

static void read_failsafe_peers(struct diags *d, const struct node *node,
				struct failsafe_rule *f)
{
	_cleanup_(cidrs_free) struct cidrs list = { 0 };
	struct items items;
	struct cidr cidr;

	if (!read_some_items(d, node, "peers", &items))
		return;
	const struct node *item = items.first;
	for_each_item(i, item, items)
		if (read_cidr(d, item, &cidr) && cidrs_add(&list, &cidr, 1))
			error_out_of_memory(d);
	if (cidrs_unique(&list))
		error_out_of_memory(d);
	f->npeers = list.count;
	f->peers = TAKE_PTR(list.items);
}

static void read_entry(struct diags *d, const struct node *node,
		       struct failsafe_rule *f)
{
	static const struct key_def keys[] = {
		{ "name", true, NULL },	    { "direction", true, NULL },
		{ "protocol", true, NULL }, { "ports", true, NULL },
		{ "peers", true, NULL },
	};
	static const struct object_def def = OBJECT_DEF("a failsafe entry",
							keys);
	static const char *const directions[] = { "ingress", "egress", NULL };
	struct field field[ARRAY_SIZE(keys)];
	char text[8];

	if (!read_object(d, node, &def, field))
		return;
	const char *name = field[0].value ?
				   read_name(d, field[0].value, "name") :
				   NULL;
	if (name)
		config_set(d, &f->name, name);
	if (field[1].value)
		f->direction = read_choice(d, field[1].value, "direction",
					   directions);
	f->proto = field[2].value ? read_protocol(d, field[2].value) : -1;
	if (f->proto >= 0 && !proto_has_ports(f->proto))
		diag_error(d, node_pos(field[2].value),
			   "protocol %s has no ports",
			   proto_print(f->proto, text));
	if (field[3].value)
		read_failsafe_ports(d, field[3].value, f);
	if (field[4].value)
		read_failsafe_peers(d, field[4].value, f);
}

static void check_names(struct diags *d, const struct node *node,
			const struct config *c)
{
	for (size_t i = 0; i < c->nfailsafe; i++) {
		for (size_t j = 0; j < i; j++) {
			const char *a = c->failsafe[i].name;
			const char *b = c->failsafe[j].name;

			if (a && b && !strcmp(a, b))
				diag_error(
					d, node_pos(node),
					"two failsafe entries are named `%s`",
					a);
		}
	}
}

void config_failsafe(struct diags *d, const struct node *node, struct config *c)
{
	struct items items;
	size_t need = 0;

	if (!read_items(d, node, "failsafe", &items))
		return;
	if (items.count > MOAT_FAILSAFE_MAX) {
		diag_error(d, node_pos(node),
			   "failsafe has %zu entries, above %d", items.count,
			   MOAT_FAILSAFE_MAX);
		return;
	}
	config_free_failsafe(c);
	c->failsafe = calloc(items.count + 1, sizeof(*c->failsafe));
	if (!c->failsafe) {
		error_out_of_memory(d);
		return;
	}
	const struct node *item = items.first;
	for_each_item(i, item, items) {
		struct failsafe_rule *f = &c->failsafe[c->nfailsafe++];

		read_entry(d, item, f);
		need += f->nports * f->npeers;
	}
	if (need > MOAT_FAILSAFE_MAX)
		diag_error(
			d, node_pos(node),
			"failsafe needs %zu pairs of peer and port, above %d",
			need, MOAT_FAILSAFE_MAX);
	check_names(d, node, c);
}
