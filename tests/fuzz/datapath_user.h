/* SPDX-License-Identifier: BSD-2-Clause */
/* The programs in user space with a policy in force: packet in, verdict out. */
#ifndef MOAT_FUZZ_DATAPATH_USER_H
#define MOAT_FUZZ_DATAPATH_USER_H

#include <stdbool.h>

#include "fuzz/world.h"
#include "kern/run.h"

/* How a packet lies in its skb: nothing of it may change a verdict (G10). */
struct layout {
	size_t linear; /* bytes of the linear part, 0: all */
	bool untag;    /* the first VLAN tag is taken off into the skb */
};

void datapath_user_open(const struct world *w);
/* Flows, fragments and counters go. */
void datapath_user_clear(void);
/* All packets go the way of those that the short one (bpf/quick.h) leaves. */
void datapath_user_long_way(bool on);
void datapath_user_run(const struct run_packet *p, const struct layout *l,
		       struct run_result *ret);

#endif
