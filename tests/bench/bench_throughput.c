// SPDX-License-Identifier: BSD-2-Clause
/*
 * P4: TCP throughput over veth with GRO and TSO, 1 and 8 streams, both ends
 * enforced with 1,000 rules; beside the same without, and nftables with
 * conntrack at both ends.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "bench/bar.h"
#include "bench/pair.h"

#define RUNS 11
#define RUNS_MANY 21 /* of 8 streams, whose throughput wanders more */

static struct pair hosts;

/* What one transfer gave, and what both ends' processes took for it: softirqs
 * run on top of them and count as theirs. */
#define TRIES 100

struct transfer {
	double gbits; /* a second */
	double cpu;   /* ns a KiB */
};

static pid_t server(void)
{
	pid_t pid = pair_fork(&hosts, 1);

	if (pid)
		return pid;
	if (!freopen("/dev/null", "w", stdout))
		_exit(1);
	execlp("iperf3", "iperf3", "-s", NULL);
	_exit(1);
}

static bool received(FILE *f, struct transfer *ret)
{
	json_t *all = json_loadf(f, 0, NULL);
	double bits = 0, bytes, seconds, ours, theirs;
	bool said;

	said = !json_unpack(all, "{s:{s:{s:F, s:F, s:F}, s:{s:F, s:F}}}", "end",
			    "sum_received", "bits_per_second", &bits, "bytes",
			    &bytes, "seconds", &seconds,
			    "cpu_utilization_percent", "host_total", &ours,
			    "remote_total", &theirs) &&
	       bits > 0;
	json_decref(all);
	if (said)
		*ret = (struct transfer){ .gbits = bits / 1e9,
					  .cpu = (ours + theirs) / 100 *
						 seconds * 1e9 /
						 (bytes / 1024) };
	return said;
}

static bool transfer(const char *line, struct transfer *ret)
{
	FILE *f = popen(line, "re");
	bool said = f && received(f, ret);

	if (f)
		pclose(f);
	return said;
}

/*
 * A transfer of a second. The two ends have a CPU each, where there
 * are two: left to the scheduler they meet on one in some runs and not in
 * others, which moves the throughput by a factor of two.
 */
static struct transfer once(int streams, enum pair_side s)
{
	bool apart = sysconf(_SC_NPROCESSORS_ONLN) > 1;
	struct transfer t;
	char line[128];
	int tries = 0;

	snprintf(line, sizeof(line), "iperf3 -J -c " PAIR_THEIRS " -P %d %s %s",
		 streams, apart ? "-A 0,1" : "",
		 bench_quick() ? "-n 8M" : "-t 1");
	pair_enforce(&hosts, s);
	/* The server may not listen yet, or not be done with the last one. */
	while (!transfer(line, &t)) {
		if (++tries == TRIES)
			bench_fail("iperf3 said nothing of what was received");
		usleep(100000);
	}
	pair_free(&hosts, s);
	return t;
}

struct bars {
	struct bar *plain, *nft;
};

static void write_cpu(const struct bars *b, double cpu[PAIR_SIDES][RUNS_MANY],
		      int runs)
{
	double ratio[RUNS_MANY];

	for (int i = 0; i < runs; i++)
		ratio[i] = cpu[PAIR_MOAT][i] / cpu[PAIR_PLAIN][i];
	bar_figure(b->plain, "cpu_by_that_without", bench_median(ratio, runs));
	bar_figure(b->plain, "least", ratio[0]);
	bar_figure(b->plain, "most", ratio[runs - 1]);
	bar_figure(b->plain, "moat_cpu_ns_kib",
		   bench_median(cpu[PAIR_MOAT], runs));
	bar_figure(b->plain, "without_cpu_ns_kib",
		   bench_median(cpu[PAIR_PLAIN], runs));
	bar_figure(b->nft, "nft_cpu_ns_kib", bench_median(cpu[PAIR_NFT], runs));
}

/* The machine drifts, but the sides of a run drift together; each run goes
 * through them the other way round. */
static void streams(int n, int runs, const struct bars *b, FILE *tsv)
{
	double cpu[PAIR_SIDES][RUNS_MANY];
	struct transfer t[PAIR_SIDES];

	for (int i = 0; i < runs; i++) {
		for (int k = 0; k < PAIR_SIDES; k++) {
			int s = i % 2 ? PAIR_SIDES - 1 - k : k;

			t[s] = once(n, s);
			cpu[s][i] = t[s].cpu;
		}
		bar_pair(b->plain, t[PAIR_MOAT].gbits, t[PAIR_PLAIN].gbits);
		bar_pair(b->nft, t[PAIR_MOAT].gbits, t[PAIR_NFT].gbits);
		fprintf(tsv, "%d\t%d", n, i);
		for (int s = 0; s < PAIR_SIDES; s++)
			fprintf(tsv, "\t%.2f\t%.1f", t[s].gbits, t[s].cpu);
		fputc('\n', tsv);
	}
	bar_figure_ours(b->plain, "moat_gbit_s");
	bar_figure_theirs(b->plain, "without_gbit_s");
	bar_figure_theirs(b->nft, "nft_gbit_s");
	write_cpu(b, cpu, runs);
}

int main(void)
{
	bool quick = bench_quick();
	struct bars one = {
		bar_new("P4-1", "1 stream: throughput by that without", 0.95,
			true),
		bar_new("P4-nft-1",
			"1 stream: throughput by nftables' (conntrack)", 1,
			true),
	};
	struct bars many = {
		bar_new("P4-8", "8 streams: throughput by that without", 0.95,
			true),
		bar_new("P4-nft-8",
			"8 streams: throughput by nftables' (conntrack)", 1,
			true),
	};
	FILE *tsv = bench_file("throughput.tsv");
	pid_t iperf;

	fputs("streams\trun\twithout\twithout_cpu\tmoat\tmoat_cpu\tnft\t"
	      "nft_cpu\n",
	      tsv);
	pair_open(&hosts);
	pair_load(&hosts);
	iperf = server();
	streams(1, quick ? BAR_RUNS_MIN : RUNS, &one, tsv);
	streams(8, quick ? BAR_RUNS_MIN : RUNS_MANY, &many, tsv);
	fclose(tsv);
	kill(iperf, SIGKILL);
	waitpid(iperf, NULL, 0);
	pair_close(&hosts);
	bars_write();
	return 0;
}
