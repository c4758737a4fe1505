// SPDX-License-Identifier: BSD-2-Clause
/* Changes that must not change a verdict: see vary.h. */
#include "vary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/reader.h"

const char *const variation_names[VARY_COUNT] = {
	"order",     "credit",	       "cidrs in halves",
	"ports cut", "shadowed rules", "printed and read",
};

static void shuffle(struct rng *r, void *array, size_t n, size_t size)
{
	char *a = array, swap[256];

	if (size > sizeof(swap))
		abort();
	for (size_t i = n; i > 1; i--) {
		size_t k = rng_below(r, (unsigned)i);

		memcpy(swap, a + k * size, size);
		memcpy(a + k * size, a + (i - 1) * size, size);
		memcpy(a + (i - 1) * size, swap, size);
	}
}

static void each_rule(struct rng *r, struct policy *p,
		      void (*fn)(struct rng *r, struct rule *rule))
{
	for (int d = 0; d < 2; d++) {
		for (size_t i = 0; i < p->ngroups; i++)
			for (size_t k = 0; k < p->groups[i].rules[d].count; k++)
				fn(r, &p->groups[i].rules[d].rules[k]);
		for (size_t i = 0; i < p->nnacls; i++)
			for (size_t k = 0; k < p->nacls[i].rules[d].count; k++)
				fn(r, &p->nacls[i].rules[d].rules[k]);
	}
}

static void shuffle_rule(struct rng *r, struct rule *rule)
{
	shuffle(r, rule->peers, rule->npeers, sizeof(*rule->peers));
	shuffle(r, rule->services, rule->nservices, sizeof(*rule->services));
}

static void vary_order(struct rng *r, struct policy *p)
{
	each_rule(r, p, shuffle_rule);
	for (size_t i = 0; i < p->nsets; i++)
		shuffle(r, p->sets[i].cidrs, p->sets[i].ncidrs,
			sizeof(struct cidr));
	for (size_t i = 0; i < p->nnacls; i++)
		for (int d = 0; d < 2; d++)
			shuffle(r, p->nacls[i].rules[d].rules,
				p->nacls[i].rules[d].count,
				sizeof(struct rule));
}

static void vary_credit(struct rng *r, struct policy *p)
{
	for (size_t i = 0; i < p->ngroups; i++)
		for (int d = 0; d < 2; d++)
			shuffle(r, p->groups[i].rules[d].rules,
				p->groups[i].rules[d].count,
				sizeof(struct rule));
	shuffle(r, p->groups, p->ngroups, sizeof(struct group));
}

/* The lower half stays in *c. False for a single address. */
static bool halve(struct cidr *c, struct cidr *ret_upper)
{
	int bit = addr_mapped_length(c);

	if (bit == 128)
		return false;
	c->length++;
	*ret_upper = *c;
	ret_upper->addr.b[bit / 8] |= (__u8)(0x80 >> (bit % 8));
	return true;
}

static void halve_peers(struct rng *r, struct rule *rule)
{
	size_t n = rule->npeers;
	struct cidr upper;

	for (size_t i = 0; i < n; i++)
		if (rule->peers[i].kind == PEER_CIDR &&
		    halve(&rule->peers[i].cidr, &upper))
			build_peer_cidr(rule, upper);
}

static void vary_cidrs(struct rng *r, struct policy *p)
{
	struct cidr upper;

	each_rule(r, p, halve_peers);
	for (size_t i = 0; i < p->nsets; i++) {
		struct cidr *old = p->sets[i].cidrs;
		size_t n = p->sets[i].ncidrs;

		p->sets[i].cidrs = NULL;
		p->sets[i].ncidrs = 0;
		for (size_t k = 0; k < n; k++) {
			if (halve(&old[k], &upper))
				build_cidr(p, i, upper);
			build_cidr(p, i, old[k]);
		}
		free(old);
	}
}

static void cut_ports(struct rng *r, struct rule *rule)
{
	size_t n = rule->nservices;

	for (size_t i = 0; i < n; i++) {
		struct service_match *m = &rule->services[i];
		struct service_match upper = *m;

		if (!m->has_ports || m->first == m->last)
			continue;
		m->last = (uint16_t)(m->first + rng_below(r, (unsigned)m->last -
								     m->first));
		upper.first = (uint16_t)(m->last + 1);
		build_match(rule, upper);
	}
}

static void copy_body(struct rule *to, const struct rule *from)
{
	for (size_t i = 0; i < from->npeers; i++) {
		build_peer_any(to);
		to->peers[i] = from->peers[i];
	}
	for (size_t i = 0; i < from->nservices; i++)
		build_match(to, from->services[i]);
}

/* The same match again: behind a NACL rule with the opposite action, behind a
 * group's unlimited rule under another name. */
static void vary_shadowed(struct rng *r, struct policy *p)
{
	for (int d = 0; d < 2; d++) {
		for (size_t i = 0; i < p->nnacls; i++) {
			struct ruleset *set = &p->nacls[i].rules[d];
			struct rule from, *to;

			if (!set->count)
				continue;
			from = set->rules[rng_below(r, (unsigned)set->count)];
			to = build_entry(set, 1000, !from.deny);
			copy_body(to, &from);
		}
		for (size_t i = 0; i < p->ngroups; i++) {
			struct ruleset *set = &p->groups[i].rules[d];
			struct rule from, *to;

			if (!set->count)
				continue;
			from = set->rules[rng_below(r, (unsigned)set->count)];
			if (from.limit.present)
				continue;
			to = build_rule(set, "again");
			copy_body(to, &from);
		}
	}
}

/* Takes p. Ends the program if the reader refuses what was printed. */
static struct policy *print_and_read(struct policy *p)
{
	struct reader_options options = { 0 };
	struct diags diags = { 0 };
	struct buf text = { 0 };
	struct document doc = { .name = "printed" };
	struct policy *back;

	if (policy_print(p, &text))
		abort();
	doc.text = buf_text(&text);
	doc.len = text.len;
	back = policy_read(&doc, 1, &options, &diags);
	if (!back) {
		struct buf why = { 0 };

		diags_render(&diags, &why);
		printf("what was printed can't be read:\n%s%s\n",
		       buf_text(&why), buf_text(&text));
		exit(1);
	}
	diags_free(&diags);
	buf_free(&text);
	policy_free(p);
	return back;
}

struct policy *vary(struct rng *r, const struct policy *from,
		    enum variation how)
{
	struct policy *p = build_copy(from);

	switch (how) {
	case VARY_ORDER:
		vary_order(r, p);
		break;
	case VARY_CREDIT:
		vary_credit(r, p);
		break;
	case VARY_CIDRS:
		vary_cidrs(r, p);
		break;
	case VARY_PORTS:
		each_rule(r, p, cut_ports);
		break;
	case VARY_SHADOWED:
		vary_shadowed(r, p);
		break;
	case VARY_PRINTED:
		return print_and_read(p);
	case VARY_COUNT:
		break;
	}
	return p;
}
