// SPDX-License-Identifier: BSD-2-Clause
/*
 * Warnings of one-sided NACLs: a connection may begin, its replies may not
 * pass. Rules are compared one by one; what a deny rule takes away from the
 * way back is not looked at, for it denies the way there as well.
 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "policy/warn.h"

/* Linux NFS clients bind to 665-1023 (sunrpc), Lustre to 1018-1023. */
static const struct {
	uint16_t port;
	uint16_t first;
} low_ports[] = { { 2049, 665 }, { 988, 1018 } };
#define LOW_LAST 1023

/* The service of the replies to an opening of this span; false: not known,
 * or the span is itself a way back. *text is how to write it. */
static bool reply_of(const struct warner *w, struct span s, struct span *ret,
		     char *text)
{
	int proto = (int)(s.first >> 16);
	struct span ports = span_ports(proto, w->ephemeral.first,
				       w->ephemeral.last);
	uint32_t base = (uint32_t)proto << 16;
	uint32_t echo = base | (proto == PROTO_ICMP ? 8 : 128) << 8;
	unsigned int reply = proto == PROTO_ICMP ? 0 : 129 << 8;

	if (s.first >> 16 != s.last >> 16)
		return false;
	switch (proto) {
	case PROTO_TCP:
	case PROTO_UDP:
	case PROTO_SCTP:
		/* One port of the range may be a service; 1024 are replies. */
		if (s.first <= ports.last && s.last >= ports.first &&
		    s.last - s.first >= 1024)
			return false;
		*ret = ports;
		span_print(span_ports(proto, 1024, 65535), text);
		return true;
	case PROTO_ICMP:
	case PROTO_ICMPV6:
		if (s.first > echo || s.last < echo)
			return false;
		*ret = span_ports(proto, reply, reply);
		span_print(span_ports(proto, reply, reply | 0xff), text);
		return true;
	}
	*ret = s;
	span_print(s, text);
	return true;
}

/*
 * True if the allow rules of the list that hold the span, or for UDP the
 * service's own span (NTP uses 123 on both sides), hold all of the peer.
 */
static bool way_back(struct warner *w, struct list_facts *list,
		     struct span reply, struct span service,
		     const struct peer *peer)
{
	bool udp = service.first >> 16 == PROTO_UDP;
	struct ranges all = { 0 };
	bool held = false;

	if (!facts_spend(w->f, list->count + 1))
		return true;
	for (size_t i = 0; i < list->count && !held; i++) {
		struct rule_facts *r = &list->rules[i];

		if (r->rule->deny ||
		    (!spans_hold(r, reply) && !(udp && spans_hold(r, service))))
			continue;
		held = facts_holds_peer(w->f, r, peer);
		const struct ranges *peers = facts_peers(w->f, r);
		if (!held && peers && facts_spend(w->f, peers->count + 1))
			ranges_add_all(&all, peers);
	}
	if (!held && all.count) {
		ranges_close(&all);
		if (peer->kind == PEER_SET)
			held = ranges_subset(&w->f->sets[peer->set], &all);
		else if (peer->kind == PEER_ANY)
			held = ranges_hold(&all, 0, RANGES_MAX);
	}
	ranges_free(&all);
	return held;
}

static void warn_rule(struct warner *w, size_t n, int direction,
		      struct rule_facts *r)
{
	static const char *const texts[2] = {
		"rule %s lets %s in from %s, but no egress rule lets the "
		"replies (%s) out to the same peers",
		"rule %s lets %s out to %s, but no ingress rule lets the "
		"replies (%s) in from the same peers",
	};
	struct list_facts *back = &w->f->nacls[n][!direction];
	const struct policy *p = w->f->policy;
	char name[FACTS_TEXT], service[FACTS_TEXT], peer[FACTS_TEXT];
	char text[FACTS_TEXT];
	struct span reply;

	for (size_t i = 0; i < r->nspans; i++) {
		if (!reply_of(w, r->spans[i], &reply, text))
			continue;
		for (size_t k = 0; k < r->rule->npeers; k++) {
			const struct peer *from = &r->rule->peers[k];

			if (way_back(w, back, reply, r->spans[i], from))
				continue;
			diag_warning(w->diags, r->rule->pos, texts[direction],
				     rule_print(p->nacls[n].name, r->rule,
						name),
				     span_print(r->spans[i], service),
				     peer_print(p, from, peer), text);
			break;
		}
	}
}

/* Does an allow rule let the opening of the span through for this peer? */
static bool lets(struct warner *w, struct list_facts *list, struct span span,
		 const struct peer *peer)
{
	for (size_t i = 0; i < list->count; i++) {
		struct rule_facts *r = &list->rules[i];

		if (!r->rule->deny && spans_hold(r, span) &&
		    facts_touches_peer(w->f, r, peer))
			return true;
	}
	return false;
}

static void warn_low(struct warner *w, size_t n, int direction,
		     const struct rule_facts *r, const char *group)
{
	static const char *const texts[2] = {
		"network ACL %s: clients of %s have source ports below 1024, "
		"but no egress rule lets the replies (%s) out to %s",
		"network ACL %s: %s mounts from source ports below 1024, but "
		"no ingress rule lets the replies (%s) in from %s",
	};
	const struct nacl *nacl = &w->f->policy->nacls[n];
	char name[FACTS_TEXT], ports[FACTS_TEXT], peer[FACTS_TEXT];

	for (size_t i = 0; i < r->nspans * ARRAY_SIZE(low_ports); i++) {
		unsigned int port = low_ports[i % 2].port;
		struct span open = span_ports(PROTO_TCP, port, port);
		struct span low = span_ports(PROTO_TCP, low_ports[i % 2].first,
					     LOW_LAST);

		if (!span_equal(r->spans[i / 2], open))
			continue;
		for (size_t k = 0; k < r->rule->npeers; k++) {
			const struct peer *to = &r->rule->peers[k];

			if (!lets(w, &w->f->nacls[n][direction], open, to) ||
			    way_back(w, &w->f->nacls[n][!direction], low, open,
				     to))
				continue;
			diag_warning(w->diags, nacl->pos, texts[direction],
				     nacl->name,
				     rule_print(group, r->rule, name),
				     span_print(low, ports),
				     peer_print(w->f->policy, to, peer));
		}
	}
}

/* Where the groups of the NACL's addresses use NFS or Lustre. */
static void warn_low_ports(struct warner *w, size_t n)
{
	const struct policy *p = w->f->policy;
	_cleanup_free_ bool *seen = calloc(p->ngroups + 1, sizeof(*seen));

	for (size_t i = 0; seen && i < w->f->ncarriers; i++) {
		const struct carrier *c = &w->f->carriers[i];

		if (c->nacl != (int)n)
			continue;
		for (size_t k = 0; k < c->ngroups; k++) {
			size_t g = c->groups[k];

			for (int d = 0; d < 2 && !seen[g]; d++) {
				struct list_facts *l = &w->f->groups[g][d];

				for (size_t m = 0; m < l->count; m++)
					warn_low(w, n, d, &l->rules[m],
						 p->groups[g].name);
			}
			seen[g] = true;
		}
	}
	w->f->exhausted |= !seen;
}

void warn_nacls(struct warner *w)
{
	for (size_t n = 0; n < w->f->policy->nnacls; n++) {
		for (int d = 0; d < 2; d++) {
			struct list_facts *list = &w->f->nacls[n][d];

			for (size_t i = 0; i < list->count; i++)
				if (!list->rules[i].rule->deny)
					warn_rule(w, n, d, &list->rules[i]);
		}
		warn_low_ports(w, n);
	}
}
