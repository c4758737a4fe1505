/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A packet to be judged in words, and the answer: what explain, tests, the
 * reference evaluator, the image engine and the kernel engine share.
 */
#ifndef MOAT_PROBE_H
#define MOAT_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "moat/base.h"
#include "moat/flow.h"
#include "moat/reason.h"

/* One packet without a flow; local is taken as an own address. */
struct probe {
	int direction; /* MOAT_INGRESS, MOAT_EGRESS */
	int family;    /* 4 or 6 */
	struct moat_addr local, remote;
	int proto;
	uint16_t sport, dport; /* as in the packet, host order */
	uint8_t type, code;    /* ICMP and ICMPv6 */
	bool flags_given;      /* else: an opening packet (TCP: SYN) */
	uint8_t flags;	       /* MOAT_TCP_FLAG_* */
};

struct answer {
	enum moat_verdict verdict;
	enum moat_reason reason;
	char rule[160]; /* "trainers/ssh", "front/110", "" for none */
	uint32_t generation;
};

/* The agent's settings that a verdict depends on. */
struct config;

const char *reason_name(enum moat_reason r);
const char *reason_layer(enum moat_reason r);
const char *verdict_name(enum moat_verdict v);
/* By printed name; -EINVAL. */
int reason_from_name(const char *name);

/*
 * One line of explain --batch (interface.md section 3) to a probe, and an
 * answer to its line (without newline, owned by the caller). 0, or -EINVAL
 * with a message in err of errlen bytes.
 */
int probe_from_json(const char *line, struct probe *ret, char *err,
		    size_t errlen);
char *answer_to_json(const struct answer *a);

#endif
