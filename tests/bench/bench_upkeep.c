// SPDX-License-Identifier: BSD-2-Clause
/*
 * P7, P8, P9 of an agent with a million flows and 10,000 rules: memory, its
 * share of a core, the metrics page.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/bar.h"
#include "bench/full_box.h"

#define MIB (1024.0 * 1024.0)
#define RUNS 5

/* ---- P9: the metrics page ---- */

static void scrape(struct bar *time, size_t *ret_bytes)
{
	struct box_page page = box_scrape("/metrics");

	if (time)
		bar_run(time, page.ms, 100);
	*ret_bytes = page.bytes;
	free(page.text);
}

static void page_time(size_t empty_bytes)
{
	struct bar *time = bar_new("P9-time",
				   "/metrics of 10,000 rules at "
				   "1 M flows, connect to last byte, ms / 100",
				   1, false);
	struct bar *size = bar_new("P9-size",
				   "/metrics: bytes at 1 M flows "
				   "beside none",
				   1.01, false);
	size_t bytes = 0;

	for (unsigned i = 0; i < RUNS; i++) {
		scrape(time, &bytes);
		bar_pair(size, (double)bytes, (double)empty_bytes);
	}
	bar_figure(time, "ms", bar_median(time) * 100);
	bar_figure(size, "bytes_full", (double)bytes);
	bar_figure(size, "bytes_empty", (double)empty_bytes);
}

/* ---- P7: memory ---- */

static double accounted(int fd)
{
	char path[64], line[128];
	unsigned long long bytes = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "memlock: %llu", &bytes) == 1)
			break;
	if (f)
		fclose(f);
	return (double)bytes;
}

static void memory(struct agent_box *b)
{
	struct bar *image = bar_new("P7-image",
				    "image of 10,000 rules and "
				    "100,000 CIDRs, MiB / 12",
				    1, false);
	struct bar *flows = bar_new("P7-flows",
				    "1 M flows: their table and "
				    "the leases before it, MiB / 320",
				    1, false);
	double bytes = box_metric("moat_image_bytes ") / MIB;
	double table = accounted(box_map(b, "flows"));
	double leases = accounted(box_map(b, "leases"));

	for (unsigned i = 0; i < RUNS; i++) {
		bar_run(image, bytes, 12);
		bar_run(flows, (table + leases) / MIB, 320);
	}
	bar_figure(image, "mib", bytes);
	bar_figure(flows, "table_mib", table / MIB);
	bar_figure(flows, "leases_mib", leases / MIB);
	bar_figure(flows, "agent_resident_mib", box_resident(b) / MIB);
}

/* The agent's share of a core, in cycles; all flows count on in each. */
static void share(struct agent_box *b, struct many_flows *m, unsigned cycle_ms)
{
	struct bar *cpu = bar_new("P8-cpu",
				  "agent at 1 M flows that all count "
				  "on: share of a core, % / 5",
				  1, false);
	struct bar *slice = bar_new("P8-slice",
				    "longest slice of the agent's "
				    "walk meanwhile, ms / 5",
				    1, false);
	int fd = box_map(b, "flows");

	for (unsigned i = 0; i < RUNS; i++) {
		double from, before;

		m->packets += 10;
		many_flows_put(fd, m, 1);
		before = box_cpu_ns(b);
		from = bench_clock();
		usleep(cycle_ms * 1000);
		bar_run(cpu,
			(box_cpu_ns(b) - before) / (bench_clock() - from) * 100,
			5);
		bar_run(slice,
			box_metric("moat_walk_longest_slice_seconds ") * 1000,
			5);
	}
	bar_figure(cpu, "percent", bar_median(cpu) * 5);
	bar_figure(cpu, "walk_s", box_metric("moat_walk_duration_seconds "));
	bar_figure(slice, "ms", bar_median(slice) * 5);
}

int main(void)
{
	struct full_box want = bench_quick() ?
				       (struct full_box){ 16384, 10, 100,
							  1000 } :
				       (struct full_box){ 1048576, 40, 10000,
							  100000 };
	static struct agent_box box;
	struct many_flows m;
	size_t bytes = 0;

	full_box_start(&box, &want);
	scrape(NULL, &bytes);
	m = full_box_fill(&box, &want);
	page_time(bytes);
	share(&box, &m, bench_quick() ? 200 : 15000);
	memory(&box);
	bars_write();
	box_stop(&box);
	return 0;
}
