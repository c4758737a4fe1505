/* SPDX-License-Identifier: BSD-2-Clause */
/* Flow tables full of handmade established flows. */
#ifndef MOAT_BENCH_MANY_FLOWS_H
#define MOAT_BENCH_MANY_FLOWS_H

#include <stddef.h>

#include "moat/flow.h"

struct datapath;

struct many_flows {
	size_t count;
	unsigned int slots;	/* credited rules 0..slots-1, in turn */
	__u64 created, expires; /* jiffies64 */
	__u64 packets;		/* each direction's counter */
};

/* As many as fill a table of so many places but for a sixty-fourth, made now,
 * of one rule; they expire in so many seconds. */
struct many_flows many_flows_of(struct datapath *dp, size_t places,
				int seconds);
/* Writes the flows, new or in place of themselves, by batches; every nth
 * only, for flows that count on while the others rest. */
void many_flows_put(int map_fd, const struct many_flows *m, size_t nth);

#endif
