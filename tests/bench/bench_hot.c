// SPDX-License-Identifier: BSD-2-Clause
/*
 * P1: everything that is done to a packet of an established TCP connection,
 * beside the same parse with one lookup in a kernel hash; net of an empty
 * program. By the number of flows that take turns, in random order.
 */
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "bench/bar.h"
#include "bench/cost.h"
#include "bench/cost_tuple.h"

#define MEASURES_MAX 16
#define PAIRS 5

/* A set of flows in turns, one family, one direction. */
struct measure {
	const char *name; /* of the bar, or NULL: figures alone */
	const char *family;
	size_t flows;
	size_t runs;
	double ns[COST_PROGRAMS][PAIRS];
	double lapsed; /* ns of a packet that finds its lease over */
};

/* With a million flows moat's turn is as long as a lease, so that as many end
 * in it as in a steady stream; with fewer, hardly a packet finds one over.
 * What is no bar gets a third of that: its figures are for orientation. */
static double seconds_of(const struct measure *m, enum cost_program which)
{
	if (bench_quick())
		return 0.02;
	if (which == COST_MOAT && m->flows > 65536)
		return MOAT_LEASE_SECONDS * (m->name ? 1.1 : 0.3);
	return which == COST_EMPTY || which == COST_PARSE ? 0.2 : 0.4;
}

/* Each flow some times: by its record, a claim, a lease; caches are warm. */
static void warm(struct cost *c, const struct measure *m, unsigned times)
{
	cost_run(c, COST_MOAT, m->flows < 4096 ? 65536 : m->flows * times,
		 MOAT_REASON_ESTABLISHED);
}

/*
 * As many runs as fill the time at the speed of the last turn. Leases end
 * while the others have their turns, and lines change hands, which a steady
 * stream does not see: moat's turn begins where the stream would be.
 */
static double take(struct cost *c, const struct measure *m,
		   enum cost_program which)
{
	unsigned probe = bench_quick() ? 2000 : 200000;
	double ns;

	if (which == COST_MOAT)
		warm(c, m, 2);
	ns = m->runs ? m->ns[which][m->runs - 1] :
		       cost_run(c, which, probe, MOAT_REASON_ESTABLISHED);
	return cost_run(c, which, seconds_of(m, which) * 1e9 / ns,
			MOAT_REASON_ESTABLISHED);
}

static void measure(struct cost *c, struct measure *m, size_t pairs)
{
	static const enum cost_program turns[] = { COST_EMPTY, COST_PARSE,
						   COST_BARE, COST_MOAT,
						   COST_LEAN };

	cost_sequence(c, 0, m->flows);
	warm(c, m, 4);
	for (; m->runs < pairs; m->runs++)
		for (size_t i = 0; i < ARRAY_SIZE(turns); i++)
			m->ns[turns[i]][m->runs] = take(c, m, turns[i]);
	if (!m->name || m->flows <= 1024)
		return;
	if (!bench_quick())
		sleep(MOAT_LEASE_SECONDS + 1);
	cost_rewind(c);
	m->lapsed = cost_run(c, COST_MOAT, m->flows, MOAT_REASON_ESTABLISHED);
}

/* Median of a program without the empty one. */
static double net(const struct measure *m, enum cost_program which)
{
	double values[PAIRS];

	for (size_t i = 0; i < m->runs; i++)
		values[i] = m->ns[which][i] - m->ns[COST_EMPTY][i];
	return bench_median(values, m->runs);
}

static double empty(const struct measure *m)
{
	double values[PAIRS];

	memcpy(values, m->ns[COST_EMPTY], sizeof(values));
	return bench_median(values, m->runs);
}

static double net_ratio(const struct measure *m, enum cost_program of)
{
	double values[PAIRS];

	for (size_t i = 0; i < m->runs; i++)
		values[i] = (m->ns[COST_MOAT][i] - m->ns[COST_EMPTY][i]) /
			    (m->ns[of][i] - m->ns[COST_EMPTY][i]);
	return bench_median(values, m->runs);
}

static void write_bar(const struct measure *m)
{
	struct bar *b = bar_new(
		m->name,
		m->flows > 1024 ?
			"established packet, 1 M flows / parse + hash lookup" :
			"established packet, 1 k flows / parse + hash lookup",
		1.0, false);

	for (size_t i = 0; i < m->runs; i++)
		bar_pair(b, m->ns[COST_MOAT][i] - m->ns[COST_EMPTY][i],
			 m->ns[COST_BARE][i] - m->ns[COST_EMPTY][i]);
	bar_figure_ours(b, "moat_ns");
	bar_figure_theirs(b, "parse_and_lookup_ns");
	bar_figure(b, "parse_ns", net(m, COST_PARSE));
	bar_figure(b, "lean_parse_and_lookup_ns", net(m, COST_LEAN));
	bar_figure(b, "ratio_to_lean", net_ratio(m, COST_LEAN));
	bar_figure(b, "empty_ns", empty(m));
	if (m->lapsed)
		bar_figure(b, "lease_over_ns", m->lapsed - empty(m));
}

static void write_table(const struct measure *all, size_t n)
{
	FILE *f = bench_file("hot.tsv");

	fprintf(f, "packets\tflows\tmoat\tsame parse + hash lookup\t"
		   "least parse + hash lookup\tparse\tratio\n");
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%s\t%zu\t%.1f\t%.1f\t%.1f\t%.1f\t%.3f\n",
			all[i].family, all[i].flows, net(&all[i], COST_MOAT),
			net(&all[i], COST_BARE), net(&all[i], COST_LEAN),
			net(&all[i], COST_PARSE),
			net_ratio(&all[i], COST_BARE));
	fclose(f);
	f = bench_file("hot4.tsv");
	fprintf(f, "flows\tmoat, all of it\tsame parse + hash lookup\t"
		   "least parse + hash lookup\tmoat's parse alone\n");
	for (size_t i = 0; i < n; i++)
		if (!strcmp(all[i].family, "IPv4 in"))
			fprintf(f, "%zu\t%.1f\t%.1f\t%.1f\t%.1f\n",
				all[i].flows, net(&all[i], COST_MOAT),
				net(&all[i], COST_BARE),
				net(&all[i], COST_LEAN),
				net(&all[i], COST_PARSE));
	fclose(f);
	bench_plot(
		"hot4",
		"set title 'Established TCP packet, net of an empty program'\n"
		"set xlabel 'flows in turns, random order'\n"
		"set ylabel 'ns a packet'\n"
		"set logscale x\n"
		"set format x '%.0s%c'\n"
		"set yrange [0:]\n"
		"set key top left\n"
		"plot for [i=2:5] 'hot4.tsv' using 1:i with linespoints "
		"linewidth 2");
}

struct series {
	struct cost_options o;
	const char *family;
	size_t pairs;
	const size_t *flows;
	const char *const *bars;
};

static size_t run_series(struct harness *h, const struct series *s,
			 struct measure *ret)
{
	struct moat_flow record = cost_handshake(h, s->o.family);
	struct cost *c = cost_open(h, &s->o);
	size_t have = 0, n = 0;

	/* As of one that has gone on for a while. */
	record.packets[MOAT_INGRESS] += 100;
	for (; s->flows[n]; n++) {
		size_t flows = s->flows[n];

		if (bench_quick() && flows > 4096)
			flows = 4096;
		if (flows > have)
			cost_establish(c, &record, have, flows);
		have = flows > have ? flows : have;
		ret[n] = (struct measure){ .name = s->bars ? s->bars[n] : NULL,
					   .family = s->family,
					   .flows = flows };
		measure(c, &ret[n], s->pairs);
	}
	cost_close(c);
	return n;
}

int main(void)
{
	static const size_t steps[] = { 1, 1024, 65536, COST_TUPLES, 0 };
	static const size_t ends[] = { 1024, COST_TUPLES, 0 };
	static const char *const bars[] = { NULL, "P1-hot", NULL, "P1-cold" };
	static const struct series series[] = {
		{ { 4, MOAT_INGRESS, MOAT_TCP_FLAG_ACK, 0 },
		  "IPv4 in",
		  PAIRS,
		  steps,
		  bars },
		{ { 4, MOAT_EGRESS, MOAT_TCP_FLAG_ACK, 0 },
		  "IPv4 out",
		  3,
		  ends,
		  NULL },
		{ { 6, MOAT_INGRESS, MOAT_TCP_FLAG_ACK, 0 },
		  "IPv6 in",
		  3,
		  ends,
		  NULL },
	};
	static struct measure all[MEASURES_MAX];
	size_t n = 0;

	cost_pin();
	for (size_t i = 0; i < ARRAY_SIZE(series); i++) {
		struct harness *h = cost_harness(COST_TUPLES, 1024);

		n += run_series(h, &series[i], all + n);
		harness_close(h);
	}
	for (size_t i = 0; i < n; i++)
		if (all[i].name)
			write_bar(&all[i]);
	write_table(all, n);
	bars_write();
	return 0;
}
