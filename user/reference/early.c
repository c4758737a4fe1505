// SPDX-License-Identifier: BSD-2-Clause
/* What passes before the policy is asked: failsafe and essentials (3.5, 3.6). */
#include <linux/in.h>
#include <linux/in6.h>

#include "reference/stages.h"

static bool port_listed(const struct failsafe_rule *f, uint16_t port)
{
	for (size_t i = 0; i < f->nports; i++)
		if (f->ports[i].first <= port && port <= f->ports[i].last)
			return true;
	return false;
}

/*
 * Ingress entries name our port, egress entries theirs: either way the
 * destination port of the opening, which is the source port of its replies.
 * A reply is never a TCP SYN without ACK: that would open another connection.
 */
static bool failsafe_matches(const struct failsafe_rule *f,
			     const struct probe *probe)
{
	bool peer = false;

	for (size_t i = 0; i < f->npeers; i++)
		if (packet_in_cidr(&f->peers[i], &probe->remote, probe->family))
			peer = true;
	if (!peer || f->proto != probe->proto || !proto_has_ports(f->proto))
		return false;
	if (probe->direction == f->direction)
		return port_listed(f, probe->dport);
	return port_listed(f, probe->sport) && !packet_is_syn(probe);
}

bool early_failsafe(const struct config *c, const struct probe *probe,
		    size_t *ret_number)
{
	for (size_t i = 0; i < c->nfailsafe; i++) {
		if (failsafe_matches(&c->failsafe[i], probe)) {
			*ret_number = i;
			return true;
		}
	}
	return false;
}

/* RFC 4861 section 7.1, RFC 2710, RFC 3810. A probe has hop limit 255. */
static enum moat_reason essential_icmp(const struct config *c,
				       const struct probe *probe)
{
	int type = probe->type;
	bool nd = type == 133 || type == 135 || type == 136;
	bool mld = (type >= 130 && type <= 132) || type == 143;

	if ((nd || mld) && c->essential[MOAT_ESSENTIAL_IPV6_ND])
		return nd && probe->code ? MOAT_REASON_ND_INVALID :
					   MOAT_REASON_ESSENTIAL_ND;
	if (type == 134 && c->essential[MOAT_ESSENTIAL_IPV6_RA])
		return probe->code ? MOAT_REASON_ND_INVALID :
				     MOAT_REASON_ESSENTIAL_RA;
	return MOAT_REASON_NONE;
}

static bool ports_are(const struct probe *probe, int in_from, int in_to)
{
	if (probe->direction == MOAT_INGRESS)
		return probe->sport == in_from && probe->dport == in_to;
	return probe->sport == in_to && probe->dport == in_from;
}

/* RFC 2131, RFC 8415: the host as a client. */
static enum moat_reason essential_udp(const struct config *c,
				      const struct probe *probe)
{
	bool link_local = probe->remote.b[0] == 0xfe &&
			  (probe->remote.b[1] & 0xc0) == 0x80;

	if (probe->family == 4 && c->essential[MOAT_ESSENTIAL_DHCP] &&
	    ports_are(probe, 67, 68))
		return MOAT_REASON_ESSENTIAL_DHCP;
	if (probe->family == 6 && c->essential[MOAT_ESSENTIAL_DHCPV6] &&
	    ports_are(probe, 547, 546) &&
	    (link_local || probe->direction == MOAT_EGRESS))
		return MOAT_REASON_ESSENTIAL_DHCPV6;
	return MOAT_REASON_NONE;
}

enum moat_reason early_essential(const struct config *c,
				 const struct probe *probe)
{
	if (packet_kind(probe) == PACKET_REDIRECT)
		return MOAT_REASON_REDIRECT;
	if (probe->proto == IPPROTO_ICMPV6)
		return essential_icmp(c, probe);
	if (probe->proto == IPPROTO_UDP)
		return essential_udp(c, probe);
	return MOAT_REASON_NONE;
}
