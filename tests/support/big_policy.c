// SPDX-License-Identifier: BSD-2-Clause
/* Policies of the largest size: see big_policy.h. */
#include <linux/in.h>
#include <linux/in6.h>
#include <stdio.h>

#include "support/big_policy.h"

static struct cidr big_cidr4(struct rng *r)
{
	static const __u8 lengths[] = { 16, 20, 22, 24, 24, 24,
					24, 24, 28, 32, 32, 32 };
	struct cidr c = { .family = 4, .length = RNG_PICK(r, lengths) };
	__u32 a = (__u32)rng_next(r);

	/* Unicast, and not the hosts' own 10/8. */
	a = (a & 0x7fffffff) | 0x20000000;
	c.addr = addr_from_v4(a & ~0u << (32 - c.length));
	return c;
}

static struct cidr big_cidr6(struct rng *r)
{
	static const __u8 lengths[] = {
		32, 40, 48, 48, 56, 64, 64, 64, 64, 128
	};
	struct cidr c = { .family = 6, .length = RNG_PICK(r, lengths) };

	c.addr.b[0] = 0x20;
	c.addr.b[1] = 0x01;
	for (int i = 2; i < c.length / 8; i++)
		c.addr.b[i] = (__u8)rng_next(r);
	return c;
}

struct cidr big_cidr(struct rng *r, unsigned percent6)
{
	return rng_percent(r, percent6) ? big_cidr6(r) : big_cidr4(r);
}

static void big_rule(struct rng *r, struct rule *rule,
		     const struct big_policy *want)
{
	unsigned first = 1 + rng_below(r, 60000);

	for (size_t i = 0; i < want->cidrs / want->rules; i++)
		build_peer_cidr(rule, big_cidr(r, want->percent6));
	build_ports(rule, rng_percent(r, 80) ? IPPROTO_TCP : IPPROTO_UDP, first,
		    first + (rng_percent(r, 30) ? 1000 : 0));
}

struct policy *big_policy(struct rng *r, const struct big_policy *want)
{
	struct policy *p = build_policy(MODE_ENFORCE);
	char name[32];

	for (size_t g = 0; g < want->groups; g++) {
		snprintf(name, sizeof(name), "group%zu", g);
		build_group(p, name);
		build_member(p, p->groups[g].set, "10.20.0.0/16");
		build_member(p, p->groups[g].set, "fd00:20::/64");
	}
	for (size_t i = 0; i < want->rules; i++) {
		snprintf(name, sizeof(name), "rule%zu", i);
		big_rule(r,
			 build_named(p, i % want->groups, i / want->groups % 2,
				     name),
			 want);
	}
	return p;
}
