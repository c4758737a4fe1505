// SPDX-License-Identifier: BSD-2-Clause
/* Rules of groups and network ACLs. */
#include <string.h>

#include "moat/base.h"
#include "policy/read.h"

enum rule_key {
	RULE_NAME,
	RULE_PEERS,
	RULE_PROTOCOL,
	RULE_PORTS,
	RULE_ICMP,
	RULE_SERVICE,
	RULE_DESCRIPTION,
	RULE_NUMBER,
	RULE_ACTION,
	RULE_LIMIT,
	RULE_OTHER_SIDE,
	RULE_COUNT
};

#define MATCH_KEYS \
	[RULE_PROTOCOL] = { "protocol", false, NULL }, \
	[RULE_PORTS] = { "ports", false, NULL }, \
	[RULE_ICMP] = { "icmp", false, NULL }, \
	[RULE_SERVICE] = { "service", false, NULL }, \
	[RULE_DESCRIPTION] = { "description", false, NULL }
#define INGRESS_KEYS(needed) \
	[RULE_PEERS] = { "from", needed, NULL }, [RULE_OTHER_SIDE] = { \
		"to", false, "an ingress rule has `from`, not `to`", \
		RULE_PEERS + 1 \
	}
#define EGRESS_KEYS(needed) \
	[RULE_PEERS] = { "to", needed, NULL }, [RULE_OTHER_SIDE] = { \
		"from", false, "an egress rule has `to`, not `from`", \
		RULE_PEERS + 1 \
	}
#define GROUP_KEYS \
	[RULE_NAME] = { "name", true, NULL }, \
	[RULE_NUMBER] = { "rule", false, \
			  "rules of a group have no numbers: all of them count" }, \
	[RULE_ACTION] = { "action", false, \
			  "a group only allows; deny in a network ACL" }
#define NACL_KEYS \
	[RULE_NAME] = { "name", false, NULL }, \
	[RULE_NUMBER] = { "rule", true, NULL }, \
	[RULE_ACTION] = { "action", true, NULL }, \
	[RULE_LIMIT] = { "limit", false, \
			 "limits belong to ingress rules of groups" }

static const struct key_def group_ingress[] = {
	MATCH_KEYS,
	INGRESS_KEYS(true),
	GROUP_KEYS,
	[RULE_LIMIT] = { "limit", false, NULL },
};
static const struct key_def group_egress[] = {
	MATCH_KEYS,
	EGRESS_KEYS(true),
	GROUP_KEYS,
	[RULE_LIMIT] = { "limit", false,
			 "limits belong to ingress rules of groups" },
};
static const struct key_def nacl_ingress[] = {
	MATCH_KEYS,
	INGRESS_KEYS(false),
	NACL_KEYS,
};
static const struct key_def nacl_egress[] = {
	MATCH_KEYS,
	EGRESS_KEYS(false),
	NACL_KEYS,
};

static const struct object_def group_defs[2] = {
	OBJECT_DEF("a group's rule", group_ingress),
	OBJECT_DEF("a group's rule", group_egress),
};
static const struct object_def nacl_defs[2] = {
	OBJECT_DEF("a network ACL's rule", nacl_ingress),
	OBJECT_DEF("a network ACL's rule", nacl_egress),
};

/* What both layers' rules have: peers and services. */
static void read_matches(struct reader *r, const struct field *f, size_t self,
			 struct rule *rule)
{
	const struct service_fields fields = { .protocol = f[RULE_PROTOCOL],
					       .ports = f[RULE_PORTS],
					       .icmp = f[RULE_ICMP],
					       .service = f[RULE_SERVICE] };
	struct match_list matches = { 0 };
	struct peer_list peers = { 0 };

	read_peers(r, &f[RULE_PEERS], (long)self, &peers);
	rule->peers = peers.items;
	rule->npeers = peers.count;
	read_services(r, &fields, &matches);
	rule->services = matches.items;
	rule->nservices = matches.count;
	if (f[RULE_DESCRIPTION].value)
		rule->description = read_copy(r->diags,
					      f[RULE_DESCRIPTION].value,
					      "description", DESCRIPTION_MAX);
}

static void read_rule_name(struct reader *r, const struct field *f,
			   struct rule *rule)
{
	const char *name = f->value ? read_name(r->diags, f->value,
						"a rule's name") :
				      NULL;

	if (!name)
		return;
	rule->name = strdup(name);
	if (!rule->name)
		error_out_of_memory(r->diags);
}

static void read_group_rule(struct reader *r, const struct node *node,
			    const struct group *g, struct ruleset *in)
{
	struct rule *rule = &in->rules[in->count];
	int direction = in == &g->rules[MOAT_EGRESS];
	struct field f[RULE_COUNT];

	if (!read_object(r->diags, node, &group_defs[direction], f))
		return;
	in->count++;
	rule->pos = node_pos(node);
	read_rule_name(r, &f[RULE_NAME], rule);
	read_matches(r, f, g->set, rule);
	if (f[RULE_LIMIT].value)
		read_limit(r, f[RULE_LIMIT].value, &rule->limit);
}

static void read_peer_any(struct reader *r, struct rule *rule)
{
	rule->peers = calloc(1, sizeof(*rule->peers));
	if (!rule->peers) {
		error_out_of_memory(r->diags);
		return;
	}
	rule->peers[0] = (struct peer){ .kind = PEER_ANY, .pos = rule->pos };
	rule->npeers = 1;
}

static void read_nacl_rule(struct reader *r, const struct node *node,
			   const struct nacl *n, struct ruleset *in)
{
	static const char *const actions[] = { "allow", "deny", NULL };
	static const uint64_t range[2] = { 1, 32766 };
	struct rule *rule = &in->rules[in->count];
	int direction = in == &n->rules[MOAT_EGRESS];
	struct field f[RULE_COUNT];
	uint64_t number = 0;

	if (!read_object(r->diags, node, &nacl_defs[direction], f))
		return;
	in->count++;
	rule->pos = node_pos(node);
	if (f[RULE_NUMBER].value)
		read_number(r->diags, f[RULE_NUMBER].value, "rule", range,
			    &number);
	rule->number = (int)number;
	if (f[RULE_ACTION].value)
		rule->deny = read_choice(r->diags, f[RULE_ACTION].value,
					 "action", actions) == 1;
	read_rule_name(r, &f[RULE_NAME], rule);
	read_matches(r, f, n->set, rule);
	if (!f[RULE_PEERS].key)
		read_peer_any(r, rule);
}

static void check_names(struct reader *r, const struct ruleset *set)
{
	_cleanup_(strmap_free) struct strmap seen = { 0 };

	for (size_t i = 0; i < set->count; i++) {
		struct rule *rule = &set->rules[i];
		const struct rule *first = rule->name ? strmap_get(&seen,
								   rule->name) :
							NULL;

		if (first)
			diag_error(r->diags, rule->pos,
				   "rule `%s` stands twice, first in line %d",
				   rule->name, first->pos.line);
		else if (rule->name && strmap_put(&seen, rule->name, rule))
			error_out_of_memory(r->diags);
	}
}

static int compare_numbers(const void *a, const void *b)
{
	const struct rule *x = *(const struct rule *const *)a;
	const struct rule *y = *(const struct rule *const *)b;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return x < y ? -1 : x > y;
}

static void check_numbers(struct reader *r, const struct ruleset *set)
{
	_cleanup_free_ const struct rule **sorted = calloc(set->count + 1,
							   sizeof(*sorted));
	const struct rule *first = NULL;

	if (!sorted) {
		error_out_of_memory(r->diags);
		return;
	}
	for (size_t i = 0; i < set->count; i++)
		sorted[i] = &set->rules[i];
	qsort(sorted, set->count, sizeof(*sorted), compare_numbers);
	for (size_t i = 0; i < set->count; i++) {
		if (!first || sorted[i]->number != first->number)
			first = sorted[i];
		else if (first->number)
			diag_error(r->diags, sorted[i]->pos,
				   "rule %d stands twice, first in line %d",
				   first->number, first->pos.line);
	}
}

/* Room for the rules of one direction; false if there is nothing to read. */
static bool begin_rules(struct reader *r, struct ruleset *set,
			const struct field *field, struct items *ret)
{
	set->absent = !field->key;
	if (set->absent || field->value->kind == NODE_BAD)
		return false;
	set->pos = node_pos(field->key);
	if (!read_items(r->diags, field->value, field->key->text, ret))
		return false;
	r->rules += ret->count;
	if (r->rules > MOAT_MAX_RULES)
		return false;
	set->rules = calloc(ret->count + 1, sizeof(*set->rules));
	if (!set->rules)
		error_out_of_memory(r->diags);
	return set->rules;
}

void read_group_rules(struct reader *r, struct group *g, int direction,
		      const struct field *field)
{
	struct ruleset *set = &g->rules[direction];
	struct items items;

	if (!begin_rules(r, set, field, &items))
		return;
	const struct node *item = items.first;
	for_each_item(i, item, items)
		read_group_rule(r, item, g, set);
	check_names(r, set);
}

void read_nacl_rules(struct reader *r, struct nacl *n, int direction,
		     const struct field *field)
{
	struct ruleset *set = &n->rules[direction];
	struct items items;

	if (!begin_rules(r, set, field, &items))
		return;
	const struct node *item = items.first;
	for_each_item(i, item, items)
		read_nacl_rule(r, item, n, set);
	check_numbers(r, set);
}
