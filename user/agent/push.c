// SPDX-License-Identifier: BSD-2-Clause
/*
 * A push: read, prove, compile, write to disk, switch. Until the switch
 * nothing has changed; whatever is wrong leaves the old policy in force.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "base/addr.h"
#include "base/clock.h"
#include "base/log.h"
#include "policy/reader.h"

struct push {
	struct agent *agent;
	const struct push_request *rq;
	struct held *held;
	struct compiled compiled;
	struct diags diags;
	struct cuts cuts;
	json_t *warnings;
	uint64_t started_ns;
	/* When each step was done; 0: not come to. */
	struct {
		uint64_t read, compiled, written, in_force;
	} at;
	int64_t in_force_ms; /* since 1970 */
	bool unchanged;
};

static json_t *refused(struct push *p, const char *why)
{
	json_t *reply = ctl_error(CTL_REFUSED, "%s", why);
	struct buf text = {};

	if (p->diags.errors && diags_render(&p->diags, &text) == 0)
		json_object_set_new(reply, "diagnostics",
				    json_string(buf_text(&text)));
	buf_free(&text);
	snprintf(p->agent->last_push.error, sizeof(p->agent->last_push.error),
		 "%s", why);
	return reply;
}

static json_t *failed(struct push *p, const char *what, int err)
{
	char text[160];

	snprintf(text, sizeof(text), "%s: %s", what, strerror(-err));
	log_write(LOG_LEVEL_ERROR, "push: %s", text);
	return refused(p, text);
}

/* Local addresses that the policy would leave without a group. */
static json_t *unassigned(const struct push *p)
{
	const struct agent *a = p->agent;
	json_t *list = json_array();
	char text[ADDR_TEXT];
	size_t i, first;

	for (i = 0; i < a->nlocals; i++) {
		struct local l = a->locals[i];

		l.assigned = policy_groups_of(p->held->policy, &l.net.addr,
					      &first, 1) > 0;
		if (local_needs_group(&l))
			json_array_append_new(
				list,
				json_string(addr_print(&l.net.addr, text)));
	}
	return list;
}

static json_t *refuse_unassigned(struct push *p, json_t *list)
{
	struct buf text = {};
	json_t *reply, *one;
	size_t i;

	buf_puts(&text, "no group has this host's address ");
	json_array_foreach(list, i, one)
		buf_printf(&text, "%s%s", i ? ", " : "",
			   json_string_value(one));
	buf_puts(&text, ": all to and from it would be dropped "
			"(--allow-unassigned)");
	reply = refused(p, buf_text(&text));
	json_object_set(reply, "unassigned", list);
	buf_free(&text);
	return reply;
}

/* Reads, proves and compiles. NULL: go on. */
static json_t *prepare(struct push *p)
{
	struct agent *a = p->agent;
	struct record *r;
	int err;

	err = held_read(p->rq->document, p->rq->members, a->config, &p->diags,
			&p->held);
	if (err == -EINVAL)
		return refused(p, "the policy is refused");
	if (err)
		return failed(p, "reading the policy", err);
	p->at.read = clock_boot_ns();
	r = p->held->record;
	free(r->message);
	r->message = strdup(p->rq->message ? p->rq->message : "");
	r->time_ms = clock_wall_ms();
	r->uid = p->rq->uid;
	r->audit = p->rq->audit;
	agent_made_by(a, r->made_by);
	if (!r->message)
		return failed(p, "push", -ENOMEM);
	err = agent_compile(a, p->held, BUILT_IN_NONE, &p->diags, &p->compiled);
	if (err == -EINVAL)
		return refused(p, "the policy is refused");
	if (err)
		return failed(p, "compiling", err);
	p->held->stats = p->compiled.stats;
	p->at.compiled = clock_boot_ns();
	return NULL;
}

static bool same_as_current(const struct push *p)
{
	const struct held *now = p->agent->current;

	return now &&
	       strcmp(now->record->sha256, p->held->record->sha256) == 0 &&
	       now->record->audit == p->held->record->audit &&
	       member_list_equal(&now->record->members,
				 &p->held->record->members);
}

static void warn(struct push *p, const char *text)
{
	json_array_append_new(p->warnings, json_string(text));
}

/* What the pushing person should know before or after. NULL: go on. */
static json_t *check_host(struct push *p, json_t **ret_unassigned)
{
	const struct push_request *rq = p->rq;
	struct agent *a = p->agent;
	json_t *list = unassigned(p);
	int r;

	if (json_array_size(list) && !rq->allow_unassigned && !rq->dry_run &&
	    !a->config->unassigned_allow) {
		json_t *reply = refuse_unassigned(p, list);

		json_decref(list);
		return reply;
	}
	*ret_unassigned = list;
	r = agent_count_cuts(a, p->held, &p->compiled, rq->refuse_cuts,
			     &p->cuts);
	if (r)
		warn(p, "the flow tables could not be read in full");
	if (rq->refuse_cuts && !rq->dry_run && (p->cuts.cut || r)) {
		char text[96];

		snprintf(text, sizeof(text), "%llu live flows would be cut",
			 (unsigned long long)p->cuts.cut);
		return refused(p, text);
	}
	if (a->current && a->current->record->members.count && !rq->members)
		warn(p, "changes made by `moat member` end with this push: "
			"the document says who is a member");
	if (held_audit(p->held, a->config) &&
	    p->held->policy->mode == MODE_ENFORCE)
		warn(p,
		     a->config->max_mode_audit ?
			     "max_mode: audit on this host: nothing will be dropped" :
			     "pushed with --audit: nothing will be dropped");
	return NULL;
}

static json_t *sizes(const struct compile_stats *s)
{
	size_t bytes = 0;
	int i;

	for (i = 0; i < MOAT_PART_COUNT; i++)
		bytes += s->bytes[i];
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "rules",
			 (json_int_t)s->rules, "cidrs", (json_int_t)s->cidrs,
			 "classes", (json_int_t)s->classes, "profiles",
			 (json_int_t)s->profiles, "rows", (json_int_t)s->rows,
			 "bytes", (json_int_t)bytes);
}

static double ms(uint64_t from, uint64_t to)
{
	return to > from ? (double)(to - from) / 1e6 : 0;
}

/* What each step took; what was not come to took nothing. */
static json_t *timings(const struct push *p)
{
	return json_pack("{s:f, s:f, s:f, s:f, s:f}", "read_ms",
			 ms(p->started_ns, p->at.read), "compile_ms",
			 ms(p->at.read, p->at.compiled), "write_ms",
			 ms(p->at.compiled, p->at.written), "load_ms",
			 ms(p->at.written, p->at.in_force), "in_force_ms",
			 ms(p->started_ns, p->at.in_force));
}

static json_t *deadline_text(const struct agent *a)
{
	char text[40];

	if (!a->pending)
		return json_null();
	return json_string(clock_rfc3339(a->deadline_ms, text, sizeof(text)));
}

/* The reply to a push that was taken, or would be. */
static json_t *answer(struct push *p, uint32_t generation,
		      json_t *unassigned_list)
{
	const struct held *h = p->unchanged ? p->agent->current : p->held;
	char text[40];
	json_t *reply = json_pack(
		"{s:b, s:b, s:i, s:s, s:s, s:s, s:o, s:i, s:i, s:o, s:O}", "ok",
		1, "changed", !p->unchanged, "generation", (int)generation,
		"policy", h->record->policy, "revision", h->record->revision,
		"mode", held_audit(h, p->agent->config) ? "audit" : "enforce",
		"deadline",
		p->rq->dry_run ? json_null() : deadline_text(p->agent),
		"confirm_seconds", (int)p->rq->confirm_seconds, "duration_ms",
		(int)((clock_boot_ns() - p->started_ns) / 1000000), "sizes",
		sizes(&h->stats), "warnings", p->warnings);

	if (p->unchanged)
		return reply;
	json_object_set_new(reply, "timings", timings(p));
	json_object_set_new(
		reply, "in_force",
		p->in_force_ms ? json_string(clock_rfc3339(p->in_force_ms, text,
							   sizeof(text))) :
				 json_null());
	json_object_set_new(reply, "flows_by_state",
			    json_integer((json_int_t)p->cuts.by_state));
	json_object_set_new(reply, "flows_cut",
			    json_integer((json_int_t)p->cuts.cut));
	json_object_set_new(reply, "flows_complete",
			    json_boolean(p->cuts.complete));
	json_object_set(reply, "kill", p->cuts.kill);
	json_object_set(reply, "unassigned", unassigned_list);
	return reply;
}

/* Ownership of held goes to the agent. */
static void adopt(struct push *p, uint32_t generation)
{
	struct agent *a = p->agent;
	bool written = p->held->record->generation == generation;
	int r = 0;

	p->held->record->generation = generation;
	if (p->rq->confirm_seconds) {
		a->previous = a->current;
		a->pending = true;
		a->deadline_ms = clock_wall_ms() +
				 (int64_t)p->rq->confirm_seconds * 1000;
	} else {
		held_free(a->current);
		a->built_in = BUILT_IN_NONE;
		a->last_confirmed = generation;
	}
	a->current = p->held;
	a->state_damaged = false;
	if (!a->pending)
		r = agent_write_policy(a);
	else if (!written)
		r = state_save(a->state, STATE_PENDING, p->held->record);
	if (r)
		warn(p, "in force, but not written to disk");
	agent_refresh_locals(a);
	log_notice("generation %u in force: %s, revision %s, by uid %u%s",
		   generation, p->held->record->policy,
		   p->held->record->revision, p->rq->uid,
		   a->pending ? ", waiting for its confirmation" : "");
}

/* What is left of it on disk, if that fails too, is a number never come to. */
static void take_back(struct push *p)
{
	struct agent *a = p->agent;

	a->slots_saved = false;
	state_drop_pending(a->state);
	store_reserve(a->dp, p->held->record->generation);
}

/*
 * The disk comes first: dying right after the switch must not lose what was
 * pushed, and a full disk must not be found out afterwards. A policy in force
 * that is not written yet stands in the pending file alone, whose next it is.
 */
static json_t *put_in_force(struct push *p, uint32_t *ret_generation)
{
	struct agent *a = p->agent;
	int r = agent_unwritten(a) ? agent_write_policy(a) : 0;

	if (r)
		return failed(p, "the policy in force is not written: state",
			      r);
	p->held->record->generation = store_last_generation(a->dp) + 1;
	r = agent_save_slots(a, &p->compiled.slots);
	if (!r)
		r = state_save(a->state, STATE_PENDING, p->held->record);
	if (r) {
		take_back(p);
		return failed(p, "state", r);
	}
	p->at.written = clock_boot_ns();
	r = agent_switch(a, &p->compiled, p->rq->confirm_seconds,
			 ret_generation);
	p->at.in_force = clock_boot_ns();
	p->in_force_ms = clock_wall_ms();
	if (r) {
		take_back(p);
		return r == -EBUSY ? refused(p, "unconfirmed push pending") :
				     failed(p, "switching", r);
	}
	adopt(p, *ret_generation);
	return NULL;
}

static json_t *run(struct push *p)
{
	struct agent *a = p->agent;
	json_t *reply, *list = NULL;
	uint32_t generation = a->current ? a->current->record->generation : 0;
	struct store_state s;

	if (a->pins_hidden)
		return refused(p, "pins hidden: our programs run, but their "
				  "maps can't be reached from here");
	if (a->pending && !p->rq->dry_run)
		return refused(p, "unconfirmed push pending");
	reply = prepare(p);
	if (reply)
		return reply;
	p->unchanged = same_as_current(p);
	if (p->unchanged) {
		if (!p->rq->dry_run && agent_unwritten(a) &&
		    agent_write_policy(a))
			warn(p, "in force, but not written to disk");
		return answer(p, generation, NULL);
	}
	reply = check_host(p, &list);
	if (!reply && p->rq->dry_run) {
		store_state(a->dp, &s);
		generation = s.generation;
	} else if (!reply) {
		reply = put_in_force(p, &generation);
	}
	if (!reply)
		reply = answer(p, generation, list);
	json_decref(list);
	return reply;
}

static void count(struct push *p, const json_t *reply)
{
	struct agent *a = p->agent;
	bool ok = json_is_true(json_object_get(reply, "ok"));
	struct last_push *last = &a->last_push;

	if (p->rq->dry_run)
		return;
	last->time_ms = clock_wall_ms();
	last->ok = ok;
	last->result = !ok	    ? METRICS_PUSH_REFUSED :
		       p->unchanged ? METRICS_PUSH_UNCHANGED :
				      METRICS_PUSH_APPLIED;
	if (ok)
		last->error[0] = 0;
	a->pushes[last->result]++;
	metrics_observe(&a->push_seconds,
			(double)(clock_boot_ns() - p->started_ns) / 1e9);
}

json_t *agent_push(struct agent *a, const struct push_request *rq)
{
	struct push p = { .agent = a,
			  .rq = rq,
			  .warnings = json_array(),
			  .started_ns = clock_boot_ns() };
	json_t *reply;

	/* A deadline that has just passed is nobody's pending push. */
	agent_check_deadline(a);
	reply = run(&p);
	count(&p, reply);
	if (a->current != p.held)
		held_free(p.held);
	agent_compiled_free(&p.compiled);
	diags_free(&p.diags);
	json_decref(p.cuts.kill);
	json_decref(p.warnings);
	agent_check_file_soon(a);
	return reply;
}

/* ---- the configured file ---- */

json_t *agent_push_file(struct agent *a, uid_t uid)
{
	struct push_request rq = { .message = "reload", .uid = uid };
	struct buf text = {};
	json_t *reply;
	int r = buf_read_file(&text, a->config->policy, MOAT_MAX_DOCUMENT);

	if (r) {
		reply = ctl_error(CTL_REFUSED, "%s: %s", a->config->policy,
				  strerror(-r));
	} else if (strlen(buf_text(&text)) != text.len) {
		/* Documents are texts from here on: it would end there. */
		reply = ctl_error(CTL_REFUSED,
				  "%s: holds a NUL character at byte %zu",
				  a->config->policy, strlen(buf_text(&text)));
	} else {
		rq.document = buf_text(&text);
		reply = agent_push(a, &rq);
	}
	buf_free(&text);
	return reply;
}
