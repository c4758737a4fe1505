/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of policy_warn(); each walks the policy for its own warnings. */
#ifndef MOAT_WARN_H
#define MOAT_WARN_H

#include "policy/facts.h"
#include "policy/reader.h"

#define PROTO_ICMP 1
#define PROTO_TCP 6
#define PROTO_UDP 17
#define PROTO_ICMPV6 58
#define PROTO_SCTP 132

struct warner {
	struct facts *f;
	struct diags *diags;
	struct span ephemeral; /* ports */
	const struct moat_addr *hosts;
	size_t nhosts;
};

void warn_families(struct warner *w); /* what never matches a family */
void warn_self(struct warner *w);     /* rules inside self, Lustre */
void warn_nacls(struct warner *w);    /* one-sided NACLs */
void warn_carriers(struct warner *w); /* reach, audit, hosts */

static inline struct span span_ports(int proto, unsigned int first,
				     unsigned int last)
{
	return (struct span){ (uint32_t)proto << 16 | first,
			      (uint32_t)proto << 16 | last };
}

static inline bool span_equal(struct span a, struct span b)
{
	return a.first == b.first && a.last == b.last;
}

#endif
