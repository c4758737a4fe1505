// SPDX-License-Identifier: BSD-2-Clause
/* Two canonical policy documents compared by meaning. */
#include "cli/changes.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

struct walk {
	json_t *changes;
	const char *kind;
	char where[200];
};

static void report(struct walk *w, const json_t *before, const json_t *after)
{
	const char *change = !before ? "added" : !after ? "removed" : "changed";

	json_array_append_new(w->changes,
			      json_pack("{s:s,s:s,s:s,s:O?,s:O?}", "change",
					change, "kind", w->kind, "where",
					w->where, "before", (json_t *)before,
					"after", (json_t *)after));
}

static void report_if_differs(struct walk *w, const json_t *before,
			      const json_t *after)
{
	if ((before || after) && !json_equal(before, after))
		report(w, before, after);
}

/* One value stands for a list of one. */
static json_t *as_list(const json_t *value)
{
	json_t *list;

	if (json_is_array(value))
		return json_incref((json_t *)value);
	list = json_array();
	if (value)
		json_array_append(list, (json_t *)value);
	return list;
}

static bool holds(const json_t *list, const json_t *value)
{
	const json_t *item;
	size_t i;

	json_array_foreach((json_t *)list, i, item)
		if (json_equal(item, value))
			return true;
	return false;
}

/* A set of texts as an object, so that 100,000 addresses stay linear. */
static json_t *as_set(const json_t *list)
{
	json_t *set = json_object();
	const json_t *item;
	size_t i;

	json_array_foreach((json_t *)list, i, item)
		if (json_is_string(item))
			json_object_set_new(set, json_string_value(item),
					    json_true());
	return set;
}

static void missing_items(struct walk *w, const json_t *list,
			  const json_t *other, bool removed)
{
	json_t *set = as_set(other);
	const json_t *item;
	size_t i;

	json_array_foreach((json_t *)list, i, item) {
		const char *text = json_string_value(item);

		if (text ? json_object_get(set, text) != NULL :
			   holds(other, item))
			continue;
		report(w, removed ? item : NULL, removed ? NULL : item);
	}
	json_decref(set);
}

static void compare_sets(struct walk *w, const json_t *before,
			 const json_t *after)
{
	json_t *old = as_list(before), *new = as_list(after);

	missing_items(w, old, new, true);
	missing_items(w, new, old, false);
	json_decref(old);
	json_decref(new);
}

/* Key of a rule: its name, or a NACL rule's number. */
static void rule_key(const json_t *rule, char *buf, size_t len)
{
	const json_t *number = json_object_get(rule, "rule");
	const char *name = json_string_value(json_object_get(rule, "name"));

	if (json_is_integer(number))
		snprintf(buf, len, "%" JSON_INTEGER_FORMAT,
			 json_integer_value(number));
	else
		snprintf(buf, len, "%s", name ? name : "?");
}

static json_t *by_key(const json_t *rules)
{
	json_t *object = json_object();
	const json_t *rule;
	char key[80];
	size_t i;

	json_array_foreach((json_t *)rules, i, rule) {
		rule_key(rule, key, sizeof(key));
		json_object_set(object, key, (json_t *)rule);
	}
	return object;
}

/* Order decides which rule is credited, so a pure reordering is a change. */
static bool same_order(const json_t *before, const json_t *after)
{
	char old[80], new[80];

	if (json_array_size(before) != json_array_size(after))
		return true;
	for (size_t i = 0; i < json_array_size(before); i++) {
		rule_key(json_array_get(before, i), old, sizeof(old));
		rule_key(json_array_get(after, i), new, sizeof(new));
		if (strcmp(old, new))
			return false;
	}
	return true;
}

static void compare_rules(struct walk *w, const char *direction,
			  const json_t *before, const json_t *after)
{
	json_t *old = by_key(before), *new = by_key(after), *value;
	size_t reported = json_array_size(w->changes);
	char owner[sizeof(w->where)];
	const char *key;

	snprintf(owner, sizeof(owner), "%s", w->where);
	w->kind = "rule";
	json_object_foreach(old, key, value) {
		snprintf(w->where, sizeof(w->where), "%.100s/%.60s %s", owner,
			 key, direction);
		report_if_differs(w, value, json_object_get(new, key));
	}
	json_object_foreach(new, key, value) {
		if (json_object_get(old, key))
			continue;
		snprintf(w->where, sizeof(w->where), "%.100s/%.60s %s", owner,
			 key, direction);
		report(w, NULL, value);
	}
	if (reported == json_array_size(w->changes) &&
	    (!before != !after || !same_order(before, after))) {
		w->kind = "order";
		snprintf(w->where, sizeof(w->where), "%.100s %s", owner,
			 direction);
		report(w, before, after);
	}
	snprintf(w->where, sizeof(w->where), "%s", owner);
	json_decref(old);
	json_decref(new);
}

/* One key of a group, NACL or list. */
static void compare_member(struct walk *w, const char *key,
			   const json_t *before, const json_t *after)
{
	if (!strcmp(key, "ingress") || !strcmp(key, "egress")) {
		compare_rules(w, key, before, after);
		return;
	}
	w->kind = key;
	if (!strcmp(key, "members") || !strcmp(key, "applies_to"))
		compare_sets(w, before, after);
	else
		report_if_differs(w, before, after);
}

static void compare_object(struct walk *w, json_t *before, json_t *after)
{
	const char *key;
	json_t *value;

	json_object_foreach(before, key, value)
		compare_member(w, key, value, json_object_get(after, key));
	json_object_foreach(after, key, value)
		if (!json_object_get(before, key))
			compare_member(w, key, NULL, value);
}

static void compare_named(struct walk *w, const char *kind, json_t *before,
			  json_t *after)
{
	bool lists = json_is_array(before) || json_is_array(after);

	w->kind = kind;
	if (!before || !after) {
		report(w, before, after);
		return;
	}
	if (!lists && json_is_object(before) && json_is_object(after)) {
		compare_object(w, before, after);
		return;
	}
	w->kind = "address";
	compare_sets(w, before, after);
}

static void compare_section(struct walk *w, const char *kind, json_t *before,
			    json_t *after)
{
	const char *name;
	json_t *value;

	json_object_foreach(before, name, value) {
		snprintf(w->where, sizeof(w->where), "%s", name);
		compare_named(w, kind, value, json_object_get(after, name));
	}
	json_object_foreach(after, name, value) {
		if (json_object_get(before, name))
			continue;
		snprintf(w->where, sizeof(w->where), "%s", name);
		compare_named(w, kind, NULL, value);
	}
}

/* A revision that nobody wrote is the hash of the rest. */
static bool is_hash(const json_t *value)
{
	const char *text = json_string_value(value);

	return !text ||
	       (strlen(text) == 12 && strspn(text, "0123456789abcdef") == 12);
}

json_t *policy_changes(const json_t *before, const json_t *after)
{
	static const char *const scalars[] = { "name", "mode", "on_tighten",
					       "tests", "never" };
	static const struct {
		const char *key, *kind;
	} sections[] = { { "services", "service" },
			 { "prefix_lists", "prefix list" },
			 { "security_groups", "group" },
			 { "network_acls", "network ACL" } };
	struct walk w = { .changes = json_array() };
	const json_t *old = json_object_get(before, "revision");
	const json_t *new = json_object_get(after, "revision");

	strcpy(w.where, "policy");
	w.kind = "revision";
	if (!is_hash(old) || !is_hash(new))
		report_if_differs(&w, old, new);
	for (size_t i = 0; i < ARRAY_SIZE(scalars); i++) {
		w.kind = scalars[i];
		report_if_differs(&w, json_object_get(before, scalars[i]),
				  json_object_get(after, scalars[i]));
	}
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		compare_section(&w, sections[i].kind,
				json_object_get(before, sections[i].key),
				json_object_get(after, sections[i].key));
	return w.changes;
}
