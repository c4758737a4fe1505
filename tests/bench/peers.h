/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The same drops made by others on "sink", each with the sets that are its
 * fastest: what moat does with 1,000 rules. Attached one at a time.
 */
#ifndef MOAT_BENCH_PEERS_H
#define MOAT_BENCH_PEERS_H

#include <stdbool.h>

/* Sources denied: 512 addresses from 40.0.0.0 and fd40:: on. Opening segments
 * allowed: from 488 addresses from 20.0.0.0 and fd20:: on, each to one port. */
#define PEERS_DENIED 512
#define PEERS_ALLOWED 488
#define PEERS_PORT 2000 /* of the first */

enum rival { PEER_NFT, PEER_IPSET, PEER_XDP_FILTER, PEER_COUNT };

const char *peer_name(enum rival p);
/* Whether it can run here; says why not on stderr. */
bool peer_prepare(enum rival p);
void peer_attach(enum rival p);
void peer_detach(enum rival p);

#endif
