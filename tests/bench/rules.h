/* SPDX-License-Identifier: BSD-2-Clause */
/* The policy of 1,000 rules that the live benchmarks enforce. */
#ifndef MOAT_BENCH_RULES_H
#define MOAT_BENCH_RULES_H

/* One group of 10.0.0.0/24 and fd00::/64, as peers.h says: half of its rules
 * are the NACL's. open: one more rule lets everyone reach this port and the next.
 * Free it. */
char *rules_text(unsigned open);

#endif
