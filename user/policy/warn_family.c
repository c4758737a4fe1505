// SPDX-License-Identifier: BSD-2-Clause
/*
 * Warnings of rules that can't match a family: ICMP of the other one, and
 * IPv6 extension headers named as protocols, which the parser walks (F42).
 */
#include <string.h>

#include "policy/warn.h"

static bool holds_family(const struct facts *f, const struct peer *peer,
			 int family)
{
	const struct ranges *set;

	if (peer->kind == PEER_ANY)
		return true;
	if (peer->kind == PEER_CIDR)
		return peer->cidr.family == family;
	set = &f->sets[peer->set];
	if (family == 4)
		return ranges_touch(set, RANGES_V4_FIRST, RANGES_V4_LAST);
	return ranges_touch(set, 0, RANGES_V4_FIRST - 1) ||
	       ranges_touch(set, RANGES_V4_LAST + 1, RANGES_MAX);
}

static bool has_proto(const struct rule *rule, int proto)
{
	for (size_t i = 0; i < rule->nservices; i++)
		if (rule->services[i].proto == proto)
			return true;
	return false;
}

/* proto is ICMP of family; the rule does not name the other family's. */
static void warn_icmp(struct warner *w, const char *owner,
		      const struct rule *rule, int proto)
{
	int family = proto == PROTO_ICMP ? 4 : 6;
	char name[FACTS_TEXT], peer[FACTS_TEXT];

	for (size_t i = 0; i < rule->npeers; i++) {
		if (holds_family(w->f, &rule->peers[i], family))
			continue;
		diag_warning(w->diags, rule->peers[i].pos,
			     "rule %s: %s is IPv%d's and %s holds no IPv%d "
			     "address: it never matches; write %s",
			     rule_print(owner, rule, name),
			     family == 4 ? "icmp" : "icmpv6", family,
			     peer_print(w->f->policy, &rule->peers[i], peer),
			     family, family == 4 ? "icmpv6" : "icmp");
	}
}

static bool is_extension(int proto)
{
	return proto == 0 || proto == 43 || proto == 44 || proto == 51 ||
	       proto == 60;
}

static void warn_extension(struct warner *w, const char *owner,
			   const struct rule *rule, int proto)
{
	char name[FACTS_TEXT], text[16];

	for (size_t i = 0; i < rule->npeers; i++) {
		if (!holds_family(w->f, &rule->peers[i], 6))
			continue;
		diag_warning(w->diags, rule->pos,
			     "rule %s: protocol %s never matches in IPv6, "
			     "where it is an extension header and is walked",
			     rule_print(owner, rule, name),
			     proto_print(proto, text));
		return;
	}
}

static void warn_list(struct warner *w, const char *owner,
		      const struct ruleset *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct rule *rule = &list->rules[i];
		bool v4 = has_proto(rule, PROTO_ICMP);
		bool v6 = has_proto(rule, PROTO_ICMPV6);

		if (v4 != v6)
			warn_icmp(w, owner, rule,
				  v4 ? PROTO_ICMP : PROTO_ICMPV6);
		for (int proto = 0; proto <= 60; proto++)
			if (is_extension(proto) && has_proto(rule, proto))
				warn_extension(w, owner, rule, proto);
	}
}

void warn_families(struct warner *w)
{
	const struct policy *p = w->f->policy;

	for (int d = 0; d < 2; d++) {
		for (size_t i = 0; i < p->ngroups; i++)
			warn_list(w, p->groups[i].name, &p->groups[i].rules[d]);
		for (size_t i = 0; i < p->nnacls; i++)
			warn_list(w, p->nacls[i].name, &p->nacls[i].rules[d]);
	}
}
