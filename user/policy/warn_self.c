// SPDX-License-Identifier: BSD-2-Clause
/*
 * Warnings of traffic inside a group: what members may receive and not send,
 * Lustre without the way back, a part of the ephemeral range.
 */
#include <string.h>

#include "policy/warn.h"

/* Takes a span off *rest; what is left above a hole in the middle stays. */
static void take_span(struct span *rest, bool *empty, struct span s)
{
	if (s.first > rest->first || s.last < rest->first)
		return;
	if (s.last >= rest->last)
		*empty = true;
	else
		rest->first = s.last + 1;
}

/*
 * One group's rules against *rest: takes off what rules for all of the peer
 * hold, until nothing changes. True if nothing is left.
 */
static bool take_rules(struct warner *w, struct list_facts *list,
		       const struct peer *peer, struct span *rest)
{
	bool empty = false;
	uint32_t before;

	do {
		before = rest->first;
		if (!facts_spend(w->f, list->count + 1))
			return true;
		for (size_t i = 0; i < list->count && !empty; i++) {
			struct rule_facts *r = &list->rules[i];
			struct span at = { rest->first, rest->first };

			if (!spans_hold(r, at) ||
			    !facts_holds_peer(w->f, r, peer))
				continue;
			for (size_t k = 0; k < r->nspans && !empty; k++)
				take_span(rest, &empty, r->spans[k]);
		}
	} while (!empty && rest->first != before);
	return empty;
}

/* All of the peer, where each rule for the span holds a part of it. */
static bool held_together(struct warner *w, const struct carrier *c,
			  int direction, const struct peer *peer,
			  struct span span)
{
	struct ranges all = { 0 };
	bool held = false;

	for (size_t i = 0; i < c->ngroups; i++) {
		struct list_facts *list = &w->f->groups[c->groups[i]][direction];

		for (size_t k = 0; k < list->count; k++) {
			const struct ranges *peers = NULL;

			if (spans_hold(&list->rules[k], span))
				peers = facts_peers(w->f, &list->rules[k]);
			if (peers && facts_spend(w->f, peers->count))
				ranges_add_all(&all, peers);
		}
	}
	ranges_close(&all);
	if (peer->kind == PEER_SET)
		held = ranges_subset(&w->f->sets[peer->set], &all);
	ranges_free(&all);
	return held;
}

/*
 * May addresses of the carrier open the span to (from) all of the peer? If
 * not, *missing is the first part that they may not.
 */
static bool may(struct warner *w, const struct carrier *c, int direction,
		const struct peer *peer, struct span *missing)
{
	const struct policy *p = w->f->policy;
	struct span rest = *missing;
	uint32_t before;

	do {
		before = rest.first;
		for (size_t i = 0; i < c->ngroups; i++) {
			size_t g = c->groups[i];

			if (group_opens(&p->groups[g], direction) ||
			    take_rules(w, &w->f->groups[g][direction], peer,
				       &rest))
				return true;
		}
	} while (rest.first != before);
	if (held_together(w, c, direction, peer, rest))
		return true;
	*missing = rest;
	return false;
}

/* What the members of a group are to be able to open, and with whom. */
struct question {
	size_t group;
	int direction;
	const struct peer *peer;
	struct span span;
};

/*
 * The members that may not, as text ("" for all of them), or NULL if all may.
 * q->span becomes the part that is missing. buf of WHERE_TEXT bytes.
 */
#define WHERE_TEXT (RANGES_TEXT + 8)
static char *who_may_not(struct warner *w, struct question *q, char *buf)
{
	struct ranges where = { 0 };
	struct span first = q->span;
	size_t g = q->group;
	bool all;

	for (size_t i = w->f->carried[g]; i < w->f->carried[g + 1]; i++) {
		struct carrier *c = &w->f->carriers[w->f->carrier_of[i]];
		struct span missing = q->span;

		if (may(w, c, q->direction, q->peer, &missing))
			continue;
		if (!where.count)
			first = missing;
		if (missing.first < first.first)
			first.first = missing.first;
		ranges_add_all(&where, &c->where);
	}
	if (!where.count || w->f->exhausted) {
		ranges_free(&where);
		return NULL;
	}
	ranges_close(&where);
	all = ranges_subset(&w->f->sets[w->f->policy->groups[g].set], &where);
	buf[0] = '\0';
	if (!all) {
		strcpy(buf, " on ");
		ranges_print(&where, buf + strlen(buf));
	}
	ranges_free(&where);
	q->span = first;
	return buf;
}

static void warn_one_sided(struct warner *w, size_t g, int direction,
			   struct rule_facts *r, const struct peer *self)
{
	static const char *const texts[2] = {
		"rule %s lets members receive %s from members, but no egress "
		"rule lets members send it%s",
		"rule %s lets members send %s to members, but no ingress "
		"rule lets members receive it%s",
	};
	const char *group = w->f->policy->groups[g].name;
	char name[FACTS_TEXT], text[FACTS_TEXT], buf[WHERE_TEXT];

	for (size_t i = 0; i < r->nspans; i++) {
		struct question q = { g, !direction, self, r->spans[i] };
		char *where = who_may_not(w, &q, buf);

		if (where)
			diag_warning(w->diags, r->rule->pos, texts[direction],
				     rule_print(group, r->rule, name),
				     span_print(q.span, text), where);
	}
}

/* Servers open connections to their clients (socklnd: both ways, tcp 988). */
static void warn_lustre(struct warner *w, size_t g, int direction,
			struct rule_facts *r, const struct peer *peer)
{
	struct question q = { g, !direction, peer,
			      span_ports(PROTO_TCP, 988, 988) };
	const char *group = w->f->policy->groups[g].name;
	char name[FACTS_TEXT], text[FACTS_TEXT], buf[WHERE_TEXT];
	bool used = false;
	char *where;

	for (size_t i = 0; i < r->nspans; i++)
		used |= span_equal(r->spans[i], q.span);
	where = used ? who_may_not(w, &q, buf) : NULL;
	if (where)
		diag_warning(w->diags, r->rule->pos,
			     "rule %s: Lustre servers connect back, but no %s "
			     "rule lets tcp 988 %s %s%s",
			     rule_print(group, r->rule, name),
			     direction == MOAT_EGRESS ? "ingress" : "egress",
			     direction == MOAT_EGRESS ? "in from" : "out to",
			     peer_print(w->f->policy, peer, text), where);
}

static bool is_self(const struct policy *p, size_t g, const struct peer *peer)
{
	return peer->self ||
	       (peer->kind == PEER_SET && peer->set == p->groups[g].set);
}

static bool has_self(const struct policy *p, size_t g,
		     const struct rule_facts *r)
{
	for (size_t i = 0; i < r->rule->npeers; i++)
		if (is_self(p, g, &r->rule->peers[i]))
			return true;
	return false;
}

/* A part of the ephemeral range of one protocol inside self. */
static void warn_ephemeral(struct warner *w, size_t g, int direction, int proto)
{
	struct list_facts *list = &w->f->groups[g][direction];
	const struct policy *p = w->f->policy;
	struct span whole = span_ports(proto, w->ephemeral.first,
				       w->ephemeral.last);
	struct peer self = { .kind = PEER_SET, .set = p->groups[g].set };
	struct span rest = whole;
	char name[FACTS_TEXT], text[FACTS_TEXT];

	if (take_rules(w, list, &self, &rest))
		return;
	for (size_t i = 0; i < list->count; i++) {
		struct rule_facts *r = &list->rules[i];

		if (!has_self(p, g, r))
			continue;
		for (size_t k = 0; k < r->nspans; k++) {
			struct span s = r->spans[k];

			if (s.last < whole.first || s.first > whole.last)
				continue;
			diag_warning(w->diags, r->rule->pos,
				     "rule %s: %s between members is a part of "
				     "the ephemeral range %u-%u, anywhere in "
				     "which NCCL and Gloo listen: hold all of "
				     "it",
				     rule_print(p->groups[g].name, r->rule,
						name),
				     span_print(s, text), w->ephemeral.first,
				     w->ephemeral.last);
		}
	}
}

static void warn_group(struct warner *w, size_t g, int direction)
{
	struct list_facts *list = &w->f->groups[g][direction];
	const struct policy *p = w->f->policy;

	for (size_t i = 0; i < list->count; i++) {
		struct rule_facts *r = &list->rules[i];

		for (size_t k = 0; k < r->rule->npeers; k++) {
			const struct peer *peer = &r->rule->peers[k];

			if (is_self(p, g, peer))
				warn_one_sided(w, g, direction, r, peer);
			else
				warn_lustre(w, g, direction, r, peer);
		}
	}
	warn_ephemeral(w, g, direction, PROTO_TCP);
	warn_ephemeral(w, g, direction, PROTO_UDP);
}

void warn_self(struct warner *w)
{
	for (size_t g = 0; g < w->f->policy->ngroups; g++)
		for (int d = 0; d < 2; d++)
			warn_group(w, g, d);
}
