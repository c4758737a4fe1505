// SPDX-License-Identifier: BSD-2-Clause
/*
 * P8: how long an agent with a million flows keeps others waiting while it
 * lists flows to one client. The agent goes before all else on one CPU, the
 * client that asks on another, where the client that lists has the rest: what
 * is measured is the agent's loop, not whom of the three the scheduler favours.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/agent_box.h"
#include "bench/bar.h"
#include "bench/full_box.h"
#include "svc/ctl_client.h"

#define RUNS 5
#define ANSWERS_MAX 65536

struct answers {
	size_t n;
	double ms[ANSWERS_MAX];
};

static size_t flows;

/* On a CPU, and first in line for it. */
static void run_on(pid_t pid, int cpu, bool first)
{
	struct sched_param one = { .sched_priority = 1 };
	cpu_set_t set;

	if (first && sched_setscheduler(pid, SCHED_FIFO, &one))
		bench_fail("real-time priority: %s", strerror(errno));

	/* One CPU alone: all share it. */
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(pid, sizeof(set), &set))
		bench_fail("CPU %d: %s", cpu, strerror(errno));
}

/* Asks the agent all the time. */
static void prober(const struct agent_box *b, struct answers *a)
{
	json_t *rq = json_pack("{s:s}", "cmd", "version");
	struct ctl_client *c = box_connect(b);

	run_on(0, 1, true);
	while (a->n < ANSWERS_MAX) {
		json_t *reply = NULL;
		double from = bench_clock();

		if (ctl_call(c, rq, NULL, NULL, &reply))
			_exit(1);
		a->ms[a->n] = (bench_clock() - from) / 1e6;
		__atomic_add_fetch(&a->n, 1, __ATOMIC_RELEASE);
		json_decref(reply);
		usleep(300);
	}
	_exit(1);
}

static bool count_part(const json_t *part, void *arg)
{
	*(size_t *)arg += json_array_size(json_object_get(part, "flows"));
	return true;
}

/* Seconds that a listing of a tenth of the flows took. */
static double list(struct agent_box *b)
{
	json_t *rq = json_pack("{s:s, s:i}", "cmd", "flows", "limit",
			       (int)flows / 10),
	       *reply = NULL;
	struct ctl_client *c = box_connect(b);
	double from = bench_clock();
	size_t n = 0;

	if (!c || ctl_call(c, rq, count_part, &n, &reply) || n != flows / 10)
		bench_fail("flows: the dump ended early, with %zu", n);
	from = (bench_clock() - from) / 1e9;
	ctl_close(c);
	json_decref(rq);
	json_decref(reply);
	return from;
}

struct round {
	double longest_ms, usual_ms, seconds, cpu_us;
};

static struct round dump(struct agent_box *b, struct answers *a)
{
	struct round r = {};
	double cpu;
	pid_t pid;

	a->n = 0;
	pid = fork();
	if (!pid)
		prober(b, a);
	while (!__atomic_load_n(&a->n, __ATOMIC_ACQUIRE))
		if (waitpid(pid, NULL, WNOHANG))
			bench_fail("no answer");
	cpu = box_cpu_ns(b);
	r.seconds = list(b);
	r.cpu_us = (box_cpu_ns(b) - cpu) / 1e3 / (double)(flows / 10);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	r.usual_ms = bench_median(a->ms, a->n);
	r.longest_ms = a->ms[a->n - 1];
	return r;
}

static void dumps(struct agent_box *b)
{
	struct bar *bar = bar_new("P8-dump",
				  "longest answer to another client while "
				  "100,000 of 1 M flows are dumped, ms / 5",
				  1, false);
	struct answers *a = mmap(NULL, sizeof(*a), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	double before = box_resident(b), usual[RUNS], seconds[RUNS], cpu[RUNS];

	if (a == MAP_FAILED)
		bench_fail("out of memory");
	run_on(b->pid, 0, true);
	run_on(0, 1, false);
	for (int i = 0; i < RUNS; i++) {
		struct round r = dump(b, a);

		bar_run(bar, r.longest_ms, 5);
		usual[i] = r.usual_ms;
		seconds[i] = r.seconds;
		cpu[i] = r.cpu_us;
	}
	bar_figure(bar, "longest_ms", bar_median(bar) * 5);
	bar_figure(bar, "usual_ms", bench_median(usual, RUNS));
	bar_figure(bar, "dump_s", bench_median(seconds, RUNS));
	bar_figure(bar, "agent_us_a_flow", bench_median(cpu, RUNS));
	bar_figure(bar, "agent_grew_mib", (box_resident(b) - before) / 1048576);
	munmap(a, sizeof(*a));
}

int main(void)
{
	struct full_box want = { .flows = bench_quick() ? 16384 : 1048576,
				 .groups = 10,
				 .rules = 1000,
				 .cidrs = 10000 };
	static struct agent_box box;

	flows = want.flows;
	full_box_start(&box, &want);
	full_box_fill(&box, &want);
	dumps(&box);
	bars_write();
	box_stop(&box);
	return 0;
}
