/* SPDX-License-Identifier: BSD-2-Clause */
/* BPF_PROG_TEST_RUN of the loaded programs: packet tests and explain. */
#ifndef MOAT_RUN_H
#define MOAT_RUN_H

#include <stddef.h>

#include "kern/attach.h"
#include "moat/knobs.h"

struct run_packet {
	enum attach_hook hook;
	const void *frame; /* from the Ethernet header on */
	size_t len;
	__u32 ifindex;	       /* 0: loopback's */
	__u32 ingress_ifindex; /* tc egress: non-zero for forwarded packets */
	__u32 gso_segs, gso_size;
	__u32 linear; /* XDP: linear bytes, 0: all */
};
struct run_result {
	int action;		 /* TC_ACT_*, TCX_*, XDP_* as returned */
	struct moat_trace trace; /* only if the instance traces */
};
/* 0 or -errno. */
int run_packet(struct datapath *dp, const struct run_packet *p,
	       struct run_result *ret);

#endif
