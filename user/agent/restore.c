// SPDX-License-Identifier: BSD-2-Clause
/*
 * What is in force after a start. The maps outlive the agent, so first comes
 * what they judge by; the disk only says which policy that is. A verdict must
 * not change because the agent was restarted (G2).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/sha256.h"

/* 0: it can't be read now. An error that passes must not be taken for what the
 * disk holds, while the maps have a policy to judge by. */
static bool says(int err, const struct store_state *s)
{
	return !err || err == -ENOENT || err == -EBADMSG || !s->sealed;
}

static int unreadable(int err, const char *what)
{
	return log_error(err,
			 "state: %s: %s; what is in force stays, and "
			 "nothing is changed",
			 what, strerror(-err));
}

/* A stored policy that the reader refuses: of a newer version, or by hand. */
static struct held *hold(struct record *r, int *ret_err)
{
	struct diags diags = {};
	struct held *h = NULL;
	struct buf text = {};

	*ret_err = held_restore(r, &diags, &h);
	if (*ret_err) {
		diags_render(&diags, &text);
		log_write(LOG_LEVEL_ERROR, "stored policy %s: %s", r->policy,
			  strerror(-*ret_err));
		log_lines(LOG_LEVEL_ERROR, buf_text(&text));
		record_free(r);
		buf_free(&text);
	}
	diags_free(&diags);
	return h;
}

/*
 * What was laid over it since. An entry whose number the living maps never
 * came to was written and not switched to: nobody was told that it is.
 */
static int load_members(struct agent *a, struct record *r,
			const struct store_state *s)
{
	uint32_t last = s->sealed && s->generation >= r->generation ?
				s->generation :
				UINT32_MAX;
	int err = state_cut_members(a->state, r->base, last);

	if (!err)
		err = state_apply_members(a->state, r, last);
	if (!says(err, s))
		return unreadable(err, "changes of members");
	if (err) {
		a->state_damaged = true;
		log_write(LOG_LEVEL_ERROR,
			  "state: changes of members after "
			  "generation %u: %s",
			  r->base, strerror(-err));
	}
	return 0;
}

static int load_committed(struct agent *a, const struct store_state *s)
{
	struct record *r = NULL;
	int err = state_load_best(a->state, &r, &a->state_damaged);

	if (!says(err, s))
		return unreadable(err, "the committed policy");
	if (!err && load_members(a, r, s)) {
		record_free(r);
		return -EIO;
	}
	if (!err)
		a->current = hold(r, &err);
	if (err == -ENOMEM && s->sealed)
		return unreadable(err, "the committed policy");
	if (a->current && a->state_damaged)
		log_write(LOG_LEVEL_ERROR,
			  "state: the committed policy is "
			  "damaged, using generation %u of the history",
			  a->current->record->generation);
	if (a->current)
		return 0;
	a->built_in = err == -ENOENT ? BUILT_IN_FIRST : BUILT_IN_LOCKDOWN;
	if (a->built_in == BUILT_IN_FIRST) {
		log_notice("no policy was ever committed");
		return 0;
	}
	a->state_damaged = true;
	log_write(LOG_LEVEL_ERROR, "state: no stored policy can be read: "
				   "deny all but the failsafe");
	return 0;
}

/*
 * A push that the agent did not live to complete: the maps say what became
 * of it. They are at its generation, waiting or confirmed, or they never
 * came to it, or have fallen back.
 */
static int load_pending(struct agent *a, const struct store_state *s)
{
	struct record *r = NULL;
	struct held *h;
	int err = state_load(a->state, STATE_PENDING, &r);

	if (!says(err, s))
		return unreadable(err, "the pushed policy");
	if (err)
		return 0;
	if (!s->sealed || s->expired || r->generation != s->generation) {
		if (s->expired) {
			store_fall_back(a->dp);
			a->last_undone = r->generation;
			log_warning("generation %u was not confirmed in time",
				    r->generation);
		}
		record_free(r);
		state_drop_pending(a->state);
		return 0;
	}
	h = hold(r, &err);
	if (err == -ENOMEM)
		return unreadable(err, "the pushed policy");
	if (err)
		return 0;
	if (s->deadline) {
		a->previous = a->current;
		a->pending = true;
		a->deadline_ms = clock_wall_ms() +
				 (int64_t)(s->deadline -
					   datapath_epoch_seconds(a->dp)) *
					 1000;
	} else {
		held_free(a->current);
		a->built_in = BUILT_IN_NONE;
	}
	a->current = h;
	r->base = 0;
	if (!a->pending)
		agent_write_policy(a);
	return 0;
}

void agent_made_by(const struct agent *a, char ret[65])
{
	char text[128];

	snprintf(text, sizeof(text), "%s %s", MOAT_VERSION, a->config->sha256);
	sha256_text(text, strlen(text), ret);
}

int agent_write_policy(struct agent *a)
{
	int r = state_promote(a->state, a->current->record);

	if (r)
		log_write(LOG_LEVEL_ERROR,
			  "state: %s: a boot would come up with the policy "
			  "before, until it is written",
			  strerror(-r));
	return r;
}

bool agent_unwritten(const struct agent *a)
{
	return a->current && !a->pending && !a->current->record->base;
}

void agent_write_unwritten(struct agent *a)
{
	if (agent_unwritten(a) && agent_write_policy(a) == 0)
		log_notice("generation %u is written",
			   a->current->record->generation);
}

/* A new number for what is committed, when it had to be switched to anew. */
static void record_generation(struct agent *a, uint32_t generation)
{
	log_notice("generation %u in force", generation);
	if (!a->current)
		return;
	a->current->record->generation = generation;
	a->current->record->base = 0;
	agent_made_by(a, a->current->record->made_by);
	agent_write_policy(a);
}

/* Do the maps judge by what is held, compiled as we would? */
static bool maps_are_current(struct agent *a, const struct compiled *c)
{
	const struct record *r = a->current ? a->current->record : NULL;
	struct store_state s;
	char made_by[65];

	store_state(a->dp, &s);
	agent_made_by(a, made_by);
	if (r && s.sealed && r->generation == s.generation &&
	    strcmp(r->made_by, made_by) == 0 && c->stats.all_profiles &&
	    !a->slots_lost)
		return true;
	return agent_in_force(a, c);
}

static int switch_compiled(struct agent *a, struct compiled *c, bool force)
{
	uint32_t generation = 0;
	int r;

	if (!force && maps_are_current(a, c)) {
		/* The file may say of other rules that they are in force. */
		a->slots_saved = false;
		agent_adopt(a, c);
		return 0;
	}
	r = agent_save_slots(a, &c->slots);
	if (r)
		log_warning("state: slots: %s", strerror(-r));
	r = agent_switch(a, c, 0, &generation);
	if (r)
		return log_error(r, "switching: %s", strerror(-r));
	record_generation(a, generation);
	return 0;
}

static int switch_to_held(struct agent *a, bool force)
{
	struct compiled c = {};
	struct diags diags = {};
	struct buf text = {};
	int r;

	r = agent_compile(a, a->current, a->built_in, &diags, &c);
	if (r) {
		diags_render(&diags, &text);
		log_write(LOG_LEVEL_ERROR, "compiling: %s", strerror(-r));
		log_lines(LOG_LEVEL_ERROR, buf_text(&text));
	} else {
		r = switch_compiled(a, &c, force);
		if (!r && a->current)
			a->current->stats = c.stats;
	}
	agent_compiled_free(&c);
	diags_free(&diags);
	buf_free(&text);
	return r;
}

/* Numbers of the disk are not given again: the history goes by them. */
static void reserve_generations(struct agent *a)
{
	struct record *pending = NULL;
	uint32_t newest;

	if (a->current)
		store_reserve(a->dp, a->current->record->generation);
	if (state_history(a->state, &newest, 1))
		store_reserve(a->dp, newest);
	if (state_load(a->state, STATE_PENDING, &pending) == 0)
		store_reserve(a->dp, pending->generation);
	record_free(pending);
}

int agent_restore(struct agent *a)
{
	struct store_state s;
	int r = agent_load_slots(a);

	if (r && r != -ENOENT)
		log_warning("state: slots.json: %s", strerror(-r));
	a->slots_lost = r != 0;
	store_state(a->dp, &s);
	r = load_committed(a, &s);
	if (r)
		return r;
	reserve_generations(a);
	r = load_pending(a, &s);
	if (r)
		return r;
	agent_refresh_locals(a);
	/* While a push waits nothing may be switched to. */
	return a->pending ? 0 : switch_to_held(a, false);
}

int agent_recompile(struct agent *a)
{
	if (a->pending || a->pins_hidden || !a->current ||
	    a->current->stats.all_profiles)
		return 0;
	return switch_to_held(a, false);
}

int agent_take_up(struct agent *a)
{
	return a->pins_hidden ? 0 : switch_to_held(a, false);
}

int agent_replace_image(struct agent *a)
{
	return switch_to_held(a, true);
}
