/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What kernel and user space share: fixed-width types, hard limits and the
 * size assertion. No libc, no libbpf, no functions in this folder.
 */
#ifndef MOAT_BASE_H
#define MOAT_BASE_H

#include <linux/types.h>

/* Layout version of every shared struct; part of the pin path. */
#define MOAT_ABI_VERSION 3

#define MOAT_MAX_RULES 10000  /* rules of one policy, both layers */
#define MOAT_MAX_CIDRS 100000 /* CIDRs of one policy, after merging lists */
#define MOAT_MAX_NAMES 4096   /* groups, prefix lists and NACLs together */
#define MOAT_MAX_PROFILES 64  /* profiles of one host */
#define MOAT_MAX_DOCUMENT (16u << 20) /* bytes of one merged document */

/* Directions, as indices of arrays. Ingress: towards this host. */
#define MOAT_INGRESS 0
#define MOAT_EGRESS 1

#define MOAT_ASSERT_SIZE(type, size) \
	_Static_assert(sizeof(type) == (size), #type " changed its size")
#define MOAT_ASSERT_OFFSET(type, member, offset) \
	_Static_assert(__builtin_offsetof(type, member) == (offset), \
		       #type "." #member " moved")

/*
 * An address of either family; IPv4 is v4-mapped (::ffff:a.b.c.d, RFC 4291
 * section 2.5.5.2), so one key form serves both.
 */
struct moat_addr {
	union {
		__u8 b[16];
		__be32 w[4];
		__u64 d[2];
	};
};
MOAT_ASSERT_SIZE(struct moat_addr, 16);

#endif
