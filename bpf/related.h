/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * ICMP errors: related to a flow if the packet they quote is one of it, that
 * went the other way (design 3.5, RFC 5508). Whoever sent the error: routers
 * on the path do (RFC 1191).
 */
#ifndef MOAT_RELATED_H
#define MOAT_RELATED_H

#include <linux/ip.h>
#include <linux/ipv6.h>

#include "failsafe.h"
#include "flow_table.h"
#include "judge.h"
#include "parse_ext.h"

/* The quoted packet. */
struct quoted {
	struct moat_flow_key key; /* as of a packet in direction dir */
	struct moat_addr source;
	struct moat_addr destination;
	__u32 l4;
	__u32 dir;
};

#define ICMP_HEADER 8 /* RFC 792, RFC 4443: in front of the quoted packet */

/* Its network header: right family, not a later fragment. IPv6 extension
 * headers are not walked: such an error is not related. */
static __always_inline bool quoted_network(const struct frame *fr,
					   struct pkt *p, struct quoted *q)
{
	__u32 at = p->l4 + ICMP_HEADER;
	struct ipv6hdr ip6;
	struct iphdr ip;

	if (p->family == 4) {
		if (hook_load(fr, at, &ip, sizeof(ip)) || ip.version != 4 ||
		    ip.ihl < 5 || ip.frag_off & bpf_htons(0x1fff))
			return false;
		addr_set4(&q->source, ip.saddr);
		addr_set4(&q->destination, ip.daddr);
		q->key.proto = ip.protocol;
		q->l4 = at + ip.ihl * 4;
		return true;
	}
	if (hook_load(fr, at, &ip6, sizeof(ip6)) || ip6.version != 6)
		return false;
	__builtin_memcpy(&q->source, &ip6.saddr, 16);
	__builtin_memcpy(&q->destination, &ip6.daddr, 16);
	q->key.proto = ip6.nexthdr;
	q->l4 = at + sizeof(ip6);
	return !is_extension(ip6.nexthdr);
}

/* Eight bytes of a query, four of anything with ports. An error quotes no
 * error (RFC 1122 section 3.2.2), and ICMP only of its own family. */
static __noinline bool quoted_transport(const struct frame *fr, struct pkt *p,
					struct quoted *q)
{
	__u8 own = p->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	struct icmp_header icmp;
	__be16 ports[2];

	if (q->key.proto == IPPROTO_ICMP || q->key.proto == IPPROTO_ICMPV6) {
		if (q->key.proto != own || q->l4 + sizeof(icmp) > p->end ||
		    hook_load(fr, q->l4, &icmp, sizeof(icmp)) ||
		    icmp_is_error(q->key.proto, icmp.type))
			return false;
		icmp_key(&q->key, q->dir, &icmp);
		return true;
	}
	if (q->key.proto != IPPROTO_TCP && q->key.proto != IPPROTO_UDP &&
	    q->key.proto != IPPROTO_SCTP)
		return q->l4 <= p->end;
	if (q->l4 + sizeof(ports) > p->end ||
	    hook_load(fr, q->l4, ports, sizeof(ports)))
		return false;
	q->key.lport = q->dir == MOAT_EGRESS ? ports[0] : ports[1];
	q->key.rport = q->dir == MOAT_EGRESS ? ports[1] : ports[0];
	return true;
}

/*
 * Inward: we sent the quoted packet, so its source is whom the error is for.
 * Outward: we got it, from whom the error is for, at the address that answers.
 */
static __noinline bool read_quoted(const struct frame *fr, struct pkt *p,
				   struct quoted *q)
{
	q->dir = ~p->dir & 1;
	if (!quoted_network(fr, p, q))
		return false;
	if (p->dir == MOAT_INGRESS) {
		q->key.local = q->source;
		q->key.remote = q->destination;
	} else {
		q->key.local = q->destination;
		q->key.remote = q->source;
		if (!addr_equal(&q->key.remote, &p->key.remote))
			return false;
	}
	if (!addr_equal(&q->key.local, &p->key.local))
		return false;
	return quoted_transport(fr, p, q);
}

/* F34: unassigned: allow, and the address's NACL let the quoted packet by. */
static __noinline bool nacl_allows(struct pkt *p, const struct quoted *q)
{
	const struct moat_image *h = image_of(p);
	__u32 cell;

	if (!knobs.unassigned_allow || !h)
		return false;
	classify(p);
	if (p->profile_flags & MOAT_PROFILE_SG ||
	    !(p->profile_flags & MOAT_PROFILE_NACL))
		return false;
	p->remote_class = class_of(p, h, &q->key.remote);
	p->flags &= ~PKT_CLASSIFIED;
	cell = cell_of(p, q->dir, service_of(&q->key, q->dir));
	return nacl_verdict(p, cell) != MOAT_NACL_DENY;
}

/* RELATED or ESSENTIAL_ICMP; NONE: the error belongs to nothing we know. */
static __noinline enum moat_reason check_related(const struct frame *fr,
						 struct pkt *p)
{
	struct quoted q = {};
	struct moat_flow *f;

	if (!read_quoted(fr, p, &q))
		return MOAT_REASON_NONE;
	f = flow_find(p, &q.key);
	if (f && f->seen[q.dir & 1]) {
		p->rule = MOAT_WORD_SLOT(f->word);
		if (!(f->word & MOAT_WORD_WOULD_DROP))
			return MOAT_REASON_RELATED;
		p->verdict = MOAT_WOULD_DROP;
		return MOAT_WORD_REASON(f->word);
	}
	if (failsafe_find(&q.key, q.dir, false) || nacl_allows(p, &q))
		return MOAT_REASON_ESSENTIAL_ICMP;
	return MOAT_REASON_NONE;
}

#endif
