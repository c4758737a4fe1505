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

static struct pair hosts;

static pid_t server(void)
{
	pid_t pid = pair_fork(&hosts, 1);

	if (pid) {
		usleep(300000);
		return pid;
	}
	if (!freopen("/dev/null", "w", stdout))
		_exit(1);
	execlp("iperf3", "iperf3", "-s", NULL);
	_exit(1);
}

static double received(FILE *f)
{
	json_t *all = json_loadf(f, 0, NULL);
	double bits = 0;

	if (json_unpack(all, "{s:{s:{s:F}}}", "end", "sum_received",
			"bits_per_second", &bits) ||
	    !(bits > 0))
		bench_fail("iperf3 said nothing of what was received");
	json_decref(all);
	return bits / 1e9;
}

/* Gbit/s. */
static double once(int streams, enum pair_side s)
{
	double gbits;
	char line[128];
	FILE *f;

	snprintf(line, sizeof(line), "iperf3 -J -c " PAIR_THEIRS " -P %d %s",
		 streams, bench_quick() ? "-n 8M" : "-t 1");
	pair_enforce(&hosts, s);
	f = popen(line, "re");
	if (!f)
		bench_fail("no iperf3");
	gbits = received(f);
	pclose(f);
	pair_free(&hosts, s);
	return gbits;
}

/* The machine drifts, but the sides of a run drift together. */
static void streams(int n, struct bar *plain, struct bar *nft, FILE *tsv)
{
	double gbits[PAIR_SIDES];

	for (int i = 0; i < (bench_quick() ? BAR_RUNS_MIN : RUNS); i++) {
		for (int s = 0; s < PAIR_SIDES; s++)
			gbits[s] = once(n, s);
		bar_pair(plain, gbits[PAIR_MOAT], gbits[PAIR_PLAIN]);
		bar_pair(nft, gbits[PAIR_MOAT], gbits[PAIR_NFT]);
		fprintf(tsv, "%d\t%d\t%.2f\t%.2f\t%.2f\n", n, i,
			gbits[PAIR_PLAIN], gbits[PAIR_MOAT], gbits[PAIR_NFT]);
	}
	bar_figure_ours(plain, "moat_gbit_s");
	bar_figure_theirs(plain, "without_gbit_s");
	bar_figure_theirs(nft, "nft_gbit_s");
}

int main(void)
{
	FILE *tsv = bench_file("throughput.tsv");
	pid_t iperf;

	fputs("streams\trun\twithout\tmoat\tnft\n", tsv);
	pair_open(&hosts);
	pair_load(&hosts);
	iperf = server();
	streams(1,
		bar_new("P4-1", "1 stream: throughput by that without", 0.95,
			true),
		bar_new("P4-nft-1",
			"1 stream: throughput by nftables'"
			" (conntrack)",
			1, true),
		tsv);
	streams(8,
		bar_new("P4-8", "8 streams: throughput by that without", 0.95,
			true),
		bar_new("P4-nft-8",
			"8 streams: throughput by nftables'"
			" (conntrack)",
			1, true),
		tsv);
	fclose(tsv);
	kill(iperf, SIGKILL);
	waitpid(iperf, NULL, 0);
	pair_close(&hosts);
	bars_write();
	return 0;
}
