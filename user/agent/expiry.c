// SPDX-License-Identifier: BSD-2-Clause
/*
 * The walk over the flow tables: deletes what has expired, counts what lives,
 * folds what was gained into series, and finds out which rule slots flows
 * still hold (F33). In slices, with the other sources in between, and at the
 * pace that a share of a core allows (P8).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "base/log.h"
#include "compile/memory.h"
#include "kern/stats.h"

#define SLICE_MAX 1024
#define SLICE_MIN 128
#define SLICE_NS 1000000u /* of CPU; half of it is aimed at */
#define GAP_MS 5	  /* between slices, at least */
#define GAP_MAX_MS 200
#define REST 23 /* gap to work: a twenty-fourth of a core */
#define REST_PRESSED 3
#define PERIOD_MS 15000	     /* from one walk's begin to the next one's */
#define PERIOD_FULL_MS 3000  /* while a table is more than half full */
#define PERIOD_SMALL_MS 2000 /* while a walk costs next to nothing */
#define SMALL 10000	     /* flows in all */
#define SWEEP 4096	     /* places of the delta tables, a slice */
#define CLEAN_WALKS 2	     /* that find a slot unused before it goes */

/* Tables with flows, in the order of the walk. */
static const enum moat_table walked[] = {
	MOAT_TABLE_FLOWS,	  MOAT_TABLE_UDP,	   MOAT_TABLE_OTHER,
	MOAT_TABLE_EMBRYONIC_OUT, MOAT_TABLE_EMBRYONIC_IN, MOAT_TABLE_CLOSING,
	MOAT_TABLE_DENIED,
};

struct walk {
	struct agent *agent;
	struct flow_slice slice;
	size_t at; /* index into walked */
	int timer;
	uint64_t began_ms;
	size_t entries[MOAT_TABLE_COUNT];
	bool counted[MOAT_TABLE_COUNT]; /* once to its end */
	size_t freed, freed_before;	/* of tables that don't evict */
	uint64_t expired[METRICS_EXPIRY_COUNT];
	uint64_t killed;
	/* Slots that flows of this walk hold, complete at its end; and how
	 * many walks in a row found them held by none. */
	unsigned char *held, *clean;
	size_t nheld, nclean;
	struct metrics_upkeep upkeep;
	uint64_t longest_ns; /* slice of this walk, others' time in it too */
};

size_t agent_table_limit(const struct agent *a, enum moat_table t)
{
	return host_table_entries(a->config, t);
}

bool agent_table_entries(const struct agent *a, enum moat_table t, size_t *ret)
{
	if (!a->walk || !a->walk->counted[t])
		return false;
	*ret = a->walk->entries[t];
	return true;
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

void agent_upkeep(const struct agent *a, struct metrics_upkeep *ret)
{
	*ret = a->walk ? a->walk->upkeep : (struct metrics_upkeep){};
	flows_retries(a->dp, &ret->retries);
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

static void on_ahead(enum moat_table table, const struct moat_flow_key *key,
		     const struct moat_flow *flow, void *arg)
{
	const struct walk *w = arg;

	flow_delta_ahead(w->agent->delta, table, key, flow);
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

/* Slots that may have a new owner: no flow was made under the old one since
 * before the walks that found none. */
static size_t mark_clean(struct walk *w)
{
	const struct slots *slots = &w->agent->slots;
	size_t i, n = 0;

	if (w->nclean > slots->count)
		w->nclean = slots->count;
	for (i = 0; i < w->nclean; i++) {
		if (i >= w->nheld || w->held[i])
			w->clean[i] = 0;
		else if (w->clean[i] < CLEAN_WALKS)
			w->clean[i]++;
		n += w->clean[i] == CLEAN_WALKS && slots->ids[i].owner &&
		     !slots->ids[i].in_use;
	}
	return n;
}

/*
 * The kernel's counter of a slot goes on from where it is when the next rule
 * gets it; what it shows then is subtracted.
 */
static void release_slots(struct walk *w)
{
	struct agent *a = w->agent;
	size_t i, n = a->slots.count, freed = 0;
	_cleanup_free_ struct moat_rule_count *now = NULL;
	struct moat_rule_count *base;

	if (!mark_clean(w) || a->pending)
		return;
	now = calloc(n + 1, sizeof(*now));
	if (!now || stats_rules(a->dp, now, n))
		return;
	for (i = w->nclean; i-- > 0;) {
		if (w->clean[i] < CLEAN_WALKS || !a->slots.ids[i].owner ||
		    a->slots.ids[i].in_use)
			continue;
		base = agent_slot_base(a, i);
		if (!base)
			return;
		*base = now[i];
		slots_release(&a->slots, i);
		w->clean[i] = 0;
		freed++;
	}
	if (freed)
		a->slots_saved = false;
	if (freed && agent_save_slots(a, &a->slots))
		log_warning("state: slots could not be written");
}

static bool resize_bytes(unsigned char **bytes, size_t n)
{
	unsigned char *more = realloc(*bytes, n + 1);

	if (more)
		*bytes = more;
	return more != NULL;
}

/* What is in use now may get a flow behind the walk's back. */
static void begin_slots(struct walk *w)
{
	const struct slots *slots = &w->agent->slots;
	size_t i, n = slots->count;

	w->nheld = 0;
	if (!resize_bytes(&w->held, n) || !resize_bytes(&w->clean, n))
		return;
	if (n > w->nclean)
		memset(w->clean + w->nclean, 0, n - w->nclean);
	w->nclean = n;
	w->nheld = n;
	for (i = 0; i < n; i++)
		w->held[i] = slots->ids[i].in_use;
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
		    host_table_entries(w->agent->config, walked[i]) / 2)
			return true;
	return false;
}

static size_t all_entries(const struct walk *w)
{
	size_t i, n = 0;

	for (i = 0; i < ARRAY_SIZE(walked); i++)
		n += w->entries[walked[i]];
	return n;
}

static unsigned int period_ms(const struct walk *w)
{
	if (all_entries(w) < SMALL)
		return PERIOD_SMALL_MS;
	return half_full(w) ? PERIOD_FULL_MS : PERIOD_MS;
}

/* Is there need for room, and room to be gained by haste? */
static bool pressed(const struct walk *w)
{
	return half_full(w) &&
	       (w->freed + w->freed_before) * 32 > all_entries(w);
}

static unsigned int gap_ms(const struct walk *w, uint64_t cost_ns)
{
	uint64_t gap = cost_ns * (pressed(w) ? REST_PRESSED : REST) / 1000000;

	return gap < GAP_MS	? GAP_MS :
	       gap > GAP_MAX_MS ? GAP_MAX_MS :
				  (unsigned int)gap;
}

static void end_walk(struct walk *w)
{
	uint64_t now_ms = clock_boot_ns() / 1000000;
	uint64_t took_ms = now_ms - w->began_ms;
	struct agent *a = w->agent;

	release_slots(w);
	flow_delta_next_scan(a->delta);
	flow_series_age(a->series, now_ms);
	w->upkeep.walks++;
	w->upkeep.longest_slice = (double)w->longest_ns / 1e9;
	w->upkeep.walk_seconds = (double)took_ms / 1000;
	w->at = 0;
	w->freed_before = w->freed;
	schedule(w, took_ms + GAP_MS < period_ms(w) ?
			    (unsigned int)(period_ms(w) - took_ms) :
			    GAP_MS);
}

static void begin_walk(struct walk *w)
{
	begin_slots(w);
	w->began_ms = clock_boot_ns() / 1000000;
	w->freed = 0;
	w->longest_ns = 0;
}

static void end_table(struct walk *w, int r)
{
	enum moat_table t = walked[w->at];

	/* A table that could not be walked may hold any slot. */
	if (r < 0) {
		w->nheld = 0;
		w->upkeep.failures++;
		log_warning("flow table %d: %s", t, strerror(-r));
	} else {
		w->entries[t] = w->slice.live;
		w->counted[t] = true;
	}
	if (w->at < 3)
		w->freed += w->slice.deleted;
	w->slice.live = w->slice.deleted = 0;
	w->at++;
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Slices as long as they may be on this machine. */
static void fit_slice(struct walk *w, uint64_t cost_ns)
{
	size_t *max = &w->slice.max;

	if (cost_ns > SLICE_NS && *max > SLICE_MIN)
		*max /= 2;
	else if (cost_ns < SLICE_NS / 2 && *max < SLICE_MAX)
		*max += SLICE_MIN;
}

static void next_slice(void *arg)
{
	struct walk *w = arg;
	uint64_t from = clock_boot_ns(), cpu = cpu_ns(), took;
	int r;

	w->timer = 0;
	if (w->at == 0 && !w->slice.cursor)
		begin_walk(w);
	w->slice.table = walked[w->at];
	r = flows_expire(w->agent->dp, &w->slice);
	flow_delta_sweep(w->agent->delta, SWEEP);
	if (r <= 0)
		end_table(w, r);
	cpu = cpu_ns() - cpu;
	took = clock_boot_ns() - from;
	if (took > w->longest_ns)
		w->longest_ns = took;
	w->upkeep.cpu_seconds += (double)cpu / 1e9;
	fit_slice(w, cpu);
	if (w->at < ARRAY_SIZE(walked))
		schedule(w, gap_ms(w, cpu));
	else
		end_walk(w);
}

int agent_start_expiry(struct agent *a)
{
	struct walk *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->agent = a;
	w->slice = (struct flow_slice){ .max = SLICE_MAX,
					.fn = on_dead,
					.stays = on_live,
					.ahead = on_ahead,
					.arg = w };
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
	free(w->clean);
	free(w);
	a->walk = NULL;
}
