// SPDX-License-Identifier: BSD-2-Clause
/*
 * P6 as a packet sees it: from the store that switches to the end of the first
 * run of a program that judges by the new generation. A prober on another CPU
 * runs the program all the time; each run's end is stamped.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/bar.h"
#include "bench/classify_host.h"
#include "bench/classify_mix.h"
#include "kern/private.h"

#define BATCH 20
#define BATCHES 25

struct prober {
	struct harness *h;
	struct packet packet;
	pthread_t thread;
	bool stop;
	/* Of the run that was the first of its generation. */
	__u32 generation;
	double seen_ns;
};

static void pin(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void *probe(void *arg)
{
	struct prober *p = arg;
	struct run_packet run = { .hook = ATTACH_TC_INGRESS,
				  .frame = p->packet.data,
				  .len = p->packet.len,
				  .ifindex = p->h->ifindex };
	struct run_result result;

	pin(1);
	while (!__atomic_load_n(&p->stop, __ATOMIC_ACQUIRE)) {
		if (run_packet(p->h->dp, &run, &result))
			bench_fail("the prober's run failed");
		if (result.trace.generation == p->generation)
			continue;
		p->seen_ns = bench_clock();
		__atomic_store_n(&p->generation, result.trace.generation,
				 __ATOMIC_RELEASE);
	}
	return NULL;
}

static double seen(const struct prober *p, __u32 generation)
{
	double end = bench_clock() + 5e9;

	while (__atomic_load_n(&p->generation, __ATOMIC_ACQUIRE) !=
	       generation) {
		if (bench_clock() > end)
			bench_fail("generation %u is not seen", generation);
		usleep(100);
	}
	return p->seen_ns;
}

/* ms of a whole push that waits for nobody. */
static double push(struct prober *p, struct image *image)
{
	double start;

	if (store_settle(p->h->dp))
		bench_fail("no grace period");
	start = bench_clock();
	harness_push(p->h, image);
	start = bench_clock() - start;
	seen(p, p->h->generation);
	return start / 1e6;
}

/* us of the word alone, between the two sealed slots. */
static double flip(struct prober *p)
{
	struct store_state now;
	double start;
	__u64 word;

	store_state(p->h->dp, &now);
	word = MOAT_CTL(now.previous_slot, now.slot, now.previous_generation,
			0);
	start = bench_clock();
	__atomic_store_n(&p->h->dp->store.control->word, word,
			 __ATOMIC_RELEASE);
	return (seen(p, now.previous_generation) - start) / 1e3;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void report(struct bar *b, double *us, size_t n)
{
	FILE *f = bench_file("switch.tsv");

	qsort(us, n, sizeof(*us), by_value);
	bar_figure(b, "min_us", us[0]);
	bar_figure(b, "median_us", us[n / 2]);
	bar_figure(b, "p99_us", us[n * 99 / 100]);
	bar_figure(b, "max_us", us[n - 1]);
	fprintf(f, "percentile\tus from the switch to a packet judged by it\n");
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%.1f\t%.2f\n", (i + 0.5) * 100 / n, us[i]);
	fclose(f);
	bench_plot("switch",
		   "set title 'from the switch to a packet judged by it'\n"
		   "set xlabel 'percentile'\nset ylabel 'us'\n"
		   "set logscale y\n"
		   "plot 'switch.tsv' using 1:2 with steps\n");
}

static void measure(struct prober *p, struct image *image)
{
	struct bar *b = bar_new("P6-switch",
				"from the switch to a packet "
				"judged by it, against 1 ms (a bar of "
				"ours)",
				1.0, false);
	size_t batches = bench_quick() ? BAR_RUNS_MIN : BATCHES;
	double us[BATCH * BATCHES], push_ms[BATCHES];

	for (size_t i = 0; i < batches; i++) {
		double *batch = us + i * BATCH;

		push_ms[i] = push(p, image);
		for (size_t k = 0; k < BATCH; k++)
			batch[k] = flip(p);
		bar_run(b, bench_median(batch, BATCH) / 1e3, 1);
	}
	report(b, us, BATCH * batches);
	bar_figure(b, "store_push_ms", bench_median(push_ms, batches));
}

int main(void)
{
	size_t rules = bench_quick() ? 200 : 10000;
	const struct packet_spec spec = { .family = 4,
					  .from = "192.0.2.1",
					  .to = COST_LOCAL4,
					  .proto = 17,
					  .sport = 1,
					  .dport = 2 };
	struct prober p = { 0 };
	struct classify_host host;
	struct classify_set set;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		puts("needs two CPUs");
		return 77;
	}
	pin(0);
	classify_set_make(classify_mix_named("v4-70-20-10"), rules, 10 * rules,
			  &set);
	classify_host_open(set.policy, 1024, true, &host);
	/* Both slots hold it. */
	harness_push(host.h, host.compiled.image);
	p.h = host.h;
	packet_build(&spec, &p.packet);
	if (pthread_create(&p.thread, NULL, probe, &p))
		bench_fail("no thread");
	measure(&p, host.compiled.image);
	__atomic_store_n(&p.stop, true, __ATOMIC_RELEASE);
	pthread_join(p.thread, NULL);
	bars_write();
	classify_set_free(&set);
	classify_host_close(&host);
	return 0;
}
