/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The policy as plain structs: what the reader makes, and what reference
 * evaluator and compiler each work from on their own. Everything is owned by
 * struct policy. Names are resolved to indices; order is file order.
 */
#ifndef MOAT_MODEL_H
#define MOAT_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "moat/reason.h"
#include "policy/diag.h"

enum policy_mode { MODE_INHERIT = -1, MODE_ENFORCE = 0, MODE_AUDIT = 1 };
enum on_tighten {
	TIGHTEN_INHERIT = -1,
	TIGHTEN_KEEP = 0,
	TIGHTEN_REEVALUATE = 1
};

/*
 * A set of addresses: a prefix list, a group's members, or a NACL's
 * applies_to. Named peers and `self` refer to sets. cidrs is flat (references
 * between lists are resolved), in file order, without exact duplicates.
 * any: 0.0.0.0/0 and ::/0 (only applies_to may say so).
 */
struct peer;
enum set_kind { SET_PREFIX_LIST, SET_GROUP, SET_NACL };
struct addr_set {
	enum set_kind kind;
	char *name;
	struct pos pos;
	bool any;
	struct cidr *cidrs;
	size_t ncidrs;
	/* NACL: what applies_to names, so that it follows its groups. */
	struct peer *items;
	size_t nitems;
};

enum peer_kind { PEER_ANY, PEER_SET, PEER_CIDR };
struct peer {
	enum peer_kind kind;
	size_t set;	  /* PEER_SET: index into policy.sets */
	struct cidr cidr; /* PEER_CIDR */
	bool self;	  /* written as `self` */
	struct pos pos;
};

/*
 * One protocol with one port range or one ICMP type. proto -1: every
 * protocol. has_ports: first..last apply. type, code: -1 any; only for ICMP
 * (proto 1, IPv4 only) and ICMPv6 (58, IPv6 only).
 */
struct service_match {
	int proto;
	bool has_ports;
	uint16_t first, last;
	int type, code;
};

struct rate_limit {
	bool present;
	/* New connections per 1000 seconds, rounded down: 10/minute is 166.
	 * At least 1, at most 10^9. */
	uint64_t rate;
	uint32_t burst;
	bool per_source; /* else per rule */
};

/*
 * A rule of either layer. Group rule: name set, number 0, allows. NACL rule:
 * number 1..32766, deny may be set, name may be NULL.
 */
struct rule {
	char *name;
	int number;
	bool deny;
	struct peer *peers;
	size_t npeers;
	struct service_match *services;
	size_t nservices;
	struct rate_limit limit;
	char *description;
	struct pos pos;
};

struct ruleset {
	struct rule *rules; /* NACL: file order, not sorted by number */
	size_t count;
	bool absent; /* the key was not there */
	struct pos pos;
};

struct group {
	char *name;
	size_t set;		 /* its members */
	struct ruleset rules[2]; /* by direction */
	enum policy_mode mode;
	enum on_tighten on_tighten;
	char *description, *owner;
	struct pos pos;
};
/* A group whose egress is absent lets everything out, credited as
 * GROUP/default-egress at the group's place in file order. */

struct nacl {
	char *name;
	size_t set; /* its applies_to */
	struct ruleset rules[2];
	enum policy_mode mode;
	char *description, *owner;
	struct pos pos;
};

/* tests: the opening packet and what must become of it. */
struct policy_test {
	struct moat_addr src, dst;
	int family; /* 4 or 6 */
	int proto;
	uint16_t sport, dport; /* sport 40000 where the test says none */
	int type, code;	       /* ICMP; -1: echo-request, code 0 */
	bool expect_allow;
	char *description; /* NULL: none; shown where the test fails */
	struct pos pos;
};

/* never: no address of from may open any of services to any address of to. */
struct policy_never {
	struct peer *from, *to;
	size_t nfrom, nto;
	struct service_match *services;
	size_t nservices;
	char *description; /* NULL: none */
	struct pos pos;
};

struct policy {
	char *name;
	/* Never NULL: the file's, or the first 12 hex digits of the SHA-256 of
	 * the documents and then the list files, as they were read. */
	char *revision;
	/* That hash in full; "" where the file says its revision. */
	char sha256[65];
	enum policy_mode mode;
	enum on_tighten on_tighten;
	/* Lists, then groups, then NACLs, each in file order. */
	struct addr_set *sets;
	size_t nsets;
	struct group *groups; /* file order, files in the order given */
	size_t ngroups;
	struct nacl *nacls;
	size_t nnacls;
	struct policy_test *tests;
	size_t ntests;
	struct policy_never *nevers;
	size_t nnevers;
};

void policy_free(struct policy *p);

/* Effective mode and on_tighten after inheritance. */
enum policy_mode group_mode(const struct policy *p, const struct group *g);
enum policy_mode nacl_mode(const struct policy *p, const struct nacl *n);
enum on_tighten group_on_tighten(const struct policy *p, const struct group *g);

#endif
