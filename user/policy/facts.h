/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the warnings work on: sets as ranges, services as spans of one number
 * space, and the carriers, which are the addresses that share groups and NACL.
 *
 * Cost. Lists are ranges once, however many rules name them, and rules are
 * compared by the sets they name before any address is looked at. What still
 * could be a product of rules and addresses is counted in steps; a policy
 * that needs more than FACTS_STEPS gets one warning that says so.
 */
#ifndef MOAT_FACTS_H
#define MOAT_FACTS_H

#include "policy/ranges.h"

#define FACTS_STEPS 100000000

/*
 * Services as a number of 24 bits: protocol << 16 | port, or
 * protocol << 16 | type << 8 | code.
 */
struct span {
	uint32_t first, last;
};
#define SPAN_END 0xffffffu

struct rule_facts {
	const struct rule *rule;
	struct span *spans; /* sorted, disjoint */
	size_t nspans;
	bool any;	     /* one of the peers is `any` */
	struct ranges cidrs; /* of the peers that are CIDRs */
	struct ranges *all;  /* every peer's; made when asked for */
};

struct list_facts {
	struct rule_facts *rules;
	size_t count;
};

/* Addresses with the same groups and NACL. */
struct carrier {
	size_t *groups; /* ascending, at least one */
	size_t ngroups;
	int nacl; /* -1: none */
	struct ranges where;
};

struct facts {
	const struct policy *policy;
	struct ranges *sets;		/* by set index, closed */
	struct list_facts (*groups)[2]; /* by group and direction */
	struct list_facts (*nacls)[2];
	struct carrier *carriers;
	size_t ncarriers;
	/* Group g's carriers are carrier_of[carried[g] .. carried[g + 1] - 1]. */
	size_t *carried;
	size_t *carrier_of;
	signed char *subset; /* nsets * nsets: 0 unknown, 1 yes, -1 no */
	size_t steps;	     /* still to be spent */
	bool exhausted;	     /* steps or memory ran out */
};

/* 0, or -ENOMEM. *f is to be freed in any case. */
int facts_init(struct facts *f, const struct policy *p);
void facts_free(struct facts *f);
/* Takes n of the steps. False: nothing left, do without the answer. */
bool facts_spend(struct facts *f, size_t n);
/* One warning if something was left out. */
void facts_finish(const struct facts *f, struct diags *diags);

/* Some address is a peer of the rule and this peer. */
bool facts_touches_peer(struct facts *f, struct rule_facts *r,
			const struct peer *peer);
/* All peers of a rule as ranges; NULL when the steps ran out. */
const struct ranges *facts_peers(struct facts *f, struct rule_facts *r);
/* True if the peers of r hold all addresses of the peer. */
bool facts_holds_peer(struct facts *f, struct rule_facts *r,
		      const struct peer *peer);
/* True if inner's peers, and its services, are all outer's too. */
bool facts_peers_within(struct facts *f, const struct rule_facts *inner,
			struct rule_facts *outer);
bool spans_within(const struct rule_facts *inner,
		  const struct rule_facts *outer);
bool spans_hold(const struct rule_facts *r, struct span span);
bool spans_touch(const struct rule_facts *r, struct span span);
struct span span_of(const struct service_match *m);
/* Every protocol, every address, no limit. */
bool rule_allows_all(const struct rule_facts *r);
/* A group without egress lets everything out. */
static inline bool group_opens(const struct group *g, int direction)
{
	return direction == MOAT_EGRESS && g->rules[MOAT_EGRESS].absent;
}

/* Makes f->carriers, carried and carrier_of. */
int facts_find_carriers(struct facts *f);

/*
 * For messages, into buf of FACTS_TEXT bytes; each returns buf. Rule:
 * "trainers/ssh" or "front/110". Span: "tcp 29400", "tcp 32768-60999",
 * "icmp type 8", "every protocol". Peer: as written.
 */
#define FACTS_TEXT 160
char *rule_print(const char *owner, const struct rule *rule, char *buf);
char *span_print(struct span span, char *buf);
char *peer_print(const struct policy *p, const struct peer *peer, char *buf);

#endif
