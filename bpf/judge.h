/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * NACL and security groups of one packet, and what audit makes of them
 * (design 3.6, 3.7, 3.9; F11). Nothing here writes flows.
 */
#ifndef MOAT_JUDGE_H
#define MOAT_JUDGE_H

#include "classify.h"
#include "limit.h"
#include "parse_l4.h"

/*
 * Service of a flow's packets in a direction: their destination port, or
 * their ICMP type and code, which for answers is the answering type.
 */
static __noinline __u32 service_of(const struct moat_flow_key *key, __u64 dir)
{
	__u32 proto = key->proto, low, type;

	switch (proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		low = bpf_ntohs(dir == MOAT_INGRESS ? key->lport : key->rport);
		return MOAT_SERVICE(proto, low);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		low = bpf_ntohs(key->rport);
		type = low >> 8;
		if (key->opener == dir + 1)
			return MOAT_SERVICE(proto, low);
		if (icmp_is_request(proto, type))
			low = (low & 0xff) | (proto == IPPROTO_ICMPV6 ? 129 :
					      type == 8		      ? 0 :
									type + 1)
						     << 8;
		return MOAT_SERVICE(proto, low);
	}
	return MOAT_SERVICE(proto, 0);
}

static __always_inline __u32 packet_service(const struct pkt *p)
{
	if ((p->key.proto == IPPROTO_ICMP || p->key.proto == IPPROTO_ICMPV6) &&
	    !(p->flags & PKT_FRAG_LATER))
		return MOAT_SERVICE(p->key.proto, p->type << 8 | p->code);
	return service_of(&p->key, p->dir);
}

static __always_inline __u32 slot_or_none(__u32 slot)
{
	return slot == MOAT_CELL_NONE ? MOAT_SLOT_NONE : slot;
}

static __always_inline __u32 nacl_verdict(const struct pkt *p, __u32 cell)
{
	if (MOAT_CELL_NACL(cell) == MOAT_CELL_NONE || !(cell & MOAT_CELL_DENY))
		return MOAT_NACL_PASS;
	return p->profile_flags & MOAT_PROFILE_NACL_AUDIT ?
		       MOAT_NACL_WOULD_DENY :
		       MOAT_NACL_DENY;
}

/* The NACL on one more packet of a flow whose cached verdict is a no. */
VERIFIED_ONCE __u32 judge_nacl_again(__u32 dir)
{
	struct pkt *p = pkt_current();

	if (!p)
		return MOAT_SLOT_NONE;
	classify(p);
	return slot_or_none(
		MOAT_CELL_NACL(cell_of(p, dir & 1, packet_service(p))));
}

/* The NACL's verdict on a flow's packets in a direction. */
VERIFIED_ONCE __u32 judge_nacl_of_flow(__u32 dir)
{
	struct pkt *p = pkt_current();

	if (!p)
		return MOAT_NACL_PASS;
	classify(p);
	return nacl_verdict(p,
			    cell_of(p, dir & 1, service_of(&p->key, dir & 1)));
}

static __always_inline bool policy_in_audit(const struct pkt *p)
{
	return p->policy_flags & MOAT_IMAGE_AUDIT;
}

/* Design 3.7: the group layer is in audit if any group of the profile is;
 * where no group speaks, the policy's mode counts. */
static __always_inline bool groups_in_audit(const struct pkt *p)
{
	if (p->profile_flags & MOAT_PROFILE_SG)
		return p->profile_flags & MOAT_PROFILE_SG_AUDIT;
	return policy_in_audit(p);
}

/* F7: an unlimited rule is credited before limited ones; those are asked in
 * file order, each over its limit does not match. */
static __always_inline void judge_rules(struct pkt *p, __u32 cell, __u32 spend)
{
	__u32 sg = MOAT_CELL_SG(cell);

	if (sg == MOAT_CELL_NONE) {
		p->j.deny = MOAT_REASON_SG_NO_MATCH;
		return;
	}
	p->j.rule = sg;
	if (cell & MOAT_CELL_LIMITED)
		p->j.deny = limit_chain(sg, spend);
}

static __noinline void judge_groups(struct pkt *p, __u32 cell, __u32 spend)
{
	p->j.rule = MOAT_SLOT_NONE;
	p->j.deny = MOAT_REASON_NONE;
	p->j.reevaluate = 0;
	p->j.allow = MOAT_REASON_SG_ALLOW;
	p->j.audit = groups_in_audit(p);
	if (!(p->profile_flags & MOAT_PROFILE_SG)) {
		p->j.allow = p->profile_flags & MOAT_PROFILE_NACL ?
				     MOAT_REASON_NACL_ALLOW :
				     MOAT_REASON_UNASSIGNED_ALLOW;
		if (!knobs.unassigned_allow)
			p->j.deny = MOAT_REASON_UNASSIGNED;
	} else if (p->flags & PKT_ICMP_ERROR &&
		   knobs.essential[MOAT_ESSENTIAL_ICMP_ERRORS]) {
		p->j.deny = MOAT_REASON_NOT_RELATED;
	} else if (p->j.cannot_open) {
		p->j.deny = MOAT_REASON_NO_FLOW;
	} else {
		judge_rules(p, cell, spend);
	}
	if (p->j.rule != MOAT_SLOT_NONE &&
	    slot_flags(p, p->j.rule) & MOAT_SLOT_REEVALUATE)
		p->j.reevaluate = MOAT_WORD_REEVALUATE;
}

/* Fills p->j for the packet. spend: a limited rule takes a token. */
VERIFIED_ONCE __u32 judge(__u32 spend)
{
	struct pkt *p = pkt_current();
	__u32 cell, back;

	if (!p)
		return 0;
	classify(p);
	cell = cell_of(p, p->dir, packet_service(p));
	p->j.cannot_open = p->flags & PKT_ANSWER ||
			   (p->flags & PKT_MIDSTREAM && knobs.midstream_drop);
	p->j.nacl[p->dir & 1] = nacl_verdict(p, cell);
	p->j.nacl[~p->dir & 1] = MOAT_NACL_PASS;
	p->j.nacl_rule = slot_or_none(MOAT_CELL_NACL(cell));
	p->nacl_rule = p->j.nacl_rule;
	if (p->profile_flags & MOAT_PROFILE_NACL) {
		back = cell_of(p, ~p->dir & 1,
			       service_of(&p->key, ~p->dir & 1));
		p->j.nacl[~p->dir & 1] = nacl_verdict(p, back);
	}
	/* Inward a NACL's no comes first, and costs no token. */
	if (p->dir == MOAT_INGRESS && p->j.nacl[MOAT_INGRESS] == MOAT_NACL_DENY)
		spend = false;
	judge_groups(p, cell, spend);
	return 0;
}

/* A layer's no, or reason NONE. */
struct layer_no {
	__u32 reason;
	__u32 rule;
	bool audit;
};

/*
 * The order of the layers and F11: the first no in enforce drops; a no in
 * audit is counted and taken as yes. Inward the NACL comes first, outward the
 * groups. MOAT_REASON_NONE: no layer says no.
 */
static __always_inline enum moat_reason
decide_layers(struct pkt *p, const struct layer_no *nacl,
	      const struct layer_no *groups)
{
	const struct layer_no *a = p->dir == MOAT_INGRESS ? nacl : groups;
	const struct layer_no *b = p->dir == MOAT_INGRESS ? groups : nacl;
	const struct layer_no *no = a->reason ? a : b;

	if (!no->reason)
		return MOAT_REASON_NONE;
	if (no == a && a->audit && b->reason && !b->audit)
		no = b;
	p->rule = no->rule;
	p->verdict = no->audit ? MOAT_WOULD_DROP : MOAT_DROP;
	if (no->audit && no == a)
		p->also = b->reason;
	return no->reason;
}

static __noinline enum moat_reason decide(struct pkt *p)
{
	struct layer_no nacl = {}, groups = {};
	__u32 verdict = p->j.nacl[p->dir & 1];
	enum moat_reason reason;

	if (verdict != MOAT_NACL_PASS)
		nacl.reason = MOAT_REASON_NACL_DENY;
	nacl.rule = p->j.nacl_rule;
	nacl.audit = verdict == MOAT_NACL_WOULD_DENY;
	groups.reason = p->j.deny;
	groups.rule = p->j.rule;
	groups.audit = p->j.audit;
	reason = decide_layers(p, &nacl, &groups);
	if (reason != MOAT_REASON_NONE)
		return reason;
	p->verdict = MOAT_ALLOW;
	p->rule = p->j.allow == MOAT_REASON_NACL_ALLOW ? p->j.nacl_rule :
							 p->j.rule;
	return p->j.allow;
}

#endif
