// SPDX-License-Identifier: BSD-2-Clause
/*
 * Counters by group and named peer. Only pairs that were seen, so at most
 * groups times names; traffic can't make more of them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "base/addr.h"

#define PEERS_MAX 16384

struct peers {
	struct metrics_peer *all;	/* names owned */
	size_t count;
};

struct peers *peers_new(void)
{
	return calloc(1, sizeof(struct peers));
}

void peers_free(struct peers *p)
{
	size_t i;

	if (!p)
		return;
	for (i = 0; i < p->count; i++) {
		free((char *)p->all[i].group);
		free((char *)p->all[i].peer);
	}
	free(p->all);
	free(p);
}

size_t peers_list(const struct peers *p, const struct metrics_peer **ret)
{
	*ret = p->all;
	return p->count;
}

static bool set_holds(const struct addr_set *s, const struct moat_addr *a)
{
	size_t i;

	if (s->any)
		return true;
	for (i = 0; i < s->ncidrs; i++)
		if (cidr_contains(&s->cidrs[i], a))
			return true;
	return false;
}

static bool peer_holds(const struct policy *p, const struct peer *peer,
		       const struct moat_addr *a)
{
	if (peer->kind == PEER_ANY)
		return true;
	return peer->kind == PEER_SET ? set_holds(&p->sets[peer->set], a) :
		cidr_contains(&peer->cidr, a);
}

static const struct rule *find_rule(const struct policy *p,
				    const struct slot_id *id,
				    const struct group **ret_group)
{
	const struct ruleset *rules;
	const struct group *g;
	size_t i;

	for (g = p->groups; g < p->groups + p->ngroups; g++) {
		if (strcmp(g->name, id->owner) != 0)
			continue;
		*ret_group = g;
		rules = &g->rules[id->direction];
		for (i = 0; i < rules->count; i++)
			if (strcmp(rules->rules[i].name, id->rule) == 0)
				return &rules->rules[i];
	}
	return NULL;
}

/* The peer of the credited rule that holds the address, as it is named. */
static const char *peer_of_rule(const struct policy *p, const struct rule *rule,
				const struct moat_addr *remote)
{
	const struct peer *peer;

	for (peer = rule->peers; peer < rule->peers + rule->npeers; peer++) {
		if (!peer_holds(p, peer, remote))
			continue;
		if (peer->self)
			return "self";
		return peer->kind == PEER_SET ? p->sets[peer->set].name :
			peer->kind == PEER_ANY ? "any" : "other";
	}
	return "other";
}

static const char *first_set(const struct policy *p,
			     const struct moat_addr *remote)
{
	const struct addr_set *s;

	for (s = p->sets; s < p->sets + p->nsets; s++)
		if (!s->any && s->kind != SET_NACL && set_holds(s, remote))
			return s->name;
	return "other";
}

/* Denied openings belong to no rule: the first group of the local address. */
static bool names_of(const struct agent *a, const struct flow_record *r,
		     const char **ret_group, const char **ret_peer)
{
	const struct policy *p = a->current->policy;
	unsigned int slot = MOAT_WORD_SLOT(r->flow.word);
	const struct group *g = NULL;
	const struct rule *rule;
	size_t first;

	if (r->flow.word & MOAT_WORD_FAILSAFE)
		return false;
	if (r->table == MOAT_TABLE_DENIED) {
		if (!policy_groups_of(p, &r->key.local, &first, 1))
			return false;
		*ret_group = p->groups[first].name;
		*ret_peer = first_set(p, &r->key.remote);
		return true;
	}
	if (slot >= a->slots.count || !a->slots.ids[slot].owner ||
	    a->slots.ids[slot].nacl)
		return false;
	rule = find_rule(p, &a->slots.ids[slot], &g);
	if (!g)
		return false;
	*ret_group = g->name;
	*ret_peer = rule ? peer_of_rule(p, rule, &r->key.remote) : "any";
	return true;
}

static struct metrics_peer *find(struct peers *p,
				 const struct metrics_peer *like)
{
	struct metrics_peer *more;
	size_t i;

	for (i = 0; i < p->count; i++)
		if (p->all[i].direction == like->direction &&
		    p->all[i].verdict == like->verdict &&
		    strcmp(p->all[i].group, like->group) == 0 &&
		    strcmp(p->all[i].peer, like->peer) == 0)
			return &p->all[i];
	if (p->count == PEERS_MAX)
		return NULL;
	more = reallocarray(p->all, p->count + 1, sizeof(*more));
	if (!more)
		return NULL;
	p->all = more;
	more = &p->all[p->count];
	*more = *like;
	more->group = strdup(like->group);
	more->peer = strdup(like->peer);
	if (!more->group || !more->peer) {
		free((char *)more->group);
		free((char *)more->peer);
		return NULL;
	}
	p->count++;
	return more;
}

void peers_add(struct agent *a, const struct flow_record *r,
	       const struct moat_count gained[2])
{
	struct metrics_peer like = {.verdict = flow_verdict(r)};
	struct metrics_peer *one;
	int dir;

	if (!a->current || !names_of(a, r, &like.group, &like.peer))
		return;
	for (dir = 0; dir < 2; dir++) {
		if (!gained[dir].packets)
			continue;
		like.direction = dir;
		one = find(a->peers, &like);
		if (!one)
			continue;
		one->count.packets += gained[dir].packets;
		one->count.bytes += gained[dir].bytes;
	}
}
