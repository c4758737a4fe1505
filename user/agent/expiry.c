// SPDX-License-Identifier: BSD-2-Clause
/*
 * The walk over the flow tables: deletes what has expired, counts what lives,
 * folds what was gained into series, and finds out which rule slots flows
 * still hold (F33). In slices, with the other sources in between.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "base/log.h"
#include "kern/stats.h"

#define SLICE 4096
#define GAP_MS 5	/* between slices */
#define PERIOD_MS 15000
#define PERIOD_FULL_MS 3000	/* while a table is more than half full */
#define PERIOD_SMALL_MS 2000	/* while a walk costs next to nothing */
#define SMALL 10000		/* flows in all */
#define SWEEP 16384		/* places of the delta table, a slice */

/* Tables with flows, in the order of the walk. */
static const enum moat_table walked[] = {
	MOAT_TABLE_FLOWS, MOAT_TABLE_UDP, MOAT_TABLE_OTHER,
	MOAT_TABLE_EMBRYONIC_OUT, MOAT_TABLE_EMBRYONIC_IN,
	MOAT_TABLE_CLOSING, MOAT_TABLE_DENIED,
};

struct walk {
	struct agent *agent;
	struct flow_slice slice;
	size_t at;		/* index into walked */
	int timer;
	size_t entries[MOAT_TABLE_COUNT];
	uint64_t expired[METRICS_EXPIRY_COUNT];
	uint64_t killed;
	/* Slots that flows of this walk hold; complete at its end. */
	unsigned char *held;
	size_t nheld;
};

static size_t limit_of(const struct config *c, enum moat_table t)
{
	switch (t) {
	case MOAT_TABLE_FLOWS:
		return c->tables.flows;
	case MOAT_TABLE_UDP:
		return c->tables.udp;
	case MOAT_TABLE_OTHER:
		return c->tables.other;
	case MOAT_TABLE_CLOSING:
		return c->tables.closing;
	case MOAT_TABLE_DENIED:
		return c->tables.denied;
	case MOAT_TABLE_FRAGMENTS:
		return c->tables.fragments;
	default:
		return c->tables.embryonic;
	}
}

size_t agent_table_limit(const struct agent *a, enum moat_table t)
{
	return limit_of(a->config, t);
}

size_t agent_table_entries(const struct agent *a, enum moat_table t)
{
	return a->walk ? a->walk->entries[t] : 0;
}

uint64_t agent_expired(const struct agent *a, enum metrics_expiry e)
{
	return a->walk ? a->walk->expired[e] : 0;
}

uint64_t agent_killed(const struct agent *a)
{
	return a->walk ? a->walk->killed : 0;
}

void agent_count_killed(struct agent *a, uint64_t n)
{
	if (a->walk)
		a->walk->killed += n;
}

/* ---- one flow ---- */

static void hold_slot(struct walk *w, const struct flow_record *r)
{
	unsigned int slot = MOAT_WORD_SLOT(r->flow.word);

	if (slot < w->nheld)
		w->held[slot] = 1;
}

static void account(struct walk *w, const struct flow_record *r)
{
	struct agent *a = w->agent;
	struct moat_count gained[2];

	if (flow_delta_see(a->delta, r, gained))
		return;
	if (gained[0].packets || gained[1].packets) {
		flow_series_add(a->series, r, gained,
				clock_boot_ns() / 1000000);
		peers_add(a, r, gained);
	}
}

static bool on_live(const struct flow_record *r, void *arg)
{
	hold_slot(arg, r);
	account(arg, r);
	return true;
}

static enum metrics_expiry how_it_ended(const struct moat_flow *f)
{
	switch (f->state) {
	case MOAT_FLOW_NEW:
		return METRICS_EXPIRY_UNANSWERED;
	case MOAT_FLOW_RESET:
		return METRICS_EXPIRY_RESET;
	case MOAT_FLOW_HALF_CLOSED:
	case MOAT_FLOW_CLOSING:
		return METRICS_EXPIRY_CLOSED;
	default:
		return METRICS_EXPIRY_IDLE;
	}
}

static bool on_dead(const struct flow_record *r, void *arg)
{
	struct walk *w = arg;

	account(w, r);
	/* The copy of a flow that moved on has not ended. */
	if (!(r->flow.marks & MOAT_MARK_PROMOTED) &&
	    r->table != MOAT_TABLE_DENIED)
		w->expired[how_it_ended(&r->flow)]++;
	return true;
}

/* ---- slots ---- */

static struct moat_rule_count *base_of(struct agent *a, size_t slot)
{
	struct moat_rule_count *more;

	if (slot < a->nslot_base)
		return &a->slot_base[slot];
	more = reallocarray(a->slot_base, slot + 1, sizeof(*more));
	if (!more)
		return NULL;
	memset(more + a->nslot_base, 0,
	       (slot + 1 - a->nslot_base) * sizeof(*more));
	a->slot_base = more;
	a->nslot_base = slot + 1;
	return &more[slot];
}

/*
 * The kernel's counter of a slot goes on from where it is when the next rule
 * gets it; what it shows then is subtracted.
 */
static void release_slots(struct walk *w)
{
	struct agent *a = w->agent;
	size_t i, n = a->slots.count, freed = 0;
	_cleanup_free_ struct moat_rule_count *now = calloc(n + 1,
							    sizeof(*now));
	struct moat_rule_count *base;

	if (a->pending || !now || stats_rules(a->dp, now, n))
		return;
	for (i = n; i-- > 0;) {
		if (!a->slots.ids[i].owner || a->slots.ids[i].in_use ||
		    i >= w->nheld || w->held[i])
			continue;
		base = base_of(a, i);
		if (!base)
			return;
		*base = now[i];
		slots_release(&a->slots, i);
		freed++;
	}
	if (freed)
		a->slots_saved = false;
	if (freed && agent_save_slots(a, &a->slots))
		log_warning("state: slots could not be written");
}

static void begin_slots(struct walk *w)
{
	size_t n = w->agent->slots.count;
	unsigned char *held = realloc(w->held, n + 1);

	w->nheld = held ? n : 0;
	w->held = held ? held : w->held;
	if (held)
		memset(held, 0, n + 1);
}

/* ---- the walk ---- */

static void next_slice(void *arg);

static void schedule(struct walk *w, unsigned int ms)
{
	w->timer = loop_add_timer(w->agent->loop, ms, 0, next_slice, w);
	if (w->timer < 0)
		log_write(LOG_LEVEL_ERROR, "expiry: no timer");
}

static bool half_full(const struct walk *w)
{
	size_t i;

	/* LRU tables make room for themselves. */
	for (i = 0; i < 3; i++)
		if (w->entries[walked[i]] >
		    limit_of(w->agent->config, walked[i]) / 2)
			return true;
	return false;
}

static unsigned int pause_ms(const struct walk *w)
{
	size_t i, n = 0;

	for (i = 0; i < ARRAY_SIZE(walked); i++)
		n += w->entries[walked[i]];
	if (n < SMALL)
		return PERIOD_SMALL_MS;
	return half_full(w) ? PERIOD_FULL_MS : PERIOD_MS;
}

static void end_walk(struct walk *w)
{
	struct agent *a = w->agent;

	release_slots(w);
	flow_delta_next_scan(a->delta);
	flow_series_age(a->series, clock_boot_ns() / 1000000);
	w->at = 0;
	schedule(w, pause_ms(w));
}

static void next_slice(void *arg)
{
	struct walk *w = arg;
	int r;

	w->timer = 0;
	if (w->at == 0 && !w->slice.cursor)
		begin_slots(w);
	w->slice.table = walked[w->at];
	r = flows_expire(w->agent->dp, &w->slice);
	flow_delta_sweep(w->agent->delta, SWEEP);
	if (r > 0) {
		schedule(w, GAP_MS);
		return;
	}
	/* A table that could not be walked may hold any slot. */
	if (r < 0)
		w->nheld = 0;
	w->entries[walked[w->at]] = w->slice.live;
	w->slice.live = w->slice.deleted = 0;
	w->at++;
	if (w->at < ARRAY_SIZE(walked))
		schedule(w, GAP_MS);
	else
		end_walk(w);
}

int agent_start_expiry(struct agent *a)
{
	struct walk *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->agent = a;
	w->slice = (struct flow_slice){.max = SLICE, .fn = on_dead,
				       .stays = on_live, .arg = w};
	a->walk = w;
	schedule(w, 1000);
	return w->timer < 0 ? w->timer : 0;
}

void agent_stop_expiry(struct agent *a)
{
	struct walk *w = a->walk;

	if (!w)
		return;
	if (w->timer > 0)
		loop_remove_timer(a->loop, w->timer);
	if (w->slice.cursor)
		flow_walk_free(w->slice.cursor);
	free(w->held);
	free(w);
	a->walk = NULL;
}
