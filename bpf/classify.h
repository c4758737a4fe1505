/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The policy image: address to class, class to profile and row, row and
 * service to cell. Every search is branch-free with unsigned shifts (design
 * section 4, "What the verifiers take"): one state a step, on every kernel.
 */
#ifndef MOAT_CLASSIFY_H
#define MOAT_CLASSIFY_H

#include "maps.h"
#include "pkt.h"

#define PART(slot, map) ((const void *)bpf_map_lookup_elem(&map, slot))
/* The header of the slot in force, or NULL if it does not fit the generation
 * (F8). */
static __noinline const struct moat_image *image_of(const struct pkt *p)
{
	const struct moat_image *h = bpf_map_lookup_elem(&image, &p->slot);

	if (!h || h->generation != p->generation ||
	    h->seal != MOAT_IMAGE_SEAL(p->generation) ||
	    h->abi != MOAT_ABI_VERSION)
		return 0;
	return h;
}

/*
 * Searches in blocks: at first, pos is the block's first entry; after all
 * steps it is the last one <= v. One step decides two bits: it reads the
 * entries at the quarters, whose loads do not wait for each other (measured on
 * 1,024 entries: 24 ns, by bits one after the other 45). In a block of an odd
 * power of two one bit goes before. The steps are a ladder that a search
 * enters at its own k: measured, steps that do nothing cost as much as others.
 * A comparison is a sign bit: v < e is the borrow of v - e.
 */
static __always_inline __u64 sign_of(__u64 x)
{
	barrier_var(x);
	x >>= 63;
	barrier_var(x);
	return x;
}

#define ABOVE(entry, less, step) \
	(e = (entry)[(pos + (step)) & mask], sign_of(less))
#define HALF(k, entry, less) \
	do { \
		__u64 half = 1ull << (((k)-1) & 31), e; \
		if ((k)&1) \
			pos += half & (ABOVE(entry, less, half) - 1); \
	} while (0)
#define QUARTERS(j, entry, less) \
	case (j) + 2: { \
		__u64 e, above = ABOVE(entry, less, 1ull << (j)); \
		above += ABOVE(entry, less, 2ull << (j)); \
		above += ABOVE(entry, less, 3ull << (j)); \
		pos += (3 - above) << (j); \
	} \
		__attribute__((fallthrough));

/* clang-format off */
#define STEPS_8(j, entry, less) \
	QUARTERS((j) + 6, entry, less) QUARTERS((j) + 4, entry, less) \
	QUARTERS((j) + 2, entry, less) QUARTERS(j, entry, less)
#define STEPS_16(entry, less) \
	STEPS_8(8, entry, less) STEPS_8(0, entry, less)
#define STEPS_20(entry, less) \
	QUARTERS(18, entry, less) QUARTERS(16, entry, less) \
	STEPS_16(entry, less)
/* clang-format on */

VERIFIED_ONCE __u32 search_addr4(__u32 slot, __u32 addr)
{
	const __u64 mask = knobs.part_mask[MOAT_PART_ADDR4];
	const __u32 *words = PART(&slot, addr4);
	__u64 pos, v = (__u64)(addr & 0xffff) << 16 | 0xffff;
	__u32 word, k;

	if (!words)
		return 0;
	word = words[(__u64)(addr >> 16) & mask];
	if (word & MOAT_LEAF)
		return word & 0xffff;
	pos = MOAT_BLOCK_OFFSET(word);
	k = MOAT_BLOCK_LOG2(word);
	HALF(k, words, v - e);
	switch (k & ~1u) {
		STEPS_16(words, v - e)
	default:
		break;
	}
	return words[pos & mask] & 0xffff;
}

/* The reference that stands in a table of ADDR6 for v; one that names no
 * table stays. */
static __always_inline __u32 spread_next(const __u64 *part, __u32 ref,
					 __u64 start, __u64 v)
{
	const __u64 mask = knobs.part_mask[MOAT_PART_ADDR6];
	__u64 table = start + MOAT_BLOCK_OFFSET(ref), base, info, place, last;

	if ((ref & (MOAT_SPREAD | MOAT_LOWER | MOAT_LEAF)) != MOAT_SPREAD)
		return ref;
	base = part[table & mask];
	info = part[(table + 1) & mask];
	last = info >> 32;
	place = v - base;
	if (v < base)
		place = 0;
	place >>= info & 63;
	if (place > last)
		place = last;
	return ((
		const __u32 *)part)[((table + 2) * 2 + place) & (mask * 2 + 1)];
}

/*
 * The final reference of one half of an address. starts: where tables and
 * values start, in units of 8 bytes, tables in the upper half.
 */
VERIFIED_ONCE __u32 search_addr6(__u32 slot, __u32 ref, __u64 v, __u64 starts)
{
	const __u64 mask = knobs.part_mask[MOAT_PART_ADDR6];
	const __u64 *keys = PART(&slot, addr6);
	__u64 pos;
	__u32 k;

	if (!keys)
		return MOAT_LEAF;
	ref = spread_next(keys, ref, starts >> 32, v);
	ref = spread_next(keys, ref, starts >> 32, v);
	ref = spread_next(keys, ref, starts >> 32, v);
	ref = spread_next(keys, ref, starts >> 32, v);
	_Static_assert(MOAT_SPREAD_DEPTH == 4, "steps above");
	if (ref & (MOAT_LOWER | MOAT_LEAF))
		return ref;
	pos = MOAT_BLOCK_OFFSET(ref);
	k = MOAT_BLOCK_LOG2(ref);
	HALF(k, keys, (~v & e) | (~(v ^ e) & (v - e)));
	switch (k & ~1u) {
		STEPS_20(keys, (~v & e) | (~(v ^ e) & (v - e)))
	default:
		break;
	}
	pos += (__u64)(__u32)starts * 2;
	return ((const __u32 *)keys)[pos & (mask * 2 + 1)];
}

/*
 * The cell of a service: place is where in CLASSES its row stands, rowdir
 * where in ROWS the rows' blocks do.
 */
VERIFIED_ONCE __u32 search_cell(__u32 slot, __u32 place, __u32 rowdir,
				__u32 service)
{
	const __u64 mask = knobs.part_mask[MOAT_PART_ROWS];
	const __u16 *rows_of = PART(&slot, classes);
	const __u32 *words = PART(&slot, rows);
	__u64 pos, v = service;
	__u32 block, k;

	if (!rows_of || !words)
		return MOAT_CELL(MOAT_CELL_NONE, 0, MOAT_CELL_NONE, 0);
	pos = rows_of[(__u64)place & knobs.part_mask[MOAT_PART_CLASSES]];
	block = words[(rowdir + pos) & mask];
	pos = MOAT_BLOCK_OFFSET(block);
	k = MOAT_BLOCK_LOG2(block);
	HALF(k, words, v - e);
	switch (k & ~1u) {
		STEPS_20(words, v - e)
	default:
		break;
	}
	return words[(pos + (1ull << k)) & mask];
}

static __always_inline __u64 starts6(const struct moat_image *h)
{
	return (__u64)h->addr6_tables << 32 | h->addr6_values;
}

/* ref: addr6_upper of the header; words: the address as it is sent. */
static __always_inline __u32 class_of6(__u32 slot, __u32 ref, __u64 starts,
				       const __u64 words[2])
{
	ref = search_addr6(slot, ref, bpf_be64_to_cpu(words[0]), starts);
	if (ref & MOAT_LOWER)
		ref = search_addr6(slot, ref & ~MOAT_LOWER,
				   bpf_be64_to_cpu(words[1]), starts);
	return ref & 0xffff;
}

/* h: image_of(p). */
static __noinline __u32 class_of(const struct pkt *p,
				 const struct moat_image *h,
				 const struct moat_addr *a)
{
	if (p->family == 4)
		return search_addr4(p->slot, bpf_ntohl(a->w[3]));
	return class_of6(p->slot, h->addr6_upper, starts6(h), a->d);
}

static __always_inline __u32 classes_at(struct pkt *p, __u32 index)
{
	const __u16 *classes_part = PART(&p->slot, classes);

	if (!classes_part)
		return MOAT_PROFILE_NONE;
	return classes_part[(__u64)index & knobs.part_mask[MOAT_PART_CLASSES]];
}

static __always_inline __u32 rows_at(struct pkt *p, __u32 index)
{
	const __u32 *words = PART(&p->slot, rows);

	if (!words)
		return 0;
	return words[(__u64)index & knobs.part_mask[MOAT_PART_ROWS]];
}

/* MOAT_SLOT_* of a rule counter slot in this image; 0 beyond its slots. */
static __noinline __u32 slot_flags(struct pkt *p, __u32 slot)
{
	const struct moat_image *h = image_of(p);

	return h && slot < h->nslots ? rows_at(p, h->slots + slot) : 0;
}

/* F37: multicast and broadcast belong to the interface's first address, a
 * link-local or temporary address to the one whose profile it takes over. */
static __noinline void endpoint(struct pkt *p, struct moat_addr *ret)
{
	struct moat_iface *i;
	struct moat_own *o;

	*ret = p->key.local;
	if (p->flags & PKT_OWN_PROFILE)
		return;
	o = bpf_map_lookup_elem(&own, &p->key.local);
	if (p->dir == MOAT_INGRESS && (p->flags & PKT_GROUP_ADDRESS ||
				       (o && o->flags & MOAT_OWN_BROADCAST))) {
		i = bpf_map_lookup_elem(&ifaces, &p->iface);
		if (i)
			*ret = p->family == 4 ? i->first4 : i->first6;
		return;
	}
	if (o && !addr_is_zero(&o->alias))
		*ret = o->alias;
}

/* Profile of the endpoint and class of the remote address, once a packet. */
static __noinline void classify(struct pkt *p)
{
	const struct moat_image *h = image_of(p);
	struct moat_addr local;

	if (!h || p->flags & PKT_CLASSIFIED)
		return;
	p->flags |= PKT_CLASSIFIED;
	endpoint(p, &local);
	p->profile = classes_at(p, h->profile_of + class_of(p, h, &local));
	p->remote_class = class_of(p, h, &p->key.remote);
	p->policy_flags = h->flags;
	p->profile_flags = 0;
	if (p->profile < MOAT_MAX_PROFILES)
		p->profile_flags = h->profile_flags[p->profile & 63];
	else
		p->profile = MOAT_PROFILE_NONE;
}

/* The cell of a service in a direction, for the classified pair. */
static __noinline __u32 cell_of(struct pkt *p, __u32 dir, __u32 service)
{
	const struct moat_image *h = image_of(p);
	__u32 place;

	if (!h || p->profile == MOAT_PROFILE_NONE)
		return MOAT_CELL(MOAT_CELL_NONE, 0, MOAT_CELL_NONE, 0);
	place = h->rowmap + (p->profile * 2 + dir) * h->classes +
		p->remote_class;
	return search_cell(p->slot, place, h->rowdir, service);
}

#endif
