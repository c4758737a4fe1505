// SPDX-License-Identifier: BSD-2-Clause
/*
 * Warnings of addresses: what they can't reach, whose enforcement an audited
 * group suspends, and addresses asked for that carry no group.
 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "policy/warn.h"

/* What a host can hardly do without. address 0: any. */
static const struct basic {
	struct span spans[2];
	addr_num address;
	const char *text;
} basics[] = {
	{ { { PROTO_UDP << 16 | 53, PROTO_UDP << 16 | 53 },
	    { PROTO_TCP << 16 | 53, PROTO_TCP << 16 | 53 } },
	  0,
	  "port 53: names don't resolve" },
	{ { { PROTO_UDP << 16 | 123, PROTO_UDP << 16 | 123 },
	    { PROTO_UDP << 16 | 123, PROTO_UDP << 16 | 123 } },
	  0,
	  "port 123: clocks drift" },
	{ { { PROTO_TCP << 16 | 80, PROTO_TCP << 16 | 80 },
	    { PROTO_TCP << 16 | 80, PROTO_TCP << 16 | 80 } },
	  RANGES_V4_FIRST | 0xa9fea9fe,
	  "169.254.169.254: no instance metadata" },
};

static bool matches(struct warner *w, struct rule_facts *r,
		    const struct basic *b)
{
	const struct ranges *peers;

	if (!spans_touch(r, b->spans[0]) && !spans_touch(r, b->spans[1]))
		return false;
	if (r->any || !b->address)
		return true;
	peers = facts_peers(w->f, r);
	return peers && ranges_hold(peers, b->address, b->address);
}

/*
 * Does an allow rule of the NACL go together with the group's rule (NULL:
 * all is let out)? Denies before it are not looked at.
 */
static bool nacl_lets(struct warner *w, int nacl, struct rule_facts *rule,
		      const struct basic *b)
{
	struct list_facts *list;

	if (nacl < 0)
		return true;
	list = &w->f->nacls[nacl][MOAT_EGRESS];
	for (size_t i = 0; i < list->count; i++) {
		struct rule_facts *r = &list->rules[i];

		if (r->rule->deny || !matches(w, r, b))
			continue;
		if (!rule || b->address)
			return true;
		for (size_t k = 0; k < rule->rule->npeers; k++)
			if (facts_touches_peer(w->f, r, &rule->rule->peers[k]))
				return true;
	}
	return false;
}

static bool reaches(struct warner *w, const struct carrier *c,
		    const struct basic *b)
{
	const struct policy *p = w->f->policy;

	for (size_t i = 0; i < c->ngroups; i++) {
		size_t g = c->groups[i];
		struct list_facts *list = &w->f->groups[g][MOAT_EGRESS];

		if (group_opens(&p->groups[g], MOAT_EGRESS) &&
		    nacl_lets(w, c->nacl, NULL, b))
			return true;
		if (!facts_spend(w->f, list->count + 1))
			return true;
		for (size_t k = 0; k < list->count; k++)
			if (matches(w, &list->rules[k], b) &&
			    nacl_lets(w, c->nacl, &list->rules[k], b))
				return true;
	}
	return false;
}

/* "base, trainers and 3 more" */
static char *groups_print(const struct policy *p, const size_t *groups,
			  size_t n, struct buf *buf)
{
	size_t shown = n > 4 ? 3 : n;

	buf_reset(buf);
	for (size_t i = 0; i < shown; i++)
		buf_printf(buf, "%s%s",
			   i == 0     ? "" :
			   i + 1 == n ? " and " :
					", ",
			   p->groups[groups[i]].name);
	if (shown < n)
		buf_printf(buf, " and %zu more", n - shown);
	return (char *)buf_text(buf);
}

static void warn_reach(struct warner *w, const struct carrier *c,
		       struct buf *buf)
{
	const struct policy *p = w->f->policy;
	char where[RANGES_TEXT];

	for (size_t i = 0; i < ARRAY_SIZE(basics); i++) {
		const struct basic *b = &basics[i];
		bool v4 = ranges_touch(&c->where, RANGES_V4_FIRST,
				       RANGES_V4_LAST);

		if ((b->address && !v4) || reaches(w, c, b))
			continue;
		diag_warning(w->diags, p->groups[c->groups[0]].pos,
			     "egress of %s, %s, reaches no %s",
			     groups_print(p, c->groups, c->ngroups, buf),
			     ranges_print(&c->where, where), b->text);
	}
}

static bool asked_for(const struct warner *w, const struct carrier *c)
{
	for (size_t i = 0; i < w->nhosts; i++) {
		addr_num n = addr_number(&w->hosts[i]);

		if (ranges_hold(&c->where, n, n))
			return true;
	}
	return w->nhosts == 0;
}

/*
 * The SG layer of an address is in audit if any of its groups is (F11): names
 * the groups that would enforce and do not.
 */
static void warn_audit(struct warner *w, size_t g, struct buf *buf)
{
	const struct policy *p = w->f->policy;
	_cleanup_free_ size_t *others = calloc(p->ngroups, sizeof(*others));
	_cleanup_free_ bool *seen = calloc(p->ngroups, sizeof(*seen));
	struct ranges where = { 0 };
	char text[RANGES_TEXT];
	size_t n = 0;

	for (size_t i = w->f->carried[g];
	     others && seen && i < w->f->carried[g + 1]; i++) {
		const struct carrier *c = &w->f->carriers[w->f->carrier_of[i]];
		bool suspends = false;

		for (size_t k = 0; k < c->ngroups; k++) {
			size_t o = c->groups[k];

			if (group_mode(p, &p->groups[o]) != MODE_ENFORCE)
				continue;
			suspends = true;
			if (!seen[o])
				others[n++] = o;
			seen[o] = true;
		}
		if (suspends)
			ranges_add_all(&where, &c->where);
	}
	ranges_close(&where);
	if (n)
		diag_warning(w->diags, p->groups[g].pos,
			     "group %s is in audit: on %s it suspends the "
			     "enforcement of %s",
			     p->groups[g].name, ranges_print(&where, text),
			     groups_print(p, others, n, buf));
	ranges_free(&where);
}

static void warn_host(struct warner *w, const struct moat_addr *host)
{
	addr_num n = addr_number(host);
	char text[ADDR_TEXT];

	for (size_t i = 0; i < w->f->ncarriers; i++)
		if (ranges_hold(&w->f->carriers[i].where, n, n))
			return;
	diag_warning(w->diags, (struct pos){ .file = -1 },
		     "address %s is in no group: its packets are dropped as "
		     "unassigned",
		     addr_print(host, text));
}

void warn_carriers(struct warner *w)
{
	const struct policy *p = w->f->policy;
	struct buf buf = { 0 };

	for (size_t g = 0; g < p->ngroups; g++)
		if (group_mode(p, &p->groups[g]) == MODE_AUDIT)
			warn_audit(w, g, &buf);
	for (size_t i = 0; i < w->f->ncarriers; i++)
		if (asked_for(w, &w->f->carriers[i]))
			warn_reach(w, &w->f->carriers[i], &buf);
	for (size_t i = 0; i < w->nhosts; i++)
		warn_host(w, &w->hosts[i]);
	buf_free(&buf);
}
