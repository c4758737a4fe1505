/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses, CIDRs and protocol names: parse and print. */
#ifndef MOAT_ADDR_H
#define MOAT_ADDR_H

#include <stdbool.h>
#include <stddef.h>

#include "moat/base.h"

/*
 * A CIDR. For IPv4 the address is v4-mapped and length counts the IPv4 bits
 * (0..32); addr_mapped_length() gives the length in mapped space (96..128).
 */
struct cidr {
	struct moat_addr addr;
	__u8 family; /* 4 or 6 */
	__u8 length;
};

/* Long enough for any printed address or CIDR with its NUL. */
#define ADDR_TEXT 64

/*
 * Parses an IPv4 dotted quad or an IPv6 address (RFC 4291 text form; no zone,
 * no v4-mapped). 0, or -EINVAL with *ret untouched; *ret_family is 4 or 6.
 */
int addr_parse(const char *text, struct moat_addr *ret, int *ret_family);

/*
 * Parses ADDRESS or ADDRESS/LENGTH. 0; -EINVAL for no CIDR; -EDOM for host
 * bits set, *ret then being the canonical network. A bare address gets
 * length 32 or 128.
 */
int cidr_parse(const char *text, struct cidr *ret);

/* Prints into buf of ADDR_TEXT bytes and returns buf. A v4-mapped address
 * prints as a dotted quad. cidr_print leaves out /32 and /128 if brief. */
char *addr_print(const struct moat_addr *addr, char *buf);
char *cidr_print(const struct cidr *cidr, bool brief, char *buf);

bool addr_is_v4(const struct moat_addr *addr);
/* Host order. Only for v4-mapped addresses. */
__u32 addr_v4(const struct moat_addr *addr);
struct moat_addr addr_from_v4(__u32 host_order);
bool addr_equal(const struct moat_addr *a, const struct moat_addr *b);
int addr_compare(const struct moat_addr *a, const struct moat_addr *b);
bool cidr_contains(const struct cidr *cidr, const struct moat_addr *addr);
int cidr_compare(const struct cidr *a, const struct cidr *b);
static inline int addr_mapped_length(const struct cidr *cidr)
{
	return cidr->family == 4 ? cidr->length + 96 : cidr->length;
}

/*
 * Protocol by name (tcp, udp, icmp, icmpv6, sctp, gre, esp, ah) or number
 * 0-255; -EINVAL. The printed form is the name, else the number, in buf of
 * at least 8 bytes.
 */
int proto_parse(const char *text);
const char *proto_print(int proto, char *buf);
/* TCP, UDP, SCTP (RFC 793, 768, 9260): the protocols whose ports are read. */
bool proto_has_ports(int proto);

#endif
