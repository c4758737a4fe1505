/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Models by hand, for tests. Everything built is owned by the policy (free
 * with policy_free()). Out of memory and unparsable addresses abort. Pointers
 * to rules are valid until the next rule of the same ruleset is added.
 */
#ifndef MOAT_TEST_BUILD_H
#define MOAT_TEST_BUILD_H

#include "policy/config.h"
#include "policy/model.h"
#include "policy/probe.h"

struct policy *build_policy(enum policy_mode mode);

/* Sets, groups and NACLs: names are copied, indices returned. */
size_t build_list(struct policy *p, const char *name);
size_t build_group(struct policy *p, const char *name);
size_t build_nacl(struct policy *p, const char *name);
/* Adds a CIDR to a set; a CIDR that it already has is left out. */
void build_cidr(struct policy *p, size_t set, struct cidr cidr);
void build_member(struct policy *p, size_t set, const char *cidr);

/* A group rule, and a NACL rule; both with no peer and no service yet. */
struct rule *build_rule(struct ruleset *rules, const char *name);
struct rule *build_entry(struct ruleset *rules, int number, bool deny);
struct rule *build_named(struct policy *p, size_t group, int direction,
			 const char *name);

void build_peer_any(struct rule *r);
void build_peer_set(struct rule *r, size_t set);
void build_peer_cidr(struct rule *r, struct cidr cidr);
void build_peer(struct rule *r, const char *cidr);

void build_every(struct rule *r); /* every protocol */
void build_proto(struct rule *r, int proto);
void build_ports(struct rule *r, int proto, unsigned first, unsigned last);
void build_icmp(struct rule *r, int proto, int type, int code);
void build_match(struct rule *r, struct service_match m);
void build_limit(struct rule *r, uint64_t rate, uint32_t burst);

/* A deep copy: what metamorphic tests change. */
struct policy *build_copy(const struct policy *p);

struct cidr build_cidr_of(const char *text);
struct moat_addr build_addr(const char *text);

/* An opening packet. The family is that of the addresses. */
struct probe build_probe(int direction, const char *local, const char *remote,
			 int proto, unsigned dport);

/* The agent's defaults of interface.md section 2 as far as verdicts go, and
 * without failsafe. Free with build_config_free(). */
struct config *build_config(void);
struct failsafe_rule *build_failsafe(struct config *c, int direction, int proto,
				     unsigned port);
void build_failsafe_peer(struct failsafe_rule *f, struct cidr peer);
void build_config_free(struct config *c);

#endif
