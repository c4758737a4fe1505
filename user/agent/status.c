// SPDX-License-Identifier: BSD-2-Clause
/*
 * The commands status, rules and drops. Members of status are listed in
 * svc/ctl_proto.h.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/rdma.h"
#include "base/addr.h"
#include "base/clock.h"
#include "kern/stats.h"
#include "policy/probe.h"

static const char *const directions[] = { "ingress", "egress" };

static json_t *time_json(int64_t wall_ms)
{
	char text[40];

	if (!wall_ms)
		return json_null();
	return json_string(clock_rfc3339(wall_ms, text, sizeof(text)));
}

/* ---- policy ---- */

static json_t *policy_json(const struct agent *a)
{
	const struct record *r;

	if (!a->current)
		return json_null();
	r = a->current->record;
	return json_pack(
		"{s:s, s:s, s:s, s:s, s:i, s:s, s:s, s:b, s:o, s:s, s:i, s:o}",
		"name", r->policy, "revision", r->revision, "mode",
		a->current->policy->mode == MODE_AUDIT ? "audit" : "enforce",
		"effective_mode",
		held_audit(a->current, a->config) ? "audit" : "enforce",
		"generation", (int)r->generation, "sha256", r->sha256,
		"message", r->message, "confirmed", !a->pending, "time",
		time_json(r->time_ms), "pushed_with", r->audit ? "--audit" : "",
		"uid", (int)r->uid, "members", members_to_json(&r->members));
}

static json_t *pending_json(const struct agent *a)
{
	int64_t left = (a->deadline_ms - clock_wall_ms()) / 1000;

	if (!a->pending)
		return json_null();
	return json_pack("{s:i, s:o, s:i, s:i}", "generation",
			 (int)a->current->record->generation, "deadline",
			 time_json(a->deadline_ms), "seconds_left",
			 (int)(left > 0 ? left : 0), "previous_generation",
			 a->previous ? (int)a->previous->record->generation :
				       0);
}

static json_t *last_push_json(const struct agent *a)
{
	static const char *const results[] = {
#define X(symbol, name) name,
		METRICS_PUSHES(X)
#undef X
	};
	const struct last_push *l = &a->last_push;

	if (!l->time_ms)
		return json_null();
	return json_pack("{s:o, s:b, s:s, s:s}", "time", time_json(l->time_ms),
			 "ok", l->ok, "result", results[l->result], "error",
			 l->error);
}

static const char *state_name(struct agent *a, bool enforcing)
{
	if (a->pins_hidden || a->corrupt)
		return "degraded";
	if (!a->current)
		return a->built_in == BUILT_IN_LOCKDOWN ? "lockdown" :
							  "before-first-policy";
	if (held_audit(a->current, a->config))
		return "audit";
	return enforcing ? "enforcing" : "degraded";
}

/* Groups whose audit suspends the enforcement of others (design 3.7). */
static void suspended_by(const struct policy *p, const size_t *groups, size_t n,
			 json_t *list)
{
	const struct group *audit = NULL, *enforced = NULL;
	json_t *one, *value;
	size_t i, k;

	for (i = 0; i < n; i++) {
		const struct group *g = &p->groups[groups[i]];

		if (group_mode(p, g) == MODE_AUDIT)
			audit = audit ? audit : g;
		else
			enforced = enforced ? enforced : g;
	}
	if (!audit || !enforced)
		return;
	one = json_pack("{s:s, s:s}", "group", enforced->name, "by",
			audit->name);
	json_array_foreach(list, k, value) {
		if (json_equal(value, one)) {
			json_decref(one);
			return;
		}
	}
	json_array_append_new(list, one);
}

/* ---- addresses ---- */

static json_t *address_json(const struct agent *a, const struct local *l,
			    json_t *suspensions)
{
	static const struct moat_addr none;
	const struct policy *p = a->current ? a->current->policy : NULL;
	bool follows = !addr_equal(&l->alias, &none);
	const struct moat_addr *as = follows ? &l->alias : &l->net.addr;
	size_t groups[64], n, i;
	char text[ADDR_TEXT], alias[ADDR_TEXT];
	json_t *names = json_array();
	int nacl = p ? policy_nacl_of(p, as) : -1;

	n = p ? policy_groups_of(p, as, groups, ARRAY_SIZE(groups)) : 0;
	n = n < ARRAY_SIZE(groups) ? n : ARRAY_SIZE(groups);
	for (i = 0; i < n; i++)
		json_array_append_new(names,
				      json_string(p->groups[groups[i]].name));
	if (p && l->judged && !held_audit(a->current, a->config))
		suspended_by(p, groups, n, suspensions);
	return json_pack(
		"{s:s, s:s, s:b, s:b, s:o, s:o, s:o}", "address",
		addr_print(&l->net.addr, text), "interface", l->name, "judged",
		l->judged, "assigned", n > 0, "groups", names, "nacl",
		nacl >= 0 ? json_string(p->nacls[nacl].name) : json_null(),
		"follows",
		follows ? json_string(addr_print(as, alias)) : json_null());
}

/* ---- devices ---- */

/* Who came ahead of ours there, and when ours may follow. */
static json_t *ahead_json(const struct ahead *s)
{
	if (!s->times)
		return json_null();
	return json_pack("{s:i, s:s, s:i, s:b, s:i}", "program",
			 (int)s->prog_id, "name", s->name, "times",
			 (int)s->times, "contested", ahead_contested(s),
			 "wait_seconds", (int)ahead_wait(s, clock_boot_ns()));
}

static json_t *hook_json(const struct iface *i, enum attach_hook hook)
{
	const struct hook_state *h = &i->hook[hook];
	static const char *const kinds[] = { "none", "tcx", "clsact", "native",
					     "generic" };

	return json_pack("{s:s, s:b, s:b, s:i, s:s, s:o}", "attach",
			 kinds[h->kind], "ours", h->ours, "first", h->first,
			 "program", (int)h->prog_id, "why", h->why, "ahead",
			 ahead_json(&i->ahead[hook]));
}

static json_t *iface_json(const struct agent *a, const struct iface *i)
{
	json_t *o = json_pack("{s:s, s:i, s:s, s:b, s:s, s:b, s:b}", "name",
			      i->link.name, "ifindex", (int)i->link.ifindex,
			      "kind",
			      i->link.kind[0] ? i->link.kind : "physical",
			      "selected", i->selection.taken, "why",
			      i->selection.why, "carrier", i->link.carrier,
			      "enforcing", agent_iface_enforcing(a, i));

	if (!i->selection.taken)
		return o;
	json_object_set_new(o, "tc_ingress", hook_json(i, ATTACH_TC_INGRESS));
	json_object_set_new(o, "tc_egress", hook_json(i, ATTACH_TC_EGRESS));
	json_object_set_new(o, "xdp", hook_json(i, ATTACH_XDP));
	json_object_set_new(o, "xdp_why", json_string(i->xdp_why));
	json_object_set_new(o, "not_enforcing_why", json_string(i->why));
	return o;
}

static json_t *tables_json(const struct agent *a)
{
	static const char *const names[] = {
#define X(symbol, name) name,
		MOAT_TABLES(X)
#undef X
	};
	json_t *list = json_array(), *entries;
	enum moat_table t;
	size_t n;

	for (t = 0; t < MOAT_TABLE_COUNT; t++) {
		entries = agent_table_entries(a, t, &n) ?
				  json_integer((json_int_t)n) :
				  json_null();
		json_array_append_new(
			list, json_pack("{s:s, s:o, s:I}", "table", names[t],
					"entries", entries, "limit",
					(json_int_t)agent_table_limit(a, t)));
	}
	return list;
}

/* The plan of the maps that there are, beside the kernel's account of them. */
static json_t *memory_json(const struct agent *a)
{
	struct map_bytes maps[STATS_MAPS_MAX];
	size_t n = stats_maps(a->dp, maps, ARRAY_SIZE(maps));
	json_int_t planned = 0, bytes = 0;
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		planned += (json_int_t)maps[i].planned;
		bytes += (json_int_t)maps[i].bytes;
		json_array_append_new(
			list, json_pack("{s:s, s:I, s:I}", "map", maps[i].name,
					"planned", (json_int_t)maps[i].planned,
					"bytes", (json_int_t)maps[i].bytes));
	}
	return json_pack("{s:I, s:I, s:I, s:o}", "planned", planned, "bytes",
			 bytes, "limit", (json_int_t)a->config->tables.memory,
			 "maps", list);
}

static json_t *upkeep_json(const struct agent *a)
{
	struct metrics_upkeep u;
	json_int_t retries = 0;
	int i;

	agent_upkeep(a, &u);
	for (i = 0; i < FLOWS_RETRY_COUNT; i++)
		retries += (json_int_t)u.retries.count[i];
	return json_pack("{s:I, s:I, s:I, s:I, s:f, s:f}", "walks",
			 (json_int_t)u.walks, "failures",
			 (json_int_t)u.failures, "retries", retries,
			 "undeleted", (json_int_t)u.retries.undeleted,
			 "walk_seconds", u.walk_seconds, "longest_slice_ms",
			 u.longest_slice * 1000);
}

static json_t *unenforced_json(void)
{
	struct rdma_device devices[64];
	size_t i, n = rdma_devices(devices, ARRAY_SIZE(devices));
	json_t *list = json_array();

	for (i = 0; i < n; i++)
		json_array_append_new(list, json_pack("{s:s, s:s}", "device",
						      devices[i].name, "kind",
						      "rdma"));
	return list;
}

/* ---- status ---- */

static void add_host(struct agent *a, json_t *o)
{
	json_t *ifaces = json_array(), *addresses = json_array();
	json_t *suspensions = json_array();
	int unassigned = 0;
	size_t i;

	for (i = 0; i < a->nifaces; i++)
		json_array_append_new(ifaces, iface_json(a, &a->ifaces[i]));
	for (i = 0; i < a->nlocals; i++) {
		json_array_append_new(addresses, address_json(a, &a->locals[i],
							      suspensions));
		unassigned += local_needs_group(&a->locals[i]);
	}
	json_object_set_new(o, "interfaces", ifaces);
	json_object_set_new(o, "addresses", addresses);
	json_object_set_new(o, "unassigned", json_integer(unassigned));
	json_object_set_new(o, "audit_suspends", suspensions);
	json_object_set_new(o, "not_seen", unenforced_json());
}

static bool all_enforcing(const struct agent *a)
{
	bool any = false;
	size_t i;

	for (i = 0; i < a->nifaces; i++) {
		if (!a->ifaces[i].selection.taken)
			continue;
		any = true;
		if (!agent_iface_enforcing(a, &a->ifaces[i]))
			return false;
	}
	return any;
}

static void add_config(const struct agent *a, json_t *o)
{
	const struct config *c = a->config;
	char held[224];

	json_object_set_new(o, "max_mode",
			    json_string(c->max_mode_audit ? "audit" :
							    "enforce"));
	json_object_set_new(o, "forwarding",
			    json_string(c->forwarding_judge ? "judge" :
							      "pass"));
	json_object_set_new(o, "unassigned_policy",
			    json_string(c->unassigned_allow ? "allow" :
							      "deny"));
	json_object_set_new(o, "xdp", json_string(agent_xdp_word(c)));
	json_object_set_new(o, "xdp_held_off",
			    json_string(agent_xdp_held(a, held, sizeof(held)) ?:
						""));
	json_object_set_new(o, "xdp_unclean_boots",
			    json_integer((json_int_t)a->boots.unclean));
	json_object_set_new(o, "config", json_string(a->config_path));
	json_object_set_new(o, "policy_file", json_string(c->policy));
	json_object_set_new(o, "policy_file_differs",
			    json_boolean(a->policy_file_differs));
}

json_t *agent_status(struct agent *a)
{
	json_t *degraded = agent_degraded(a), *o = ctl_ok();
	bool enforcing = all_enforcing(a);
	char host[256] = "";
	struct store_state s;

	store_state(a->dp, &s);
	gethostname(host, sizeof(host) - 1);
	json_object_set_new(o, "state", json_string(state_name(a, enforcing)));
	json_object_set_new(o, "enforcing", json_boolean(enforcing));
	json_object_set_new(o, "generation", json_integer(s.generation));
	json_object_set_new(o, "policy", policy_json(a));
	json_object_set_new(o, "pending", pending_json(a));
	json_object_set_new(o, "last_push", last_push_json(a));
	json_object_set_new(o, "host", json_string(host));
	json_object_set_new(o, "version", json_string(MOAT_VERSION));
	json_object_set_new(o, "started", time_json(a->started_ms));
	json_object_set_new(o, "pins_hidden", json_boolean(a->pins_hidden));
	json_object_set_new(o, "drift_repairs",
			    json_integer((json_int_t)a->drift_repairs));
	add_config(a, o);
	add_host(a, o);
	json_object_set_new(o, "tables", tables_json(a));
	json_object_set_new(o, "memory", memory_json(a));
	json_object_set_new(o, "upkeep", upkeep_json(a));
	if (json_array_size(degraded))
		json_object_set_new(o, "code", json_integer(CTL_NO));
	json_object_set_new(o, "degraded", degraded);
	return o;
}

/* ---- rules ---- */

static json_t *rule_json(const struct metrics_rule *r)
{
	const struct moat_rule_count *c = &r->count;

	return json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:b}",
		"layer", r->nacl ? "nacl" : "sg", "group", r->owner, "rule",
		r->rule, "direction", directions[r->direction], "action",
		r->deny ? "deny" : "allow", "packets",
		(json_int_t)c->hit.packets, "bytes", (json_int_t)c->hit.bytes,
		"connections", (json_int_t)c->connections, "limited",
		(json_int_t)c->limited, "would_drop_packets",
		(json_int_t)c->would_drop.packets, "would_drop_bytes",
		(json_int_t)c->would_drop.bytes, "in_policy", 1);
}

json_t *agent_rules(struct agent *a, const char *group, const char *layer)
{
	_cleanup_free_ struct metrics_rule *rules = NULL;
	json_t *list = json_array(), *reply;
	size_t i, n = 0;
	int r = agent_rule_counts(a, &rules, &n);

	if (r) {
		json_decref(list);
		return ctl_error(CTL_USAGE, "rules: %s", strerror(-r));
	}
	for (i = 0; i < n; i++)
		if ((!group || strcmp(rules[i].owner, group) == 0) &&
		    (!layer ||
		     strcmp(rules[i].nacl ? "nacl" : "sg", layer) == 0))
			json_array_append_new(list, rule_json(&rules[i]));
	reply = ctl_ok();
	json_object_set_new(reply, "rules", list);
	return reply;
}

/* ---- drops ---- */

#define RECENT_MAX 200

static void add_drop(json_t *list, const char *name, int dir, int reason,
		     const struct iface_stats *s)
{
	const struct moat_iface_counters *c = &s->direction[dir];
	int v;

	for (v = 0; v < 2; v++) {
		const struct moat_count *n = v ? &c->would_drop[reason] :
						 &c->count[reason];

		if (!n->packets)
			continue;
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I}",
					"interface", name, "direction",
					directions[dir], "verdict",
					v ? "would-drop" : "drop", "reason",
					reason_name((enum moat_reason)reason),
					"layer",
					reason_layer((enum moat_reason)reason),
					"packets", (json_int_t)n->packets,
					"bytes", (json_int_t)n->bytes));
	}
}

static const int kinds[] = {
#define X(symbol, name, layer, kind) MOAT_KIND_##kind,
	MOAT_REASONS(X)
#undef X
};

static void iface_drops(struct agent *a, const struct iface *i, json_t *list)
{
	unsigned int entry = datapath_iface_index(a->dp, i->link.ifindex);
	_cleanup_free_ struct iface_stats *s = calloc(1, sizeof(*s));
	int dir, reason;

	if (!i->selection.taken || entry == MOAT_IFACES - 1 || !s ||
	    stats_iface(a->dp, entry, s))
		return;
	for (dir = 0; dir < 2; dir++)
		for (reason = 0; reason < MOAT_REASON_COUNT; reason++)
			if (kinds[reason] == MOAT_KIND_DROP)
				add_drop(list, i->link.name, dir, reason, s);
}

struct recent {
	struct agent *agent;
	json_t *list;
};

static bool add_recent(const struct flow_record *r, void *arg)
{
	struct recent *rc = arg;

	json_array_append_new(rc->list, agent_flow_json(rc->agent, r));
	return json_array_size(rc->list) < RECENT_MAX;
}

json_t *agent_drops(struct agent *a)
{
	json_t *drops = json_array(), *reply = ctl_ok();
	struct recent recent = { a, json_array() };
	struct flow_slice slice = { .table = MOAT_TABLE_DENIED,
				    .max = RECENT_MAX,
				    .fn = add_recent,
				    .arg = &recent };
	size_t i;

	for (i = 0; i < a->nifaces; i++)
		iface_drops(a, &a->ifaces[i], drops);
	while (flows_walk(a->dp, &slice) > 0)
		;
	json_object_set_new(reply, "drops", drops);
	json_object_set_new(reply, "recent", recent.list);
	return reply;
}
