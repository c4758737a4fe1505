// SPDX-License-Identifier: BSD-2-Clause
/* Addresses, CIDRs and protocol names: parse and print. */
#include "base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

#ifndef IPPROTO_SCTP
#define IPPROTO_SCTP 132
#endif

static const __u8 mapped_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255 };

int addr_parse(const char *text, struct moat_addr *ret, int *ret_family)
{
	struct moat_addr a;
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		*ret = addr_from_v4(ntohl(v4.s_addr));
		*ret_family = 4;
		return 0;
	}
	if (inet_pton(AF_INET6, text, &a) != 1 || addr_is_v4(&a))
		return -EINVAL;
	*ret = a;
	*ret_family = 6;
	return 0;
}

/* A decimal number of at most three digits and no leading zero, or -1. */
static int small_number(const char *text, int max)
{
	size_t len = strspn(text, "0123456789");
	int n = 0;

	if (!len || len > 3 || text[len] || (text[0] == '0' && len > 1))
		return -1;
	for (size_t i = 0; i < len; i++)
		n = n * 10 + (text[i] - '0');
	return n > max ? -1 : n;
}

/* Clears everything behind length bits; true if something was set there. */
static bool clear_host_bits(struct moat_addr *a, int length)
{
	bool set = false;

	for (int i = 0; i < 16; i++) {
		int bits = length - 8 * i;
		__u8 mask = bits >= 8 ? 0xff : bits <= 0 ? 0 : 0xff00 >> bits;

		set |= a->b[i] & ~mask;
		a->b[i] &= mask;
	}
	return set;
}

int cidr_parse(const char *text, struct cidr *ret)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	char address[INET6_ADDRSTRLEN];
	struct cidr c = {};
	int family, length;

	if (len >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, len);
	address[len] = '\0';
	if (addr_parse(address, &c.addr, &family))
		return -EINVAL;
	length = family == 4 ? 32 : 128;
	if (slash)
		length = small_number(slash + 1, length);
	if (length < 0)
		return -EINVAL;
	c.family = family;
	c.length = length;
	if (clear_host_bits(&c.addr, addr_mapped_length(&c))) {
		*ret = c;
		return -EDOM;
	}
	*ret = c;
	return 0;
}

/* Decimal of 0 to 255; returns the place behind it. */
static char *print_byte(char *to, unsigned value)
{
	if (value >= 100)
		*to++ = (char)('0' + value / 100);
	if (value >= 10)
		*to++ = (char)('0' + value / 10 % 10);
	*to++ = (char)('0' + value % 10);
	return to;
}

/* As inet_ntop(), without the printf in it: policies have 100,000. */
static char *print_v4(const __u8 b[4], char *to)
{
	for (int i = 0; i < 4; i++) {
		if (i)
			*to++ = '.';
		to = print_byte(to, b[i]);
	}
	*to = '\0';
	return to;
}

char *addr_print(const struct moat_addr *addr, char *buf)
{
	if (addr_is_v4(addr))
		print_v4(&addr->b[12], buf);
	else
		inet_ntop(AF_INET6, addr->b, buf, ADDR_TEXT);
	return buf;
}

char *cidr_print(const struct cidr *cidr, bool brief, char *buf)
{
	char *end;

	/* An IPv6 network above ::ffff:0:0/96 must not print as IPv4. */
	if (cidr->family == 4) {
		end = print_v4(&cidr->addr.b[12], buf);
	} else {
		inet_ntop(AF_INET6, cidr->addr.b, buf, ADDR_TEXT);
		end = buf + strlen(buf);
	}
	if (brief && cidr->length == (cidr->family == 4 ? 32 : 128))
		return buf;
	*end++ = '/';
	*print_byte(end, cidr->length) = '\0';
	return buf;
}

bool addr_is_v4(const struct moat_addr *addr)
{
	return !memcmp(addr->b, mapped_prefix, sizeof(mapped_prefix));
}

__u32 addr_v4(const struct moat_addr *addr)
{
	return ntohl(addr->w[3]);
}

struct moat_addr addr_from_v4(__u32 host_order)
{
	struct moat_addr a;

	memcpy(a.b, mapped_prefix, sizeof(mapped_prefix));
	a.w[3] = htonl(host_order);
	return a;
}

bool addr_equal(const struct moat_addr *a, const struct moat_addr *b)
{
	return a->d[0] == b->d[0] && a->d[1] == b->d[1];
}

int addr_compare(const struct moat_addr *a, const struct moat_addr *b)
{
	return memcmp(a->b, b->b, sizeof(a->b));
}

bool cidr_contains(const struct cidr *cidr, const struct moat_addr *addr)
{
	int length = addr_mapped_length(cidr);
	int whole = length / 8, rest = length % 8;

	/* ::/0 holds no IPv4 address, mapped though they are. */
	if (addr_is_v4(addr) != (cidr->family == 4))
		return false;
	if (memcmp(cidr->addr.b, addr->b, whole))
		return false;
	return !rest || !((cidr->addr.b[whole] ^ addr->b[whole]) &
			  (0xff00 >> rest) & 0xff);
}

int cidr_compare(const struct cidr *a, const struct cidr *b)
{
	int order;

	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	order = addr_compare(&a->addr, &b->addr);
	return order ? order : (int)a->length - (int)b->length;
}

static const struct {
	const char *name;
	int proto;
} protos[] = {
	{ "icmp", IPPROTO_ICMP },     { "tcp", IPPROTO_TCP },
	{ "udp", IPPROTO_UDP },	      { "gre", IPPROTO_GRE },
	{ "esp", IPPROTO_ESP },	      { "ah", IPPROTO_AH },
	{ "icmpv6", IPPROTO_ICMPV6 }, { "sctp", IPPROTO_SCTP },
};

int proto_parse(const char *text)
{
	int number;

	for (size_t i = 0; i < ARRAY_SIZE(protos); i++)
		if (!strcmp(text, protos[i].name))
			return protos[i].proto;
	number = small_number(text, 255);
	return number < 0 ? -EINVAL : number;
}

const char *proto_print(int proto, char *buf)
{
	for (size_t i = 0; i < ARRAY_SIZE(protos); i++)
		if (proto == protos[i].proto)
			return protos[i].name;
	snprintf(buf, 8, "%d", proto & 0xff);
	return buf;
}

bool proto_has_ports(int proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP ||
	       proto == IPPROTO_SCTP;
}
