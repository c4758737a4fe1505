// SPDX-License-Identifier: BSD-2-Clause
/*
 * Members added and removed without a push: laid over the policy in force,
 * with a generation and an entry in the journal of their own. All of a request
 * or nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "base/log.h"
#include "reference/reference.h"

#define JOURNAL_MAX 256 /* entries until the policy is written anew */

struct change {
	struct agent *agent;
	const struct member_request *rq;
	struct members_undo undo;
	struct member_list effective; /* what changes anything */
	struct member_list before;    /* of the record */
	struct compiled compiled;
	struct diags diags;
	uint64_t started_ns, in_force_ns;
	bool compiled_anew;
};

static json_t *refuse(struct change *c, const char *what, int err)
{
	json_t *reply = ctl_error(CTL_REFUSED, "%s%s%s", what, err ? ": " : "",
				  err ? strerror(-err) : "");
	struct buf text = {};

	if (c->diags.errors && diags_render(&c->diags, &text) == 0)
		json_object_set_new(reply, "diagnostics",
				    json_string(buf_text(&text)));
	buf_free(&text);
	return reply;
}

static json_t *no_group(const struct change *c)
{
	const struct held *h = c->agent->current;
	struct buf names = {};
	json_t *reply;

	for (size_t i = 0; i < h->policy->ngroups && i < 8; i++)
		buf_printf(&names, "%s%s", i ? ", " : "",
			   h->policy->groups[i].name);
	if (h->policy->ngroups > 8)
		buf_puts(&names, ", ...");
	reply = ctl_error(CTL_REFUSED,
			  "policy %s, generation %u, has no "
			  "group \"%s\"; it has %s",
			  h->record->policy, h->record->generation,
			  c->rq->group, names.len ? buf_text(&names) : "none");
	buf_free(&names);
	return reply;
}

/* May anything be changed now? NULL: yes. */
static json_t *check_state(struct change *c)
{
	struct agent *a = c->agent;

	if (a->pins_hidden)
		return refuse(c,
			      "pins hidden: our programs run, but their "
			      "maps can't be reached from here",
			      0);
	if (a->pending)
		return refuse(c,
			      "unconfirmed push pending: `moat confirm` or "
			      "`moat rollback` first",
			      0);
	if (!a->current)
		return refuse(c,
			      "no policy is in force: `moat push` one "
			      "first",
			      0);
	if (!policy_group(a->current->policy, c->rq->group))
		return no_group(c);
	return NULL;
}

static json_t *apply(struct change *c)
{
	struct policy *p = c->agent->current->policy;

	for (size_t i = 0; i < c->rq->ncidrs; i++) {
		struct member_change one = {
			.remove = c->rq->remove,
			.group = (char *)c->rq->group,
			.cidr = c->rq->cidrs[i],
		};
		int r = members_apply(p, &one, &c->undo);

		if (r == -E2BIG)
			return ctl_error(CTL_REFUSED,
					 "the policy would have "
					 "more than %d addresses and CIDRs",
					 MOAT_MAX_CIDRS);
		if (r > 0)
			r = member_list_add(&c->effective, &one);
		if (r < 0)
			return refuse(c, "changing members", r);
	}
	return NULL;
}

static bool touched(const struct change *c, const struct moat_addr *a)
{
	for (size_t i = 0; i < c->effective.count; i++)
		if (cidr_contains(&c->effective.item[i].cidr, a))
			return true;
	return false;
}

/* An own address that had a group and would have none. */
static json_t *check_own(struct change *c)
{
	const struct agent *a = c->agent;
	char text[ADDR_TEXT];
	size_t first;

	if (!c->rq->remove || c->rq->allow_unassigned ||
	    a->config->unassigned_allow)
		return NULL;
	for (size_t i = 0; i < a->nlocals; i++) {
		struct local l = a->locals[i];

		if (!l.assigned || !touched(c, &l.net.addr))
			continue;
		l.assigned = policy_groups_of(a->current->policy, &l.net.addr,
					      &first, 1) > 0;
		if (local_needs_group(&l))
			return ctl_error(CTL_REFUSED,
					 "this host's address %s "
					 "would be in no group: all to and "
					 "from it would be dropped "
					 "(--allow-unassigned)",
					 addr_print(&l.net.addr, text));
	}
	return NULL;
}

/* What tests: say of other addresses can't have changed. */
static json_t *check_promises(struct change *c)
{
	const struct policy *p = c->agent->current->policy;
	_cleanup_free_ struct policy_test *tests = calloc(p->ntests + 1,
							  sizeof(*tests));
	struct policy some = *p;

	if (!tests)
		return refuse(c, "tests", -ENOMEM);
	some.tests = tests;
	some.ntests = 0;
	for (size_t i = 0; i < p->ntests; i++)
		if (touched(c, &p->tests[i].src) ||
		    touched(c, &p->tests[i].dst))
			tests[some.ntests++] = p->tests[i];
	reference_run_tests(&some, c->agent->config, &c->diags);
	compile_prove_never(p, c->agent->config, &c->diags);
	return c->diags.errors ? refuse(c,
					"the policy's tests or never "
					"forbid it",
					0) :
				 NULL;
}

static json_t *compile(struct change *c)
{
	struct agent *a = c->agent;
	int r;

	/* The rules and their slots are the same. */
	if (agent_update(a, &c->effective) == 0) {
		c->compiled.image = live_image(a->live);
		live_stats(a->live, &c->compiled.stats);
		return NULL;
	}
	c->compiled_anew = true;
	r = agent_compile(a, a->current, BUILT_IN_NONE, &c->diags,
			  &c->compiled);

	return r ? refuse(c, "the policy is refused", r == -EINVAL ? 0 : r) :
		   NULL;
}

/* The record as of the change; its message is what was done, if none given. */
static int rewrite(struct change *c, struct record *r)
{
	char text[300], cidr[ADDR_TEXT];
	const struct member_request *rq = c->rq;
	char *message;

	snprintf(text, sizeof(text), "member %s %s %s%s",
		 rq->remove ? "remove" : "add", rq->group,
		 cidr_print(&rq->cidrs[0], true, cidr),
		 rq->ncidrs > 1 ? ", ..." : "");
	message = strdup(rq->message && *rq->message ? rq->message : text);
	if (!message)
		return -ENOMEM;
	free(r->message);
	r->message = message;
	r->time_ms = clock_wall_ms();
	r->uid = rq->uid;
	for (size_t i = 0; i < c->effective.count; i++)
		if (member_list_add(&r->members, &c->effective.item[i]))
			return -ENOMEM;
	return 0;
}

/* The document is megabytes: it changes hands when the copy takes over. */
static struct record *copy_but_document(struct record *r)
{
	struct record rest = *r;

	rest.document = (char *)"";
	return record_copy(&rest);
}

static void take_over(struct held *h, struct record *next)
{
	char *document = next->document;

	next->document = h->record->document;
	h->record->document = document;
	record_free(h->record);
	h->record = next;
}

/* Journal, switch. On failure the record is as it was. */
static json_t *put_in_force(struct change *c)
{
	struct agent *a = c->agent;
	struct record *now = a->current->record, *next = copy_but_document(now);
	uint32_t generation = store_last_generation(a->dp) + 1;
	int r = next ? rewrite(c, next) : -ENOMEM;

	/* Never written since it was switched to: a full disk, then. */
	if (!r && !now->base) {
		r = state_promote(a->state, now);
		if (next)
			next->base = now->base;
	}
	if (!r)
		next->generation = generation;
	if (!r && c->compiled.live)
		r = agent_save_slots(a, &c->compiled.slots);
	if (!r)
		r = state_add_members(a->state, next, &c->effective);
	if (r) {
		/* What may be left of it is of a number never come to. */
		store_reserve(a->dp, generation);
		record_free(next);
		return refuse(c, "state", r);
	}
	r = agent_switch(a, &c->compiled, 0, &generation);
	c->in_force_ns = clock_boot_ns();
	if (r) {
		a->slots_saved = false;
		store_reserve(a->dp, generation);
		state_cut_members(a->state, now->base, now->generation);
		record_free(next);
		return refuse(c, "switching", r);
	}
	take_over(a->current, next);
	a->current->stats = c->compiled.stats;
	a->last_confirmed = generation;
	return NULL;
}

static json_t *answer(const struct change *c)
{
	const struct record *r = c->agent->current->record;

	return json_pack(
		"{s:b, s:b, s:i, s:s, s:s, s:o, s:i, s:b, s:f}", "ok", 1,
		"changed", c->effective.count > 0, "generation",
		(int)r->generation, "policy", r->policy, "group", c->rq->group,
		"changes", members_to_json(&c->effective), "members",
		(int)r->members.count, "compiled", c->compiled_anew,
		"in_force_ms",
		c->in_force_ns ?
			(double)(c->in_force_ns - c->started_ns) / 1e6 :
			0.0);
}

static json_t *run(struct change *c)
{
	struct agent *a = c->agent;
	json_t *reply = check_state(c);

	if (!reply)
		reply = apply(c);
	if (reply || !c->effective.count)
		return reply ? reply : answer(c);
	reply = check_own(c);
	if (!reply)
		reply = check_promises(c);
	if (!reply)
		reply = compile(c);
	if (!reply)
		reply = put_in_force(c);
	if (reply)
		return reply;
	members_keep(&c->undo);
	agent_settle_soon(a);
	agent_refresh_locals(a);
	log_notice("generation %u in force: %s, by uid %u",
		   a->current->record->generation, a->current->record->message,
		   c->rq->uid);
	return answer(c);
}

json_t *agent_member(struct agent *a, const struct member_request *rq)
{
	struct change c = { .agent = a,
			    .rq = rq,
			    .started_ns = clock_boot_ns() };
	json_t *reply;

	agent_check_deadline(a);
	reply = run(&c);
	/* What was brought up to date for a change that is not made. */
	if (c.undo.count)
		agent_forget_live(a);
	if (a->current)
		members_take_back(a->current->policy, &c.undo);
	member_list_free(&c.effective);
	agent_compiled_free(&c.compiled);
	diags_free(&c.diags);
	agent_check_file_soon(a);
	return reply;
}

/* Once a second: a long journal makes every change write it all. */
void agent_fold_members(struct agent *a)
{
	int r;

	if (a->pending || !a->current || !a->current->record->base ||
	    state_count_members(a->state, a->current->record->base) <
		    JOURNAL_MAX)
		return;
	r = state_promote(a->state, a->current->record);
	if (r)
		log_warning("state: %s", strerror(-r));
}
