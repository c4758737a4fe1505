// SPDX-License-Identifier: BSD-2-Clause
/* security_groups and network_acls. */
#include <string.h>

#include "policy/read.h"

void read_mode(struct reader *r, const struct field *field,
	       enum policy_mode *ret)
{
	static const char *const modes[] = { "enforce", "audit", NULL };
	int mode = field->value ?
			   read_choice(r->diags, field->value, "mode", modes) :
			   -1;

	if (mode >= 0)
		*ret = mode ? MODE_AUDIT : MODE_ENFORCE;
}

void read_on_tighten(struct reader *r, const struct field *field,
		     enum on_tighten *ret)
{
	static const char *const choices[] = { "keep", "reevaluate", NULL };
	int choice = field->value ? read_choice(r->diags, field->value,
						"on_tighten", choices) :
				    -1;

	if (choice >= 0)
		*ret = choice ? TIGHTEN_REEVALUATE : TIGHTEN_KEEP;
}

static char *read_words(struct reader *r, const struct field *field)
{
	return field->value ? read_copy(r->diags, field->value,
					field->key->text, DESCRIPTION_MAX) :
			      NULL;
}

enum object_key {
	OBJECT_ADDRESSES,
	OBJECT_INGRESS,
	OBJECT_EGRESS,
	OBJECT_MODE,
	OBJECT_ON_TIGHTEN,
	OBJECT_DESCRIPTION,
	OBJECT_OWNER,
	OBJECT_WRONG,
	OBJECT_COUNT
};

#define COMMON_KEYS \
	[OBJECT_INGRESS] = { "ingress", false, NULL }, \
	[OBJECT_EGRESS] = { "egress", false, NULL }, \
	[OBJECT_MODE] = { "mode", false, NULL }, \
	[OBJECT_DESCRIPTION] = { "description", false, NULL }, \
	[OBJECT_OWNER] = { "owner", false, NULL }

static const struct key_def group_keys[] = {
	COMMON_KEYS,
	[OBJECT_ADDRESSES] = { "members", false, NULL },
	[OBJECT_ON_TIGHTEN] = { "on_tighten", false, NULL },
	[OBJECT_WRONG] = { "applies_to", false,
			   "a group has `members`, not `applies_to`",
			   OBJECT_ADDRESSES + 1 },
};
static const struct key_def nacl_keys[] = {
	COMMON_KEYS,
	[OBJECT_ADDRESSES] = { "applies_to", true, NULL },
	[OBJECT_ON_TIGHTEN] = { "on_tighten", false,
				"`on_tighten` is for groups: network ACLs always apply at once" },
	[OBJECT_WRONG] = { "members", false,
			   "a network ACL has `applies_to`, not `members`",
			   OBJECT_ADDRESSES + 1 },
};
static const struct object_def group_def = OBJECT_DEF("a group", group_keys);
static const struct object_def nacl_def = OBJECT_DEF("a network ACL",
						     nacl_keys);

static bool copy_name(struct reader *r, size_t set, char **ret)
{
	*ret = strdup(r->policy->sets[set].name);
	if (!*ret)
		error_out_of_memory(r->diags);
	return *ret;
}

static void read_group(struct reader *r, size_t set, struct group *g)
{
	struct field f[OBJECT_COUNT];

	g->set = set;
	g->pos = r->policy->sets[set].pos;
	g->mode = MODE_INHERIT;
	g->on_tighten = TIGHTEN_INHERIT;
	if (!copy_name(r, set, &g->name) ||
	    !read_object(r->diags, r->set_nodes[set], &group_def, f))
		return;
	if (f[OBJECT_ADDRESSES].value)
		read_set(r, &r->policy->sets[set], f[OBJECT_ADDRESSES].value);
	read_group_rules(r, g, MOAT_INGRESS, &f[OBJECT_INGRESS]);
	read_group_rules(r, g, MOAT_EGRESS, &f[OBJECT_EGRESS]);
	read_mode(r, &f[OBJECT_MODE], &g->mode);
	read_on_tighten(r, &f[OBJECT_ON_TIGHTEN], &g->on_tighten);
	g->description = read_words(r, &f[OBJECT_DESCRIPTION]);
	g->owner = read_words(r, &f[OBJECT_OWNER]);
}

static void read_nacl(struct reader *r, size_t set, struct nacl *n)
{
	struct field f[OBJECT_COUNT];

	n->set = set;
	n->pos = r->policy->sets[set].pos;
	n->mode = MODE_INHERIT;
	if (!copy_name(r, set, &n->name) ||
	    !read_object(r->diags, r->set_nodes[set], &nacl_def, f))
		return;
	if (f[OBJECT_ADDRESSES].value)
		read_set(r, &r->policy->sets[set], f[OBJECT_ADDRESSES].value);
	read_nacl_rules(r, n, MOAT_INGRESS, &f[OBJECT_INGRESS]);
	read_nacl_rules(r, n, MOAT_EGRESS, &f[OBJECT_EGRESS]);
	read_mode(r, &f[OBJECT_MODE], &n->mode);
	n->description = read_words(r, &f[OBJECT_DESCRIPTION]);
	n->owner = read_words(r, &f[OBJECT_OWNER]);
}

void read_groups(struct reader *r)
{
	struct group *g = r->policy->groups;

	for (size_t i = 0; i < r->policy->nsets; i++)
		if (r->policy->sets[i].kind == SET_GROUP)
			read_group(r, i, g++);
}

void read_nacls(struct reader *r)
{
	struct nacl *n = r->policy->nacls;

	for (size_t i = 0; i < r->policy->nsets; i++)
		if (r->policy->sets[i].kind == SET_NACL)
			read_nacl(r, i, n++);
}
