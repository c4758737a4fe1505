/* SPDX-License-Identifier: BSD-2-Clause */
/* What classify.bpf.c and its user share. */
#ifndef MOAT_BENCH_CLASSIFY_TUPLE_H
#define MOAT_BENCH_CLASSIFY_TUPLE_H

#include "moat/base.h"

#define CLASSIFY_TUPLES 65536 /* looked up one after the other */

/* One opening packet, IPv4 addresses mapped. */
struct classify_tuple {
	struct moat_addr remote;
	__be16 port; /* destination port */
	__u8 family; /* 4 or 6 */
	__u8 proto;
	__u32 pad;
};

/* Keys of the kernel's tries; addresses in network order, nothing between. */
struct classify_lpm4 {
	__u32 length;
	__be32 addr;
};
struct classify_lpm6 {
	__u32 length;
	__be32 addr[4];
};

#endif
