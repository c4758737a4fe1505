/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * XDP, the accelerator (design section 4, F19): drops what tc would drop
 * anyhow and leaves all else to it. Says nothing of what it lets go on.
 */
#ifndef MOAT_XDP_H
#define MOAT_XDP_H

#include "account.h"
#include "entry.h"
#include "essential.h"
#include "pipeline.h"
#include "rejudge.h"

static __always_inline void count_xdp_drop(void)
{
	__u32 zero = 0;
	struct moat_totals *t = bpf_map_lookup_elem(&totals, &zero);

	if (t)
		t->xdp_dropped++;
}

/* Fragments go to tc from the network header on: their table is tc's. */
static __noinline enum moat_reason xdp_parse(const struct frame *fr,
					     struct pkt *p)
{
	enum moat_reason reason = parse_ethernet(fr, p);

	if (reason == MOAT_REASON_NONE)
		reason = parse_network(fr, p, 0);
	if (reason != MOAT_REASON_NONE || p->flags & PKT_FRAGMENT)
		return reason;
	return parse_transport(fr, p);
}

/* To an address of ours, and neither from one of ours nor failsafe, essential
 * or an error. */
static __always_inline bool xdp_concerns(struct pkt *p)
{
	struct moat_own *o;

	if (p->flags & (PKT_FRAGMENT | PKT_ICMP_ERROR | PKT_GROUP_ADDRESS))
		return false;
	o = bpf_map_lookup_elem(&own, &p->key.local);
	if (!o || o->flags & MOAT_OWN_BROADCAST ||
	    check_own_source(p) != MOAT_REASON_NONE)
		return false;
	return check_failsafe(p) == MOAT_REASON_NONE &&
	       check_essential(p) == MOAT_REASON_NONE;
}

/* SYN without ACK, echo requests: their rules decide, flow or no flow. A
 * retransmitted opening of a live flow costs no token. */
static __always_inline enum moat_reason xdp_opening(struct pkt *p)
{
	enum moat_reason reason = judge_packet(p);

	if (p->verdict != MOAT_DROP)
		return MOAT_REASON_NONE;
	if (reason == MOAT_REASON_NACL_DENY ||
	    reason == MOAT_REASON_SG_NO_MATCH)
		return reason;
	if (reason == MOAT_REASON_RATE_LIMITED && !flow_find(p, &p->key))
		return reason;
	return MOAT_REASON_NONE;
}

/* Anything else: only a NACL's no, as cached in its flow, or asked if there
 * is none. A flow of another generation is judged again at tc. */
static __noinline enum moat_reason xdp_nacl(struct pkt *p)
{
	struct moat_flow *f = flow_find(p, &p->key);
	__u64 word = f ? f->word : 0;

	if (f && MOAT_WORD_GENERATION(word) != p->generation)
		return MOAT_REASON_NONE;
	if (f && MOAT_WORD_NACL(word, MOAT_INGRESS) != MOAT_NACL_DENY)
		return MOAT_REASON_NONE;
	classify(p);
	if (!(p->profile_flags & MOAT_PROFILE_NACL))
		return MOAT_REASON_NONE;
	judge(false);
	if (p->j.nacl[MOAT_INGRESS] != MOAT_NACL_DENY)
		return MOAT_REASON_NONE;
	p->rule = p->j.nacl_rule;
	p->verdict = MOAT_DROP;
	return MOAT_REASON_NACL_DENY;
}

static __always_inline bool xdp_opens(const struct pkt *p)
{
	return p->key.proto == IPPROTO_TCP  ? p->flags & PKT_OPENING :
	       p->key.proto == IPPROTO_ICMP ? p->type == 8 :
					      p->key.proto == IPPROTO_ICMPV6 &&
						      p->type == 128;
}

static __always_inline enum moat_reason xdp_judge(struct pkt *p)
{
	const struct moat_image *h = image_of(p);

	if (!h || h->flags & MOAT_IMAGE_BUILT_IN || !xdp_concerns(p))
		return MOAT_REASON_NONE;
	return xdp_opens(p) ? xdp_opening(p) : xdp_nacl(p);
}

/* The device, and which entry it counts under. */
static __always_inline void xdp_device(struct pkt *p)
{
	const struct moat_iface *i = bpf_map_lookup_elem(&ifaces, &p->iface);

	p->mac = MOAT_MAC_NONE;
	if (!i || !(i->flags & MOAT_IFACE_ETHER))
		return;
	p->mac = i->mac;
	if (i->port_of)
		p->iface = iface_find(i->port_of, &p->iface_flags);
}

/* Whether the frame is to be dropped. */
static __always_inline bool xdp_run(const struct frame *fr, struct pkt *p)
{
	enum moat_reason reason;

	xdp_device(p);
	reason = xdp_parse(fr, p);
	measure(p);
	if (reason == MOAT_REASON_NONE) {
		reason = xdp_judge(p);
	} else {
		p->verdict = verdict_of(reason);
		if (p->verdict != MOAT_DROP)
			reason = MOAT_REASON_NONE;
	}
	if (reason == MOAT_REASON_NONE) {
		p->verdict = MOAT_ALLOW;
		if (knobs.trace)
			write_trace(p, reason);
		return false;
	}
	count_xdp_drop();
	return account(p, reason) == MOAT_DROP;
}

#endif
