// SPDX-License-Identifier: BSD-2-Clause
/* Families of the flow tables and of the walks over them. */
#include "svc/metrics_parts.h"

static const char *const expiries[] = {
#define X(symbol, name) name,
	METRICS_EXPIRIES(X)
#undef X
};
static const char *const tables[] = {
#define X(symbol, name) name,
	MOAT_TABLES(X)
#undef X
};
static const char *const refusals[] = {
#define X(symbol, name) name,
	MOAT_REFUSALS(X)
#undef X
};
static const char *const retries[] = {
#define X(symbol, name) name,
	FLOWS_RETRIES(X)
#undef X
};

static void refused(struct metrics_out *o, const struct moat_totals *t)
{
	int table, r;

	metrics_family(o, "moat_flow_refused_total", "counter",
		       "Flows that could not be entered in their table.");
	for (table = 0; t && table < MOAT_TABLE_COUNT; table++)
		for (r = 0; r < MOAT_REFUSAL_COUNT; r++)
			metrics_sample(o, "moat_flow_refused_total",
				       t->refused[table][r], "table",
				       tables[table], "reason", refusals[r],
				       NULL);
	metrics_family(o, "moat_flows_created_total", "counter",
		       "Flows entered in a table.");
	for (table = 0; t && table < MOAT_TABLE_COUNT; table++)
		metrics_sample(o, "moat_flows_created_total", t->created[table],
			       "table", tables[table], NULL);
}

void metrics_flow_tables(struct metrics_out *o,
			 const struct metrics_snapshot *s)
{
	size_t i;

	metrics_family(o, "moat_table_entries", "gauge",
		       "Entries of a flow table at the last walk.");
	for (i = 0; i < s->ntables; i++)
		if (s->tables[i].counted)
			metrics_sample(o, "moat_table_entries",
				       s->tables[i].entries, "table",
				       s->tables[i].name, NULL);
	metrics_family(o, "moat_table_limit", "gauge",
		       "Entries that a flow table holds at most.");
	for (i = 0; i < s->ntables; i++)
		metrics_sample(o, "moat_table_limit", s->tables[i].limit,
			       "table", s->tables[i].name, NULL);
	refused(o, s->totals);
	metrics_family(o, "moat_flows_expired_total", "counter",
		       "Flows removed from the tables by how they had ended.");
	for (i = 0; i < METRICS_EXPIRY_COUNT; i++)
		metrics_sample(o, "moat_flows_expired_total", s->expired[i],
			       "reason", expiries[i], NULL);
	metrics_sample(o, "moat_flows_expired_total", s->killed, "reason",
		       "killed", NULL);
}

void metrics_upkeep(struct metrics_out *o, const struct metrics_upkeep *u)
{
	int i;

	metrics_counter(o, "moat_walks_total",
			"Complete walks over the flow tables.", u->walks);
	metrics_counter(o, "moat_walk_failures_total",
			"Flow tables that could not be walked to their end.",
			u->failures);
	metrics_counter(
		o, "moat_walk_undeleted_total",
		"Expired flows that could not be deleted, left to the next "
		"walk.",
		u->retries.undeleted);
	metrics_family(o, "moat_walk_retries_total", "counter",
		       "Calls on flow tables made again, by what failed.");
	for (i = 0; i < FLOWS_RETRY_COUNT; i++)
		metrics_sample(o, "moat_walk_retries_total",
			       u->retries.count[i], "reason", retries[i], NULL);
	metrics_family(o, "moat_walk_cpu_seconds_total", "counter",
		       "CPU time that walks took.");
	metrics_sample_float(o, "moat_walk_cpu_seconds_total", u->cpu_seconds,
			     NULL);
	metrics_seconds(o, "moat_walk_duration_seconds",
			"From begin to end of the last walk.", u->walk_seconds);
	metrics_seconds(
		o, "moat_walk_longest_slice_seconds",
		"Longest slice of the last walk; the agent answers nobody "
		"meanwhile.",
		u->longest_slice);
}
