// SPDX-License-Identifier: BSD-2-Clause
/*
 * Frames to probes, one byte after the other (design 3.1 to 3.3, the shapes of
 * RFC 791, 768, 9293, 8200, 4302, 792, 4443, 9260).
 */
#include "fuzz/oracle.h"

#include <linux/in.h>
#include <linux/in6.h>
#include <string.h>

#define SCTP 132

static unsigned int word(const struct reading *r, size_t at)
{
	return (unsigned int)(r->frame[at] << 8 | r->frame[at + 1]);
}

/* ---- 3.1 frame ---- */

static enum moat_reason read_link(struct reading *r, unsigned int *ret_type)
{
	unsigned int type;
	int tags = 0;

	if (r->len < 14)
		return MOAT_REASON_TRUNCATED;
	type = word(r, 12);
	r->l3 = 14;
	while (type == 0x8100 || type == 0x88a8) {
		if (++tags > 2)
			return MOAT_REASON_VLAN_DEPTH;
		if (r->len < r->l3 + 4)
			return MOAT_REASON_TRUNCATED;
		type = word(r, r->l3 + 2);
		r->l3 += 4;
	}
	*ret_type = type;
	return MOAT_REASON_NONE;
}

static void set_addresses(struct reading *r, const unsigned char *from,
			  const unsigned char *to, size_t n)
{
	bool in = r->probe.direction == MOAT_INGRESS;
	struct moat_addr *source = in ? &r->probe.remote : &r->probe.local;
	struct moat_addr *destination = in ? &r->probe.local : &r->probe.remote;

	memset(source, 0, sizeof(*source));
	memset(destination, 0, sizeof(*destination));
	if (n == 4) {
		memset(source->b + 10, 0xff, 2);
		memset(destination->b + 10, 0xff, 2);
	}
	memcpy(source->b + 16 - n, from, n);
	memcpy(destination->b + 16 - n, to, n);
	r->addresses = true;
}

/* ---- 3.3 fragments ---- */

static enum moat_reason read_fragment(struct reading *r, unsigned int offset,
				      bool more, size_t payload)
{
	if (offset + payload > 65535)
		return MOAT_REASON_BAD_FRAGMENT;
	if (more && (payload % 8 != 0 || payload == 0))
		return MOAT_REASON_BAD_FRAGMENT;
	if (offset == 8 && r->probe.proto == IPPROTO_TCP)
		return MOAT_REASON_BAD_FRAGMENT;
	if (offset)
		r->later = true;
	else
		r->first = true;
	return MOAT_REASON_NONE;
}

/* ---- 3.2 IPv4 ---- */

static enum moat_reason read_options(const struct reading *r)
{
	size_t at = r->l3 + 20;

	while (at < r->l4) {
		int option = r->frame[at];

		if (option == 0)
			break;
		if (option == 1) {
			at++;
			continue;
		}
		if (option == 131 || option == 137)
			return MOAT_REASON_SOURCE_ROUTE;
		if (at + 1 >= r->l4 || r->frame[at + 1] < 2 ||
		    at + r->frame[at + 1] > r->l4)
			return MOAT_REASON_BAD_HEADER;
		at += r->frame[at + 1];
	}
	return MOAT_REASON_NONE;
}

static enum moat_reason read_ipv4(struct reading *r)
{
	const unsigned char *ip = r->frame + r->l3;
	unsigned int header, total, fragment;
	enum moat_reason reason;

	r->probe.family = 4;
	if (r->len < r->l3 + 20)
		return MOAT_REASON_TRUNCATED;
	set_addresses(r, ip + 12, ip + 16, 4);
	r->probe.proto = ip[9];
	r->hops = ip[8];
	header = (ip[0] & 15) * 4u;
	if (ip[0] >> 4 != 4 || header < 20)
		return MOAT_REASON_BAD_HEADER;
	total = word(r, r->l3 + 2);
	if (total < header)
		return MOAT_REASON_BAD_LENGTH;
	if (r->len < r->l3 + total)
		return MOAT_REASON_TRUNCATED;
	r->end = r->l3 + total;
	r->l4 = r->l3 + header;
	reason = read_options(r);
	if (reason)
		return reason;
	fragment = word(r, r->l3 + 6);
	if (!(fragment & 0x3fff))
		return MOAT_REASON_NONE;
	return read_fragment(r, (fragment & 0x1fff) * 8, fragment & 0x2000,
			     total - header);
}

/* ---- 3.2 IPv6 ---- */

static bool is_extension(int proto)
{
	static const int list[] = { 0,	 43,  44,  51,	59, 60,
				    135, 139, 140, 253, 254 };

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		if (list[i] == proto)
			return true;
	return false;
}

/* The length of the extension header at l4, 0 with *ret: none that passes. */
static size_t extension_length(const struct reading *r, int number,
			       enum moat_reason *ret)
{
	const unsigned char *h = r->frame + r->l4;

	*ret = MOAT_REASON_EXT_HEADER;
	switch (r->probe.proto) {
	case 0:
		return number ? 0 : (h[1] + 1u) * 8;
	case 60:
		return (h[1] + 1u) * 8;
	case 43:
		*ret = MOAT_REASON_ROUTING_HEADER;
		return h[2] == 0 || h[3] != 0 ? 0 : (h[1] + 1u) * 8;
	case 44:
		return 8;
	case 51:
		return (h[1] + 2u) * 4;
	}
	return 0;
}

static enum moat_reason read_fragment_header(struct reading *r)
{
	unsigned int at = word(r, r->l4 + 2);

	if (r->fragment_header)
		return MOAT_REASON_BAD_FRAGMENT;
	r->fragment_header = true;
	r->probe.proto = r->frame[r->l4];
	if (!(at & 0xfff9))
		return MOAT_REASON_NONE;
	return read_fragment(r, at & 0xfff8, at & 1, r->end - r->l4 - 8);
}

static enum moat_reason read_extensions(struct reading *r)
{
	for (int i = 0; i <= 8; i++) {
		enum moat_reason reason;
		size_t length;
		int next;

		if (r->later || !is_extension(r->probe.proto))
			return MOAT_REASON_NONE;
		if (i == 8 || r->probe.proto == 59)
			return MOAT_REASON_EXT_HEADER;
		if (r->l4 + 8 > r->end)
			return MOAT_REASON_TRUNCATED;
		length = extension_length(r, i, &reason);
		if (!length)
			return reason;
		if (r->l4 + length > r->end)
			return MOAT_REASON_TRUNCATED;
		next = r->frame[r->l4];
		if (r->probe.proto == 44) {
			reason = read_fragment_header(r);
			if (reason)
				return reason;
		}
		r->probe.proto = next;
		r->l4 += length;
	}
	return MOAT_REASON_EXT_HEADER;
}

static enum moat_reason read_ipv6(struct reading *r)
{
	const unsigned char *ip = r->frame + r->l3;
	unsigned int payload;

	r->probe.family = 6;
	if (r->len < r->l3 + 40)
		return MOAT_REASON_TRUNCATED;
	set_addresses(r, ip + 8, ip + 24, 16);
	r->hops = ip[7];
	if (ip[0] >> 4 != 6)
		return MOAT_REASON_BAD_HEADER;
	payload = word(r, r->l3 + 4);
	if (!payload && ip[6] != 59)
		return MOAT_REASON_BAD_LENGTH;
	if (r->len < r->l3 + 40 + payload)
		return MOAT_REASON_TRUNCATED;
	r->end = r->l3 + 40 + payload;
	r->l4 = r->l3 + 40;
	r->probe.proto = ip[6];
	return read_extensions(r);
}

/* ---- 3.2 addresses; F4 ---- */

static enum moat_reason check_ipv4(struct reading *r, const __u8 *from,
				   const __u8 *to)
{
	bool unspecified = !(from[0] | from[1] | from[2] | from[3]);
	static const __u8 all[4] = { 255, 255, 255, 255 };

	if (from[0] == 127 || from[0] >> 4 == 14 || !memcmp(from, all, 4))
		return MOAT_REASON_BAD_SOURCE;
	if (from[0] == 0 && !(unspecified && r->probe.proto == IPPROTO_UDP))
		return MOAT_REASON_BAD_SOURCE;
	if (r->probe.direction == MOAT_INGRESS && !memcmp(from, to, 4))
		return MOAT_REASON_OWN_SOURCE;
	return to[0] == 127 ? MOAT_REASON_BAD_DESTINATION : MOAT_REASON_NONE;
}

static bool is_mapped(const __u8 *a)
{
	static const __u8 prefix[12] = { [10] = 255, 255 };

	return !memcmp(a, prefix, 12);
}

static enum moat_reason check_ipv6(struct reading *r, const __u8 *from,
				   const __u8 *to)
{
	static const __u8 loopback[16] = { [15] = 1 }, unspecified[16];

	if (from[0] == 255 || is_mapped(from) || !memcmp(from, loopback, 16))
		return MOAT_REASON_BAD_SOURCE;
	if (!memcmp(from, unspecified, 16) && r->probe.proto != IPPROTO_ICMPV6)
		return MOAT_REASON_BAD_SOURCE;
	if (r->probe.direction == MOAT_INGRESS && !memcmp(from, to, 16))
		return MOAT_REASON_OWN_SOURCE;
	if (is_mapped(to) || !memcmp(to, loopback, 16))
		return MOAT_REASON_BAD_DESTINATION;
	return MOAT_REASON_NONE;
}

/* Multicast and limited broadcast, known as soon as the addresses are. */
static bool is_group_address(const struct probe *p)
{
	static const __u8 all[4] = { 255, 255, 255, 255 };
	const __u8 *to = p->direction == MOAT_INGRESS ? p->local.b :
							p->remote.b;

	if (p->family == 6)
		return to[0] == 255;
	return to[12] >> 4 == 14 || !memcmp(to + 12, all, 4);
}

static enum moat_reason check_addresses(struct reading *r)
{
	bool in = r->probe.direction == MOAT_INGRESS;
	const __u8 *from = in ? r->probe.remote.b : r->probe.local.b;
	const __u8 *to = in ? r->probe.local.b : r->probe.remote.b;

	if (r->probe.family == 4)
		return check_ipv4(r, from + 12, to + 12);
	return check_ipv6(r, from, to);
}

/* ---- 3.2 transport ---- */

static enum moat_reason short_one(const struct reading *r)
{
	return r->first ? MOAT_REASON_TINY_FRAGMENT : MOAT_REASON_TRUNCATED;
}

static void read_ports(struct reading *r)
{
	r->probe.sport = (uint16_t)word(r, r->l4);
	r->probe.dport = (uint16_t)word(r, r->l4 + 2);
}

static enum moat_reason read_tcp(struct reading *r)
{
	size_t have = r->end - r->l4, header;

	if (have < 20)
		return short_one(r);
	header = (r->frame[r->l4 + 12] >> 4) * 4u;
	if (header < 20)
		return MOAT_REASON_TCP_OFFSET;
	if (header > have)
		return r->first ? MOAT_REASON_TINY_FRAGMENT :
				  MOAT_REASON_TCP_OFFSET;
	read_ports(r);
	r->probe.flags_given = true;
	r->probe.flags = r->frame[r->l4 + 13];
	return MOAT_REASON_NONE; /* which flags are valid: the reference */
}

static enum moat_reason read_udp(struct reading *r)
{
	size_t have = r->end - r->l4, length;

	if (have < 8)
		return short_one(r);
	length = word(r, r->l4 + 4);
	if (length < 8 || (length > have && !r->first))
		return MOAT_REASON_BAD_LENGTH;
	read_ports(r);
	return MOAT_REASON_NONE;
}

static enum moat_reason read_icmp(struct reading *r)
{
	if ((r->probe.proto == IPPROTO_ICMP) != (r->probe.family == 4))
		return MOAT_REASON_ICMP_FAMILY;
	if (r->end - r->l4 < 8)
		return short_one(r);
	r->probe.type = r->frame[r->l4];
	r->probe.code = r->frame[r->l4 + 1];
	return MOAT_REASON_NONE;
}

static enum moat_reason read_transport(struct reading *r)
{
	switch (r->probe.proto) {
	case IPPROTO_TCP:
		return read_tcp(r);
	case IPPROTO_UDP:
		return read_udp(r);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return read_icmp(r);
	case SCTP:
		if (r->end - r->l4 < 12)
			return short_one(r);
		read_ports(r);
	}
	return MOAT_REASON_NONE;
}

enum moat_reason oracle_read(struct reading *r)
{
	enum moat_reason reason;
	unsigned int type = 0;

	reason = read_link(r, &type);
	if (reason)
		return reason;
	if (type != 0x0800 && type != 0x86dd)
		return MOAT_REASON_NON_IP;
	if (r->probe.direction == MOAT_INGRESS && !(r->frame[0] & 1) &&
	    memcmp(r->frame, "\0\0\0\0\0\0", 6))
		return MOAT_REASON_OTHER_HOST;
	reason = type == 0x0800 ? read_ipv4(r) : read_ipv6(r);
	if (r->addresses)
		r->group = is_group_address(&r->probe);
	if (!reason)
		reason = check_addresses(r);
	if (reason || r->later)
		return reason;
	return read_transport(r);
}
