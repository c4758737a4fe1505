// SPDX-License-Identifier: BSD-2-Clause
#include "bench/pair.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "bench/bar.h"
#include "bench/rules.h"
#include "bpf/place.h"

#define FLOWS 524288

const char *const pair_names[PAIR_SIDES] = { "without", "moat", "nft" };

static const char *const ends[] = { "pair0", "pair1" };

static void leave_place(void)
{
	place_leave(NULL);
}

static int ns_of(pid_t pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		bench_fail("%s: %s", path, strerror(errno));
	return fd;
}

void pair_go(const struct pair *p, int end)
{
	if (setns(p->ns[end], CLONE_NEWNET))
		bench_fail("setns: %s", strerror(errno));
}

void pair_open(struct pair *p)
{
	*p = (struct pair){};
	place_enter();
	atexit(leave_place);
	p->peer = place_child();
	p->ns[0] = ns_of(getpid());
	p->ns[1] = ns_of(p->peer);
	p->ifindex[0] = place_veth("pair0", "pair1");
	place_run("ip link set pair1 netns %d", (int)p->peer);
	place_run("ip addr add " PAIR_OURS "/24 dev pair0");
	place_run("sysctl -qw net.ipv4.ip_local_port_range='10240 65535'");
	pair_go(p, 1);
	p->ifindex[1] = place_ifindex("pair1");
	for (int i = 0; i < PAIR_ADDRESSES; i++)
		place_run("ip addr add 10.0.0.%d/24 dev pair1", 2 + i);
	place_run("ip link set lo up && ip link set pair1 up");
	pair_go(p, 0);
}

static struct harness *load(const char *name, __u32 ifindex, int first,
			    int count)
{
	struct datapath_settings s;
	char dir[128], addr[32], *text = rules_text(PAIR_PORT);
	struct harness *h;

	snprintf(dir, sizeof(dir), "%s/%s", place_enter(), name);
	harness_settings(&s);
	s.pin_dir = dir;
	s.trace = false;
	s.lease_after = MOAT_LEASE_AFTER;
	s.table_entries[MOAT_TABLE_FLOWS] = FLOWS;
	s.table_entries[MOAT_TABLE_EMBRYONIC_IN] = 65536;
	s.table_entries[MOAT_TABLE_EMBRYONIC_OUT] = 65536;
	s.table_entries[MOAT_TABLE_CLOSING] = 65536;
	h = harness_open(&s);
	for (int i = 0; i < count; i++) {
		snprintf(addr, sizeof(addr), "10.0.0.%d", first + i);
		harness_own(h, addr, NULL);
	}
	snprintf(addr, sizeof(addr), "10.0.0.%d", first);
	harness_iface(h, ifindex, addr, NULL);
	harness_policy(h, text);
	datapath_heartbeat(h->dp);
	free(text);
	return h;
}

void pair_load(struct pair *p)
{
	p->h[0] = load(ends[0], p->ifindex[0], 1, 1);
	p->h[1] = load(ends[1], p->ifindex[1], 2, PAIR_ADDRESSES);
}

/* What a stateful host firewall needs: connections in and out are tracked,
 * what belongs to one passes first. */
static void nft_rules(void)
{
	FILE *f = popen("nft -f -", "we");

	if (f)
		fprintf(f,
			"table inet bench {\n"
			"chain in { type filter hook input priority 0;"
			" policy drop;\n"
			"ct state established,related accept\n"
			"ct state invalid drop\n"
			"meta l4proto ipv6-icmp accept\n"
			"tcp dport { %d, %d } ct state new accept\n}\n"
			"chain out { type filter hook output priority 0;"
			" policy drop;\n"
			"ct state established,related,new accept\n}\n}\n",
			PAIR_PORT, PAIR_PORT + 1);
	if (!f || pclose(f))
		bench_fail("nft refused its rules");
}

void pair_enforce(struct pair *p, enum pair_side s)
{
	struct hook_state state[ATTACH_HOOK_COUNT];
	int err;

	for (int end = 0; end < 2; end++) {
		pair_go(p, end);
		if (s == PAIR_NFT)
			nft_rules();
		if (s != PAIR_MOAT)
			continue;
		datapath_heartbeat(p->h[end]->dp);
		err = attach_tc(p->h[end]->dp, p->ifindex[end], state);
		if (err)
			bench_fail("attach: %s", strerror(-err));
	}
	pair_go(p, 0);
}

void pair_free(struct pair *p, enum pair_side s)
{
	for (int end = 0; end < 2; end++) {
		pair_go(p, end);
		if (s == PAIR_NFT)
			place_run("nft delete table inet bench");
		else if (s == PAIR_MOAT)
			detach_interface(p->h[end]->dp, p->ifindex[end]);
	}
	pair_go(p, 0);
}

pid_t pair_fork(const struct pair *p, int end)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		bench_fail("fork: %s", strerror(errno));
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pair_go(p, end);
	return 0;
}

void pair_close(struct pair *p)
{
	char dir[128];

	for (int end = 0; end < 2; end++) {
		if (p->h[end])
			harness_close(p->h[end]);
		snprintf(dir, sizeof(dir), "%s/%s", place_enter(), ends[end]);
		if (p->h[end])
			detach_all(dir);
		close(p->ns[end]);
	}
	place_child_end(p->peer);
}
