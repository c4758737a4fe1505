/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The compiled policy as the datapath reads it: four flat arrays and a header
 * per slot. Written by user space into an idle slot, sealed, then switched to
 * by one store of the control word. All that is searched is a sorted table of
 * boundaries, short or made short by a table in front of it; the bisection is
 * branch-free, which every verifier takes.
 */
#ifndef MOAT_IMAGE_H
#define MOAT_IMAGE_H

#include "moat/base.h"

#define MOAT_SLOTS 4		   /* in force, previous, written, shadow */
#define MOAT_PART_MAX (4u << 20)   /* bytes of one array in one slot */
#define MOAT_SLOT_MAX (12u << 20)  /* bytes of one slot over all arrays */
#define MOAT_PART_MIN (512u << 10) /* bytes of one array at first load */

/* The four arrays, each a BPF_F_MMAPABLE array map of MOAT_SLOTS elements. */
#define MOAT_PARTS(X) \
	X(ADDR4, "addr4") \
	X(ADDR6, "addr6") \
	X(CLASSES, "classes") \
	X(ROWS, "rows")

enum moat_part {
#define X(symbol, name) MOAT_PART_##symbol,
	MOAT_PARTS(X)
#undef X
		MOAT_PART_COUNT
};

/*
 * A block is a table of 2^k sorted entries; entry 0 is 0, and the last entry
 * is repeated to fill up. Looking up v: the value of the last entry <= v.
 *
 * ADDR4, u32 words. Words 0..65535 are the root, indexed by the upper 16 bits
 * of the address (host order): MOAT_LEAF | class, or MOAT_BLOCK(offset, k)
 * of 2^k words start << 16 | class, start being the lower 16 bits.
 */
#define MOAT_LEAF 0x80000000u
#define MOAT_BLOCK(offset, k) ((__u32)(k) << 24 | (__u32)(offset))
#define MOAT_BLOCK_OFFSET(word) ((word)&0xffffffu)
#define MOAT_BLOCK_LOG2(word) ((word) >> 24 & 0x1f)
#define MOAT_ADDR4_ROOT 65536
#define MOAT_LOWER 0x40000000u
#define MOAT_SPREAD 0x20000000u
#define MOAT_SPREAD_DEPTH 4

/*
 * ADDR6. A reference, u32, is one of:
 *   MOAT_LEAF | class
 *   MOAT_BLOCK(first, k): 2^k sorted u64 keys from key number first on; the
 *     last one <= v names by its number the u32 value, a reference again:
 *     a leaf, or MOAT_LOWER and more, both final
 *   MOAT_SPREAD | offset: a table of references spread over the keys it was
 *     made of: u64 base, u64 shift | last << 32, then last + 1 references
 *     (u32). Reference (v - base) >> shift, bounded by 0 and last, is next
 *   MOAT_LOWER | one of these three: the same for the lower half
 * header.addr6_upper is that of the upper 64 bits of an address (host order).
 * Keys start at the part's first byte, values at header.addr6_values, tables
 * at header.addr6_tables: these and a table's offset count units of 8 bytes.
 * At most MOAT_SPREAD_DEPTH tables follow each other in one half. A run of
 * keys starts from 0, and repeats the last one for blocks that reach beyond.
 *
 * CLASSES, u16 entries.
 *   [header.profile_of + class]  profile of an address of this class, or
 *                                MOAT_PROFILE_NONE
 *   [header.rowmap + (profile * 2 + direction) * header.classes + class]
 *                                row for a remote address of this class
 *
 * ROWS, u32 words.
 *   [header.rowdir + row]   MOAT_BLOCK(offset, k): 2^k starts of service
 *                           intervals, followed by 2^k cells
 *   [header.chains + chain] offset of: count, then count limit numbers in
 *                           file order (count <= MOAT_CHAIN_MAX)
 *   [header.limits + 4 * limit] slot | per << 16, rate (new connections per
 *                           1000 seconds), burst, 0
 *   [header.slots + slot]   MOAT_SLOT_* flags of a rule counter slot
 */
#define MOAT_PROFILE_NONE 0xffff
#define MOAT_CHAIN_MAX 8
#define MOAT_PER_RULE 0
#define MOAT_PER_SOURCE 1

/*
 * Service: protocol and port as one number of 24 bits, host order:
 * protocol << 16 | destination port; ICMP and ICMPv6: protocol << 16 |
 * type << 8 | code; any other protocol: protocol << 16.
 */
#define MOAT_SERVICE(proto, low) ((__u32)(proto) << 16 | (__u32)(low))
#define MOAT_SERVICE_END 0x1000000u

/*
 * Cell: one search answers both layers.
 *   14..0  slot of the NACL rule that decides, MOAT_CELL_NONE: no NACL
 *   15     that rule denies
 *   30..16 slot of the security group rule, or the chain; MOAT_CELL_NONE:
 *          no rule matches
 *   31     only limited rules match: 30..16 is a chain
 */
#define MOAT_CELL_NONE 0x7fff
#define MOAT_CELL_NACL(cell) ((cell)&0x7fff)
#define MOAT_CELL_DENY 0x8000u
#define MOAT_CELL_SG(cell) ((cell) >> 16 & 0x7fff)
#define MOAT_CELL_LIMITED 0x80000000u
#define MOAT_CELL(nacl, deny, sg, limited) \
	((__u32)(nacl) | ((deny) ? MOAT_CELL_DENY : 0u) | (__u32)(sg) << 16 | \
	 ((limited) ? MOAT_CELL_LIMITED : 0u))

/* Rule counter slots: stable per (layer, group, rule, direction) in a host. */
#define MOAT_SLOT_NONE 0xffff /* in verdict words: no rule credited */
#define MOAT_RULE_SLOTS_MAX 0x7fff
#define MOAT_SLOT_EXISTS 1     /* the rule is part of this policy */
#define MOAT_SLOT_REEVALUATE 2 /* its group says on_tighten: reevaluate */

/* Profile flags. */
#define MOAT_PROFILE_SG 1	/* in at least one group */
#define MOAT_PROFILE_SG_AUDIT 2 /* any of its groups is in audit */
#define MOAT_PROFILE_NACL 4
#define MOAT_PROFILE_NACL_AUDIT 8
#define MOAT_PROFILE_REEVALUATE 16 /* any of its groups says reevaluate */

/* Header flags. */
#define MOAT_IMAGE_AUDIT 1	/* the policy's mode */
#define MOAT_IMAGE_REEVALUATE 2 /* the policy's on_tighten */
#define MOAT_IMAGE_BUILT_IN 4	/* nothing was ever committed */
#define MOAT_IMAGE_PASS 8	/* with BUILT_IN: before_first_policy: pass */

#define MOAT_IMAGE_MAGIC 0x6d6f6174u /* "moat" */
#define MOAT_IMAGE_SEAL(generation) (MOAT_IMAGE_MAGIC ^ (generation))

/* One element per slot of the header array, its own map. */
struct moat_image {
	__u32 seal;	   /* MOAT_IMAGE_SEAL(generation), written last */
	__u32 generation;  /* 24 bits */
	__u32 abi;	   /* MOAT_ABI_VERSION */
	__u32 flags;	   /* MOAT_IMAGE_* */
	__u64 checksum;	   /* user space: over header and used parts */
	__u32 used[4];	   /* bytes in use, by enum moat_part */
	__u32 addr6_upper; /* a reference */
	__u32 classes;
	__u32 profiles;
	__u32 rows;
	__u32 profile_of;
	__u32 rowmap;
	__u32 rowdir;
	__u32 chains;
	__u32 limits;
	__u32 slots;
	__u32 nslots;
	__u32 addr6_values;
	__u32 addr6_tables;
	__u32 reserved[3];
	__u8 profile_flags[MOAT_MAX_PROFILES];
};
MOAT_ASSERT_SIZE(struct moat_image, 168);
MOAT_ASSERT_OFFSET(struct moat_image, profile_flags, 104);

/*
 * The control word, read once at the start of every program run:
 *   63..60 slot in force   59..56 previous slot   55..32 generation
 *   31..0  deadline in seconds of moat's own epoch, 0: confirmed
 * Past the deadline programs use the previous slot, with the generation of
 * that slot's header.
 */
#define MOAT_CTL(slot, previous, generation, deadline) \
	((__u64)(slot) << 60 | (__u64)(previous) << 56 | \
	 (__u64)(generation) << 32 | (__u32)(deadline))
#define MOAT_CTL_SLOT(w) ((__u32)((w) >> 60))
#define MOAT_CTL_PREVIOUS(w) ((__u32)((w) >> 56) & 0xf)
#define MOAT_CTL_GENERATION(w) ((__u32)((w) >> 32) & 0xffffff)
#define MOAT_CTL_DEADLINE(w) ((__u32)(w))

struct moat_control {
	__u64 word;
	__u64 heartbeat;   /* jiffies64, stored by the agent once a second */
	__u64 lease_floor; /* jiffies64: leases until then are void */
};
MOAT_ASSERT_SIZE(struct moat_control, 24);

#endif
