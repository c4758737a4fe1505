// SPDX-License-Identifier: BSD-2-Clause
/* One function per control command: fields in, the work, a reply out. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "policy/reader.h"

#define CONFIRM_MAX 86400

static json_t *bad(const char *field)
{
	return ctl_error(CTL_USAGE, "%s: wrong type or value", field);
}

static json_t *get_confirm(const json_t *rq, uint32_t *ret, bool *ret_given)
{
	long long seconds = 0;
	bool now = false;

	if (ctl_get_number(rq, "confirm_seconds", 1, CONFIRM_MAX, &seconds))
		return bad("confirm_seconds");
	if (ctl_get_bool(rq, "now", &now))
		return bad("now");
	if (now && seconds)
		return ctl_error(CTL_USAGE, "confirm_seconds or now, not "
					    "both");
	*ret = (uint32_t)seconds;
	*ret_given = now || seconds;
	return NULL;
}

static json_t *get_generation(const json_t *rq, uint32_t *ret)
{
	long long generation = 0;

	if (ctl_get_number(rq, "generation", 1, 0xffffff, &generation))
		return bad("generation");
	*ret = (uint32_t)generation;
	return NULL;
}

static json_t *cmd_push(struct ctl_request *rq)
{
	struct push_request p = { .uid = rq->peer->uid };
	bool given = false;
	json_t *error;

	if (ctl_get_string(rq->json, "document", &p.document) || !p.document)
		return bad("document");
	if (ctl_get_string(rq->json, "message", &p.message))
		return bad("message");
	if (ctl_get_bool(rq->json, "dry_run", &p.dry_run))
		return bad("dry_run");
	if (ctl_get_bool(rq->json, "audit", &p.audit))
		return bad("audit");
	if (ctl_get_bool(rq->json, "allow_unassigned", &p.allow_unassigned))
		return bad("allow_unassigned");
	if (ctl_get_bool(rq->json, "refuse_cuts", &p.refuse_cuts))
		return bad("refuse_cuts");
	error = get_confirm(rq->json, &p.confirm_seconds, &given);
	if (error)
		return error;
	if (!given && !p.dry_run)
		return ctl_error(CTL_USAGE, "one of confirm_seconds and now "
					    "is needed");
	return agent_push(rq->arg, &p);
}

static json_t *get_cidrs(const json_t *list, struct cidr *ret)
{
	char network[ADDR_TEXT];
	json_t *one;
	size_t i;

	json_array_foreach((json_t *)list, i, one) {
		const char *text = json_string_value(one);
		int r = text ? cidr_parse(text, &ret[i]) : -EINVAL;

		if (r == -EDOM)
			return ctl_error(CTL_USAGE,
					 "%s has host bits set; the "
					 "network is %s",
					 text,
					 cidr_print(&ret[i], false, network));
		if (r || !ret[i].length)
			return ctl_error(CTL_USAGE,
					 "\"%s\" is no address or "
					 "CIDR of members",
					 text ? text : "?");
	}
	return NULL;
}

static json_t *cmd_member(struct ctl_request *rq)
{
	struct member_request m = { .uid = rq->peer->uid };
	const json_t *list = json_object_get(rq->json, "addresses");
	_cleanup_free_ struct cidr *cidrs = NULL;
	const char *op = "";
	json_t *error;

	if (ctl_get_string(rq->json, "op", &op) ||
	    (strcmp(op, "add") != 0 && strcmp(op, "remove") != 0))
		return bad("op");
	m.remove = strcmp(op, "remove") == 0;
	if (ctl_get_string(rq->json, "group", &m.group) || !m.group)
		return bad("group");
	if (ctl_get_string(rq->json, "message", &m.message))
		return bad("message");
	if (ctl_get_bool(rq->json, "allow_unassigned", &m.allow_unassigned))
		return bad("allow_unassigned");
	m.ncidrs = json_array_size(list);
	cidrs = calloc(m.ncidrs + 1, sizeof(*cidrs));
	if (!m.ncidrs || !cidrs)
		return bad("addresses");
	error = get_cidrs(list, cidrs);
	m.cidrs = cidrs;
	return error ? error : agent_member(rq->arg, &m);
}

static json_t *cmd_pending(struct ctl_request *rq)
{
	struct agent *a = rq->arg;
	uint32_t generation = 0;
	json_t *reply = get_generation(rq->json, &generation);
	char text[40];

	if (reply)
		return reply;
	agent_check_deadline(a);
	if (!generation && a->current)
		generation = a->current->record->generation;
	reply = ctl_ok();
	json_object_set_new(reply, "state",
			    json_string(agent_fate(a, generation)));
	json_object_set_new(
		reply, "deadline",
		a->pending ? json_string(clock_rfc3339(a->deadline_ms, text,
						       sizeof(text))) :
			     json_null());
	json_object_set_new(
		reply, "seconds_left",
		json_integer(a->pending && a->deadline_ms > clock_wall_ms() ?
				     (a->deadline_ms - clock_wall_ms() + 999) /
					     1000 :
				     0));
	return reply;
}

static json_t *cmd_confirm(struct ctl_request *rq)
{
	uint32_t generation = 0;
	json_t *error = get_generation(rq->json, &generation);

	return error ? error : agent_confirm(rq->arg, generation);
}

static json_t *cmd_rollback(struct ctl_request *rq)
{
	uint32_t generation = 0, seconds = 0;
	bool given;
	json_t *error = get_generation(rq->json, &generation);

	if (!error)
		error = get_confirm(rq->json, &seconds, &given);
	return error ? error :
		       agent_rollback(rq->arg, generation, seconds,
				      rq->peer->uid);
}

static json_t *cmd_status(struct ctl_request *rq)
{
	agent_check_deadline(rq->arg);
	return agent_status(rq->arg);
}

static json_t *cmd_rules(struct ctl_request *rq)
{
	const char *group = NULL, *layer = NULL;

	if (ctl_get_string(rq->json, "group", &group))
		return bad("group");
	if (ctl_get_string(rq->json, "layer", &layer))
		return bad("layer");
	return agent_rules(rq->arg, group, layer);
}

static json_t *cmd_drops(struct ctl_request *rq)
{
	return agent_drops(rq->arg);
}

static json_t *record_json(const struct record *r)
{
	char text[40];

	return json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:i, s:o}",
			 "generation", (int)r->generation, "policy", r->policy,
			 "revision", r->revision, "sha256", r->sha256, "time",
			 clock_rfc3339(r->time_ms, text, sizeof(text)),
			 "message", r->message, "uid", (int)r->uid, "members",
			 members_to_json(&r->members));
}

/* As it was pushed; with changes of members in it, in canonical form. */
static json_t *document_json(const struct record *r, const struct agent *a)
{
	struct diags diags = {};
	struct held *h = NULL;
	struct buf text = {};
	json_t *value = NULL;

	if (!r->members.count)
		return json_string(r->document);
	if (held_read(r->document, &r->members, a->config, &diags, &h) == 0 &&
	    policy_print(h->policy, &text) == 0)
		value = json_string(buf_text(&text));
	held_free(h);
	diags_free(&diags);
	buf_free(&text);
	return value ? value : json_string(r->document);
}

static json_t *show(const struct record *r, const struct agent *a)
{
	json_t *reply = record_json(r);

	json_object_set_new(reply, "ok", json_true());
	json_object_set_new(reply, "document", document_json(r, a));
	if (a->current && a->current->record == r)
		json_object_set_new(
			reply, "mode",
			json_string(held_audit(a->current, a->config) ?
					    "audit" :
					    "enforce"));
	return reply;
}

static json_t *cmd_show(struct ctl_request *rq)
{
	CLEANUP(record) struct record *old = NULL;
	struct agent *a = rq->arg;
	uint32_t generation = 0;
	json_t *error = get_generation(rq->json, &generation);
	int r;

	if (error)
		return error;
	if (a->current &&
	    (!generation || generation == a->current->record->generation))
		return show(a->current->record, a);
	if (!generation)
		return ctl_error(CTL_NO, "no policy is in force");
	r = state_load_generation(a->state, generation, &old);
	if (r)
		return ctl_error(CTL_NO, "generation %u: %s", generation,
				 r == -ENOENT ? "not in the history" :
						strerror(-r));
	return show(old, a);
}

/* Documents are megabytes, and each generation has all its members: one a
 * part, and others have their turn in between. */
struct history {
	struct agent *agent;
	uint32_t generations[64];
	size_t next, count;
};

static int history_next(void *state, json_t **ret)
{
	CLEANUP(record) struct record *r = NULL;
	struct history *h = state;

	if (h->next == h->count) {
		*ret = ctl_ok();
		return 0;
	}
	/* One that was dropped meanwhile is no part of it. */
	if (state_load_generation(h->agent->state, h->generations[h->next++],
				  &r) == 0)
		*ret = json_pack("{s:[o]}", "entries", record_json(r));
	return 1;
}

static json_t *cmd_history(struct ctl_request *rq)
{
	struct history *h = calloc(1, sizeof(*h));

	if (!h)
		return ctl_error(CTL_USAGE, "out of memory");
	h->agent = rq->arg;
	h->count = state_history(h->agent->state, h->generations,
				 ARRAY_SIZE(h->generations));
	rq->stream = (struct ctl_stream){ history_next, free, h };
	return NULL;
}

static json_t *cmd_metrics(struct ctl_request *rq)
{
	struct buf text = {};
	json_t *reply;
	int r = agent_page("/metrics", &text, rq->arg);

	if (r) {
		reply = ctl_error(CTL_USAGE, "metrics: %s", strerror(-r));
	} else {
		reply = ctl_ok();
		json_object_set_new(reply, "text",
				    json_string(buf_text(&text)));
	}
	buf_free(&text);
	return reply;
}

static json_t *cmd_doctor(struct ctl_request *rq)
{
	return agent_doctor(rq->arg);
}

static json_t *cmd_version(struct ctl_request *rq)
{
	const struct agent *a = rq->arg;
	char text[40];

	return json_pack("{s:b, s:s, s:i, s:s, s:i, s:s}", "ok", 1, "version",
			 MOAT_VERSION, "abi", MOAT_ABI_VERSION, "kernel",
			 datapath_facts()->release, "pid", (int)getpid(),
			 "started",
			 clock_rfc3339(a->started_ms, text, sizeof(text)));
}

static json_t *cmd_reload(struct ctl_request *rq)
{
	return agent_reload(rq->arg, rq->peer->uid);
}

const struct ctl_command agent_commands[] = {
	{ "push", false, cmd_push },	    { "pending", true, cmd_pending },
	{ "confirm", false, cmd_confirm },  { "rollback", false, cmd_rollback },
	{ "member", false, cmd_member },    { "status", true, cmd_status },
	{ "rules", true, cmd_rules },	    { "flows", true, agent_flows },
	{ "kill", false, agent_kill },	    { "drops", true, cmd_drops },
	{ "show", true, cmd_show },	    { "history", true, cmd_history },
	{ "explain", true, agent_explain }, { "metrics", true, cmd_metrics },
	{ "doctor", true, cmd_doctor },	    { "version", true, cmd_version },
	{ "reload", false, cmd_reload },    { NULL, false, NULL },
};
