// SPDX-License-Identifier: BSD-2-Clause
/*
 * P8: walks over the flow table without an agent: the longest batch at a
 * million flows, and what a flow costs in tables of 1 k to 1 M flows, listed,
 * looked at for expiry, and deleted. In CPU time, which a call that never waits
 * spends all of: whoever else runs on the machine is not in it.
 */
#include <stdlib.h>
#include <string.h>

#include "bench/bar.h"
#include "bench/many_flows.h"
#include "bpf/harness.h"
#include "kern/private.h"

#define RUNS 5
#define SIZES 4

enum how { DUMP, LIVE, DEAD, HOWS };

/* A whole walk. */
struct walked {
	double longest_ms, ns; /* batch; of all */
	size_t deleted, seen;
};

static bool seen(const struct flow_record *r, void *arg)
{
	((struct walked *)arg)->seen++;
	return true;
}

static struct walked walk(struct datapath *dp, enum how how)
{
	struct walked w = {};
	struct flow_slice s = { .table = MOAT_TABLE_FLOWS,
				.max = 4096,
				.fn = how == DUMP ? seen : NULL,
				.arg = &w };
	double from, took;
	int r;

	do {
		from = bench_cpu_clock();
		r = how == DUMP ? flows_walk(dp, &s) : flows_expire(dp, &s);
		took = bench_cpu_clock() - from;
		w.ns += took;
		if (took / 1e6 > w.longest_ms)
			w.longest_ms = took / 1e6;
	} while (r > 0);
	if (r)
		bench_fail("walk: %s", strerror(-r));
	w.seen += s.live + s.deleted;
	w.deleted = s.deleted;
	return w;
}

static void all_ways(struct datapath *dp, size_t places,
		     struct walked ret[HOWS])
{
	int fd = datapath_map_fd(dp, "flows");
	struct many_flows m = many_flows_of(dp, places, 600);

	many_flows_put(fd, &m, 1);
	ret[DUMP] = walk(dp, DUMP);
	ret[LIVE] = walk(dp, LIVE);
	if (ret[LIVE].deleted)
		bench_fail("%zu live flows were deleted", ret[LIVE].deleted);
	m = many_flows_of(dp, places, -60);
	many_flows_put(fd, &m, 1);
	ret[DEAD] = walk(dp, DEAD);
	for (int how = 0; how < HOWS; how++)
		if (ret[how].seen != m.count)
			bench_fail("%zu of %zu flows came", ret[how].seen,
				   m.count);
	if (ret[DEAD].deleted != m.count)
		bench_fail("%zu of %zu deleted", ret[DEAD].deleted, m.count);
}

/* One size: a line of the plot, ns a flow. The largest has bars too. */
static void size(FILE *tsv, size_t places, struct bar *live, struct bar *dead)
{
	double ns[HOWS][RUNS], flows = (double)(places - places / 64);
	struct datapath_settings s;
	struct walked w[HOWS];
	struct harness *h;

	harness_settings(&s);
	s.trace = false;
	s.table_entries[MOAT_TABLE_FLOWS] = places;
	h = harness_open(&s);
	for (int i = 0; i < RUNS; i++) {
		all_ways(h->dp, places, w);
		for (int how = 0; how < HOWS; how++)
			ns[how][i] = w[how].ns / flows;
		if (live) {
			bar_run(live, w[LIVE].longest_ms, 5);
			bar_run(dead, w[DEAD].longest_ms, 5);
		}
	}
	fprintf(tsv, "%zu", places);
	for (int how = 0; how < HOWS; how++)
		fprintf(tsv, "\t%.1f", bench_median(ns[how], RUNS));
	fputc('\n', tsv);
	harness_close(h);
}

int main(void)
{
	static const size_t places[] = { 1024, 10240, 102400, 1048576 };
	struct bar *live = bar_new("P8-call",
				   "expiry walk over 1 M flows: longest "
				   "batch, ms / 5",
				   1, false);
	struct bar *dead = bar_new("P8-delete",
				   "the same where all have expired: longest "
				   "batch with its deletions, ms / 5",
				   1, false);
	FILE *tsv = bench_file("walk.tsv");

	fputs("flows\tlisted\tlooked at\tdeleted\n", tsv);
	for (int i = 0; i < SIZES; i++) {
		bool last = i == SIZES - 1;

		size(tsv, places[i] / (bench_quick() ? 64 : 1),
		     last ? live : NULL, last ? dead : NULL);
	}
	fclose(tsv);
	bar_figure(live, "ms", bar_median(live) * 5);
	bar_figure(dead, "ms", bar_median(dead) * 5);
	bench_plot("walk",
		   "set title 'a walk over the flow table'\n"
		   "set logscale x\nset xlabel 'flows in the table'\n"
		   "set ylabel 'ns a flow'\nset yrange [0:]\n"
		   "plot for [i=2:4] 'walk.tsv' using 1:i with linespoints");
	bars_write();
	return 0;
}
