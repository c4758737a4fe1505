// SPDX-License-Identifier: BSD-2-Clause
/*
 * P5: connections opened and closed a second, both ends enforced with 1,000
 * rules; beside the same without, and nftables with conntrack at both ends.
 * Also the round trip of one byte.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bar.h"
#include "bench/pair.h"

#define RUNS 11
#define TRIPS 20000
#define TRIP_RUNS 5

static struct pair hosts;

/* ---- their end ---- */

static int listener(unsigned port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&to, sizeof(to)) || listen(fd, 512))
		bench_fail("port %u: %s", port, strerror(errno));
	return fd;
}

static void answer(int fd)
{
	int one = 1;
	char c;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	while (read(fd, &c, 1) == 1 && write(fd, &c, 1) == 1)
		;
	close(fd);
}

/* The first port closes at once, the second sends each byte back. */
static void serve(void)
{
	struct pollfd p[2] = {
		{ .fd = listener(PAIR_PORT), .events = POLLIN },
		{ .fd = listener(PAIR_PORT + 1), .events = POLLIN },
	};

	while (poll(p, 2, -1) >= 0) {
		if (p[0].revents)
			close(accept(p[0].fd, NULL, NULL));
		if (p[1].revents)
			answer(accept(p[1].fd, NULL, NULL));
	}
	_exit(1);
}

/* ---- our end ---- */

static int dial(unsigned host, unsigned port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(0x0a000002 + host % PAIR_ADDRESSES);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
		bench_fail("connection to port %u: %s", port, strerror(errno));
	return fd;
}

/* Connections a second. Theirs is the end that closes first. */
static double connections(enum pair_side s)
{
	double ns = bench_quick() ? 5e7 : 1e9, start, now;
	unsigned n = 0;
	char c;
	int fd;

	pair_enforce(&hosts, s);
	start = bench_clock();
	do {
		fd = dial(n++, PAIR_PORT);
		if (read(fd, &c, 1))
			bench_fail("a byte nobody sent");
		close(fd);
		now = bench_clock();
	} while (now - start < ns);
	pair_free(&hosts, s);
	return n * 1e9 / (now - start);
}

static struct bar *rates(void)
{
	struct bar *plain = bar_new("P5",
				    "connections a second by those"
				    " without",
				    0.92, true);
	struct bar *nft = bar_new("P5-nft",
				  "connections a second by nftables'"
				  " (conntrack)",
				  1, true);
	FILE *tsv = bench_file("connect.tsv");
	double rate[PAIR_SIDES];

	fputs("run\twithout\tmoat\tnft\n", tsv);
	for (int i = 0; i < (bench_quick() ? BAR_RUNS_MIN : RUNS); i++) {
		for (int s = 0; s < PAIR_SIDES; s++)
			rate[s] = connections(s);
		bar_pair(plain, rate[PAIR_MOAT], rate[PAIR_PLAIN]);
		bar_pair(nft, rate[PAIR_MOAT], rate[PAIR_NFT]);
		fprintf(tsv, "%d\t%.0f\t%.0f\t%.0f\n", i, rate[PAIR_PLAIN],
			rate[PAIR_MOAT], rate[PAIR_NFT]);
	}
	fclose(tsv);
	bar_figure_ours(plain, "moat_per_s");
	bar_figure_theirs(plain, "without_per_s");
	bar_figure_theirs(nft, "nft_per_s");
	return plain;
}

/* ---- one byte there and back ---- */

static double trips[PAIR_SIDES][TRIP_RUNS * TRIPS]; /* us */
static size_t ntrips[PAIR_SIDES];

static void ping_pong(enum pair_side s)
{
	int n = bench_quick() ? 200 : TRIPS, one = 1, fd;
	double start;
	char c = 'x';

	pair_enforce(&hosts, s);
	fd = dial(0, PAIR_PORT + 1);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	for (int i = 0; i < n; i++) {
		start = bench_clock();
		if (write(fd, &c, 1) != 1 || read(fd, &c, 1) != 1)
			bench_fail("ping-pong: %s", strerror(errno));
		trips[s][ntrips[s]++] = (bench_clock() - start) / 1e3;
	}
	close(fd);
	pair_free(&hosts, s);
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double percentile(enum pair_side s, double percent)
{
	return trips[s][(size_t)((ntrips[s] - 1) * percent / 100)];
}

static void latency(struct bar *b)
{
	static const double points[] = { 1,  5,	 10, 25,   50,	 75,
					 90, 95, 99, 99.5, 99.9, 99.99 };
	FILE *tsv = bench_file("latency.tsv");

	for (int i = 0; i < TRIP_RUNS; i++)
		for (int s = 0; s < PAIR_SIDES; s++)
			ping_pong(s);
	fputs("percentile\twithout_us\tmoat_us\tnft_us\n", tsv);
	for (int s = 0; s < PAIR_SIDES; s++)
		qsort(trips[s], ntrips[s], sizeof(double), ascending);
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++)
		fprintf(tsv, "%g\t%.2f\t%.2f\t%.2f\n", points[i],
			percentile(PAIR_PLAIN, points[i]),
			percentile(PAIR_MOAT, points[i]),
			percentile(PAIR_NFT, points[i]));
	fclose(tsv);
	bench_plot("latency",
		   "set xlabel 'percent of round trips of one byte'\n"
		   "set ylabel 'us at most'\nset logscale y\nset key left\n"
		   "plot for [c=2:4] 'latency.tsv' using c:xtic(1)"
		   " with linespoints\n");
	bar_figure(b, "moat_p50_us", percentile(PAIR_MOAT, 50));
	bar_figure(b, "moat_p99_us", percentile(PAIR_MOAT, 99));
	bar_figure(b, "moat_p99_9_us", percentile(PAIR_MOAT, 99.9));
	bar_figure(b, "without_p50_us", percentile(PAIR_PLAIN, 50));
	bar_figure(b, "without_p99_us", percentile(PAIR_PLAIN, 99));
	bar_figure(b, "without_p99_9_us", percentile(PAIR_PLAIN, 99.9));
	bar_figure(b, "nft_p50_us", percentile(PAIR_NFT, 50));
	bar_figure(b, "nft_p99_us", percentile(PAIR_NFT, 99));
	bar_figure(b, "nft_p99_9_us", percentile(PAIR_NFT, 99.9));
}

int main(void)
{
	pid_t pid;

	pair_open(&hosts);
	pair_load(&hosts);
	pid = pair_fork(&hosts, 1);
	if (!pid)
		serve();
	usleep(100000);
	latency(rates());
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	pair_close(&hosts);
	bars_write();
	return 0;
}
