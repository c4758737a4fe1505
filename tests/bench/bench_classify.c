// SPDX-License-Identifier: BSD-2-Clause
/*
 * P2: classification beside one lookup in the kernel's LPM trie of the same
 * prefixes, by mixes of prefixes. The loops run inside BPF programs over the
 * maps of an instance to which the policy was pushed.
 */
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bench/bar.h"
#include "bench/classify_host.h"
#include "bench/classify_mix.h"
#include "kern/private.h"
#include "tests/bench/classify.skel.h"

enum what { NOTHING, CLASS, CELL, JUDGE, LPM, WHATS };
#define PAIRS 15

struct bench {
	const struct classify_mix *mix;
	struct classify_set set;
	struct classify_host host;
	struct bench_classify *skel;
	struct classify_tuple *tuples;
};

/* What is left of a mix. */
struct result {
	const struct classify_mix *mix;
	struct compile_stats stats;
	size_t bytes, pairs;
	double compile_ms, ns[WHATS][PAIRS]; /* without the empty loop */
};

/* The loops read the instance's maps. */
static void share(struct bench *b)
{
	static const unsigned entry[MOAT_PART_COUNT] = { 4, 8, 2, 4 };
	struct moat_knobs *k = (struct moat_knobs *)&b->skel->rodata->knobs;
	struct bpf_map *parts[] = { b->skel->maps.addr4, b->skel->maps.addr6,
				    b->skel->maps.classes, b->skel->maps.rows };
	struct bpf_map *map;

	bpf_object__for_each_map(map, b->skel->obj) {
		int fd = bpf_map__is_internal(map) ?
				 -1 :
				 datapath_map_fd(b->host.h->dp,
						 bpf_map__name(map));

		if (fd >= 0 && bpf_map__reuse_fd(map, fd))
			bench_fail("map %s: %m", bpf_map__name(map));
	}
	for (int i = 0; i < MOAT_PART_COUNT; i++)
		k->part_mask[i] = bpf_map__value_size(parts[i]) / entry[i] - 1;
	k->hz = datapath_facts()->hz;
}

static void fill_tries(struct bench *b)
{
	int fd4 = bpf_map__fd(b->skel->maps.lpm4);
	int fd6 = bpf_map__fd(b->skel->maps.lpm6);

	for (__u32 i = 0; i < b->set.ncidrs; i++) {
		const struct cidr *c = &b->set.cidrs[i];
		struct classify_lpm4 k4 = { c->length, c->addr.w[3] };
		struct classify_lpm6 k6 = { .length = c->length };
		int err;

		memcpy(k6.addr, &c->addr, sizeof(k6.addr));
		err = c->family == 4 ?
			      bpf_map_update_elem(fd4, &k4, &i, BPF_ANY) :
			      bpf_map_update_elem(fd6, &k6, &i, BPF_ANY);
		if (err)
			bench_fail("trie: %m");
	}
}

static void fill_tuples(struct bench *b)
{
	int fd = bpf_map__fd(b->skel->maps.tuples);

	b->tuples = calloc(CLASSIFY_TUPLES, sizeof(*b->tuples));
	if (!b->tuples)
		bench_fail("no memory");
	classify_tuples_make(&b->set, b->tuples, CLASSIFY_TUPLES);
	for (__u32 i = 0; i < CLASSIFY_TUPLES; i++)
		if (bpf_map_update_elem(fd, &i, &b->tuples[i], BPF_ANY))
			bench_fail("tuples: %m");
}

static void open_bench(struct bench *b)
{
	classify_set_make(b->mix, bench_quick() ? 200 : 10000,
			  bench_quick() ? 2000 : 100000, &b->set);
	classify_host_open(b->set.policy, 1024, false, &b->host);
	b->skel = bench_classify__open();
	if (!b->skel)
		bench_fail("classify.bpf.c: %m");
	share(b);
	if (bench_classify__load(b->skel))
		bench_fail("classify.bpf.c does not load: %m");
	b->skel->bss->local4 = build_addr(COST_LOCAL4);
	b->skel->bss->local6 = build_addr(COST_LOCAL6);
	b->skel->bss->rounds = CLASSIFY_TUPLES;
	fill_tries(b);
	fill_tuples(b);
}

/* ns a tuple, of the CPU time of this thread. */
static double run(struct bench *b, enum what what)
{
	struct bpf_program *progs[WHATS] = {
		b->skel->progs.run_nothing, b->skel->progs.run_class,
		b->skel->progs.run_cell,    b->skel->progs.run_judge,
		b->skel->progs.run_lpm,
	};
	unsigned char frame[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = frame,
		    .data_size_in = sizeof(frame), .repeat = 1);
	double began = bench_cpu_clock();

	if (bpf_prog_test_run_opts(bpf_program__fd(progs[what]), &o))
		bench_fail("test run: %m");
	return (bench_cpu_clock() - began) / CLASSIFY_TUPLES;
}

/* The classes that the loop finds are those of the image. */
static void check(struct bench *b)
{
	__u64 want = 0;

	for (size_t i = 0; i < CLASSIFY_TUPLES; i++)
		want += image_class(&b->host.compiled.view,
				    &b->tuples[i].remote);
	run(b, CLASS);
	if (b->skel->bss->sum != want)
		bench_fail("%s: other classes than the image's", b->mix->name);
}

static void measure(struct bench *b, struct result *ret)
{
	*ret = (struct result){ .mix = b->mix,
				.stats = b->host.compiled.stats,
				.pairs = bench_quick() ? 5 : PAIRS,
				.compile_ms = b->host.compile_ms };
	for (int i = 0; i < MOAT_PART_COUNT; i++)
		ret->bytes += b->host.compiled.image->header.used[i];
	for (size_t i = 0; i < ret->pairs; i++) {
		double nothing = run(b, NOTHING);

		for (int w = CLASS; w < WHATS; w++)
			ret->ns[w][i] = run(b, w) - nothing;
	}
}

static double median(const struct result *r, enum what what)
{
	double values[PAIRS];

	memcpy(values, r->ns[what], r->pairs * sizeof(*values));
	return bench_median(values, r->pairs);
}

static double ratio(const struct result *r)
{
	double values[PAIRS];

	for (size_t i = 0; i < r->pairs; i++)
		values[i] = r->ns[CELL][i] / r->ns[LPM][i];
	return bench_median(values, r->pairs);
}

/* Mixes that were measured stand in all[0..nmixes). */
static size_t nmixes;

/* A bar holds for every mix of its kind: that of the worst one is written. */
static void write_bar(const char *name, const char *kind,
		      const struct result *all)
{
	static char what[8][80];
	static size_t n;
	const struct result *worst = NULL;
	struct bar *b;

	for (size_t i = 0; i < nmixes; i++)
		if (!strncmp(all[i].mix->name, kind, strlen(kind)) &&
		    (!worst || ratio(&all[i]) > ratio(worst)))
			worst = &all[i];
	if (!worst)
		return;
	snprintf(what[n], sizeof(what[n]), "classify / one LPM lookup, %s",
		 worst->mix->name);
	b = bar_new(name, what[n++], 0.4, false);
	for (size_t i = 0; i < worst->pairs; i++)
		bar_pair(b, worst->ns[CELL][i], worst->ns[LPM][i]);
	bar_figure_ours(b, "classify_ns");
	bar_figure_theirs(b, "lpm_ns");
	bar_figure(b, "remote_class_ns", median(worst, CLASS));
	bar_figure(b, "judge_ns", median(worst, JUDGE));
	bar_figure(b, "classes", worst->stats.classes);
	bar_figure(b, "rows", worst->stats.rows);
	bar_figure(b, "image_bytes", worst->bytes);
	bar_figure(b, "compile_ms", worst->compile_ms);
}

static void write_table(const struct result *all)
{
	FILE *f = bench_file("classify.tsv");

	fprintf(f, "mix\trules\tCIDRs\tclasses\trows\tbytes\tcompile ms\t"
		   "one LPM lookup\tclassify\tof it the remote class\t"
		   "judge\tratio\n");
	for (size_t i = 0; i < nmixes; i++) {
		const struct result *r = &all[i];

		fprintf(f,
			"%s\t%zu\t%zu\t%zu\t%zu\t%zu\t%.0f\t%.1f\t%.1f\t%.1f\t%.1f\t%.3f\n",
			r->mix->name, r->stats.rules, r->stats.cidrs,
			r->stats.classes, r->stats.rows, r->bytes,
			r->compile_ms, median(r, LPM), median(r, CELL),
			median(r, CLASS), median(r, JUDGE), ratio(r));
	}
	fclose(f);
	bench_plot(
		"classify",
		"set title 'A new packet classified: 10,000 rules, 100,000 CIDRs'\n"
		"set ylabel 'ns'\n"
		"set style data histograms\n"
		"set style histogram clustered gap 1\n"
		"set style fill solid 0.8\n"
		"set yrange [0:]\n"
		"set xtics rotate by -20\n"
		"set key top right\n"
		"plot for [i=8:10] 'classify.tsv' using i:xtic(1)");
}

int main(void)
{
	struct result *all = calloc(classify_nmixes, sizeof(*all));

	if (!all)
		bench_fail("no memory");
	cost_pin();
	for (size_t i = 0; i < classify_nmixes; i++) {
		struct bench b = { .mix = &classify_mixes[i] };

		if (bench_quick() && !b.mix->quick)
			continue;
		open_bench(&b);
		check(&b);
		measure(&b, &all[nmixes++]);
		bench_classify__destroy(b.skel);
		classify_host_close(&b.host);
		classify_set_free(&b.set);
		free(b.tuples);
	}
	write_bar("P2-v4", "v4-", all);
	write_bar("P2-v6", "v6-", all);
	write_bar("P2-mixed", "mixed", all);
	write_table(all);
	bars_write();
	free(all);
	return 0;
}
