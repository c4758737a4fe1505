// SPDX-License-Identifier: BSD-2-Clause
/* policy_print(): the model as one JSON document. */
#include "policy/print.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "policy/reader.h"

static const char *const modes[] = { "enforce", "audit" };
static const char *const tightens[] = { "keep", "reevaluate" };

void print_set(struct printer *p, json_t *object, const char *key,
	       json_t *value)
{
	if (json_object_set_new_nocheck(object, key, value))
		p->failed = true;
}

void print_append(struct printer *p, json_t *array, json_t *value)
{
	if (json_array_append_new(array, value))
		p->failed = true;
}

static void set_text(struct printer *p, json_t *object, const char *key,
		     const char *text)
{
	if (text)
		print_set(p, object, key, json_string(text));
}

static json_t *cidr_text(const struct cidr *cidr)
{
	char text[ADDR_TEXT];

	return json_string_nocheck(cidr_print(cidr, true, text));
}

/* A list's or a group's addresses without the names that brought them in. */
static json_t *addresses(struct printer *p, const struct addr_set *set)
{
	json_t *list = json_array();

	for (size_t i = 0; i < set->ncidrs; i++)
		print_append(p, list, cidr_text(&set->cidrs[i]));
	return list;
}

static json_t *peers(struct printer *p, const struct peer *peer, size_t count)
{
	json_t *list = json_array();

	for (const struct peer *end = peer + count; peer < end; peer++) {
		if (peer->kind == PEER_ANY)
			print_append(p, list, json_string("any"));
		else if (peer->kind == PEER_CIDR)
			print_append(p, list, cidr_text(&peer->cidr));
		else
			print_append(
				p, list,
				json_string(peer->self ?
						    "self" :
						    p->policy->sets[peer->set]
							    .name));
	}
	return list;
}

/* With its names: a NACL follows the members of a group (members.h). */
static json_t *applies_to(struct printer *p, const struct addr_set *set)
{
	json_t *list;

	if (set->nitems)
		return peers(p, set->items, set->nitems);
	/* Of a model that no reader made. */
	list = addresses(p, set);
	if (set->any)
		print_append(p, list, json_string("any"));
	return list;
}

/* A rate that reads back to the same number of connections per 1000 s. */
static json_t *rate_text(uint64_t rate)
{
	unsigned long long r = rate;
	unsigned long long minute = (r * 60 + 999) / 1000;
	char text[48];

	if (r % 1000 == 0)
		snprintf(text, sizeof(text), "%llu/second", r / 1000);
	else if (minute * 1000 / 60 == r)
		snprintf(text, sizeof(text), "%llu/minute", minute);
	else
		snprintf(text, sizeof(text), "%llu/hour",
			 (r * 3600 + 999) / 1000);
	return json_string(text);
}

static void print_limit(struct printer *p, json_t *object,
			const struct rate_limit *limit)
{
	json_t *l = json_object();

	print_set(p, l, "new_connections", rate_text(limit->rate));
	print_set(p, l, "burst", json_integer(limit->burst));
	set_text(p, l, "per", limit->per_source ? "source" : "rule");
	print_set(p, object, "limit", l);
}

static json_t *print_rule(struct printer *p, const struct rule *rule,
			  const char *side)
{
	json_t *object = json_object();

	if (rule->number) {
		print_set(p, object, "rule", json_integer(rule->number));
		set_text(p, object, "action", rule->deny ? "deny" : "allow");
	}
	set_text(p, object, "name", rule->name);
	print_set(p, object, side, peers(p, rule->peers, rule->npeers));
	print_services(p, object, rule->services, rule->nservices);
	if (rule->limit.present)
		print_limit(p, object, &rule->limit);
	set_text(p, object, "description", rule->description);
	return object;
}

static void print_rules(struct printer *p, json_t *object,
			const struct ruleset rules[2])
{
	static const char *const keys[] = { "ingress", "egress" };
	static const char *const sides[] = { "from", "to" };

	for (int d = 0; d < 2; d++) {
		json_t *list;

		if (rules[d].absent)
			continue;
		list = json_array();
		for (size_t i = 0; i < rules[d].count; i++)
			print_append(p, list,
				     print_rule(p, &rules[d].rules[i],
						sides[d]));
		print_set(p, object, keys[d], list);
	}
}

static json_t *print_lists(struct printer *p)
{
	json_t *lists = json_object();

	for (size_t i = 0; i < p->policy->nsets; i++) {
		const struct addr_set *set = &p->policy->sets[i];

		if (set->kind == SET_PREFIX_LIST)
			print_set(p, lists, set->name, addresses(p, set));
	}
	return lists;
}

static json_t *print_groups(struct printer *p)
{
	json_t *groups = json_object();

	for (size_t i = 0; i < p->policy->ngroups; i++) {
		const struct group *g = &p->policy->groups[i];
		json_t *object = json_object();

		set_text(p, object, "description", g->description);
		set_text(p, object, "owner", g->owner);
		print_set(p, object, "members",
			  addresses(p, &p->policy->sets[g->set]));
		if (g->mode != MODE_INHERIT)
			set_text(p, object, "mode", modes[g->mode]);
		if (g->on_tighten != TIGHTEN_INHERIT)
			set_text(p, object, "on_tighten",
				 tightens[g->on_tighten]);
		print_rules(p, object, g->rules);
		print_set(p, groups, g->name, object);
	}
	return groups;
}

static json_t *print_nacls(struct printer *p)
{
	json_t *nacls = json_object();

	for (size_t i = 0; i < p->policy->nnacls; i++) {
		const struct nacl *n = &p->policy->nacls[i];
		json_t *object = json_object();

		set_text(p, object, "description", n->description);
		set_text(p, object, "owner", n->owner);
		print_set(p, object, "applies_to",
			  applies_to(p, &p->policy->sets[n->set]));
		if (n->mode != MODE_INHERIT)
			set_text(p, object, "mode", modes[n->mode]);
		print_rules(p, object, n->rules);
		print_set(p, nacls, n->name, object);
	}
	return nacls;
}

static json_t *print_test(struct printer *p, const struct policy_test *t)
{
	json_t *object = json_object();
	char text[ADDR_TEXT];

	set_text(p, object, "description", t->description);
	set_text(p, object, "src", addr_print(&t->src, text));
	set_text(p, object, "dst", addr_print(&t->dst, text));
	print_set(p, object, "protocol", print_protocol(t->proto));
	if (proto_has_ports(t->proto)) {
		print_set(p, object, "sport", json_integer(t->sport));
		print_set(p, object, "dport", json_integer(t->dport));
	}
	if (t->type >= 0)
		print_set(p, object, "icmp", print_icmp(t->type, t->code));
	set_text(p, object, "expect", t->expect_allow ? "allow" : "drop");
	return object;
}

static json_t *print_tests(struct printer *p)
{
	json_t *tests = json_array();

	for (size_t i = 0; i < p->policy->ntests; i++)
		print_append(p, tests, print_test(p, &p->policy->tests[i]));
	return tests;
}

static json_t *print_nevers(struct printer *p)
{
	json_t *nevers = json_array();

	for (size_t i = 0; i < p->policy->nnevers; i++) {
		const struct policy_never *n = &p->policy->nevers[i];
		json_t *object = json_object();

		set_text(p, object, "description", n->description);
		print_set(p, object, "from", peers(p, n->from, n->nfrom));
		print_set(p, object, "to", peers(p, n->to, n->nto));
		print_services(p, object, n->services, n->nservices);
		print_append(p, nevers, object);
	}
	return nevers;
}

static void print_all(struct printer *p, json_t *top)
{
	const struct policy *policy = p->policy;

	print_set(p, top, "version", json_integer(1));
	set_text(p, top, "name", policy->name);
	set_text(p, top, "revision", policy->revision);
	set_text(p, top, "mode", modes[policy->mode]);
	set_text(p, top, "on_tighten", tightens[policy->on_tighten]);
	print_set(p, top, "services", json_incref(p->services));
	print_set(p, top, "prefix_lists", print_lists(p));
	print_set(p, top, "security_groups", print_groups(p));
	print_set(p, top, "network_acls", print_nacls(p));
	print_set(p, top, "tests", print_tests(p));
	print_set(p, top, "never", print_nevers(p));
}

static int add_to_buf(const char *data, size_t len, void *out)
{
	return buf_add(out, data, len) ? -1 : 0;
}

int policy_print(const struct policy *policy, struct buf *out)
{
	struct printer p = { .policy = policy,
			     .services = json_object(),
			     .service_names = json_object() };
	json_t *top = json_object();
	size_t before = out->len;

	print_all(&p, top);
	if (p.failed || json_dump_callback(top, add_to_buf, out, JSON_COMPACT))
		p.failed = true;
	json_decref(top);
	json_decref(p.services);
	json_decref(p.service_names);
	if (!p.failed)
		return 0;
	/* Half a document helps nobody. */
	if (out->data) {
		out->len = before;
		out->data[before] = '\0';
	}
	return -ENOMEM;
}
