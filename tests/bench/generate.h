/* SPDX-License-Identifier: BSD-2-Clause */
/* What the generator of live frames is told; shared by its two halves. */
#ifndef MOAT_BENCH_GENERATE_H
#define MOAT_BENCH_GENERATE_H

#include <linux/types.h>

/* Ethernet, IP without options, TCP or UDP without payload. */
#define GENERATE_L4_4 34
#define GENERATE_L4_6 54
#define GENERATE_LEN4 (GENERATE_L4_4 + 20)
#define GENERATE_LEN6 (GENERATE_L4_6 + 20)

struct generate {
	__u32 ifindex;	  /* the device that sends */
	__u32 base, mask; /* source addresses (IPv6: their last word) */
	__u32 ports;	  /* source ports vary too */
	__u32 ipv6, tcp;
	/* Sums of all that does not change, in host order. */
	__u32 l3_sum, l4_sum;
	__u32 count;
};

#endif
