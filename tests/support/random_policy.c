// SPDX-License-Identifier: BSD-2-Clause
/* Random policies and configurations: see random.h. */
#include <linux/in.h>
#include <linux/in6.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/random.h"

/* splitmix64: any seed will do, 0 too. */
uint64_t rng_next(struct rng *r)
{
	uint64_t z = (r->state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

unsigned rng_below(struct rng *r, unsigned n)
{
	return (unsigned)((rng_next(r) >> 16) % n);
}

bool rng_percent(struct rng *r, unsigned percent)
{
	return rng_below(r, 100) < percent;
}

static void clear_host_bits(struct cidr *c)
{
	int first = (c->family == 4 ? 96 : 0) + c->length;

	for (int bit = first; bit < 128; bit++)
		c->addr.b[bit / 8] &= (__u8) ~(0x80 >> (bit % 8));
}

/* Few distinct bytes, so that CIDRs nest and touch each other often. */
static struct cidr narrow4(struct rng *r)
{
	static const __u8 lengths[] = { 9,  12, 15, 16, 17, 20, 23,
					24, 25, 28, 30, 31, 32, 32 };
	static const __u8 second[] = { 0, 1, 127, 128, 255 };
	static const __u8 lower[] = { 0, 1, 63, 64, 127, 128, 254, 255 };
	struct cidr c = { .family = 4 };

	c.addr = addr_from_v4(10u << 24);
	c.addr.b[13] = RNG_PICK(r, second);
	c.addr.b[14] = RNG_PICK(r, lower);
	c.addr.b[15] = RNG_PICK(r, lower);
	c.length = RNG_PICK(r, lengths);
	clear_host_bits(&c);
	return c;
}

static struct cidr narrow6(struct rng *r)
{
	static const __u8 lengths[] = { 9,  16, 32, 47, 48,  63,  64,
					65, 72, 96, 97, 112, 127, 128 };
	static const __u8 bytes[] = { 0, 1, 127, 128, 255 };
	static const __u8 places[] = { 1, 2, 5, 7, 8, 11, 12, 15 };
	struct cidr c = { .family = 6 };

	c.addr.b[0] = 0xfd;
	for (size_t i = 0; i < sizeof(places); i++)
		if (rng_percent(r, 50))
			c.addr.b[places[i]] = RNG_PICK(r, bytes);
	c.length = RNG_PICK(r, lengths);
	clear_host_bits(&c);
	return c;
}

struct cidr random_cidr(struct rng *r, int family)
{
	static const char *const wide4[] = {
		"0.0.0.0/0",	      "0.0.0.0/1",	    "128.0.0.0/1",
		"10.0.0.0/8",	      "8.0.0.0/6",	    "192.168.0.0/16",
		"169.254.169.254/32", "255.255.255.254/31", "240.0.0.0/4",
		"10.255.255.255/32",
	};
	static const char *const wide6[] = {
		"::/0",	     "::/1",
		"8000::/1",  "fd00::/8",
		"fc00::/7",  "fe80::/10",
		"2000::/3",  "2001:db8::/32",
		"ff02::/16", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
	};

	if (rng_percent(r, 20))
		return build_cidr_of(family == 4 ? RNG_PICK(r, wide4) :
						   RNG_PICK(r, wide6));
	return family == 4 ? narrow4(r) : narrow6(r);
}

static int random_family(struct rng *r)
{
	return rng_percent(r, 55) ? 4 : 6;
}

static unsigned random_edge_port(struct rng *r)
{
	static const uint16_t edges[] = {
		0,    1,    22,	   53,	  67,	 80,	443,   1023,
		1024, 8000, 32767, 32768, 60999, 61000, 65534, 65535,
	};

	return rng_percent(r, 80) ? RNG_PICK(r, edges) : rng_below(r, 65536);
}

static void add_icmp(struct rng *r, struct rule *rule)
{
	static const int types4[] = { 0, 3, 5, 8, 8, 9, 11, 13, 17, 255 };
	static const int types6[] = { 1,   2,	128, 128, 129, 133,
				      134, 135, 137, 143, 200, 255 };
	static const int codes[] = { -1, -1, -1, 0, 1, 4, 255 };
	bool v4 = rng_percent(r, 50);
	int type = v4 ? RNG_PICK(r, types4) : RNG_PICK(r, types6);

	if (rng_percent(r, 20))
		build_proto(rule, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	else
		build_icmp(rule, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, type,
			   RNG_PICK(r, codes));
}

static void add_services(struct rng *r, struct rule *rule)
{
	static const int ported[] = { IPPROTO_TCP, IPPROTO_TCP, IPPROTO_UDP,
				      IPPROTO_SCTP };
	static const int protos[] = { 0,  2,  IPPROTO_TCP,  IPPROTO_UDP, 47,
				      50, 51, IPPROTO_SCTP, 253,	 255 };
	unsigned n = 1 + rng_below(r, 3);

	if (rng_percent(r, 18)) {
		build_every(rule);
		return;
	}
	while (n--) {
		unsigned a = random_edge_port(r), b = random_edge_port(r);
		unsigned kind = rng_below(r, 100);

		if (kind < 20)
			add_icmp(r, rule);
		else if (kind < 35)
			build_proto(rule, RNG_PICK(r, protos));
		else if (kind < 60)
			build_ports(rule, RNG_PICK(r, ported), a, a);
		else
			build_ports(rule, RNG_PICK(r, ported), a < b ? a : b,
				    a < b ? b : a);
	}
}

/* own: the set that `self` means. */
static void add_peers(struct rng *r, struct policy *p, struct rule *rule,
		      size_t own)
{
	unsigned n = 1 + rng_below(r, 3);

	if (rng_percent(r, 12)) {
		build_peer_any(rule);
		return;
	}
	while (n--) {
		size_t set = rng_below(r, (unsigned)p->nsets);

		if (rng_percent(r, 45)) {
			build_peer_cidr(rule, random_cidr(r, random_family(r)));
		} else if (p->sets[set].kind == SET_NACL ||
			   rng_percent(r, 25)) {
			build_peer_set(rule, own);
			rule->peers[rule->npeers - 1].self = true;
		} else {
			build_peer_set(rule, set);
		}
	}
}

static enum policy_mode random_mode(struct rng *r)
{
	static const enum policy_mode modes[] = {
		MODE_INHERIT, MODE_INHERIT, MODE_INHERIT,
		MODE_INHERIT, MODE_ENFORCE, MODE_AUDIT,
	};

	return RNG_PICK(r, modes);
}

static void fill_group(struct rng *r, struct policy *p, size_t group,
		       unsigned *limited)
{
	struct group *g = &p->groups[group];

	g->mode = random_mode(r);
	g->on_tighten = rng_percent(r, 20) ? TIGHTEN_REEVALUATE :
					     TIGHTEN_INHERIT;
	g->rules[MOAT_INGRESS].absent = rng_percent(r, 10);
	g->rules[MOAT_EGRESS].absent = rng_percent(r, 15);
	for (int d = 0; d < 2; d++) {
		unsigned n = rng_below(r, 6);

		if (g->rules[d].absent)
			continue;
		for (unsigned i = 0; i < n; i++) {
			struct rule *rule;
			char name[16];

			snprintf(name, sizeof(name), "r%u", i);
			rule = build_rule(&g->rules[d], name);
			add_peers(r, p, rule, g->set);
			add_services(r, rule);
			if (d == MOAT_INGRESS && *limited < 6 &&
			    rng_percent(r, 15)) {
				/* Tokens for ever: no test waits for one. */
				build_limit(rule, 1000000000, 1000000);
				(*limited)++;
			}
		}
	}
}

static bool has_number(const struct ruleset *set, int number)
{
	for (size_t i = 0; i < set->count; i++)
		if (set->rules[i].number == number)
			return true;
	return false;
}

static void fill_nacl(struct rng *r, struct policy *p, size_t nacl)
{
	struct nacl *n = &p->nacls[nacl];

	n->mode = random_mode(r);
	for (int d = 0; d < 2; d++) {
		unsigned rules = rng_below(r, 8);

		n->rules[d].absent = !rules;
		for (unsigned i = 0; i < rules; i++) {
			int number = 1 + (int)rng_below(r, 40);
			struct rule *rule;

			if (has_number(&n->rules[d], number))
				continue;
			rule = build_entry(&n->rules[d], number,
					   rng_percent(r, 40));
			add_peers(r, p, rule, n->set);
			add_services(r, rule);
		}
	}
}

/* Halves of 10/8 and fd00::/8: NACLs of different halves never overlap. */
static void add_domain(struct rng *r, struct policy *p, size_t set, bool upper)
{
	unsigned n = 1 + rng_below(r, 3);

	while (n--) {
		struct cidr c = rng_percent(r, 50) ? narrow4(r) : narrow6(r);
		__u8 *second = c.family == 4 ? &c.addr.b[13] : &c.addr.b[1];

		*second = (__u8)((*second & 0x7f) | (upper ? 0x80 : 0));
		build_cidr(p, set, c);
	}
}

static void add_nacls(struct rng *r, struct policy *p)
{
	unsigned kind = rng_below(r, 100);

	if (kind < 30)
		return;
	if (kind < 50) {
		size_t n = build_nacl(p, "everywhere");

		p->sets[p->nacls[n].set].any = true;
		return;
	}
	for (int i = 0; i < 2; i++) {
		size_t n = build_nacl(p, i ? "upper" : "lower");

		add_domain(r, p, p->nacls[n].set, i);
		if (kind < 70)
			return;
	}
}

static void fill_set(struct rng *r, struct policy *p, size_t set, unsigned max)
{
	unsigned n = rng_below(r, max + 1);

	while (n--)
		build_cidr(p, set, random_cidr(r, random_family(r)));
}

struct policy *random_policy(struct rng *r)
{
	struct policy *p = build_policy(rng_percent(r, 80) ? MODE_ENFORCE :
							     MODE_AUDIT);
	unsigned lists = rng_below(r, 4), groups = 1 + rng_below(r, 4);
	unsigned limited = 0;
	char name[16];

	p->on_tighten = rng_percent(r, 20) ? TIGHTEN_REEVALUATE : TIGHTEN_KEEP;
	for (unsigned i = 0; i < lists; i++) {
		snprintf(name, sizeof(name), "list%u", i);
		fill_set(r, p, build_list(p, name), 5);
	}
	for (unsigned i = 0; i < groups; i++) {
		snprintf(name, sizeof(name), "group%u", i);
		build_group(p, name);
		if (i != 0 || rng_percent(r, 90))
			build_cidr(p, p->groups[i].set, narrow4(r));
		fill_set(r, p, p->groups[i].set, 4);
	}
	add_nacls(r, p);
	for (size_t i = 0; i < p->ngroups; i++)
		fill_group(r, p, i, &limited);
	for (size_t i = 0; i < p->nnacls; i++)
		fill_nacl(r, p, i);
	return p;
}

static struct cidr crowded(struct rng *r, int family)
{
	struct cidr c = { .family = (__u8)family };

	if (family == 4) {
		c.addr = addr_from_v4(10u << 24 | 1u << 16 |
				      rng_below(r, 65536));
		c.length = (__u8)(24 + rng_below(r, 9));
	} else {
		c.addr.b[0] = 0xfd;
		c.addr.b[5] = (__u8)rng_below(r, 2);
		c.addr.b[7] = (__u8)rng_next(r);
		for (int i = 8; i < 16; i++)
			c.addr.b[i] = (__u8)rng_next(r);
		if (rng_percent(r, 50)) /* all of them in one /64 */
			c.addr.b[5] = c.addr.b[7] = 0;
		c.length = (__u8)(56 + rng_below(r, 73));
	}
	clear_host_bits(&c);
	return c;
}

void random_crowd(struct rng *r, struct policy *p)
{
	size_t list = build_list(p, "crowd");
	unsigned cidrs = 20 + rng_below(r, 400), ports = 10 + rng_below(r, 200);

	while (cidrs--)
		build_cidr(p, list, crowded(r, rng_percent(r, 50) ? 4 : 6));
	for (int d = 0; d < 2; d++) {
		struct rule *rule = build_named(p, 0, d, "crowd");

		build_peer_set(rule, list);
		for (unsigned i = 0; i < ports; i++) {
			unsigned port = rng_below(r, 65536);

			build_ports(rule, IPPROTO_TCP, port, port);
		}
		for (int i = 0; i < 8; i++) {
			char name[16];

			snprintf(name, sizeof(name), "crowd%d", i);
			rule = build_named(p, 0, d, name);
			build_peer_cidr(rule, crowded(r, 4));
			build_peer_cidr(rule, crowded(r, 6));
			add_services(r, rule);
		}
	}
}

struct config *random_config(struct rng *r)
{
	static const int protos[] = { IPPROTO_TCP, IPPROTO_TCP, IPPROTO_UDP };
	static const uint16_t ports[] = { 22, 53, 443, 1023 };
	struct config *c = build_config();
	unsigned n = rng_below(r, 3);

	c->before_first_pass = rng_percent(r, 50);
	c->max_mode_audit = rng_percent(r, 10);
	c->unassigned_allow = rng_percent(r, 30);
	c->midstream_drop = rng_percent(r, 25);
	for (int i = 0; i < MOAT_ESSENTIAL_COUNT; i++)
		c->essential[i] = !rng_percent(r, 12);
	while (n--) {
		int direction = rng_percent(r, 70) ? MOAT_INGRESS : MOAT_EGRESS;
		int proto = RNG_PICK(r, protos);
		struct failsafe_rule *f = build_failsafe(c, direction, proto,
							 RNG_PICK(r, ports));

		f->ports[0].last = (uint16_t)(f->ports[0].first +
					      rng_below(r, 3));
		build_failsafe_peer(f, random_cidr(r, random_family(r)));
		if (rng_percent(r, 50))
			build_failsafe_peer(f, random_cidr(r, 6));
	}
	return c;
}
