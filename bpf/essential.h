/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Named built-in allows, switchable one by one (design 3.6). */
#ifndef MOAT_ESSENTIAL_H
#define MOAT_ESSENTIAL_H

#include "maps.h"
#include "parse_l4.h"
#include "pkt.h"

#define ND_HOPS 255 /* RFC 4861 section 7.1: it never crossed a router */

/* RFC 4861, RFC 6980: from the link itself, code 0, whole. */
static __always_inline bool nd_valid(const struct pkt *p)
{
	return p->hops == ND_HOPS && !p->code && !(p->flags & PKT_FRAG_HEADER);
}

static __always_inline enum moat_reason essential_icmp6(const struct pkt *p)
{
	switch (p->type) {
	case 133: /* router solicitation */
	case 135: /* neighbour solicitation */
	case 136: /* neighbour advertisement */
		if (!knobs.essential[MOAT_ESSENTIAL_IPV6_ND])
			return MOAT_REASON_NONE;
		return nd_valid(p) ? MOAT_REASON_ESSENTIAL_ND :
				     MOAT_REASON_ND_INVALID;
	case 134: /* router advertisement */
		if (!knobs.essential[MOAT_ESSENTIAL_IPV6_RA])
			return MOAT_REASON_NONE;
		return nd_valid(p) ? MOAT_REASON_ESSENTIAL_RA :
				     MOAT_REASON_ND_INVALID;
	case 130: /* MLD: RFC 2710, RFC 3810 */
	case 131:
	case 132:
	case 143:
		return knobs.essential[MOAT_ESSENTIAL_IPV6_ND] ?
			       MOAT_REASON_ESSENTIAL_ND :
			       MOAT_REASON_NONE;
	case 137:
		return MOAT_REASON_REDIRECT;
	}
	return MOAT_REASON_NONE;
}

/* The host as a client: RFC 2131, and RFC 8415 section 7.2. */
static __always_inline enum moat_reason essential_udp(const struct pkt *p)
{
	__u16 local = bpf_ntohs(p->key.lport), remote = bpf_ntohs(p->key.rport);
	bool link_local = p->key.remote.b[0] == 0xfe &&
			  (p->key.remote.b[1] & 0xc0) == 0x80;

	if (p->family == 4 && local == 68 && remote == 67 &&
	    knobs.essential[MOAT_ESSENTIAL_DHCP])
		return MOAT_REASON_ESSENTIAL_DHCP;
	if (p->family == 6 && local == 546 && remote == 547 &&
	    knobs.essential[MOAT_ESSENTIAL_DHCPV6] &&
	    (p->dir == MOAT_EGRESS || link_local))
		return MOAT_REASON_ESSENTIAL_DHCPV6;
	return MOAT_REASON_NONE;
}

static __noinline enum moat_reason check_essential(struct pkt *p)
{
	if (p->key.proto == IPPROTO_ICMPV6)
		return essential_icmp6(p);
	if (p->key.proto == IPPROTO_ICMP)
		return p->type == 5 ? MOAT_REASON_REDIRECT : MOAT_REASON_NONE;
	if (p->key.proto == IPPROTO_UDP)
		return essential_udp(p);
	return MOAT_REASON_NONE;
}

#endif
