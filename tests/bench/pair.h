/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two hosts on one veth pair: ours in the program's own namespace, theirs in
 * another. Both ends are free, enforced by moat with 1,000 rules, or by
 * nftables with conntrack.
 */
#ifndef MOAT_BENCH_PAIR_H
#define MOAT_BENCH_PAIR_H

#include <sys/types.h>

#include "bpf/harness.h"

#define PAIR_OURS "10.0.0.1"   /* on pair0 */
#define PAIR_THEIRS "10.0.0.2" /* on pair1, and seven more behind it */
#define PAIR_ADDRESSES 8
#define PAIR_PORT 5201 /* open at both ends, and the next one */

enum pair_side { PAIR_PLAIN, PAIR_MOAT, PAIR_NFT, PAIR_SIDES };
extern const char *const pair_names[PAIR_SIDES];

struct pair {
	pid_t peer;
	int ns[2];
	__u32 ifindex[2];
	struct harness *h[2];
};

/* The hosts alone; ends the program on failure. */
void pair_open(struct pair *p);
void pair_close(struct pair *p);
/* The calling thread goes to an end: 0 ours, 1 theirs. */
void pair_go(const struct pair *p, int end);
/* Loads moat for both ends, attached to neither. */
void pair_load(struct pair *p);
void pair_enforce(struct pair *p, enum pair_side s);
void pair_free(struct pair *p, enum pair_side s);
/* A child at an end, killed with the program; 0 in the child. */
pid_t pair_fork(const struct pair *p, int end);

#endif
