// SPDX-License-Identifier: BSD-2-Clause
/*
 * Is what should be enforced really enforced? Asked of the kernel, hook by
 * hook: a pin that lists a program proves nothing (G3).
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "base/log.h"

#define AHEAD_ADVICE "stop it, or have it attach behind ours"

static void set_text(char *to, size_t len, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void set_text(char *to, size_t len, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(to, len, fmt, ap);
	va_end(ap);
}

static bool hook_ok(const struct hook_state *h)
{
	return h->kind != ATTACH_NONE && h->ours && h->first;
}

static bool tc_ok(const struct iface *i)
{
	return hook_ok(&i->hook[ATTACH_TC_INGRESS]) &&
	       hook_ok(&i->hook[ATTACH_TC_EGRESS]);
}

static const char *const names[] = { "ingress", "egress" };

static void note_why(struct iface *i)
{
	const struct hook_state *h;
	int hook;

	i->why[0] = 0;
	for (hook = ATTACH_TC_INGRESS; hook <= ATTACH_TC_EGRESS; hook++) {
		h = &i->hook[hook];
		if (hook_ok(h))
			continue;
		if (h->why[0])
			set_text(i->why, sizeof(i->why), "%s: %s", names[hook],
				 h->why);
		else if (h->foreign_prog_id)
			set_text(i->why, sizeof(i->why),
				 "%s: program %u runs "
				 "before ours",
				 names[hook], h->foreign_prog_id);
		else
			set_text(i->why, sizeof(i->why), "%s: not attached",
				 names[hook]);
		return;
	}
}

/* ---- tc ---- */

/* Somebody was ahead of ours. One who won't stop is told of once. */
static void tell_ahead(struct iface *i, int hook)
{
	struct ahead *s = &i->ahead[hook];
	char who[AHEAD_TEXT];

	ahead_who(s, who);
	if (!ahead_contested(s))
		log_warning("interface %s: %s came ahead of ours on %s, %s",
			    i->link.name, who, names[hook],
			    i->hook[hook].first ? "ours is first again" :
						  "and is there still");
	else if (!s->told)
		log_warning("interface %s: %s keeps coming ahead of ours on "
			    "%s: ours follows ever less often, every %d "
			    "seconds in the end; " AHEAD_ADVICE,
			    i->link.name, who, names[hook], AHEAD_PAUSE_MAX);
	s->told = ahead_contested(s);
}

static void attach_both(struct agent *a, struct iface *i, unsigned int stay)
{
	struct hook_state state[ATTACH_HOOK_COUNT] = {};
	bool again = i->was_attached, tried = false;
	int hook;

	state[ATTACH_XDP] = i->hook[ATTACH_XDP];
	attach_tc_staying(a->dp, i->link.ifindex, stay, state);
	memcpy(i->hook, state, sizeof(i->hook));
	for (hook = ATTACH_TC_INGRESS; hook <= ATTACH_TC_EGRESS; hook++) {
		if (!state[hook].tried_ahead)
			continue;
		tried = true;
		ahead_tried(&i->ahead[hook], clock_boot_ns());
		tell_ahead(i, hook);
	}
	if (!tc_ok(i))
		return;
	a->drift_repairs += again;
	if (!again)
		log_notice("interface %s: attached", i->link.name);
	else if (!tried)
		log_warning("interface %s: programs were missing, repaired",
			    i->link.name);
}

/* Is there something to do? The hooks where nobody is answered now. */
static bool needs_repair(struct iface *i, unsigned int *ret_stay)
{
	uint64_t now = clock_boot_ns();
	bool needed = false;
	int hook;

	*ret_stay = 0;
	for (hook = ATTACH_TC_INGRESS; hook <= ATTACH_TC_EGRESS; hook++) {
		const struct hook_state *h = &i->hook[hook];
		struct ahead *s = &i->ahead[hook];

		if (ahead_see(s, h, now))
			log_notice("interface %s: nobody comes ahead of ours "
				   "on %s any more",
				   i->link.name, names[hook]);
		if (ahead_wait(s, now))
			*ret_stay |= 1u << hook;
		needed = needed || (!hook_ok(h) &&
				    (!h->ours || !(*ret_stay & 1u << hook)));
	}
	return needed;
}

static bool contested(const struct iface *i)
{
	return ahead_contested(&i->ahead[ATTACH_TC_INGRESS]) ||
	       ahead_contested(&i->ahead[ATTACH_TC_EGRESS]);
}

void agent_attach(struct agent *a, struct iface *i)
{
	int r = attach_query(a->dp, i->link.ifindex, i->hook);
	char before[sizeof(i->why)];
	unsigned int stay;

	if (r == -ENODEV)
		return;
	if (needs_repair(i, &stay) || r)
		attach_both(a, i, stay);
	i->was_attached = i->was_attached || tc_ok(i);
	memcpy(before, i->why, sizeof(before));
	note_why(i);
	/* A failure that lasts is told once, and tried again. */
	if (i->why[0] && strcmp(before, i->why) != 0 && !contested(i))
		log_warning("interface %s: not enforced: %s", i->link.name,
			    i->why);
	agent_refresh_xdp(a, i);
}

bool agent_iface_enforcing(const struct agent *a, const struct iface *i)
{
	struct store_state s;

	if (!i->selection.taken || !i->known_type || !tc_ok(i) ||
	    a->pins_hidden || a->corrupt || !a->current || a->own_left_out ||
	    held_audit(a->current, a->config))
		return false;
	store_state(a->dp, &s);
	return s.sealed && s.generation == a->current->record->generation;
}

/* A damaged image can't judge; the policy held is compiled into another. */
static void check_image(struct agent *a)
{
	struct store_state s;
	int r = store_verify(a->dp);

	if (!r) {
		a->corrupt = false;
		return;
	}
	if (!a->corrupt)
		log_write(LOG_LEVEL_ERROR, "the image in force is damaged");
	a->corrupt = true;
	store_state(a->dp, &s);
	if (a->pending)
		agent_undo(a, "its image was damaged");
	else if (agent_replace_image(a) == 0)
		a->drift_repairs++;
	a->corrupt = store_verify(a->dp) != 0;
}

/* Without pins everything would end with this process. */
static void check_pins(struct agent *a)
{
	int made = datapath_repair_pins(a->dp);

	if (made > 0) {
		a->drift_repairs++;
		log_warning("%d pins were missing, made anew", made);
	}
	if (made < 0 && !a->pins_broken)
		log_write(LOG_LEVEL_ERROR, "pins: %s", strerror(-made));
	a->pins_broken = made < 0;
}

void agent_check_health(struct agent *a)
{
	if (a->pins_hidden)
		return;
	check_pins(a);
	check_image(a);
	attach_rest(a->dp);
	agent_check_xdp(a);
	agent_refresh_net(a);
}

/* ---- why status says degraded ---- */

static void add(json_t *list, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void add(json_t *list, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_array_append_new(list, json_string(text));
}

/* While ours is first, too: it will not be for long. */
static void add_contests(json_t *list, const struct iface *i)
{
	const struct ahead *s;
	char who[AHEAD_TEXT], next[32];
	int hook;

	for (hook = ATTACH_TC_INGRESS; hook <= ATTACH_TC_EGRESS; hook++) {
		s = &i->ahead[hook];
		if (!i->selection.taken || !ahead_contested(s))
			continue;
		snprintf(next, sizeof(next), "follows in %u s",
			 ahead_wait(s, clock_boot_ns()));
		add(list,
		    "interface %s: %s keeps coming ahead of ours on %s, %u "
		    "times by now; ours %s: " AHEAD_ADVICE,
		    i->link.name, ahead_who(s, who), names[hook], s->times,
		    i->hook[hook].first ? "is first again" : next);
	}
}

json_t *agent_degraded(const struct agent *a)
{
	json_t *list = json_array();
	const struct iface *i;
	size_t taken = 0;
	char xdp[224];

	if (a->pins_hidden)
		add(list,
		    "pins hidden: our programs run, but their maps "
		    "can't be reached under %s",
		    a->config->bpffs);
	if (!a->current && a->built_in == BUILT_IN_LOCKDOWN)
		add(list, "no stored policy can be read: all but the failsafe "
			  "is denied");
	else if (!a->current)
		add(list, "no policy: nothing was ever pushed");
	else if (a->state_damaged)
		add(list,
		    "the committed policy was damaged on disk, "
		    "generation %u of the history is in force",
		    a->current->record->generation);
	if (agent_unwritten(a))
		add(list, "the policy in force could not be written to disk: "
			  "a boot would come up with the one before");
	if (a->pins_broken)
		add(list,
		    "pins under %s can't be made: enforcement would end "
		    "with the agent",
		    a->config->bpffs);
	if (a->corrupt)
		add(list, "the image in force is damaged");
	if (agent_xdp_held(a, xdp, sizeof(xdp)))
		add(list, "XDP is held off, tc judges alone: %s", xdp);
	for (i = a->ifaces; i < a->ifaces + a->nifaces; i++) {
		taken += i->selection.taken;
		if (i->selection.taken && (i->why[0] || !tc_ok(i)))
			add(list, "interface %s is not enforced: %s",
			    i->link.name, i->why[0] ? i->why : "not attached");
		add_contests(list, i);
	}
	if (!taken)
		add(list, "no interface is selected");
	/* Of unknown addresses the routes are asked, for what comes in. */
	if (a->own_left_out)
		add(list,
		    "this host has %zu addresses, above %d: %zu of them can "
		    "open nothing outwards, each packet to them costs more",
		    MOAT_OWN_MAX + a->own_left_out, MOAT_OWN_MAX,
		    a->own_left_out);
	if (a->ifaces_left_out)
		add(list,
		    "%zu of %zu selected interfaces have no entry of their own "
		    "(there are %d): they have no counters, and broadcast and "
		    "multicast to them is to no group's address",
		    a->ifaces_left_out, taken, MOAT_IFACES - 1);
	return list;
}
