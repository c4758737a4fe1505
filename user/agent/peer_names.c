// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a flow's slot and remote address are called in the policy. Rules are
 * found by slot, addresses in sets by bisection; both are worked out once for
 * a policy, a set when it is first looked at.
 */
#include "agent/peer_names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "base/addr.h"

#define FEW 16 /* CIDRs that are looked through one by one */

struct named {
	const struct group *group;
	const struct rule *rule; /* NULL: what an absent list allows */
	bool has_names;		 /* of peers; else only CIDRs */
};

/* A set as ranges in ascending order that neither meet nor overlap. */
struct range {
	struct moat_addr first, last;
};
struct ranges {
	struct range *all; /* NULL: not made yet */
	size_t count;
};

struct peer_names {
	/* The policy it is made of. */
	const struct held *held;
	uint32_t generation;
	size_t nslots;
	struct named *by_slot;
	struct ranges *sets;
	size_t nsets;
};

static void forget(struct peer_names *n)
{
	size_t i;

	for (i = 0; i < n->nsets; i++)
		/* sets holds nsets. NOLINTNEXTLINE(clang-analyzer-core.*) */
		free(n->sets[i].all);
	free(n->sets);
	free(n->by_slot);
	*n = (struct peer_names){};
}

struct peer_names *peer_names_new(void)
{
	return calloc(1, sizeof(struct peer_names));
}

void peer_names_free(struct peer_names *n)
{
	if (!n)
		return;
	forget(n);
	free(n);
}

/* ---- rules by slot ---- */

/* A slot's names in an order that bisection needs. */
static int compare_ids(const void *a, const void *b)
{
	const struct slot_id *x = *(const struct slot_id *const *)a;
	const struct slot_id *y = *(const struct slot_id *const *)b;
	int c = strcmp(x->owner, y->owner);

	if (!c)
		c = strcmp(x->rule, y->rule);
	return c ? c : x->direction - y->direction;
}

static bool has_names(const struct rule *rule)
{
	size_t i;

	for (i = 0; i < rule->npeers; i++)
		if (rule->peers[i].kind != PEER_CIDR)
			return true;
	return false;
}

/* Rules in the policy's order, each to the slot of its names. */
static void name_rules(struct peer_names *n, const struct slots *slots,
		       const struct slot_id **sorted, size_t nsorted,
		       const struct group *g)
{
	const struct slot_id **found, *key;
	struct slot_id id = { .owner = g->name };
	const struct ruleset *rules;
	size_t i;

	key = &id;
	for (id.direction = 0; id.direction < 2; id.direction++) {
		rules = &g->rules[id.direction];
		for (i = 0; i < rules->count; i++) {
			id.rule = rules->rules[i].name;
			found = bsearch(&key, sorted, nsorted, sizeof(*sorted),
					compare_ids);
			if (found)
				n->by_slot[*found - slots->ids] = (struct named){
					g, &rules->rules[i],
					has_names(&rules->rules[i])
				};
		}
	}
}

/* Slots without a rule: GROUP/default-egress. */
static void name_defaults(struct peer_names *n, const struct slots *slots,
			  const struct policy *p)
{
	const struct group *g;
	size_t i;

	for (i = 0; i < n->nslots; i++) {
		if (n->by_slot[i].group || !slots->ids[i].owner ||
		    slots->ids[i].nacl)
			continue;
		for (g = p->groups; g < p->groups + p->ngroups; g++)
			if (strcmp(g->name, slots->ids[i].owner) == 0)
				break;
		if (g < p->groups + p->ngroups)
			n->by_slot[i].group = g;
	}
}

static int learn(struct peer_names *n, const struct agent *a)
{
	const struct policy *p = a->current->policy;
	const struct slots *slots = &a->slots;
	_cleanup_free_ const struct slot_id **sorted = calloc(slots->count + 1,
							      sizeof(*sorted));
	size_t i, count = 0;

	forget(n);
	n->by_slot = calloc(slots->count + 1, sizeof(*n->by_slot));
	n->sets = calloc(p->nsets + 1, sizeof(*n->sets));
	if (!sorted || !n->by_slot || !n->sets) {
		forget(n);
		return -ENOMEM;
	}
	n->held = a->current;
	n->generation = a->current->record->generation;
	n->nslots = slots->count;
	n->nsets = p->nsets;
	for (i = 0; i < slots->count; i++)
		if (slots->ids[i].owner && !slots->ids[i].nacl)
			sorted[count++] = &slots->ids[i];
	qsort(sorted, count, sizeof(*sorted), compare_ids);
	for (i = 0; i < p->ngroups; i++)
		name_rules(n, slots, sorted, count, &p->groups[i]);
	name_defaults(n, slots, p);
	return 0;
}

static bool up_to_date(const struct peer_names *n, const struct agent *a)
{
	return n->held == a->current && n->nslots == a->slots.count &&
	       n->generation == a->current->record->generation;
}

/* ---- addresses in sets ---- */

static int compare_ranges(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return addr_compare(&x->first, &y->first);
}

static struct range range_of(const struct cidr *c)
{
	struct range r = { c->addr, c->addr };
	int bit;

	for (bit = addr_mapped_length(c); bit < 128; bit++)
		r.last.b[bit / 8] |= (__u8)(0x80 >> bit % 8);
	return r;
}

static struct ranges *ranges_of(struct peer_names *n, const struct policy *p,
				size_t set)
{
	const struct addr_set *s = &p->sets[set];
	struct ranges *to = &n->sets[set];
	struct range *all;
	size_t i;

	if (to->all)
		return to;
	all = calloc(s->ncidrs + 1, sizeof(*all));
	if (!all)
		return NULL;
	for (i = 0; i < s->ncidrs; i++)
		all[i] = range_of(&s->cidrs[i]);
	qsort(all, s->ncidrs, sizeof(*all), compare_ranges);
	/* CIDRs overlap only as one within the other, which comes first. */
	for (i = 0; i < s->ncidrs; i++)
		if (!to->count ||
		    addr_compare(&all[i].first, &all[to->count - 1].last) > 0)
			all[to->count++] = all[i];
	to->all = all;
	return to;
}

static bool set_holds(struct peer_names *n, const struct policy *p, size_t set,
		      const struct moat_addr *a)
{
	const struct addr_set *s = &p->sets[set];
	const struct ranges *r;
	size_t i, low = 0, high;

	if (s->any)
		return true;
	r = s->ncidrs > FEW ? ranges_of(n, p, set) : NULL;
	if (!r) {
		for (i = 0; i < s->ncidrs; i++)
			if (cidr_contains(&s->cidrs[i], a))
				return true;
		return false;
	}
	/* The last range that does not begin above a. */
	for (high = r->count; low < high;) {
		i = low + (high - low) / 2;
		if (addr_compare(&r->all[i].first, a) <= 0)
			low = i + 1;
		else
			high = i;
	}
	return low && addr_compare(a, &r->all[low - 1].last) <= 0;
}

/* ---- names ---- */

static bool peer_holds(struct peer_names *n, const struct policy *p,
		       const struct peer *peer, const struct moat_addr *a)
{
	if (peer->kind == PEER_ANY)
		return true;
	return peer->kind == PEER_SET ? set_holds(n, p, peer->set, a) :
					cidr_contains(&peer->cidr, a);
}

/* The peer of the credited rule that holds the address, as it is named. */
static const char *peer_of_rule(struct peer_names *n, const struct policy *p,
				const struct named *named,
				const struct moat_addr *remote)
{
	const struct rule *rule = named->rule;
	const struct peer *peer;

	if (!named->has_names)
		return "other";
	for (peer = rule->peers; peer < rule->peers + rule->npeers; peer++) {
		if (!peer_holds(n, p, peer, remote))
			continue;
		if (peer->self)
			return "self";
		return peer->kind == PEER_SET ? p->sets[peer->set].name :
		       peer->kind == PEER_ANY ? "any" :
						"other";
	}
	return "other";
}

static const char *first_set(struct peer_names *n, const struct policy *p,
			     const struct moat_addr *remote)
{
	size_t i;

	for (i = 0; i < p->nsets; i++)
		if (!p->sets[i].any && p->sets[i].kind != SET_NACL &&
		    set_holds(n, p, i, remote))
			return p->sets[i].name;
	return "other";
}

bool peer_names_of(struct peer_names *n, const struct agent *a,
		   const struct flow_record *r, const char **ret_group,
		   const char **ret_peer)
{
	const struct policy *p = a->current->policy;
	unsigned int slot = MOAT_WORD_SLOT(r->flow.word);
	const struct named *named;
	size_t first;

	if (r->flow.word & MOAT_WORD_FAILSAFE)
		return false;
	if (!up_to_date(n, a) && learn(n, a))
		return false;
	/* Denied openings belong to no rule: the first group of the local
	 * address. */
	if (r->table == MOAT_TABLE_DENIED) {
		if (!policy_groups_of(p, &r->key.local, &first, 1))
			return false;
		*ret_group = p->groups[first].name;
		*ret_peer = first_set(n, p, &r->key.remote);
		return true;
	}
	named = slot < n->nslots ? &n->by_slot[slot] : NULL;
	if (!named || !named->group)
		return false;
	*ret_group = named->group->name;
	*ret_peer = named->rule ? peer_of_rule(n, p, named, &r->key.remote) :
				  "any";
	return true;
}
