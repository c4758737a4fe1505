// SPDX-License-Identifier: BSD-2-Clause
/*
 * A SYN flood at the generator's full rate, random sources and ports, half the
 * floods to an open port and half to a closed one, with XDP and without,
 * against an agent's host that holds 10,000 established connections. Each of
 * them then has to carry a byte there and back.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/in.h>

#include "bench/bar.h"
#include "bench/live.h"
#include "bench/pair.h"
#include "bench/rules.h"
#include "bpf/place.h"

#define RUNS 6
#define UNREACHABLE 3 /* the command's exit code */
#define PATIENCE_S 20 /* for the last byte to come back */

static struct pair hosts;
static struct live live;
static char folder[160];
static int *connections, nconnections;

/* ---- the host: an echo, and the agent ---- */

static void echo(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(PAIR_PORT) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), ep = epoll_create1(0), n, one;
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd }, got[64];
	char buf[64];
	ssize_t len;

	if (bind(fd, (struct sockaddr *)&to, sizeof(to)) || listen(fd, 4096) ||
	    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e))
		_exit(1);
	while ((n = epoll_wait(ep, got, 64, -1)) >= 0) {
		for (int i = 0; i < n; i++) {
			one = got[i].data.fd;
			if (one == fd) {
				e.data.fd = accept(fd, NULL, NULL);
				epoll_ctl(ep, EPOLL_CTL_ADD, e.data.fd, &e);
				continue;
			}
			len = read(one, buf, sizeof(buf));
			if (len <= 0 || write(one, buf, len) != len)
				close(one);
		}
	}
	_exit(1);
}

static void write_file(const char *name, const char *format, const char *a)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "we");
	if (!f || fprintf(f, format, a) < 0 || fclose(f))
		bench_fail("%s: %s", path, strerror(errno));
}

static void configure(const char *xdp)
{
	char text[2048];

	snprintf(text, sizeof(text),
		 "version: 1\ninterfaces: [pair1]\nxdp: %s\nfailsafe: []\n"
		 "control: {socket: %s/control, read_socket: %s/read,"
		 " group: root}\nstate: %s/state\nbpffs: %s/bpf\n"
		 "tables: {flows: 65536, udp: 4096, embryonic: 65536,"
		 " closing: 4096, other: 4096, fragments: 256, denied: 65536,"
		 " memory: 1GiB}\n",
		 xdp, folder, folder, folder, place_enter());
	write_file("moatd.yaml", "%s", text);
}

static pid_t agent_start(const char *xdp)
{
	char path[256];
	pid_t pid;

	configure(xdp);
	pid = pair_fork(&hosts, 1);
	if (!pid) {
		snprintf(path, sizeof(path), "%s/log", folder);
		if (!freopen(path, "a", stderr))
			_exit(1);
		snprintf(path, sizeof(path), "%s/moatd.yaml", folder);
		execl(MOAT_SOURCE_DIR "/.output/moatd", "moatd", "--config",
		      path, NULL);
		_exit(1);
	}
	for (int i = 0; i < 600; i++) {
		snprintf(path, sizeof(path),
			 MOAT_SOURCE_DIR
			 "/.output/moat"
			 " --socket %s/control status >/dev/null 2>&1",
			 folder);
		if (WEXITSTATUS(system(path)) != UNREACHABLE)
			return pid;
		usleep(50000);
	}
	bench_fail("the agent does not answer: see %s/log", folder);
}

static void agent_end(pid_t pid)
{
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
}

/* Seconds of CPU so far. */
static double agent_cpu(pid_t pid)
{
	unsigned long user, system;
	char path[64], text[1024];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (!f || !fgets(text, sizeof(text), f) ||
	    sscanf(strrchr(text, ')') + 2,
		   "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
		   &system) != 2)
		bench_fail("%s: unreadable", path);
	fclose(f);
	return (double)(user + system) / sysconf(_SC_CLK_TCK);
}

/* ---- the neighbour: connections, and the flood ---- */

static void connect_all(int count)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(PAIR_PORT) };
	int fd;

	inet_pton(AF_INET, PAIR_THEIRS, &to.sin_addr);
	connections = calloc(count, sizeof(*connections));
	while (connections && nconnections < count) {
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
			bench_fail("connection: %s", strerror(errno));
		connections[nconnections++] = fd;
	}
}

/* How many connections do not bring a byte back. */
static int lost(int n)
{
	double until = bench_clock() + PATIENCE_S * 1e9;
	int missing = 0;
	char c;

	for (int i = 0; i < n; i++) {
		struct pollfd p = { .fd = connections[i], .events = POLLIN };
		int left = (int)((until - bench_clock()) / 1e6);

		if (poll(&p, 1, left > 0 ? left : 0) != 1 ||
		    read(p.fd, &c, 1) != 1)
			missing++;
	}
	return missing;
}

struct flood {
	double seconds, cpu, mpps;
	int lost;
};

static pid_t flood_begin(unsigned port)
{
	struct live_frames f = {
		.spec = { .family = 4,
			  .from = "30.0.0.0",
			  .to = PAIR_THEIRS,
			  .proto = IPPROTO_TCP,
			  .sport = 1024,
			  .dport = port,
			  .flags = MOAT_TCP_FLAG_SYN,
			  .payload_len = 6 },
		.mask = 65535,
		.ports = true,
	};
	pid_t pid;

	live_frames(&live, &f);
	pid = pair_fork(&hosts, 0);
	while (!pid)
		live_send(&live, 65536);
	return pid;
}

/* A byte on every connection while the flood lasts, not all at once. */
static void flood(unsigned port, pid_t agent, struct flood *ret)
{
	double start = bench_clock(), seconds = bench_quick() ? 0.3 : 2;
	double cpu = agent_cpu(agent);
	__u64 frames = live_counter("pair0", "_xdp_xmit");
	pid_t pid = flood_begin(port);

	for (int i = 0; i < nconnections; i++) {
		if (write(connections[i], "x", 1) != 1)
			ret->lost++;
		while (bench_clock() - start < seconds * 1e9 * i / nconnections)
			usleep(1000);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ret->seconds = (bench_clock() - start) / 1e9;
	ret->mpps = (live_counter("pair0", "_xdp_xmit") - frames) /
		    ret->seconds / 1e6;
	ret->lost += lost(nconnections);
	ret->cpu = (agent_cpu(agent) - cpu) / ret->seconds;
}

static void remove_folder(void)
{
	char line[192];

	snprintf(line, sizeof(line), "rm -rf %s", folder);
	if (system(line))
		fprintf(stderr, "%s failed\n", line);
}

static void open_all(int count)
{
	char *text = rules_text(PAIR_PORT);
	struct rlimit files;
	uint8_t mac[6];

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files))
		bench_fail("RLIMIT_NOFILE: %s", strerror(errno));
	pair_open(&hosts);
	snprintf(folder, sizeof(folder), "%s-flood", place_enter());
	place_run("mkdir %s", folder);
	atexit(remove_folder);
	write_file("policy.yaml", "%s", text);
	free(text);
	pair_go(&hosts, 1);
	place_run("ip route add default via " PAIR_OURS);
	place_run("ethtool -K pair1 gro on");
	live_mac("pair1", mac);
	pair_go(&hosts, 0);
	if (!pair_fork(&hosts, 1))
		echo();
	usleep(100000);
	live_from(&live, "pair0", mac);
	connect_all(count);
}

static void push(void)
{
	place_run(MOAT_SOURCE_DIR
		  "/.output/moat --socket %s/control push --now"
		  " --allow-unassigned %s/policy.yaml >/dev/null",
		  folder, folder);
}

static void tell(const struct flood *f, unsigned run, const char *xdp,
		 FILE *tsv)
{
	static const char *const ports[] = { "open", "closed" };

	fprintf(tsv, "%s\t%s\t%.3f\t%d\t%.2f\n", xdp, ports[run / 2 % 2],
		f->mpps, f->lost, 100 * f->cpu);
}

int main(void)
{
	struct bar *b = bar_new("P3-flood",
				"SYN flood: established flows lost,"
				" of 10,000",
				0, false);
	struct bar *cpu = bar_new("P3-agent-cpu",
				  "SYN flood: agent, of 5 %"
				  " of a core",
				  1, false);
	FILE *tsv = bench_file("flood.tsv");
	double fastest = 0;

	open_all(bench_quick() ? 500 : 10000);
	fputs("xdp\tport\tmillion_frames_s\tlost\tagent_percent\n", tsv);
	for (unsigned i = 0; i < RUNS; i++) {
		const char *xdp = i % 2 ? "native" : "none";
		pid_t agent = agent_start(xdp);
		struct flood f = {};

		if (!i)
			push();
		flood(i / 2 % 2 ? 9999 : PAIR_PORT, agent, &f);
		agent_end(agent);
		tell(&f, i, xdp, tsv);
		bar_pair(b, f.lost, nconnections);
		bar_run(cpu, f.cpu, 0.05);
		fastest = f.mpps > fastest ? f.mpps : fastest;
	}
	bar_figure(b, "connections", nconnections);
	bar_figure(b, "most_million_frames_s", fastest);
	bar_figure_ours(cpu, "agent_of_a_core");
	fclose(tsv);
	live_close(&live);
	pair_close(&hosts);
	bars_write();
	return 0;
}
