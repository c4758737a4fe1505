// SPDX-License-Identifier: BSD-2-Clause
/* Network ACL (design 3.6), security groups (3.7), unassigned (3.9). */
#include <linux/in.h>
#include <linux/in6.h>
#include <stdio.h>

#include "reference/stages.h"

static bool in_set(const struct addr_set *set, const struct moat_addr *a,
		   int family)
{
	if (set->any)
		return true;
	for (size_t i = 0; i < set->ncidrs; i++)
		if (packet_in_cidr(&set->cidrs[i], a, family))
			return true;
	return false;
}

static bool peer_matches(const struct policy *p, const struct peer *peer,
			 const struct probe *probe)
{
	switch (peer->kind) {
	case PEER_ANY:
		return true;
	case PEER_SET:
		return in_set(&p->sets[peer->set], &probe->remote,
			      probe->family);
	case PEER_CIDR:
		return packet_in_cidr(&peer->cidr, &probe->remote,
				      probe->family);
	}
	return false;
}

static bool service_matches(const struct service_match *s,
			    const struct probe *probe)
{
	if (s->proto < 0)
		return true;
	if (s->proto != probe->proto)
		return false;
	if (s->has_ports)
		return s->first <= probe->dport && probe->dport <= s->last;
	if (s->proto != IPPROTO_ICMP && s->proto != IPPROTO_ICMPV6)
		return true;
	return (s->type < 0 || s->type == probe->type) &&
	       (s->code < 0 || s->code == probe->code);
}

static bool rule_matches(const struct policy *p, const struct rule *r,
			 const struct probe *probe)
{
	bool peer = false;

	for (size_t i = 0; i < r->npeers; i++)
		if (peer_matches(p, &r->peers[i], probe))
			peer = true;
	if (!peer)
		return false;
	for (size_t i = 0; i < r->nservices; i++)
		if (service_matches(&r->services[i], probe))
			return true;
	return false;
}

const struct nacl *layer_nacl_of(const struct policy *p,
				 const struct moat_addr *a, int family)
{
	for (size_t i = 0; i < p->nnacls; i++)
		if (in_set(&p->sets[p->nacls[i].set], a, family))
			return &p->nacls[i];
	return NULL;
}

static bool in_group(const struct policy *p, const struct group *g,
		     const struct moat_addr *a, int family)
{
	return in_set(&p->sets[g->set], a, family);
}

bool layer_in_a_group(const struct policy *p, const struct moat_addr *a,
		      int family)
{
	for (size_t i = 0; i < p->ngroups; i++)
		if (in_group(p, &p->groups[i], a, family))
			return true;
	return false;
}

bool layer_profile_audits(const struct policy *p, const struct moat_addr *a,
			  int family)
{
	for (size_t i = 0; i < p->ngroups; i++)
		if (in_group(p, &p->groups[i], a, family) &&
		    group_mode(p, &p->groups[i]) == MODE_AUDIT)
			return true;
	return false;
}

void layer_nacl(const struct policy *p, const struct config *c,
		const struct probe *probe, struct layer *ret)
{
	const struct nacl *n = layer_nacl_of(p, &probe->local, probe->family);
	const struct rule *best = NULL;
	const struct ruleset *set;

	*ret = (struct layer){ .reason = MOAT_REASON_NONE };
	if (!n)
		return;
	set = &n->rules[probe->direction];
	for (size_t i = 0; i < set->count; i++) {
		const struct rule *r = &set->rules[i];

		if (rule_matches(p, r, probe) &&
		    (!best || r->number < best->number))
			best = r;
	}
	ret->denies = !best || best->deny;
	ret->reason = ret->denies ? MOAT_REASON_NACL_DENY :
				    MOAT_REASON_NACL_ALLOW;
	ret->audit = c->max_mode_audit || nacl_mode(p, n) == MODE_AUDIT;
	if (best)
		snprintf(ret->rule, sizeof(ret->rule), "%s/%d", n->name,
			 best->number);
	else
		snprintf(ret->rule, sizeof(ret->rule), "%s/*", n->name);
}

/* F7, F41: an unlimited match is credited before a limited one; else the
 * first in file order, default-egress at its group's place. */
static bool credit_rule(const struct policy *p, const struct probe *probe,
			bool limited, struct layer *ret)
{
	for (size_t i = 0; i < p->ngroups; i++) {
		const struct group *g = &p->groups[i];
		const struct ruleset *set = &g->rules[probe->direction];

		if (!in_group(p, g, &probe->local, probe->family))
			continue;
		if (set->absent && probe->direction == MOAT_EGRESS &&
		    !limited) {
			snprintf(ret->rule, sizeof(ret->rule),
				 "%s/default-egress", g->name);
			return true;
		}
		for (size_t k = 0; k < set->count; k++) {
			const struct rule *r = &set->rules[k];

			if (r->limit.present != limited ||
			    !rule_matches(p, r, probe))
				continue;
			snprintf(ret->rule, sizeof(ret->rule), "%s/%s", g->name,
				 r->name);
			return true;
		}
	}
	return false;
}

static enum moat_reason groups_deny(const struct policy *p,
				    const struct config *c,
				    const struct probe *probe,
				    struct layer *ret)
{
	switch (packet_kind(probe)) {
	case PACKET_ERROR:
		/* Not an essential here: an ordinary type of ICMP. */
		if (c->essential[MOAT_ESSENTIAL_ICMP_ERRORS])
			return MOAT_REASON_NOT_RELATED;
		break;
	case PACKET_ANSWER:
		return MOAT_REASON_NO_FLOW;
	case PACKET_MIDSTREAM:
		if (c->midstream_drop)
			return MOAT_REASON_NO_FLOW;
		break;
	default:
		break;
	}
	if (credit_rule(p, probe, false, ret) ||
	    credit_rule(p, probe, true, ret))
		return MOAT_REASON_NONE;
	return MOAT_REASON_SG_NO_MATCH;
}

void layer_groups(const struct policy *p, const struct config *c,
		  const struct probe *probe, struct layer *ret)
{
	enum moat_reason deny;

	*ret = (struct layer){ .reason = MOAT_REASON_NONE };
	if (!layer_in_a_group(p, &probe->local, probe->family)) {
		ret->denies = !c->unassigned_allow;
		ret->reason = ret->denies ? MOAT_REASON_UNASSIGNED :
					    MOAT_REASON_UNASSIGNED_ALLOW;
		ret->audit = c->max_mode_audit || p->mode == MODE_AUDIT;
		return;
	}
	deny = groups_deny(p, c, probe, ret);
	ret->denies = deny != MOAT_REASON_NONE;
	ret->reason = ret->denies ? deny : MOAT_REASON_SG_ALLOW;
	ret->audit = c->max_mode_audit ||
		     layer_profile_audits(p, &probe->local, probe->family);
}
