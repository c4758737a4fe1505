// SPDX-License-Identifier: BSD-2-Clause
/* Random packets at the boundaries of a policy: see random.h. */
#include <linux/in.h>
#include <linux/in6.h>
#include <stdlib.h>
#include <string.h>

#include "support/random.h"

static void *add_one(void *array, size_t *count, const void *item, size_t size)
{
	array = realloc(array, (*count + 1) * size);
	if (!array)
		abort();
	memcpy((char *)array + *count * size, item, size);
	(*count)++;
	return array;
}

static void keep_cidr(struct palette *ret, const struct cidr *c, bool member)
{
	ret->cidrs = add_one(ret->cidrs, &ret->ncidrs, c, sizeof(*c));
	if (member)
		ret->members = add_one(ret->members, &ret->nmembers, c,
				       sizeof(*c));
}

static void keep_rules(struct palette *ret, const struct ruleset *set)
{
	for (size_t i = 0; i < set->count; i++) {
		const struct rule *r = &set->rules[i];

		for (size_t k = 0; k < r->npeers; k++)
			if (r->peers[k].kind == PEER_CIDR)
				keep_cidr(ret, &r->peers[k].cidr, false);
		for (size_t k = 0; k < r->nservices; k++)
			ret->services = add_one(ret->services, &ret->nservices,
						&r->services[k],
						sizeof(r->services[k]));
	}
}

static void keep_failsafe(struct palette *ret, const struct failsafe_rule *f)
{
	struct service_match m = { .proto = f->proto,
				   .has_ports = true,
				   .first = f->ports[0].first,
				   .last = f->ports[0].last,
				   .type = -1,
				   .code = -1 };

	ret->services = add_one(ret->services, &ret->nservices, &m, sizeof(m));
	for (size_t i = 0; i < f->npeers; i++)
		keep_cidr(ret, &f->peers[i], false);
}

void palette_make(const struct policy *p, const struct config *c,
		  struct palette *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < p->nsets; i++) {
		const struct addr_set *s = &p->sets[i];

		for (size_t k = 0; k < s->ncidrs; k++)
			keep_cidr(ret, &s->cidrs[k],
				  s->kind != SET_PREFIX_LIST);
	}
	for (int d = 0; d < 2; d++) {
		for (size_t i = 0; i < p->ngroups; i++)
			keep_rules(ret, &p->groups[i].rules[d]);
		for (size_t i = 0; i < p->nnacls; i++)
			keep_rules(ret, &p->nacls[i].rules[d]);
	}
	for (size_t i = 0; i < c->nfailsafe; i++)
		keep_failsafe(ret, &c->failsafe[i]);
}

void palette_free(struct palette *palette)
{
	free(palette->members);
	free(palette->cidrs);
	free(palette->services);
	free(palette->locals);
	memset(palette, 0, sizeof(*palette));
}

/* One up or down, within the family's own bits. */
static void step(struct moat_addr *a, int family, int by)
{
	int first = family == 4 ? 12 : 0;

	for (int i = 15; i >= first; i--) {
		int v = a->b[i] + by;

		a->b[i] = (__u8)v;
		if (v >= 0 && v <= 255)
			return;
	}
}

struct moat_addr random_near(struct rng *r, const struct cidr *cidr)
{
	int first = (cidr->family == 4 ? 96 : 0) + cidr->length;
	struct moat_addr a = cidr->addr;
	unsigned where = rng_below(r, 8);
	uint64_t bits = rng_next(r);

	if (where == 0)
		return a;
	if (where == 1) {
		step(&a, cidr->family, -1);
		return a;
	}
	for (int bit = first; bit < 128; bit++)
		if (where <= 3 || bits >> (bit % 64) & 1)
			a.b[bit / 8] |= (__u8)(0x80 >> (bit % 8));
	if (where == 3)
		step(&a, cidr->family, 1);
	return a;
}

static struct moat_addr special(struct rng *r, int family)
{
	static const char *const special4[] = {
		"0.0.0.0",   "0.1.2.3",	  "127.0.0.1",	     "127.255.255.255",
		"224.0.0.1", "239.9.9.9", "240.0.0.1",	     "255.255.255.255",
		"1.0.0.0",   "128.0.0.0", "223.255.255.255", "255.255.255.254",
	};
	static const char *const special6[] = {
		"::",
		"::1",
		"::2",
		"ff02::1",
		"ff02::1:ff00:1",
		"fe80::1",
		"fe80::ffff:ffff:ffff:ffff",
		"febf::1",
		"fec0::1",
		"feff:ffff::",
		"::fffe:ffff:ffff",
		"::1:0:0:0",
	};
	struct moat_addr a;

	if (family == 4)
		return build_addr(RNG_PICK(r, special4));
	if (rng_percent(r, 90))
		return build_addr(RNG_PICK(r, special6));
	a = addr_from_v4(0x0a000001); /* v4-mapped, in an IPv6 packet */
	return a;
}

static struct moat_addr pick_near(struct rng *r, const struct cidr *cidrs,
				  size_t n, int family)
{
	struct cidr c;

	for (int tries = 0; n && tries < 8; tries++) {
		c = cidrs[rng_below(r, (unsigned)n)];
		if (c.family == family)
			return random_near(r, &c);
	}
	c = random_cidr(r, family);
	return random_near(r, &c);
}

struct moat_addr random_local(struct rng *r, const struct palette *palette,
			      int family)
{
	if (rng_percent(r, 5))
		return special(r, family);
	return pick_near(r, palette->members, palette->nmembers, family);
}

static uint16_t random_port(struct rng *r, const struct palette *palette)
{
	static const uint16_t ports[] = { 0,   22,  53,	 67,	68,    80,
					  443, 546, 547, 40000, 65534, 65535 };
	const struct service_match *m;

	if (!palette->nservices || rng_percent(r, 30))
		return rng_percent(r, 80) ? RNG_PICK(r, ports) :
					    (uint16_t)rng_next(r);
	m = &palette->services[rng_below(r, (unsigned)palette->nservices)];
	switch (rng_below(r, 5)) {
	case 0:
		return (uint16_t)(m->first - 1);
	case 1:
		return m->first;
	case 2:
		return m->last;
	case 3:
		return (uint16_t)(m->last + 1);
	default:
		return (uint16_t)(m->first +
				  rng_below(r, m->last - m->first + 1u));
	}
}

static void set_icmp(struct rng *r, const struct palette *palette,
		     struct probe *probe)
{
	static const uint8_t types4[] = { 0,  3,  4,  5,  8,  8,  8,  9, 10,
					  11, 12, 13, 14, 15, 16, 17, 18 };
	static const uint8_t types6[] = { 1,   2,   3,	 4,   128, 128,
					  128, 129, 130, 131, 132, 133,
					  134, 135, 136, 137, 143, 200 };

	probe->type = probe->family == 4 ? RNG_PICK(r, types4) :
					   RNG_PICK(r, types6);
	probe->code = rng_percent(r, 65) ? 0 : (uint8_t)rng_below(r, 5);
	if (rng_percent(r, 5)) {
		probe->type = (uint8_t)rng_next(r);
		probe->code = (uint8_t)rng_next(r);
	}
	if (palette->nservices && rng_percent(r, 40)) {
		const struct service_match *m = &palette->services[rng_below(
			r, (unsigned)palette->nservices)];

		if (m->proto == probe->proto && m->type >= 0)
			probe->type = (uint8_t)m->type;
		if (m->proto == probe->proto && m->code >= 0)
			probe->code = (uint8_t)m->code;
	}
}

/* Any of the 64 sets at times; mostly those that open or go on. */
static void set_flags(struct rng *r, struct probe *probe)
{
	static const uint8_t usual[] = { 0x02, 0x02, 0x02, 0x10, 0x18,
					 0x12, 0x04, 0x14, 0x11, 0x31 };

	if (rng_percent(r, 40))
		return;
	probe->flags_given = true;
	probe->flags = rng_percent(r, 70) ? RNG_PICK(r, usual) :
					    (uint8_t)rng_below(r, 64);
}

static void set_dhcp(struct rng *r, struct probe *probe)
{
	uint16_t low = probe->family == 6 ? 546 : 67;
	bool up = rng_percent(r, 50);

	probe->sport = (uint16_t)(low + !up);
	probe->dport = (uint16_t)(low + up);
}

static int random_proto(struct rng *r, const struct palette *palette,
			int family)
{
	static const int others[] = { 2,  4,   17,  33,	 41,  47,  50,
				      89, 112, 132, 200, 252, 254, 255 };
	unsigned kind = rng_below(r, 100);

	if (kind < 40)
		return IPPROTO_TCP;
	if (kind < 60)
		return IPPROTO_UDP;
	if (kind < 80)
		return (kind < 62) == (family == 4) ? IPPROTO_ICMPV6 :
						      IPPROTO_ICMP;
	if (kind < 84)
		return IPPROTO_SCTP;
	if (kind < 92 && palette->nservices) {
		int proto = palette
				    ->services[rng_below(
					    r, (unsigned)palette->nservices)]
				    .proto;

		if (proto >= 0)
			return proto;
	}
	return RNG_PICK(r, others);
}

static void set_addresses(struct rng *r, const struct palette *palette,
			  struct probe *p)
{
	if (palette->nlocals) {
		p->local = palette->locals[rng_below(
			r, (unsigned)palette->nlocals)];
		p->family = addr_is_v4(&p->local) ? 4 : 6;
	} else {
		p->family = rng_percent(r, 55) ? 4 : 6;
		p->local = random_local(r, palette, p->family);
	}
	if (rng_percent(r, 5))
		p->remote = special(r, p->family);
	else
		p->remote = pick_near(r, palette->cidrs, palette->ncidrs,
				      p->family);
	if (rng_percent(r, 1))
		p->remote = p->local;
}

struct probe random_probe(struct rng *r, const struct palette *palette)
{
	struct probe p = { .direction = (int)rng_below(r, 2) };

	set_addresses(r, palette, &p);
	p.proto = random_proto(r, palette, p.family);
	if (p.proto == IPPROTO_ICMP || p.proto == IPPROTO_ICMPV6) {
		set_icmp(r, palette, &p);
	} else if (proto_has_ports(p.proto)) {
		p.sport = random_port(r, palette);
		p.dport = random_port(r, palette);
		if (rng_percent(r, 10))
			set_dhcp(r, &p);
	}
	if (p.proto == IPPROTO_TCP)
		set_flags(r, &p);
	return p;
}
