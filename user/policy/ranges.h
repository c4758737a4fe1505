/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sets of addresses as sorted, disjoint ranges of 128-bit numbers; IPv4 is
 * v4-mapped. An IPv6 CIDR that holds the mapped block (::/0 and its like)
 * does not hold IPv4.
 */
#ifndef MOAT_RANGES_H
#define MOAT_RANGES_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/model.h"

typedef unsigned __int128 addr_num;

#define RANGES_V4_FIRST ((addr_num)0xffff << 32)
#define RANGES_V4_LAST (RANGES_V4_FIRST | 0xffffffffu)
#define RANGES_MAX (~(addr_num)0)

struct range {
	addr_num first, last;
};

/*
 * Adding leaves the set open; ranges_close() sorts and merges it. All other
 * functions take closed sets. failed: memory ran out and the set lacks
 * something; it sticks, and who asks says so once.
 */
struct ranges {
	struct range *items;
	size_t count, cap;
	bool failed;
};

void ranges_add(struct ranges *r, addr_num first, addr_num last);
void ranges_add_cidr(struct ranges *r, const struct cidr *cidr);
void ranges_add_set(struct ranges *r, const struct addr_set *set);
void ranges_add_all(struct ranges *r, const struct ranges *other);
void ranges_close(struct ranges *r);
void ranges_free(struct ranges *r); /* back to {0} */

addr_num addr_number(const struct moat_addr *addr);
struct moat_addr addr_from_number(addr_num number);

/* a in b; some address is in both. */
bool ranges_subset(const struct ranges *a, const struct ranges *b);
bool ranges_overlap(const struct ranges *a, const struct ranges *b);
bool ranges_hold(const struct ranges *r, addr_num first, addr_num last);
bool ranges_touch(const struct ranges *r, addr_num first, addr_num last);

/*
 * For a message, into buf of RANGES_TEXT bytes: how many addresses and where
 * they begin: "1024 addresses (10.20.0.0/22)", "2^64 addresses (fd00::/64)",
 * "288 addresses (10.20.0.0/24 and 1 more range)". Returns buf.
 */
#define RANGES_TEXT 256
char *ranges_print(const struct ranges *r, char *buf);

#endif
