// SPDX-License-Identifier: BSD-2-Clause
/*
 * Counters by group and named peer. Only pairs that were seen, so at most
 * groups times names; traffic can't make more of them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/peer_names.h"

#define PEERS_MAX 16384

#define INDEX_SIZE (2ul * PEERS_MAX)

struct peers {
	struct metrics_peer *all; /* names owned */
	size_t count;
	uint16_t index[INDEX_SIZE]; /* 1 + place in all; 0: free */
	struct peer_names *names;
};

struct peers *peers_new(void)
{
	struct peers *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->names = peer_names_new();
	if (!p->names) {
		free(p);
		return NULL;
	}
	return p;
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
	peer_names_free(p->names);
	free(p);
}

size_t peers_list(const struct peers *p, const struct metrics_peer **ret)
{
	*ret = p->all;
	return p->count;
}

/* FNV-1a (draft-eastlake-fnv). */
static uint32_t hash(const struct metrics_peer *m)
{
	uint32_t h = 0x811c9dc5 ^ (uint32_t)(m->direction * 4 + m->verdict);
	const char *c;

	for (c = m->group; *c; c++)
		h = (h ^ (unsigned char)*c) * 0x01000193;
	h *= 0x01000193; /* where one name ends */
	for (c = m->peer; *c; c++)
		h = (h ^ (unsigned char)*c) * 0x01000193;
	return h ^ h >> 15;
}

static bool same(const struct metrics_peer *a, const struct metrics_peer *b)
{
	return a->direction == b->direction && a->verdict == b->verdict &&
	       strcmp(a->group, b->group) == 0 && strcmp(a->peer, b->peer) == 0;
}

static struct metrics_peer *add(struct peers *p,
				const struct metrics_peer *like)
{
	struct metrics_peer *more;

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

static struct metrics_peer *find(struct peers *p,
				 const struct metrics_peer *like)
{
	size_t i = hash(like) % INDEX_SIZE;
	struct metrics_peer *one;

	for (; p->index[i]; i = (i + 1) % INDEX_SIZE)
		if (same(&p->all[p->index[i] - 1], like))
			return &p->all[p->index[i] - 1];
	one = add(p, like);
	if (one)
		p->index[i] = (uint16_t)p->count;
	return one;
}

void peers_add(struct agent *a, const struct flow_record *r,
	       const struct moat_count gained[2])
{
	struct metrics_peer like = { .verdict = flow_verdict(r) };
	struct metrics_peer *one;
	int dir;

	if (!a->current ||
	    !peer_names_of(a->peers->names, a, r, &like.group, &like.peer))
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
