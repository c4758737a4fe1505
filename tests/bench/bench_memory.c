// SPDX-License-Identifier: BSD-2-Clause
/*
 * P7: the plan of all maps beside what the kernel gives away for them. A
 * process of its own loads the datapath as an agent with the built-in
 * configuration does and fills the tables; a memory cgroup that holds nothing
 * else counts the pages, whatever the maps say of themselves. Programs and
 * page tables are in that count too, and not in the plan.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/agent.h"
#include "bench/bar.h"
#include "bench/many_flows.h"
#include "bpf/harness.h"
#include "bpf/place.h"
#include "kern/private.h"

#define RUNS 5
#define FREED_SECONDS 60
#define MIB (1024.0 * 1024.0)

struct counted {
	char dir[96], file[128];
	const char *format; /* of the line with the kernel's memory */
};

static struct counted group;

static bool readable(const char *name, const char *format)
{
	snprintf(group.file, sizeof(group.file), "%s/%s", group.dir, name);
	group.format = format;
	return access(group.file, R_OK) == 0;
}

static void leave(void)
{
	rmdir(group.dir);
}

/* A child of the root of the memory controller's hierarchy. */
static void make_group(void)
{
	static const char *const roots[] = { "/sys/fs/cgroup",
					     "/sys/fs/cgroup/memory" };

	for (int v = 0; v < 2; v++) {
		snprintf(group.dir, sizeof(group.dir), "%s/moat-bench-%d",
			 roots[v], (int)getpid());
		if (mkdir(group.dir, 0755))
			continue;
		if (v ? readable("memory.kmem.usage_in_bytes", "%llu") :
			readable("memory.stat", "kernel %llu")) {
			atexit(leave);
			return;
		}
		leave();
	}
	puts("skipped: no memory cgroup that counts the kernel's memory");
	exit(77);
}

static void enter_group(void)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/cgroup.procs", group.dir);
	f = fopen(path, "w");
	if (!f || fprintf(f, "%d\n", (int)getpid()) < 0 || fclose(f))
		bench_fail("%s: %s", path, strerror(errno));
}

static double number_in(const char *file, const char *format)
{
	unsigned long long n = 0;
	FILE *f = fopen(file, "r");
	bool found = false;
	char line[128];

	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, format, &n) == 1;
	if (f)
		fclose(f);
	if (!found)
		bench_fail("%s: no %s", file, format);
	return (double)n;
}

struct taken {
	double charged, available, account, planned; /* bytes */
};

static void sum_of_maps(struct datapath *dp, struct taken *t)
{
	struct map_bytes maps[STATS_MAPS_MAX];
	size_t n = stats_maps(dp, maps, STATS_MAPS_MAX);

	t->account = t->planned = 0;
	for (size_t i = 0; i < n; i++) {
		t->account += (double)maps[i].bytes;
		t->planned += (double)maps[i].planned;
	}
}

static void fill(struct datapath *dp, const struct datapath_settings *s)
{
	static const struct {
		enum moat_table table;
		const char *map;
	} tables[] = {
		{ MOAT_TABLE_FLOWS, "flows" },
		{ MOAT_TABLE_UDP, "udp" },
		{ MOAT_TABLE_OTHER, "other" },
		{ MOAT_TABLE_CLOSING, "closing" },
		{ MOAT_TABLE_DENIED, "denied" },
		{ MOAT_TABLE_EMBRYONIC_IN, "embryonic_in" },
		{ MOAT_TABLE_EMBRYONIC_OUT, "embryonic_out" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		struct many_flows m = many_flows_of(
			dp, s->table_entries[tables[i].table], 600);

		many_flows_put(datapath_map_fd(dp, tables[i].map), &m, 1);
	}
}

/* In a process of its own, which takes all of it with it. */
static void load_and_fill(const struct datapath_settings *s, int out)
{
	const char *why = "";
	struct datapath *dp;
	struct taken t;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	enter_group();
	t.charged = -number_in(group.file, group.format);
	t.available = number_in("/proc/meminfo", "MemAvailable: %llu");
	if (datapath_open(s, &dp, &why))
		bench_fail("%s", why);
	fill(dp, s);
	t.charged += number_in(group.file, group.format);
	t.available -= number_in("/proc/meminfo", "MemAvailable: %llu");
	t.available *= 1024;
	sum_of_maps(dp, &t);
	_exit(write(out, &t, sizeof(t)) != sizeof(t));
}

static struct taken once(const struct datapath_settings *s)
{
	struct taken t;
	double end = bench_clock() + FREED_SECONDS * 1e9;
	int ends[2], status = 0;
	pid_t pid;

	if (pipe(ends))
		bench_fail("pipe: %s", strerror(errno));
	pid = fork();
	if (!pid)
		load_and_fill(s, ends[1]);
	close(ends[1]);
	if (read(ends[0], &t, sizeof(t)) != sizeof(t))
		bench_fail("memory: the process that loads has failed");
	close(ends[0]);
	waitpid(pid, &status, 0);
	/* Maps are freed a grace period later, a page at a time. */
	while (number_in(group.file, group.format) > 4 * MIB)
		if (bench_clock() > end)
			bench_fail("memory: the maps are not freed");
		else
			usleep(20000);
	return t;
}

static double off_by(double real, double plan)
{
	return real > plan ? real / plan - 1 : 1 - real / plan;
}

int main(void)
{
	struct bar *bar = bar_new("P7-plan",
				  "memory of all maps, usual sizes, filled: "
				  "pages taken beside the plan, off by",
				  1, false);
	double charged[RUNS], available = 0;
	struct taken t = { 0 };
	struct datapath_settings s;
	struct config *config = config_default();

	if (!config)
		bench_fail("out of memory");
	if (bench_quick())
		config->tables.flows = config->tables.udp = 16384;
	agent_settings(config, &s);
	config_free(config);
	place_enter();
	make_group();
	for (int i = 0; i < RUNS; i++) {
		t = once(&s);
		bar_run(bar, off_by(t.charged, t.planned), 0.10);
		charged[i] = t.charged / MIB;
		/* Pages that a CPU keeps for itself when they are freed count
		 * as neither free nor used: the first run says most. */
		if (t.available > available)
			available = t.available;
	}
	bar_figure(bar, "plan_mib", t.planned / MIB);
	bar_figure(bar, "cgroup_mib", bench_median(charged, RUNS));
	bar_figure(bar, "available_lost_mib", available / MIB);
	bar_figure(bar, "maps_say_mib", t.account / MIB);
	bars_write();
	place_leave(NULL);
	return 0;
}
