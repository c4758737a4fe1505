// SPDX-License-Identifier: BSD-2-Clause
/* Parse, failsafe and essentials for a probe (design 3.2 to 3.6). */
#include <linux/in.h>
#include <linux/in6.h>
#include <string.h>

#include "base/cleanup.h"
#include "compile/packet.h"
#include "moat/image.h"

#define FIN MOAT_TCP_FLAG_FIN
#define SYN MOAT_TCP_FLAG_SYN
#define RST MOAT_TCP_FLAG_RST
#define ACK MOAT_TCP_FLAG_ACK
#define URG MOAT_TCP_FLAG_URG

/* Sets of ICMP types as bits. RFC 792, 950, 4443. */
struct types {
	__u64 bits[4];
};
#define TYPE(t) [(t) / 64] = 1ull << (t) % 64

static bool has_type(const struct types *t, unsigned type)
{
	return t->bits[type / 64] >> type % 64 & 1;
}

static const struct types replies4 = { { 1ull << 0 | 1ull << 14 | 1ull << 16 |
					 1ull << 18 } };
static const struct types errors4 = { { 1ull << 3 | 1ull << 4 | 1ull << 11 |
					1ull << 12 } };
static const struct types errors6 = { { 1ull << 1 | 1ull << 2 | 1ull << 3 |
					1ull << 4 } };
static const struct types replies6 = { { TYPE(129) } };

static unsigned tcp_flags(const struct probe *p)
{
	return p->flags_given ? p->flags & (FIN | SYN | RST | ACK | URG) : SYN;
}

/* tcp_valid_flags[] of net/netfilter/nf_conntrack_proto_tcp.c. */
static bool tcp_flags_valid(unsigned flags)
{
	switch (flags) {
	case SYN:
	case SYN | URG:
	case SYN | ACK:
	case RST:
	case RST | ACK:
	case FIN | ACK:
	case FIN | ACK | URG:
	case ACK:
	case ACK | URG:
		return true;
	default:
		return false;
	}
}

static enum packet_shape icmp_shape(const struct probe *p)
{
	bool v4 = p->proto == IPPROTO_ICMP;

	if (p->type == (v4 ? 5 : 137))
		return SHAPE_REDIRECT;
	if (has_type(v4 ? &errors4 : &errors6, p->type))
		return SHAPE_ERROR;
	if (has_type(v4 ? &replies4 : &replies6, p->type))
		return SHAPE_REPLY;
	return SHAPE_OPENING;
}

enum packet_shape packet_shape_of(const struct probe *p)
{
	unsigned flags = tcp_flags(p);

	if (p->proto == IPPROTO_ICMP || p->proto == IPPROTO_ICMPV6)
		return icmp_shape(p);
	if (p->proto != IPPROTO_TCP || (flags & (SYN | ACK)) == SYN)
		return SHAPE_OPENING;
	return flags & (SYN | FIN | RST) ? SHAPE_REPLY : SHAPE_MIDSTREAM;
}

__u32 packet_service(const struct probe *p)
{
	if (proto_has_ports(p->proto))
		return MOAT_SERVICE(p->proto, p->dport);
	if (p->proto == IPPROTO_ICMP || p->proto == IPPROTO_ICMPV6)
		return MOAT_SERVICE(p->proto, p->type << 8 | p->code);
	return MOAT_SERVICE(p->proto, 0);
}

static bool is_unspecified(const struct moat_addr *a, int family)
{
	static const struct moat_addr unspecified;

	return family == 4 ? !addr_v4(a) : !memcmp(a, &unspecified, sizeof(*a));
}

/* F4: asking for an address, or whether one is taken, has none yet. Which
 * packet asks is seen in its transport header, so after all else. */
static bool may_lack_source(const struct probe *p)
{
	if (p->family == 4)
		return p->sport == 68 && p->dport == 67;
	return p->type == 131 || p->type == 132 || p->type == 135 ||
	       p->type == 143;
}

static bool bad_source4(__u32 a, const struct probe *p)
{
	if (a == 0)
		return p->proto != IPPROTO_UDP;
	return a >> 24 == 0 || a >> 24 == 127 || a >> 28 == 0xe ||
	       a == 0xffffffff;
}

static bool bad_source6(const struct moat_addr *a, const struct probe *p)
{
	static const struct moat_addr loopback = { .b = { [15] = 1 } };

	if (is_unspecified(a, 6))
		return p->proto != IPPROTO_ICMPV6;
	return !memcmp(a, &loopback, sizeof(*a)) || a->b[0] == 0xff ||
	       addr_is_v4(a);
}

/* A v4-mapped address never stands in a packet (RFC 4291 section 2.5.5.2):
 * it would be judged by the rules of IPv4. */
static bool bad_destination(const struct moat_addr *a, int family)
{
	static const struct moat_addr loopback = { .b = { [15] = 1 } };

	if (family == 4)
		return a->b[12] == 127;
	return addr_is_v4(a) || !memcmp(a, &loopback, sizeof(*a));
}

/* IANA's IPv6 extension headers but ESP: what follows one can't be judged. */
static bool is_extension(int proto)
{
	switch (proto) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_FRAGMENT:
	case IPPROTO_AH:
	case IPPROTO_NONE:
	case IPPROTO_DSTOPTS:
	case 135: /* mobility, RFC 6275 */
	case 139: /* HIP, RFC 7401 */
	case 140: /* shim6, RFC 5533 */
	case 253: /* experiments, RFC 3692 */
	case 254:
		return true;
	default:
		return false;
	}
}

bool packet_possible(int family, int proto)
{
	if (family == 4)
		return proto != IPPROTO_ICMPV6;
	return proto != IPPROTO_ICMP && !is_extension(proto);
}

enum moat_reason packet_parsed(const struct probe *p)
{
	bool in = p->direction == MOAT_INGRESS;
	const struct moat_addr *from = in ? &p->remote : &p->local;
	const struct moat_addr *to = in ? &p->local : &p->remote;

	if (p->family == 6 && is_extension(p->proto))
		return MOAT_REASON_EXT_HEADER;
	/* What ends the walk over IPv6's headers comes before the addresses. */
	if (p->proto != IPPROTO_ICMP && p->family == 6 &&
	    !packet_possible(6, p->proto))
		return MOAT_REASON_EXT_HEADER;
	if (p->family == 4 ? bad_source4(addr_v4(from), p) :
			     bad_source6(from, p))
		return MOAT_REASON_BAD_SOURCE;
	if (in && addr_equal(from, to))
		return MOAT_REASON_OWN_SOURCE;
	if (bad_destination(to, p->family))
		return MOAT_REASON_BAD_DESTINATION;
	if (p->proto == IPPROTO_TCP && !tcp_flags_valid(tcp_flags(p)))
		return MOAT_REASON_TCP_FLAGS;
	if (!packet_possible(p->family, p->proto))
		return MOAT_REASON_ICMP_FAMILY;
	if (is_unspecified(from, p->family) && !may_lack_source(p))
		return MOAT_REASON_BAD_SOURCE;
	return MOAT_REASON_NONE;
}

static bool failsafe_passes(const struct failsafe_rule *f,
			    const struct probe *p)
{
	bool peer = false, reply = p->direction != f->direction;
	uint16_t port = reply ? p->sport : p->dport;

	if (f->proto != p->proto || !proto_has_ports(p->proto))
		return false;
	/* A SYN from the served port would be a new connection, no reply. */
	if (reply && p->proto == IPPROTO_TCP &&
	    (tcp_flags(p) & (SYN | ACK)) == SYN)
		return false;
	for (size_t i = 0; !peer && i < f->npeers; i++)
		peer = f->peers[i].family == p->family &&
		       cidr_contains(&f->peers[i], &p->remote);
	if (!peer)
		return false;
	for (size_t i = 0; i < f->nports; i++)
		if (port >= f->ports[i].first && port <= f->ports[i].last)
			return true;
	return false;
}

int packet_failsafe(const struct config *c, const struct probe *p)
{
	for (size_t i = 0; i < c->nfailsafe; i++)
		if (failsafe_passes(&c->failsafe[i], p))
			return (int)i;
	return -1;
}

/* RFC 4861 section 7.1 (hop limit 255 is taken as given), 2710, 3810. */
static enum moat_reason essential_icmpv6(const struct config *c,
					 const struct probe *p)
{
	switch (p->type) {
	case 133:
	case 135:
	case 136:
		if (!c->essential[MOAT_ESSENTIAL_IPV6_ND])
			return MOAT_REASON_NONE;
		return p->code ? MOAT_REASON_ND_INVALID :
				 MOAT_REASON_ESSENTIAL_ND;
	case 134:
		if (!c->essential[MOAT_ESSENTIAL_IPV6_RA])
			return MOAT_REASON_NONE;
		return p->code ? MOAT_REASON_ND_INVALID :
				 MOAT_REASON_ESSENTIAL_RA;
	case 130:
	case 131:
	case 132:
	case 143:
		return c->essential[MOAT_ESSENTIAL_IPV6_ND] ?
			       MOAT_REASON_ESSENTIAL_ND :
			       MOAT_REASON_NONE;
	default:
		return MOAT_REASON_NONE;
	}
}

/* RFC 2131, RFC 8415: this host is the client. */
static enum moat_reason essential_udp(const struct config *c,
				      const struct probe *p)
{
	bool in = p->direction == MOAT_INGRESS;
	uint16_t server = in ? p->sport : p->dport;
	uint16_t client = in ? p->dport : p->sport;

	if (p->family == 4)
		return c->essential[MOAT_ESSENTIAL_DHCP] && server == 67 &&
				       client == 68 ?
			       MOAT_REASON_ESSENTIAL_DHCP :
			       MOAT_REASON_NONE;
	if (!c->essential[MOAT_ESSENTIAL_DHCPV6] || server != 547 ||
	    client != 546)
		return MOAT_REASON_NONE;
	if (in && (p->remote.b[0] != 0xfe || (p->remote.b[1] & 0xc0) != 0x80))
		return MOAT_REASON_NONE;
	return MOAT_REASON_ESSENTIAL_DHCPV6;
}

enum moat_reason packet_essential(const struct config *c, const struct probe *p)
{
	if (packet_shape_of(p) == SHAPE_REDIRECT)
		return MOAT_REASON_REDIRECT;
	if (p->proto == IPPROTO_ICMPV6)
		return essential_icmpv6(c, p);
	if (p->proto == IPPROTO_UDP)
		return essential_udp(c, p);
	return MOAT_REASON_NONE;
}
