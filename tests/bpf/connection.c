// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/connection.h"

#include <linux/in.h>

#define S MOAT_TCP_FLAG_SYN
#define A MOAT_TCP_FLAG_ACK

struct connection conn_new(struct harness *h, int family, uint8_t proto)
{
	static uint16_t sport = 2000;
	struct connection c = {
		.h = h,
		.theirs = {
			.family = family,
			.from = family == 4 ? "10.9.0.1" : "fd00:9::1",
			.to = family == 4 ? "10.0.0.1" : "fd00::1",
			.proto = proto, .sport = ++sport, .dport = 80,
		},
		.table = proto == IPPROTO_TCP ? MOAT_TABLE_FLOWS :
			 proto == IPPROTO_UDP ? MOAT_TABLE_UDP :
						MOAT_TABLE_OTHER,
	};

	c.ours = packet_reply(&c.theirs);
	c.key = harness_key(c.theirs.to, 80, c.theirs.from, sport, proto);
	return c;
}

void conn_theirs(struct connection *c, uint8_t flags, enum moat_reason reason)
{
	c->theirs.flags = flags;
	c->theirs.seq = flags & S ? 100 : 101;
	c->theirs.ack = flags & A ? 501 : 0;
	expect(c->h, ATTACH_TC_INGRESS, &c->theirs, MOAT_ALLOW, reason);
}

void conn_ours(struct connection *c, uint8_t flags)
{
	c->ours.flags = flags;
	c->ours.seq = flags & S ? 500 : 501;
	c->ours.ack = 101;
	expect(c->h, ATTACH_TC_EGRESS, &c->ours, MOAT_ALLOW,
	       MOAT_REASON_ESTABLISHED);
}

struct connection conn_established(struct harness *h, int family, uint8_t proto)
{
	struct connection c = conn_new(h, family, proto);

	conn_theirs(&c, S, MOAT_REASON_SG_ALLOW);
	conn_ours(&c, S | A);
	conn_theirs(&c, A, MOAT_REASON_ESTABLISHED);
	return c;
}
