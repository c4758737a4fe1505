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
/* Bisections of short and of any block; steps above k change nothing. */
#define STEPS_SHORT 5
#define STEPS_ADDR4 16
#define STEPS_LONG 20

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
 * Position of the last entry <= v among 2^k starts at words[first]; a start
 * is the word >> shift. j - k is negative, its top bit set, in the steps that
 * count; in the others the probe stays where it is.
 */
#define BISECT(words, mask, first, k, v, shift, steps) ({ \
	__u64 pos_ = (first), step_, less_; \
	_Pragma("unroll") \
	for (int j_ = (steps) - 1; j_ >= 0; j_--) { \
		step_ = ((__u64)j_ - (k)) >> 63; \
		barrier_var(step_); \
		step_ <<= j_; \
		less_ = (__u64)((words)[(pos_ + step_) & (mask)] >> (shift)); \
		less_ = (less_ - (v) - 1) >> 63; \
		barrier_var(less_); \
		pos_ += step_ * less_; \
	} \
	pos_; })

/* The same for full 64-bit keys: a < b by the borrow of the subtraction. */
#define BISECT64(keys, mask, first, k, v, steps) ({ \
	__u64 pos_ = (first), step_, key_, less_; \
	_Pragma("unroll") \
	for (int j_ = (steps) - 1; j_ >= 0; j_--) { \
		step_ = ((__u64)j_ - (k)) >> 63; \
		barrier_var(step_); \
		step_ <<= j_; \
		key_ = (keys)[(pos_ + step_) & (mask)]; \
		less_ = ((~(v) & key_) | (~((v) ^ key_) & ((v) - key_))) >> 63; \
		less_ ^= 1; \
		barrier_var(less_); \
		pos_ += step_ * less_; \
	} \
	pos_; })

VERIFIED_ONCE __u32 search_addr4(__u32 slot, __u32 addr)
{
	const __u64 mask = knobs.part_mask[MOAT_PART_ADDR4];
	const __u32 *words = PART(&slot, addr4);
	__u64 first, k, pos, v = addr & 0xffff;
	__u32 word;

	if (!words)
		return 0;
	word = words[(__u64)(addr >> 16) & mask];
	if (word & MOAT_LEAF)
		return word & 0xffff;
	first = MOAT_BLOCK_OFFSET(word);
	k = MOAT_BLOCK_LOG2(word);
	if (k <= STEPS_SHORT)
		pos = BISECT(words, mask, first, k, v, 16, STEPS_SHORT);
	else
		pos = BISECT(words, mask, first, k, v, 16, STEPS_ADDR4);
	return words[pos & mask] & 0xffff;
}

/* One level of ADDR6: the value beside the last key <= v. */
VERIFIED_ONCE __u32 search_addr6(__u32 slot, __u32 block, __u64 v)
{
	const __u64 mask = knobs.part_mask[MOAT_PART_ADDR6];
	const __u64 *keys = PART(&slot, addr6);
	__u64 first = MOAT_BLOCK_OFFSET(block), k = MOAT_BLOCK_LOG2(block);
	__u64 pos;

	if (!keys)
		return MOAT_LEAF;
	if (k <= STEPS_SHORT)
		pos = BISECT64(keys, mask, first, k, v, STEPS_SHORT);
	else
		pos = BISECT64(keys, mask, first, k, v, STEPS_LONG);
	return keys[(pos + (1ull << k)) & mask];
}

/* The cell of a service in a row's block. */
VERIFIED_ONCE __u32 search_row(__u32 slot, __u32 block, __u32 service)
{
	const __u64 mask = knobs.part_mask[MOAT_PART_ROWS];
	const __u32 *words = PART(&slot, rows);
	__u64 first = MOAT_BLOCK_OFFSET(block), k = MOAT_BLOCK_LOG2(block);
	__u64 pos, v = service;

	if (!words)
		return MOAT_CELL(MOAT_CELL_NONE, 0, MOAT_CELL_NONE, 0);
	if (k <= STEPS_SHORT)
		pos = BISECT(words, mask, first, k, v, 0, STEPS_SHORT);
	else
		pos = BISECT(words, mask, first, k, v, 0, STEPS_LONG);
	return words[(pos + (1ull << k)) & mask];
}

static __always_inline __u32 class_of6(struct pkt *p, const struct moat_addr *a)
{
	const struct moat_image *h = image_of(p);
	__u32 value;

	if (!h)
		return 0;
	value = search_addr6(p->slot, h->addr6_upper, bpf_be64_to_cpu(a->d[0]));
	if (!(value & MOAT_LEAF))
		value = search_addr6(p->slot, value, bpf_be64_to_cpu(a->d[1]));
	return value & 0xffff;
}

static __noinline __u32 class_of(struct pkt *p, const struct moat_addr *a)
{
	if (p->family == 4)
		return search_addr4(p->slot, bpf_ntohl(a->w[3]));
	return class_of6(p, a);
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
	if (p->dir == MOAT_INGRESS && p->flags & PKT_GROUP_ADDRESS) {
		i = bpf_map_lookup_elem(&ifaces, &p->iface);
		if (i)
			*ret = p->family == 4 ? i->first4 : i->first6;
		return;
	}
	o = bpf_map_lookup_elem(&own, &p->key.local);
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
	p->profile = classes_at(p, h->profile_of + class_of(p, &local));
	p->remote_class = class_of(p, &p->key.remote);
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
	__u32 row;

	if (!h || p->profile == MOAT_PROFILE_NONE)
		return MOAT_CELL(MOAT_CELL_NONE, 0, MOAT_CELL_NONE, 0);
	row = classes_at(p, h->rowmap + (p->profile * 2 + dir) * h->classes +
				    p->remote_class);
	return search_row(p->slot, rows_at(p, h->rowdir + row), service);
}

#endif
