// SPDX-License-Identifier: BSD-2-Clause
/*
 * never: proved, not sampled. All addresses of a class are treated alike, and
 * a row says what happens to every service; so looking at each pair of rows
 * that a sender of `from` and a receiver of `to` can meet looks at every
 * packet.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "compile/compile.h"
#include "compile/never_private.h"

static void prover_freep(struct prover *v)
{
	rows_done(&v->rows);
	profiles_done(&v->profiles);
	plan_free(v->plan);
	space_free(v->space);
	free(v->lists);
	free(v->services.item);
	free(v->from.key);
	free(v->to.key);
	free(v->ingress.item);
	free(v->egress.item);
	free(v->ingress_at);
	hindex_free(&v->seen);
}

/* Design 3.2: what never arrives as a source or a destination. */
static const struct reserved {
	const char *net;
	bool destination; /* of neither; else of no source */
} reserved[] = {
	{ "0.0.0.0/8", true },	  { "127.0.0.0/8", true },
	{ "224.0.0.0/4", false }, { "255.255.255.255/32", false },
	{ "::/128", true },	  { "::1/128", true },
	{ "ff00::/8", false },
};

static __u32 reserved_list(struct space *s, bool destination)
{
	struct peer peers[ARRAY_SIZE(reserved) + 1] = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++) {
		if (destination && !reserved[i].destination)
			continue;
		peers[n].kind = PEER_CIDR;
		if (cidr_parse(reserved[i].net, &peers[n].cidr))
			return LIST_ERROR;
		n++;
	}
	/* v4-mapped, in IPv6. */
	peers[n].kind = PEER_CIDR;
	peers[n].cidr.addr = addr_from_v4(0);
	peers[n].cidr.family = 6;
	peers[n].cidr.length = 96;
	return space_list_of_peers(s, peers, n + 1);
}

static int prepare_lists(struct prover *v)
{
	const struct policy *p = v->policy;

	v->no_source = reserved_list(v->space, false);
	v->no_destination = reserved_list(v->space, true);
	v->lists = calloc(p->nnevers, sizeof(*v->lists));
	if (!v->lists || v->no_source == LIST_ERROR ||
	    v->no_destination == LIST_ERROR)
		return -ENOMEM;
	for (size_t i = 0; i < p->nnevers; i++) {
		const struct policy_never *n = &p->nevers[i];

		v->lists[i][0] = space_list_of_peers(v->space, n->from,
						     n->nfrom);
		v->lists[i][1] = space_list_of_peers(v->space, n->to, n->nto);
		if (v->lists[i][0] == LIST_ERROR ||
		    v->lists[i][1] == LIST_ERROR)
			return -ENOMEM;
	}
	return 0;
}

static int prepare(struct prover *v)
{
	v->space = space_new(v->policy);
	if (!v->space)
		return -ENOMEM;
	v->plan = plan_new(v->policy, v->space);
	if (!v->plan || prepare_lists(v) || space_build(v->space) ||
	    profiles_find(v->space, v->plan, &v->profiles) ||
	    rows_init(&v->rows, v->space, v->plan, &v->profiles))
		return -ENOMEM;
	/* A cell names the rule itself here; a limit is as good as none. */
	v->rows.lenient = true;
	for (size_t i = 0; i < v->plan->nrules; i++) {
		struct plan_rule *r = &v->plan->rules[i];

		r->slot = i < MOAT_CELL_NONE ? (__u32)i : MOAT_CELL_NONE - 1;
		if (r->rule && r->rule->limit.present)
			r->limit = (__u32)i;
	}
	return 0;
}

static int by_key(const void *a, const void *b)
{
	__u64 x = *(const __u64 *)a, y = *(const __u64 *)b;

	return x < y ? -1 : x > y;
}

static int collect(const struct prover *v, __u32 list, __u32 without,
		   struct end *ret)
{
	const struct space *s = v->space;

	if (GROW(ret->key, ret->cap, s->nclasses))
		return -ENOMEM;
	ret->count = 0;
	for (__u32 c = 0; c < s->nclasses; c++)
		if (space_holds(s, list, c) && !space_holds(s, without, c))
			ret->key[ret->count++] = (__u64)(v->profiles.of[c] + 1)
							 << 32 |
						 c;
	qsort(ret->key, ret->count, sizeof(*ret->key), by_key);
	return 0;
}

/* The classes of one profile that begin at key. */
static size_t same_profile(const struct end *e, size_t at)
{
	size_t n = 1;

	while (at + n < e->count &&
	       KEY_PROFILE(e->key[at + n]) == KEY_PROFILE(e->key[at]))
		n++;
	return n;
}

static int add_meeting(struct prover *v, struct meetings *m, __u32 row,
		       __u32 class)
{
	int family = v->space->classes[class].family;
	__u32 at = hindex_start(&v->seen, row), id;

	while ((id = hindex_next(&v->seen, row, &at)) != HINDEX_NONE) {
		if (m->item[id].row != row || m->item[id].family != family)
			continue;
		if (m->item[id].class[1] == HINDEX_NONE)
			m->item[id].class[1] = class;
		return 0;
	}
	if (GROW(m->item, m->cap, m->count + 1) ||
	    hindex_add(&v->seen, row, (__u32)m->count))
		return -ENOMEM;
	m->item[m->count++] = (struct meeting){ row,
						family,
						{ class, HINDEX_NONE } };
	return 0;
}

static int turn_to(struct prover *v, __u32 profile, int direction)
{
	return profile == PROFILE_NONE ?
		       0 :
		       rows_pass(&v->rows, profile, direction);
}

/*
 * The rows of the pass that these classes meet, as far as they let anything
 * of the never pass. us: a class of the profile that judges.
 */
static int meet(struct prover *v, __u32 us, const __u64 *key, size_t n,
		struct meetings *m)
{
	bool judged = v->profiles.of[us] != PROFILE_NONE;
	size_t kept = m->count, first = m->count;
	__u32 service;

	hindex_clear(&v->seen);
	for (size_t i = 0; i < n; i++) {
		__u32 row = UNJUDGED;

		if (judged)
			row = rows_of(&v->rows, KEY_CLASS(key[i]));
		if ((judged && row == ROW_ERROR) ||
		    add_meeting(v, m, row, KEY_CLASS(key[i])))
			return -ENOMEM;
	}
	for (size_t i = first; i < m->count; i++) {
		struct violation alone = { .from = m->item[i].class[0],
					   .to = us,
					   .egress = UNJUDGED,
					   .ingress = m->item[i].row };

		if (never_service(v, &alone, &service))
			m->item[kept++] = m->item[i];
	}
	m->count = kept;
	return 0;
}

/* What every receiver's ingress says to every sender. */
static int receive(struct prover *v)
{
	size_t pairs = 0, nto, nfrom;

	v->ingress.count = 0;
	for (size_t t = 0; t < v->to.count; t += nto) {
		__u32 us = KEY_CLASS(v->to.key[t]);

		nto = same_profile(&v->to, t);
		if (turn_to(v, v->profiles.of[us], MOAT_INGRESS))
			return -ENOMEM;
		for (size_t f = 0; f < v->from.count; f += nfrom) {
			nfrom = same_profile(&v->from, f);
			if (GROW(v->ingress_at, v->ingress_cap, pairs + 2))
				return -ENOMEM;
			v->ingress_at[pairs++] = v->ingress.count;
			if (meet(v, us, v->from.key + f, nfrom, &v->ingress))
				return -ENOMEM;
			v->ingress_at[pairs] = v->ingress.count;
		}
	}
	return 0;
}

/* Two classes of these meetings that hold two different addresses. */
static bool pick(const struct prover *v, const struct meeting *egress,
		 const struct meeting *ingress, struct violation *ret)
{
	*ret = (struct violation){ .from = ingress->class[0],
				   .to = egress->class[0],
				   .egress = egress->row,
				   .ingress = ingress->row };
	if (egress->family != ingress->family)
		return false;
	if (ret->from != ret->to || !v->space->classes[ret->to].single)
		return true;
	if (egress->class[1] != HINDEX_NONE)
		ret->to = egress->class[1];
	else
		ret->from = ingress->class[1];
	return ret->from != HINDEX_NONE;
}

/* One pair of profiles: egress rows against ingress rows. */
static bool collide(const struct prover *v, size_t pair, struct violation *ret)
{
	for (size_t e = 0; e < v->egress.count; e++)
		for (size_t i = v->ingress_at[pair];
		     i < v->ingress_at[pair + 1]; i++)
			if (pick(v, &v->egress.item[e], &v->ingress.item[i],
				 ret) &&
			    never_service(v, ret, &ret->service))
				return true;
	return false;
}

/* 1: found; 0: proved; -ENOMEM. */
static int search(struct prover *v, struct violation *ret)
{
	size_t senders = 0, nfrom, nto, sender = 0;

	for (size_t f = 0; f < v->from.count; f += same_profile(&v->from, f))
		senders++;
	if (receive(v))
		return -ENOMEM;
	for (size_t f = 0; f < v->from.count; f += nfrom, sender++) {
		__u32 us = KEY_CLASS(v->from.key[f]);
		size_t pair = sender;

		nfrom = same_profile(&v->from, f);
		if (turn_to(v, v->profiles.of[us], MOAT_EGRESS))
			return -ENOMEM;
		for (size_t t = 0; t < v->to.count; t += nto, pair += senders) {
			nto = same_profile(&v->to, t);
			v->egress.count = 0;
			if (meet(v, us, v->to.key + t, nto, &v->egress))
				return -ENOMEM;
			if (collide(v, pair, ret))
				return 1;
		}
	}
	return 0;
}

static int prove(struct prover *v, size_t i, struct diags *diags)
{
	const struct policy_never *n = &v->policy->nevers[i];
	struct violation bad;
	int r;

	v->services.count = 0;
	if (service_intervals(n->services, n->nservices, &v->services) ||
	    collect(v, v->lists[i][0], v->no_source, &v->from) ||
	    collect(v, v->lists[i][1], v->no_destination, &v->to))
		return -ENOMEM;
	r = search(v, &bad);
	if (r > 0)
		never_say(v, n, &bad, diags);
	return r < 0 ? r : 0;
}

void compile_prove_never(const struct policy *p, const struct config *c,
			 struct diags *diags)
{
	_cleanup_(prover_freep) struct prover v = { .policy = p };
	int r;

	if (!p->nnevers)
		return;
	r = prepare(&v);
	for (size_t i = 0; !r && i < p->nnevers; i++)
		r = prove(&v, i, diags);
	if (r)
		diag_error(diags, (struct pos){ .file = -1 },
			   "out of memory while proving never");
}
