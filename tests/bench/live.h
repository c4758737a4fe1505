/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Live frames over a veth pair in a place of the program's own: a generator
 * program under BPF_F_TEST_XDP_LIVE_FRAMES (5.18) redirects them into "gen",
 * and what is attached to its peer "sink" meets them in the driver, as on a
 * NIC. Generator and receiver share one CPU, so that the time of a run over
 * the frames received is what one frame costs both.
 */
#ifndef MOAT_BENCH_LIVE_H
#define MOAT_BENCH_LIVE_H

#include "bpf/harness.h"

#define LIVE_OURS4 "10.0.0.1" /* on sink */
#define LIVE_OURS6 "fd00::1"

struct live_frames {
	struct packet_spec spec; /* TCP or UDP, its source the lowest one */
	__u32 mask;		 /* source addresses: 2^n - 1 */
	bool ports;		 /* source ports vary */
};
struct live_result {
	double ns; /* per frame received */
	__u64 sent, received;
};

struct live {
	__u32 gen, sink;     /* ifindex */
	int generator, drop; /* programs */
	uint8_t to_mac[6];
	void *bss, *owner;
	struct packet packet;
};

void live_open(struct live *l);
/* Only the generator, out of a device that is there. */
void live_from(struct live *l, const char *device, const uint8_t to_mac[6]);
void live_mac(const char *device, uint8_t ret[6]);
void live_close(struct live *l);
/* What the next runs send. */
void live_frames(struct live *l, const struct live_frames *f);
void live_send(struct live *l, __u32 count);
/* Some frames to warm up, then so many that count. */
struct live_result live_run(struct live *l, __u32 count);
/* Sum of the counters of sink whose name ends so, as ethtool -S names them. */
__u64 live_counter(const char *device, const char *suffix);
/* Attaches a program to sink natively; -1 detaches. */
void live_attach(struct live *l, int prog);

#endif
