// SPDX-License-Identifier: BSD-2-Clause
#include "bench/live.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <linux/in.h>

#include "bench/bar.h"
#include "bench/generate.h"
#include "bpf/place.h"
#include "tests/bench/generate.skel.h"

#define BATCH 64 /* frames a softirq: what veth's poll takes at once */

#ifndef BPF_F_TEST_XDP_LIVE_FRAMES
#define BPF_F_TEST_XDP_LIVE_FRAMES (1U << 1)
#endif

static void open_programs(struct live *l)
{
	struct bench_generate *g = bench_generate__open();

	if (!g || bench_generate__load(g))
		bench_fail("no generator: %s", strerror(errno));
	l->owner = g;
	l->bss = &g->bss->generate;
	l->generator = bpf_program__fd(g->progs.moat_generate);
	l->drop = bpf_program__fd(g->progs.moat_bare_drop);
}

static void leave_place(void)
{
	place_leave(NULL);
}

void live_open(struct live *l)
{
	*l = (struct live){};
	place_enter();
	atexit(leave_place);
	open_programs(l);
	l->gen = place_veth("gen", "sink");
	l->sink = place_ifindex("sink");
	place_run("ip addr add " LIVE_OURS4 "/24 dev sink");
	place_run("ip addr add " LIVE_OURS6 "/64 dev sink nodad");
	/* Without a program NAPI, and with it frames, needs GRO. */
	place_run("ethtool -K sink gro on");
	live_mac("sink", l->to_mac);
}

void live_from(struct live *l, const char *device, const uint8_t to_mac[6])
{
	*l = (struct live){ .gen = place_ifindex(device) };
	memcpy(l->to_mac, to_mac, sizeof(l->to_mac));
	open_programs(l);
}

void live_close(struct live *l)
{
	bench_generate__destroy(l->owner);
	if (l->sink)
		place_run("ip link del gen");
}

/* Of a packet whose checksum is right: the sum of all but its source. */
static __u32 sum_without(const __u8 *checksum, __u32 source)
{
	__u32 sum = ~(checksum[0] << 8 | checksum[1]) & 0xffff;

	return sum + 0x1fffe - (source & 0xffff) - (source >> 16);
}

void live_mac(const char *device, uint8_t ret[6])
{
	struct ifreq r = {};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", device);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &r))
		bench_fail("%s: no MAC address", device);
	close(fd);
	memcpy(ret, r.ifr_hwaddr.sa_data, 6);
}

void live_frames(struct live *l, const struct live_frames *f)
{
	struct generate *g = l->bss;
	struct packet_spec s = f->spec;
	struct packet *p = &l->packet;
	__u32 base;

	memcpy(s.to_mac, l->to_mac, sizeof(s.to_mac));
	if (f->ports)
		s.sport = 0;
	packet_build(&s, p);
	memcpy(&base, p->data + (s.family == 6 ? 34 : 26), sizeof(base));
	*g = (struct generate){
		.ifindex = l->gen,
		.base = ntohl(base),
		.mask = f->mask,
		.ports = f->ports,
		.ipv6 = s.family == 6,
		.tcp = s.proto == IPPROTO_TCP,
		.l3_sum = sum_without(p->data + 24, ntohl(base)),
		.l4_sum = sum_without(p->data + p->l4 +
					      (s.proto == IPPROTO_TCP ? 16 : 6),
				      ntohl(base)),
	};
}

__u64 live_counter(const char *device, const char *suffix)
{
	char line[256], *colon;
	__u64 sum = 0;
	FILE *f;

	snprintf(line, sizeof(line), "ethtool -S %s", device);
	f = popen(line, "re");
	if (!f)
		bench_fail("ethtool: %s", strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		colon = strchr(line, ':');
		if (!colon)
			continue;
		*colon = 0;
		if (strlen(line) >= strlen(suffix) &&
		    !strcmp(colon - strlen(suffix), suffix))
			sum += strtoull(colon + 1, NULL, 10);
	}
	if (pclose(f))
		bench_fail("ethtool -S %s failed", device);
	return sum;
}

/* Nothing else on this CPU while frames are on their way: what the softirq
 * does is done in the generator's time, none is left to a thread. */
static void alone(bool on)
{
	struct sched_param p = { .sched_priority = on };

	if (sched_setscheduler(0, on ? SCHED_FIFO : SCHED_OTHER, &p))
		bench_fail("scheduler: %s", strerror(errno));
}

void live_send(struct live *l, __u32 count)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = l->packet.data,
		    .data_size_in = (__u32)l->packet.len, .repeat = (int)count,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = BATCH);
	int err = bpf_prog_test_run_opts(l->generator, &opts);

	if (err)
		bench_fail("live frames: %s", strerror(-err));
}

struct live_result live_run(struct live *l, __u32 count)
{
	struct live_result r = { .sent = count };
	__u64 before;
	double ns;

	alone(true);
	live_send(l, count / 8);
	before = live_counter("sink", "_xdp_packets");
	ns = bench_clock();
	live_send(l, count);
	ns = bench_clock() - ns;
	alone(false);
	r.received = live_counter("sink", "_xdp_packets") - before;
	if (r.received < count / 2)
		bench_fail("%llu frames of %u arrived",
			   (unsigned long long)r.received, count);
	r.ns = ns / r.received;
	return r;
}

void live_attach(struct live *l, int prog)
{
	int err = bpf_xdp_attach((int)l->sink, prog, XDP_FLAGS_DRV_MODE, NULL);

	if (err)
		bench_fail("XDP on sink: %s", strerror(-err));
}
