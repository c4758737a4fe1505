// SPDX-License-Identifier: BSD-2-Clause
/* Models by hand: see build.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/build.h"

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

static char *copy_text(const char *text)
{
	return text ? must(strdup(text)) : NULL;
}

static void *copy_array(const void *from, size_t n, size_t size)
{
	void *to;

	if (!n)
		return NULL;
	to = must(malloc(n * size));
	memcpy(to, from, n * size);
	return to;
}

/* Room for one more at the end of an owned array; zeroed. */
#define ADD(array, count) \
	({ \
		(array) = must( \
			realloc((array), ((count) + 1) * sizeof(*(array)))); \
		memset(&(array)[count], 0, sizeof(*(array))); \
		&(array)[(count)++]; \
	})

struct policy *build_policy(enum policy_mode mode)
{
	struct policy *p = must(calloc(1, sizeof(*p)));

	p->name = copy_text("test");
	p->revision = copy_text("000000000000");
	p->mode = mode;
	return p;
}

static size_t add_set(struct policy *p, enum set_kind kind, const char *name)
{
	struct addr_set *s = ADD(p->sets, p->nsets);

	s->kind = kind;
	s->name = copy_text(name);
	return p->nsets - 1;
}

size_t build_list(struct policy *p, const char *name)
{
	return add_set(p, SET_PREFIX_LIST, name);
}

size_t build_group(struct policy *p, const char *name)
{
	size_t set = add_set(p, SET_GROUP, name);
	struct group *g = ADD(p->groups, p->ngroups);

	g->name = copy_text(name);
	g->set = set;
	g->mode = MODE_INHERIT;
	g->on_tighten = TIGHTEN_INHERIT;
	return p->ngroups - 1;
}

size_t build_nacl(struct policy *p, const char *name)
{
	size_t set = add_set(p, SET_NACL, name);
	struct nacl *n = ADD(p->nacls, p->nnacls);

	n->name = copy_text(name);
	n->set = set;
	n->mode = MODE_INHERIT;
	return p->nnacls - 1;
}

void build_cidr(struct policy *p, size_t set, struct cidr cidr)
{
	struct addr_set *s = &p->sets[set];

	for (size_t i = 0; i < s->ncidrs; i++)
		if (!cidr_compare(&s->cidrs[i], &cidr))
			return;
	*ADD(s->cidrs, s->ncidrs) = cidr;
}

struct cidr build_cidr_of(const char *text)
{
	struct cidr cidr;

	if (cidr_parse(text, &cidr)) {
		fprintf(stderr, "build: no CIDR: %s\n", text);
		abort();
	}
	return cidr;
}

void build_member(struct policy *p, size_t set, const char *cidr)
{
	build_cidr(p, set, build_cidr_of(cidr));
}

struct rule *build_rule(struct ruleset *rules, const char *name)
{
	struct rule *r = ADD(rules->rules, rules->count);

	r->name = copy_text(name);
	rules->absent = false;
	return r;
}

struct rule *build_entry(struct ruleset *rules, int number, bool deny)
{
	struct rule *r = build_rule(rules, NULL);

	r->number = number;
	r->deny = deny;
	return r;
}

struct rule *build_named(struct policy *p, size_t group, int direction,
			 const char *name)
{
	return build_rule(&p->groups[group].rules[direction], name);
}

void build_peer_any(struct rule *r)
{
	ADD(r->peers, r->npeers)->kind = PEER_ANY;
}

void build_peer_set(struct rule *r, size_t set)
{
	struct peer *peer = ADD(r->peers, r->npeers);

	peer->kind = PEER_SET;
	peer->set = set;
}

void build_peer_cidr(struct rule *r, struct cidr cidr)
{
	struct peer *peer = ADD(r->peers, r->npeers);

	peer->kind = PEER_CIDR;
	peer->cidr = cidr;
}

void build_peer(struct rule *r, const char *cidr)
{
	build_peer_cidr(r, build_cidr_of(cidr));
}

void build_match(struct rule *r, struct service_match m)
{
	*ADD(r->services, r->nservices) = m;
}

void build_every(struct rule *r)
{
	build_proto(r, -1);
}

void build_proto(struct rule *r, int proto)
{
	build_match(r, (struct service_match){
			       .proto = proto, .type = -1, .code = -1 });
}

void build_ports(struct rule *r, int proto, unsigned first, unsigned last)
{
	build_match(r, (struct service_match){ .proto = proto,
					       .has_ports = true,
					       .first = (uint16_t)first,
					       .last = (uint16_t)last,
					       .type = -1,
					       .code = -1 });
}

void build_icmp(struct rule *r, int proto, int type, int code)
{
	build_match(r, (struct service_match){
			       .proto = proto, .type = type, .code = code });
}

void build_limit(struct rule *r, uint64_t rate, uint32_t burst)
{
	r->limit.present = true;
	r->limit.rate = rate;
	r->limit.burst = burst;
	r->limit.per_source = true;
}

static void copy_rules(struct ruleset *to, const struct ruleset *from)
{
	*to = *from;
	to->rules = copy_array(from->rules, from->count, sizeof(*to->rules));
	for (size_t i = 0; i < to->count; i++) {
		struct rule *r = &to->rules[i];

		r->name = copy_text(r->name);
		r->description = copy_text(r->description);
		r->peers = copy_array(r->peers, r->npeers, sizeof(*r->peers));
		r->services = copy_array(r->services, r->nservices,
					 sizeof(*r->services));
	}
}

static void copy_sets(struct policy *to, const struct policy *from)
{
	to->nsets = from->nsets;
	to->sets = copy_array(from->sets, to->nsets, sizeof(*to->sets));
	for (size_t i = 0; i < to->nsets; i++) {
		struct addr_set *s = &to->sets[i];

		s->name = copy_text(s->name);
		s->cidrs = copy_array(s->cidrs, s->ncidrs, sizeof(*s->cidrs));
	}
}

/* Tests and nevers are not copied: no verdict depends on them. */
struct policy *build_copy(const struct policy *from)
{
	struct policy *p = must(calloc(1, sizeof(*p)));

	p->name = copy_text(from->name);
	p->revision = copy_text(from->revision);
	p->mode = from->mode;
	p->on_tighten = from->on_tighten;
	copy_sets(p, from);
	p->ngroups = from->ngroups;
	p->groups = copy_array(from->groups, p->ngroups, sizeof(*p->groups));
	for (size_t i = 0; i < p->ngroups; i++) {
		struct group *g = &p->groups[i];

		g->name = copy_text(g->name);
		g->description = copy_text(g->description);
		g->owner = copy_text(g->owner);
		for (int d = 0; d < 2; d++)
			copy_rules(&g->rules[d], &from->groups[i].rules[d]);
	}
	p->nnacls = from->nnacls;
	p->nacls = copy_array(from->nacls, p->nnacls, sizeof(*p->nacls));
	for (size_t i = 0; i < p->nnacls; i++) {
		struct nacl *n = &p->nacls[i];

		n->name = copy_text(n->name);
		n->description = copy_text(n->description);
		n->owner = copy_text(n->owner);
		for (int d = 0; d < 2; d++)
			copy_rules(&n->rules[d], &from->nacls[i].rules[d]);
	}
	return p;
}

struct moat_addr build_addr(const char *text)
{
	struct moat_addr a;
	int family;

	if (addr_parse(text, &a, &family)) {
		fprintf(stderr, "build: no address: %s\n", text);
		abort();
	}
	return a;
}

struct probe build_probe(int direction, const char *local, const char *remote,
			 int proto, unsigned dport)
{
	return (struct probe){
		.direction = direction,
		.family = strchr(local, ':') ? 6 : 4,
		.local = build_addr(local),
		.remote = build_addr(remote),
		.proto = proto,
		.sport = 40000,
		.dport = (uint16_t)dport,
	};
}

struct config *build_config(void)
{
	struct config *c = must(calloc(1, sizeof(*c)));

	c->before_first_pass = true;
	for (int i = 0; i < MOAT_ESSENTIAL_COUNT; i++)
		c->essential[i] = true;
	return c;
}

struct failsafe_rule *build_failsafe(struct config *c, int direction, int proto,
				     unsigned port)
{
	struct failsafe_rule *f = ADD(c->failsafe, c->nfailsafe);

	f->name = copy_text("test");
	f->direction = direction;
	f->proto = proto;
	f->ports[0].first = f->ports[0].last = (uint16_t)port;
	f->nports = 1;
	return f;
}

void build_failsafe_peer(struct failsafe_rule *f, struct cidr peer)
{
	*ADD(f->peers, f->npeers) = peer;
}

void build_config_free(struct config *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->nfailsafe; i++) {
		free(c->failsafe[i].name);
		free(c->failsafe[i].peers);
	}
	free(c->failsafe);
	free(c);
}
