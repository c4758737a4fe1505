// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a probe is, before any policy is asked: shapes that are never accepted
 * (design 3.2) and what kind of packet a stateful layer sees in it (3.7).
 */
#include <linux/in.h>
#include <linux/in6.h>

#include "reference/stages.h"

#include "base/cleanup.h"

#define FIN MOAT_TCP_FLAG_FIN
#define SYN MOAT_TCP_FLAG_SYN
#define RST MOAT_TCP_FLAG_RST
#define ACK MOAT_TCP_FLAG_ACK
#define URG MOAT_TCP_FLAG_URG

/* The valid sets of the kernel: tcp_valid_flags[] in
 * net/netfilter/nf_conntrack_proto_tcp.c, which leaves out PSH, ECE, CWR. */
static const unsigned valid_flags[] = {
	SYN,	   SYN | URG,	    SYN | ACK, RST,	  RST | ACK,
	FIN | ACK, FIN | ACK | URG, ACK,       ACK | URG,
};

/* RFC 792, 950 and RFC 4443: each request and the reply it gets. */
static const struct {
	int proto, request, reply;
} queries[] = {
	{ IPPROTO_ICMP, 8, 0 },	      { IPPROTO_ICMP, 13, 14 },
	{ IPPROTO_ICMP, 15, 16 },     { IPPROTO_ICMP, 17, 18 },
	{ IPPROTO_ICMPV6, 128, 129 },
};

/* RFC 792: unreachable, source quench, time exceeded, parameter problem;
 * RFC 4443: unreachable, too big, time exceeded, parameter problem. */
static const struct {
	int proto, type;
} errors[] = {
	{ IPPROTO_ICMP, 3 },   { IPPROTO_ICMP, 4 },   { IPPROTO_ICMP, 11 },
	{ IPPROTO_ICMP, 12 },  { IPPROTO_ICMPV6, 1 }, { IPPROTO_ICMPV6, 2 },
	{ IPPROTO_ICMPV6, 3 }, { IPPROTO_ICMPV6, 4 },
};

/* TCP flags without PSH, ECE and CWR; an opening SYN where none are given. */
static unsigned packet_flags(const struct probe *probe)
{
	if (!probe->flags_given)
		return SYN;
	return probe->flags & (FIN | SYN | RST | ACK | URG);
}

bool packet_is_syn(const struct probe *probe)
{
	return probe->proto == IPPROTO_TCP &&
	       (packet_flags(probe) & (SYN | ACK)) == SYN;
}

int packet_reply_type(const struct probe *probe)
{
	for (size_t i = 0; i < ARRAY_SIZE(queries); i++)
		if (queries[i].proto == probe->proto &&
		    queries[i].request == probe->type)
			return queries[i].reply;
	return -1;
}

static enum packet_kind icmp_kind(const struct probe *probe)
{
	int redirect = probe->proto == IPPROTO_ICMP ? 5 : 137;

	if (probe->type == redirect)
		return PACKET_REDIRECT;
	for (size_t i = 0; i < ARRAY_SIZE(queries); i++) {
		if (queries[i].proto != probe->proto)
			continue;
		if (queries[i].request == probe->type)
			return PACKET_OPENING;
		if (queries[i].reply == probe->type)
			return PACKET_ANSWER;
	}
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
		if (errors[i].proto == probe->proto &&
		    errors[i].type == probe->type)
			return PACKET_ERROR;
	return PACKET_PLAIN;
}

enum packet_kind packet_kind(const struct probe *probe)
{
	unsigned flags = packet_flags(probe);

	if (probe->proto == IPPROTO_ICMP || probe->proto == IPPROTO_ICMPV6)
		return icmp_kind(probe);
	if (probe->proto != IPPROTO_TCP || packet_is_syn(probe))
		return PACKET_OPENING;
	if ((flags & ACK) && !(flags & (SYN | FIN | RST)))
		return PACKET_MIDSTREAM;
	return PACKET_ANSWER;
}

bool packet_in_cidr(const struct cidr *cidr, const struct moat_addr *a,
		    int family)
{
	int first = family == 4 ? 96 : 0;

	if (cidr->family != family)
		return false;
	for (int bit = first; bit < first + cidr->length; bit++) {
		int mask = 0x80 >> (bit % 8);

		if ((cidr->addr.b[bit / 8] & mask) != (a->b[bit / 8] & mask))
			return false;
	}
	return true;
}

static bool all_bytes(const __u8 *b, int n, __u8 value)
{
	for (int i = 0; i < n; i++)
		if (b[i] != value)
			return false;
	return true;
}

static bool is_mapped(const struct moat_addr *a)
{
	return all_bytes(a->b, 10, 0) && all_bytes(a->b + 10, 2, 0xff);
}

static bool is_loopback(const struct moat_addr *a, int family)
{
	if (family == 4)
		return a->b[12] == 127;
	return all_bytes(a->b, 15, 0) && a->b[15] == 1;
}

static bool is_unspecified(const struct moat_addr *a, int family)
{
	return all_bytes(a->b + (family == 4 ? 12 : 0), family == 4 ? 4 : 16,
			 0);
}

/* F4: who has no address yet may still ask for one, or whether it is taken.
 * Which packet asks is seen in its transport header, so after all else. */
static bool asks_for_address(const struct probe *probe)
{
	if (probe->family == 4)
		return probe->sport == 68 && probe->dport == 67;
	return probe->type == 135 || probe->type == 131 || probe->type == 132 ||
	       probe->type == 143;
}

static bool bad_source(const struct moat_addr *a, const struct probe *probe)
{
	if (is_loopback(a, probe->family))
		return true;
	if (is_unspecified(a, probe->family))
		return probe->proto !=
		       (probe->family == 4 ? IPPROTO_UDP : IPPROTO_ICMPV6);
	if (probe->family == 6)
		return a->b[0] == 0xff || is_mapped(a);
	return a->b[12] == 0 || (a->b[12] & 0xf0) == 0xe0 ||
	       all_bytes(a->b + 12, 4, 0xff);
}

/* An IPv6 packet to a v4-mapped address (RFC 4291 section 2.5.5.2 keeps them
 * off the wire) would be judged by the rules of IPv4: refused like a source. */
static bool bad_destination(const struct moat_addr *a, int family)
{
	return is_loopback(a, family) || (family == 6 && is_mapped(a));
}

static bool same_address(const struct moat_addr *a, const struct moat_addr *b)
{
	for (int i = 0; i < 16; i++)
		if (a->b[i] != b->b[i])
			return false;
	return true;
}

/* IANA's IPv6 extension headers: walked, or the end of the walk, but never
 * the protocol of a packet that can be judged (design 3.2). ESP is one. */
static bool is_extension_header(const struct probe *probe)
{
	static const int headers[] = { 0,   43,	 44,  51,  59, 60,
				       135, 139, 140, 253, 254 };

	for (size_t i = 0; i < ARRAY_SIZE(headers); i++)
		if (probe->family == 6 && probe->proto == headers[i])
			return true;
	return false;
}

static bool valid_tcp(const struct probe *probe)
{
	for (size_t i = 0; i < ARRAY_SIZE(valid_flags); i++)
		if (valid_flags[i] == packet_flags(probe))
			return true;
	return false;
}

enum moat_reason packet_parse(const struct probe *probe)
{
	bool in = probe->direction == MOAT_INGRESS;
	const struct moat_addr *source = in ? &probe->remote : &probe->local;
	const struct moat_addr *to = in ? &probe->local : &probe->remote;
	int other_icmp = probe->family == 4 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;

	if (is_extension_header(probe))
		return MOAT_REASON_EXT_HEADER;
	if (bad_source(source, probe))
		return MOAT_REASON_BAD_SOURCE;
	if (in && same_address(source, to))
		return MOAT_REASON_OWN_SOURCE;
	if (bad_destination(to, probe->family))
		return MOAT_REASON_BAD_DESTINATION;
	if (probe->proto == IPPROTO_TCP && !valid_tcp(probe))
		return MOAT_REASON_TCP_FLAGS;
	if (probe->proto == other_icmp)
		return MOAT_REASON_ICMP_FAMILY;
	if (is_unspecified(source, probe->family) && !asks_for_address(probe))
		return MOAT_REASON_BAD_SOURCE;
	return MOAT_REASON_NONE;
}
