// SPDX-License-Identifier: BSD-2-Clause
/*
 * P7, P8, P9: memory, expiry and dump at a million flows, the metrics page of
 * 10,000 rules. An agent in namespaces of its own, its tables filled by hand.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/agent_box.h"
#include "bench/bar.h"
#include "bench/many_flows.h"
#include "bpf/harness.h"
#include "bpf/place.h"
#include "kern/private.h"
#include "support/big_policy.h"
#include "svc/ctl_client.h"

#define MIB (1024.0 * 1024.0)

static struct sizes {
	size_t flows, groups, rules, cidrs;
	unsigned int cycle_ms, runs;
} sizes;

static void write_policy(const struct agent_box *b)
{
	struct rng r = { .state = 3 };
	FILE *f = fopen(box_path(b, "policy.yaml"), "w");
	size_t each = sizes.cidrs / sizes.rules;

	if (!f)
		bench_fail("policy: %s", strerror(errno));
	fprintf(f, "version: 1\nname: upkeep\nmode: enforce\n"
		   "security_groups:\n");
	for (size_t g = 0; g < sizes.groups; g++) {
		fprintf(f,
			"  group%zu:\n    members: [10.20.0.0/16]\n"
			"    ingress:\n",
			g);
		for (size_t i = 0; i < sizes.rules / sizes.groups; i++) {
			unsigned port = 1 + rng_below(&r, 60000);

			fprintf(f,
				"      - {name: rule%zu, protocol: tcp, "
				"ports: [%u], from: [",
				i, port);
			for (size_t c = i == 0; c < each; c++) {
				struct cidr one = big_cidr(&r, 0);
				char text[64];

				fprintf(f, "%s%s", c > (i == 0) ? ", " : "",
					cidr_print(&one, false, text));
			}
			fprintf(f, "]}\n");
		}
	}
	fclose(f);
}

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

	for (unsigned i = 0; i < sizes.runs; i++) {
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

/* What MemAvailable loses while maps of the agent's usual sizes are made and
 * filled: the kernel's own accounting is what the plan was made after. */
static double available(void)
{
	unsigned long long kib = 0;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return (double)kib * 1024;
}

static void usual_tables(struct datapath_settings *s)
{
	static const __u32 entries[MOAT_TABLE_COUNT] = {
		[MOAT_TABLE_UDP] = 262144,
		[MOAT_TABLE_OTHER] = 65536,
		[MOAT_TABLE_EMBRYONIC_OUT] = 65536,
		[MOAT_TABLE_EMBRYONIC_IN] = 65536,
		[MOAT_TABLE_CLOSING] = 65536,
		[MOAT_TABLE_DENIED] = 65536,
		[MOAT_TABLE_FRAGMENTS] = 16384,
	};

	harness_settings(s);
	memcpy(s->table_entries, entries, sizeof(entries));
	s->table_entries[MOAT_TABLE_FLOWS] = sizes.flows;
	s->trace = false;
}

static double sum_of_maps(struct datapath *dp)
{
	struct map_bytes maps[MAP_PLAN_MAX];
	size_t n = stats_maps(dp, maps, MAP_PLAN_MAX);
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double)maps[i].bytes;
	return sum;
}

static double deviation(double real, double plan)
{
	return real > plan ? real / plan - 1 : 1 - real / plan;
}

static struct datapath *open_dp(const struct datapath_settings *s)
{
	struct datapath *dp = NULL;
	const char *why = "";

	if (datapath_open(s, &dp, &why))
		bench_fail("%s", why);
	return dp;
}

static struct many_flows flows_for(struct datapath *dp, int seconds)
{
	__u64 now = datapath_jiffies(dp);

	return (struct many_flows){
		.count = sizes.flows - sizes.flows / 64,
		.slots = sizes.rules,
		.created = now,
		.packets = 5,
		.expires = now + (__s64)seconds * datapath_facts()->hz
	};
}

static void plan_and_reality(void)
{
	struct bar *bar = bar_new("P7-plan",
				  "memory of all maps, usual sizes: "
				  "kernel's account beside the plan, off by",
				  1, false);
	struct map_plan plan[MAP_PLAN_MAX];
	struct datapath_settings s;
	double lost = 0, sum = 0;
	__u64 total = 0;

	usual_tables(&s);
	datapath_plan(&s, plan, &total);
	for (unsigned i = 0; i < sizes.runs; i++) {
		double before = available();
		struct datapath *dp = open_dp(&s);
		struct many_flows m = flows_for(dp, 600);

		many_flows_put(datapath_map_fd(dp, "flows"), &m, 1);
		lost = before - available();
		sum = sum_of_maps(dp);
		bar_run(bar, deviation(sum, (double)total), 0.10);
		datapath_close(dp);
		/* Maps are freed a grace period later. */
		usleep(500000);
	}
	bar_figure(bar, "plan_mib", (double)total / MIB);
	bar_figure(bar, "kernel_mib", sum / MIB);
	bar_figure(bar, "available_lost_mib", lost / MIB);
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

	for (unsigned i = 0; i < sizes.runs; i++) {
		bar_run(image, bytes, 12);
		bar_run(flows, (table + leases) / MIB, 320);
	}
	bar_figure(image, "mib", bytes);
	bar_figure(flows, "table_mib", table / MIB);
	bar_figure(flows, "leases_mib", leases / MIB);
	bar_figure(flows, "agent_resident_mib", box_resident(b) / MIB);
}

/* ---- P8: expiry ---- */

/* One walk of an expiry without an agent's bookkeeping; longest slice, ms. */
static double longest_call(struct datapath *dp, size_t *ret_deleted)
{
	struct flow_slice s = { .table = MOAT_TABLE_FLOWS, .max = 4096 };
	double longest = 0;
	int r;

	do {
		double from = bench_clock();

		r = flows_expire(dp, &s);
		from = (bench_clock() - from) / 1e6;
		longest = from > longest ? from : longest;
	} while (r > 0);
	if (r)
		bench_fail("expiry: %s", strerror(-r));
	*ret_deleted = s.deleted;
	return longest;
}

static void calls(void)
{
	struct bar *live = bar_new("P8-call",
				   "expiry walk over 1 M flows: "
				   "longest batch, ms / 5",
				   1, false);
	struct bar *dead = bar_new("P8-delete",
				   "the same where all have "
				   "expired: longest batch with its deletions, "
				   "ms / 5",
				   1, false);
	struct datapath_settings s;
	struct datapath *dp;
	size_t deleted;

	harness_settings(&s);
	s.trace = false;
	s.table_entries[MOAT_TABLE_FLOWS] = sizes.flows;
	dp = open_dp(&s);
	for (unsigned i = 0; i < sizes.runs; i++) {
		struct many_flows m = flows_for(dp, 600);

		many_flows_put(datapath_map_fd(dp, "flows"), &m, 1);
		bar_run(live, longest_call(dp, &deleted), 5);
		if (deleted)
			bench_fail("%zu live flows were deleted", deleted);
		m = flows_for(dp, -60);
		many_flows_put(datapath_map_fd(dp, "flows"), &m, 1);
		bar_run(dead, longest_call(dp, &deleted), 5);
		if (deleted != m.count)
			bench_fail("%zu of %zu deleted", deleted, m.count);
	}
	bar_figure(live, "ms", bar_median(live) * 5);
	bar_figure(dead, "ms", bar_median(dead) * 5);
	datapath_close(dp);
}

static void wait_for_walk(double flows)
{
	double end = bench_clock() + 240e9;

	while (box_metric("moat_table_entries{table=\"flows\"}") != flows)
		if (bench_clock() > end)
			bench_fail("the agent does not see %.0f flows", flows);
		else
			usleep(500000);
}

/* The agent's share of a core, in cycles; all flows count on in each. */
static void share(struct agent_box *b, struct many_flows *m)
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

	for (unsigned i = 0; i < sizes.runs; i++) {
		double from, before;

		m->packets += 10;
		many_flows_put(fd, m, 1);
		before = box_cpu_ns(b);
		from = bench_clock();
		usleep(sizes.cycle_ms * 1000);
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

/* ---- P8: dump ---- */

/* Asks the agent all the time; the longest answer, ms, goes to the pipe. */
static void prober(const struct agent_box *b, int out)
{
	struct ctl_client *c = box_connect(b);
	json_t *rq = json_pack("{s:s}", "cmd", "version");
	double longest = 0, took;

	while (getppid() != 1) {
		json_t *reply = NULL;

		took = bench_clock();
		if (ctl_call(c, rq, NULL, NULL, &reply))
			_exit(1);
		json_decref(reply);
		took = (bench_clock() - took) / 1e6;
		longest = took > longest ? took : longest;
		if (pwrite(out, &longest, sizeof(longest), 0) !=
		    sizeof(longest))
			_exit(1);
		usleep(1000);
	}
	_exit(0);
}

static bool count_part(const json_t *part, void *arg)
{
	*(size_t *)arg += json_array_size(json_object_get(part, "flows"));
	return true;
}

static void dump_once(struct agent_box *b, struct bar *bar, double *ret_s)
{
	FILE *answer = tmpfile();
	json_t *rq = json_pack("{s:s, s:i}", "cmd", "flows", "limit",
			       (int)sizes.flows / 10),
	       *reply = NULL;
	struct ctl_client *c = box_connect(b);
	double from = bench_clock(), longest = 0;
	size_t n = 0;
	pid_t pid = fork();

	if (!pid)
		prober(b, fileno(answer));
	if (!c || ctl_call(c, rq, count_part, &n, &reply))
		bench_fail("flows: the dump ended early");
	ctl_close(c);
	*ret_s = (bench_clock() - from) / 1e9;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (n != sizes.flows / 10 ||
	    pread(fileno(answer), &longest, sizeof(longest), 0) !=
		    sizeof(longest))
		bench_fail("flows: %zu came", n);
	bar_run(bar, longest, 5);
	json_decref(rq);
	json_decref(reply);
	fclose(answer);
}

static void dump(struct agent_box *b)
{
	struct bar *bar = bar_new("P8-dump",
				  "longest answer to another client "
				  "while 100,000 of 1 M flows are dumped, "
				  "ms / 5",
				  1, false);
	double before = box_resident(b), seconds = 0;

	for (unsigned i = 0; i < sizes.runs; i++)
		dump_once(b, bar, &seconds);
	bar_figure(bar, "ms", bar_median(bar) * 5);
	bar_figure(bar, "dump_s", seconds);
	bar_figure(bar, "agent_grew_mib", (box_resident(b) - before) / MIB);
}

/* ---- all ---- */

static void start(struct agent_box *b)
{
	char config[256];

	box_new(b);
	place_veth("bench0", "bench1");
	place_run("ip addr add 10.20.0.1/16 dev bench0");
	write_policy(b);
	snprintf(config, sizeof(config),
		 "interfaces: [bench0]\nfailsafe: []\n"
		 "tables: {flows: %zu, memory: 1GiB}\n",
		 sizes.flows);
	box_start(b, config);
	if (box_metric("moat_policy_last_push_successful ") != 1)
		bench_fail("the policy was not taken");
}

int main(void)
{
	static struct agent_box box;
	struct datapath_settings s;
	struct many_flows m;
	struct datapath *dp;
	size_t bytes = 0;

	sizes = bench_quick() ?
			(struct sizes){ 16384, 10, 100, 1000, 200, 5 } :
			(struct sizes){ 1048576, 40, 10000, 100000, 15000, 5 };
	start(&box);
	plan_and_reality();
	calls();
	harness_settings(&s);
	dp = open_dp(&s);
	m = flows_for(dp, 3600);
	datapath_close(dp);
	scrape(NULL, &bytes);
	many_flows_put(box_map(&box, "flows"), &m, 1);
	wait_for_walk((double)m.count);
	page_time(bytes);
	share(&box, &m);
	dump(&box);
	memory(&box);
	bars_write();
	box_stop(&box);
	return 0;
}
