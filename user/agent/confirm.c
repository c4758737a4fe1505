// SPDX-License-Identifier: BSD-2-Clause
/*
 * Commit-confirm. The programs fall back by themselves when a deadline has
 * passed; the agent makes that official and says so. Only what was confirmed
 * is written as committed (F8, F50).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "base/log.h"

#define CLOCK_STEP_MS 2000 /* above what rounding to seconds makes */

const char *agent_fate(const struct agent *a, uint32_t generation)
{
	const struct held *h = a->current;

	if (a->pending && h && h->record->generation == generation)
		return "pending";
	if (generation && generation == a->last_undone)
		return "rolled-back";
	if ((h && h->record->generation == generation) ||
	    (generation && generation == a->last_confirmed))
		return "confirmed";
	return "gone";
}

static json_t *too_late(struct agent *a)
{
	agent_undo(a, "confirmed too late");
	return ctl_error(CTL_ROLLED_BACK,
			 "too late: the deadline has passed "
			 "(or passes within a second), rolled back to "
			 "generation %u",
			 a->current ? a->current->record->generation : 0);
}

json_t *agent_confirm(struct agent *a, uint32_t generation)
{
	json_t *reply;
	int r;

	if (!a->pending && generation && generation == a->last_undone)
		return ctl_error(CTL_ROLLED_BACK,
				 "generation %u was rolled "
				 "back",
				 generation);
	if (!a->pending)
		return ctl_error(CTL_REFUSED, "no push waits for its "
					      "confirmation");
	if (generation && generation != a->current->record->generation)
		return ctl_error(CTL_REFUSED, "generation %u waits, not %u",
				 a->current->record->generation, generation);
	r = store_confirm(a->dp);
	if (r == -ETIME || r == -ENOENT)
		return too_late(a);
	if (r)
		return ctl_error(CTL_REFUSED, "confirming: %s", strerror(-r));
	a->pending = false;
	a->last_confirmed = a->current->record->generation;
	held_free(a->previous);
	a->previous = NULL;
	a->built_in = BUILT_IN_NONE;
	r = agent_write_policy(a);
	log_notice("generation %u confirmed", a->last_confirmed);
	agent_check_file_soon(a);
	reply = ctl_ok();
	json_object_set_new(reply, "generation",
			    json_integer(a->last_confirmed));
	if (r)
		json_object_set_new(
			reply, "warnings",
			json_pack("[s]", "in force, but not written to disk"));
	return reply;
}

/* Rules keep their counter slots; which of them are in force changes. */
int agent_undo(struct agent *a, const char *why)
{
	int r = store_fall_back(a->dp);

	if (r)
		return log_error(r, "rolling back: %s", strerror(-r));
	a->last_undone = a->current->record->generation;
	agent_forget_live(a);
	held_free(a->current);
	a->current = a->previous;
	a->previous = NULL;
	a->pending = false;
	a->pushes[METRICS_PUSH_ROLLED_BACK]++;
	a->last_push.ok = false;
	a->last_push.result = METRICS_PUSH_ROLLED_BACK;
	r = state_drop_pending(a->state);
	if (r)
		log_warning("state: %s", strerror(-r));
	log_warning("generation %u rolled back to %u: %s", a->last_undone,
		    a->current ? a->current->record->generation : 0, why);
	agent_refresh_locals(a);
	agent_take_up(a);
	agent_check_file(a);
	return 0;
}

/* The programs count seconds of their own, one more than was asked for: when
 * that will be by the time of day changes with every step of the clock. */
static void follow_clock(struct agent *a, const struct store_state *s)
{
	int64_t left = (int64_t)s->deadline -
		       (int64_t)datapath_epoch_seconds(a->dp);
	int64_t wall = clock_wall_ms() + (left - 1) * 1000;

	if (llabs(wall - a->deadline_ms) > CLOCK_STEP_MS)
		a->deadline_ms = wall;
}

void agent_check_deadline(struct agent *a)
{
	struct store_state s;

	if (!a->pending)
		return;
	store_state(a->dp, &s);
	if (s.expired)
		agent_undo(a, "not confirmed in time");
	else
		follow_clock(a, &s);
}

static json_t *undone_reply(struct agent *a)
{
	const struct held *h = a->current;
	struct store_state s;
	json_t *reply = ctl_ok();

	store_state(a->dp, &s);
	json_object_set_new(reply, "changed", json_true());
	json_object_set_new(reply, "generation", json_integer(s.generation));
	json_object_set_new(reply, "policy",
			    h ? json_string(h->record->policy) : json_null());
	json_object_set_new(reply, "revision",
			    h ? json_string(h->record->revision) : json_null());
	return reply;
}

/* A policy that was switched to anew, for a new boot or address, has several
 * generations; going back means another policy. */
static bool same_policy(struct agent *a, uint32_t generation)
{
	CLEANUP(record) struct record *r = NULL;

	if (state_load_generation(a->state, generation, &r))
		return true;
	return strcmp(r->sha256, a->current->record->sha256) == 0 &&
	       r->audit == a->current->record->audit &&
	       member_list_equal(&r->members, &a->current->record->members);
}

/* The newest of the history that is older than what is in force. */
static uint32_t generation_before(struct agent *a)
{
	uint32_t list[64], now = a->current->record->generation;
	size_t i, n = state_history(a->state, list, 64);

	for (i = 0; i < n; i++)
		if (list[i] < now && !same_policy(a, list[i]))
			return list[i];
	return 0;
}

json_t *agent_rollback(struct agent *a, uint32_t generation,
		       uint32_t confirm_seconds, uid_t uid)
{
	CLEANUP(record) struct record *old = NULL;
	struct push_request rq = { .confirm_seconds = confirm_seconds,
				   .allow_unassigned = true,
				   .uid = uid };
	char message[64];
	int r;

	if (a->pending) {
		if (generation &&
		    (!a->previous ||
		     generation != a->previous->record->generation))
			return ctl_error(CTL_REFUSED,
					 "unconfirmed push "
					 "pending: roll that back first");
		r = agent_undo(a, "on request");
		return r ? ctl_error(CTL_REFUSED, "%s", strerror(-r)) :
			   undone_reply(a);
	}
	if (!generation && a->current)
		generation = generation_before(a);
	if (!generation)
		return ctl_error(CTL_REFUSED, "no generation to go back to");
	r = state_load_generation(a->state, generation, &old);
	if (r)
		return ctl_error(CTL_REFUSED, "generation %u: %s", generation,
				 r == -ENOENT ? "not in the history" :
						strerror(-r));
	snprintf(message, sizeof(message), "rollback to generation %u",
		 generation);
	rq.document = old->document;
	rq.members = &old->members;
	rq.audit = old->audit;
	rq.message = message;
	return agent_push(a, &rq);
}
