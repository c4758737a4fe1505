// SPDX-License-Identifier: BSD-2-Clause
/* See classify_mix.h. */
#include <arpa/inet.h>
#include <linux/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "bench/bar.h"
#include "bench/classify_mix.h"

/* Groups that the host is in. */
#define OWN_GROUPS 8

static struct cidr cidr4(__u32 addr, unsigned length)
{
	struct cidr c = { .family = 4, .length = (__u8)length };

	/* Unicast, and not the hosts' own 10/8. */
	addr = (addr & 0x7fffffff) | 0x20000000;
	c.addr = addr_from_v4(addr & ~0u << (32 - length));
	return c;
}

static struct cidr cidr6(struct rng *r, unsigned site, unsigned length)
{
	struct cidr c = { .family = 6, .length = (__u8)length };

	c.addr.b[0] = 0x20;
	c.addr.b[1] = 0x01;
	c.addr.b[2] = (__u8)(site >> 8);
	c.addr.b[3] = (__u8)site;
	for (unsigned i = 4; i < length / 8; i++)
		c.addr.b[i] = (__u8)rng_next(r);
	return c;
}

static struct cidr scattered24(struct rng *r, size_t list)
{
	return cidr4((__u32)rng_next(r), 24);
}

/* Hosts of 64 virtual networks. */
static struct cidr hosts32(struct rng *r, size_t list)
{
	__u32 a = (__u32)rng_next(r);

	return cidr4(0x40000000 | rng_below(r, 64) << 16 | (a & 0xffff), 32);
}

static struct cidr mixed4(struct rng *r, size_t list)
{
	unsigned what = rng_below(r, 100);

	if (what < 70)
		return cidr4((__u32)rng_next(r), 32);
	if (what < 90)
		return cidr4((__u32)rng_next(r), 24 + rng_below(r, 5));
	return cidr4((__u32)rng_next(r), 16 + rng_below(r, 8));
}

static struct cidr networks6(struct rng *r, size_t list)
{
	unsigned what = rng_below(r, 100), site = rng_below(r, 4096);

	return cidr6(r, site, what < 80 ? 64 : what < 90 ? 56 : 48);
}

/* Half of each family; of IPv6 some hosts too. */
static struct cidr both(struct rng *r, size_t list)
{
	unsigned site = rng_below(r, 4096);

	if (rng_percent(r, 50))
		return mixed4(r, list);
	return rng_percent(r, 20) ? cidr6(r, site, 128) : networks6(r, list);
}

/* Sites with four kinds of networks, one in the other: an address is in up to
 * four lists. */
static struct cidr nested4(struct rng *r, size_t list)
{
	static const __u8 lengths[][2] = {
		{ 17, 20 }, { 21, 24 }, { 25, 28 }, { 29, 32 }
	};
	__u32 site = 0x40000000 | (__u32)(list / 4) << 20;
	const __u8 *l = lengths[list % 4];

	return cidr4(site | ((__u32)rng_next(r) & 0xfffff),
		     l[0] + rng_below(r, l[1] - l[0] + 1u));
}

const struct classify_mix classify_mixes[] = {
	{ "v4-random-24", scattered24, 0, false, false },
	{ "v4-hosts-in-64x16", hosts32, 0, false, false },
	{ "v4-70-20-10", mixed4, 0, false, true },
	{ "v4-overlapping", nested4, 256, false, false },
	{ "v4-4096-groups", mixed4, 4096, true, false },
	{ "v6-networks", networks6, 0, false, true },
	{ "mixed", both, 0, false, true },
};
const size_t classify_nmixes = ARRAY_SIZE(classify_mixes);

const struct classify_mix *classify_mix_named(const char *name)
{
	for (size_t i = 0; i < classify_nmixes; i++)
		if (!strcmp(classify_mixes[i].name, name))
			return &classify_mixes[i];
	bench_fail("no mix %s", name);
}

static struct rule *add_rule(struct policy *p, struct rng *r, size_t i,
			     size_t ngroups)
{
	unsigned first = 1 + rng_below(r, 60000);
	struct rule *rule;
	char name[32];

	snprintf(name, sizeof(name), "rule%zu", i);
	rule = build_named(p, i % ngroups, i / ngroups % 2, name);
	build_ports(rule, rng_percent(r, 80) ? IPPROTO_TCP : IPPROTO_UDP, first,
		    first + (rng_percent(r, 30) ? 1000 : 0));
	return rule;
}

static void note(struct classify_set *s, size_t i, struct cidr c,
		 const struct rule *rule)
{
	s->cidrs[i] = c;
	if (rule)
		s->services[i] = rule->services[0];
}

/* Each rule has its own CIDRs. */
static void own_cidrs(const struct classify_mix *m, struct rng *r, size_t rules,
		      struct classify_set *s)
{
	size_t each = s->ncidrs / rules;

	for (size_t i = 0; i < rules; i++) {
		struct rule *rule = add_rule(s->policy, r, i, OWN_GROUPS);

		for (size_t k = i * each; k < (i + 1) * each; k++) {
			note(s, k, m->cidr(r, 0), rule);
			build_peer_cidr(rule, s->cidrs[k]);
		}
	}
	s->ncidrs = rules * each;
}

/* CIDRs are dealt out to lists or groups; half of the rules are of the host's
 * own groups where the others have some of their own. */
static void shared_cidrs(const struct classify_mix *m, struct rng *r,
			 size_t rules, struct classify_set *s)
{
	size_t lists = m->lists, first = s->policy->nsets, each;
	char name[32];

	if (lists > s->ncidrs / 4)
		lists = s->ncidrs / 4;
	each = s->ncidrs / lists;
	for (size_t l = 0; l < lists; l++) {
		snprintf(name, sizeof(name), "peer%zu", l);
		if (m->groups)
			build_group(s->policy, name);
		else
			build_list(s->policy, name);
	}
	for (size_t i = 0; i < rules; i++) {
		bool own = !m->groups || i % 2;
		size_t n = own ? OWN_GROUPS : s->policy->ngroups;
		struct rule *rule = add_rule(s->policy, r, i, n);

		build_peer_set(rule, first + i % lists);
		if (own)
			s->services[i % lists * each] = rule->services[0];
	}
	for (size_t i = 0; i < lists * each; i++) {
		note(s, i, m->cidr(r, i / each), NULL);
		s->services[i] = s->services[i / each * each];
		build_cidr(s->policy, first + i / each, s->cidrs[i]);
	}
	s->ncidrs = lists * each;
}

void classify_set_make(const struct classify_mix *m, size_t rules, size_t cidrs,
		       struct classify_set *ret)
{
	struct classify_set s = { .ncidrs = cidrs };
	struct rng r = { 20 };
	char name[32];

	s.policy = build_policy(MODE_ENFORCE);
	s.cidrs = calloc(cidrs, sizeof(*s.cidrs));
	s.services = calloc(cidrs, sizeof(*s.services));
	if (!s.cidrs || !s.services)
		bench_fail("no memory");
	for (size_t g = 0; g < OWN_GROUPS; g++) {
		snprintf(name, sizeof(name), "own%zu", g);
		build_group(s.policy, name);
		build_member(s.policy, s.policy->groups[g].set, "10.1.0.0/16");
		build_member(s.policy, s.policy->groups[g].set, "fd00:1::/64");
	}
	if (m->lists)
		shared_cidrs(m, &r, rules, &s);
	else
		own_cidrs(m, &r, rules, &s);
	*ret = s;
}

void classify_set_free(struct classify_set *s)
{
	policy_free(s->policy);
	free(s->cidrs);
	free(s->services);
}

/* A random address of a CIDR. */
static struct moat_addr address_in(struct rng *r, const struct cidr *c)
{
	int length = addr_mapped_length(c);
	struct moat_addr a;

	for (int i = 0; i < 16; i++) {
		int bits = length - i * 8;
		__u8 keep = bits >= 8 ? 0xff :
			    bits <= 0 ? 0 :
					(__u8)(0xff << (8 - bits));

		a.b[i] = (__u8)((c->addr.b[i] & keep) |
				((__u8)rng_next(r) & ~keep));
	}
	return a;
}

void classify_tuples_make(const struct classify_set *s,
			  struct classify_tuple *to, size_t n)
{
	struct rng r = { 21 };

	for (size_t i = 0; i < n; i++) {
		size_t k = rng_next(&r) % s->ncidrs;
		const struct service_match *m = &s->services[k];
		unsigned port = rng_percent(&r, 50) ? m->first :
						      rng_below(&r, 65536);

		memset(&to[i], 0, sizeof(to[i]));
		to[i].remote = address_in(&r, &s->cidrs[k]);
		to[i].family = s->cidrs[k].family;
		to[i].proto = m->proto > 0 ? (__u8)m->proto : IPPROTO_TCP;
		to[i].port = htons((__u16)port);
	}
}
