/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tables of odd packets: one row a shape, run on every hook that it says
 * something about. Policy of all rows: in from anywhere TCP 80, UDP 5000 and
 * echo requests, nothing out.
 */
#ifndef MOAT_TEST_SHAPES_H
#define MOAT_TEST_SHAPES_H

#include "bpf/harness.h"

#define SHAPES_POLICY \
	"version: 1\n" \
	"name: shapes\n" \
	"mode: enforce\n" \
	"security_groups:\n" \
	"  host:\n" \
	"    members: [10.0.0.1, \"fd00::1\"]\n" \
	"    ingress:\n" \
	"      - {name: web, from: any, protocol: tcp, ports: 80}\n" \
	"      - {name: data, from: any, protocol: udp, ports: 5000}\n" \
	"      - {name: ping, from: any, service: ping}\n" \
	"    egress: []\n"

/* What XDP does with a packet that tc drops: the same, or leave it to tc.
 * XDP_ALONE: TEST_RUN at tc takes no frame that ends in the IP header;
 * test_net_frames.sh sends those. */
enum at_xdp { XDP_SAME, XDP_LEAVES, XDP_ALONE };

struct shape {
	const char *name;
	struct packet_spec spec;
	enum moat_verdict verdict;
	enum moat_reason reason;
	enum at_xdp xdp;
};

#define PASSES(r) .verdict = MOAT_ALLOW, .reason = MOAT_REASON_##r
#define DROPS(r) .verdict = MOAT_DROP, .reason = MOAT_REASON_##r
/* tc alone has what it takes to judge it. */
#define TC_DROPS(r) DROPS(r), .xdp = XDP_LEAVES

#define XDP_DROPS_CUT(r) DROPS(r), .xdp = XDP_ALONE

#define V4 .family = 4, .from = "10.0.0.9", .to = "10.0.0.1"
#define V6 .family = 6, .from = "fd00::9", .to = "fd00::1"
#define SYN_TO(port) \
	.proto = 6, .sport = 40000, .dport = port, .flags = MOAT_TCP_FLAG_SYN

/* All rows on one instance, its tables emptied after each. */
void shapes_run(const struct shape *shapes, size_t n);

#endif
