/* SPDX-License-Identifier: BSD-2-Clause */
/* A connection of theirs to our port 80, packet by packet; each is expected to
 * pass, for the reason given. */
#ifndef MOAT_TEST_CONNECTION_H
#define MOAT_TEST_CONNECTION_H

#include "bpf/harness.h"

struct connection {
	struct harness *h;
	struct packet_spec theirs, ours;
	struct moat_flow_key key;
	enum moat_table table; /* where it lives once it is established */
};

/* From a port never used before to 10.0.0.1 or fd00::1. Nothing is sent. */
struct connection conn_new(struct harness *h, int family, uint8_t proto);
/* One of their packets, and of ours as part of a tracked flow: for TCP with
 * these flags and the numbers of a handshake's segments or the next ones. */
void conn_theirs(struct connection *c, uint8_t flags, enum moat_reason reason);
void conn_ours(struct connection *c, uint8_t flags);
/* After SYN, SYN-ACK and ACK, or as many packets of another protocol. */
struct connection conn_established(struct harness *h, int family,
				   uint8_t proto);

#endif
