// SPDX-License-Identifier: BSD-2-Clause
/*
 * The image engine: judges a probe by reading the image as the datapath does,
 * with the same searches over the same words.
 */
#include <linux/in.h>
#include <linux/in6.h>
#include <stdio.h>
#include <string.h>

#include "compile/compile.h"
#include "compile/packet.h"

static __u32 search32(const __u32 *entry, unsigned log2, __u32 value)
{
	__u32 at = 0;

	for (__u32 step = (1u << log2) / 2; step; step /= 2)
		if (entry[at + step] <= value)
			at += step;
	return at;
}

/* The final reference of one half of an IPv6 address. */
static __u32 search6(const struct image_view *v, __u32 ref, __u64 value)
{
	const __u64 *keys = v->part[MOAT_PART_ADDR6];
	const __u32 *values = (const __u32 *)(keys + v->header->addr6_values);
	__u32 at;

	while (!(ref & (MOAT_LEAF | MOAT_LOWER)) && ref & MOAT_SPREAD) {
		const __u64 *table = keys + v->header->addr6_tables +
				     MOAT_BLOCK_OFFSET(ref);
		__u64 place = value > table[0] ?
				      (value - table[0]) >> (table[1] & 63) :
				      0;

		if (place > table[1] >> 32)
			place = table[1] >> 32;
		ref = ((const __u32 *)(table + 2))[place];
	}
	if (ref & (MOAT_LEAF | MOAT_LOWER))
		return ref;
	at = MOAT_BLOCK_OFFSET(ref);
	for (__u32 step = (1u << MOAT_BLOCK_LOG2(ref)) / 2; step; step /= 2)
		if (keys[at + step] <= value)
			at += step;
	return values[at];
}

static unsigned class4(const struct image_view *v, __u32 address)
{
	const __u32 *words = v->part[MOAT_PART_ADDR4];
	__u32 word = words[address >> 16];
	const __u32 *block = words + MOAT_BLOCK_OFFSET(word);

	if (word & MOAT_LEAF)
		return word & 0xffff;
	return block[search32(block, MOAT_BLOCK_LOG2(word),
			      address << 16 | 0xffff)] &
	       0xffff;
}

static unsigned class6(const struct image_view *v, const struct moat_addr *a)
{
	__u64 hi = 0, lo = 0;
	__u32 ref;

	for (int i = 0; i < 8; i++) {
		hi = hi << 8 | a->b[i];
		lo = lo << 8 | a->b[i + 8];
	}
	ref = search6(v, v->header->addr6_upper, hi);
	if (ref & MOAT_LOWER)
		ref = search6(v, ref & ~MOAT_LOWER, lo);
	return ref & 0xffff;
}

static unsigned class_of(const struct image_view *v, const struct moat_addr *a,
			 int family)
{
	return family == 4 ? class4(v, addr_v4(a)) : class6(v, a);
}

static unsigned profile_of(const struct image_view *v, unsigned class)
{
	const __u16 *classes = v->part[MOAT_PART_CLASSES];

	return classes[v->header->profile_of + class];
}

unsigned image_class(const struct image_view *v, const struct moat_addr *a)
{
	return class_of(v, a, addr_is_v4(a) ? 4 : 6);
}

unsigned image_profile(const struct image_view *v, const struct moat_addr *a)
{
	return profile_of(v, image_class(v, a));
}

/* By the packet's family: a v4-mapped address in IPv6 is no IPv4 address. */
static unsigned local_profile(const struct image_view *v,
			      const struct probe *probe)
{
	return profile_of(v, class_of(v, &probe->local, probe->family));
}

/* Both layers' answer to a packet of an endpoint with a profile. */
static __u32 cell_of(const struct image_view *v, const struct probe *probe,
		     unsigned profile)
{
	const struct moat_image *h = v->header;
	const __u16 *classes = v->part[MOAT_PART_CLASSES];
	const __u32 *rows = v->part[MOAT_PART_ROWS];
	unsigned class = class_of(v, &probe->remote, probe->family);
	__u32 row =
		classes[h->rowmap +
			(profile * 2 + (unsigned)probe->direction) * h->classes +
			class];
	__u32 block = rows[h->rowdir + row];
	const __u32 *starts = rows + MOAT_BLOCK_OFFSET(block);
	__u32 at = search32(starts, MOAT_BLOCK_LOG2(block),
			    packet_service(probe));

	return starts[at + (1u << MOAT_BLOCK_LOG2(block))];
}

/* The rule credited where only limited ones match: the first of the chain,
 * as if it had tokens (F7). */
static __u32 chain_slot(const struct image_view *v, __u32 chain)
{
	const __u32 *rows = v->part[MOAT_PART_ROWS];
	__u32 limit = rows[rows[v->header->chains + chain] + 1];

	return rows[v->header->limits + 4 * limit] & 0xffff;
}

/* What one layer says. */
struct says {
	bool denies, audit;
	enum moat_reason reason; /* NONE: it has nothing to say */
	__u32 slot;
};

static void nacl_says(const struct image_view *v, unsigned profile, __u32 cell,
		      struct says *ret)
{
	*ret = (struct says){ .slot = MOAT_SLOT_NONE };
	if (profile == MOAT_PROFILE_NONE ||
	    MOAT_CELL_NACL(cell) == MOAT_CELL_NONE)
		return;
	ret->slot = MOAT_CELL_NACL(cell);
	ret->denies = cell & MOAT_CELL_DENY;
	ret->audit = v->header->profile_flags[profile] &
		     MOAT_PROFILE_NACL_AUDIT;
	ret->reason = ret->denies ? MOAT_REASON_NACL_DENY :
				    MOAT_REASON_NACL_ALLOW;
}

/* The reason for which the stateful layer refuses whatever its rules say. */
static enum moat_reason never_opens(const struct image_view *v,
				    const struct probe *probe)
{
	switch (packet_shape_of(probe)) {
	case SHAPE_ERROR:
		/* Not an essential here: an ordinary type of ICMP. */
		return v->config->essential[MOAT_ESSENTIAL_ICMP_ERRORS] ?
			       MOAT_REASON_NOT_RELATED :
			       MOAT_REASON_NONE;
	case SHAPE_REPLY:
		return MOAT_REASON_NO_FLOW;
	case SHAPE_MIDSTREAM:
		return v->config->midstream_drop ? MOAT_REASON_NO_FLOW :
						   MOAT_REASON_NONE;
	default:
		return MOAT_REASON_NONE;
	}
}

static void sg_says(const struct image_view *v, const struct probe *probe,
		    unsigned profile, __u32 cell, struct says *ret)
{
	unsigned flags = profile == MOAT_PROFILE_NONE ?
				 0 :
				 v->header->profile_flags[profile];
	__u32 sg = MOAT_CELL_SG(cell);

	*ret = (struct says){ .slot = MOAT_SLOT_NONE };
	if (!(flags & MOAT_PROFILE_SG)) {
		ret->denies = !v->config->unassigned_allow;
		ret->reason = ret->denies ? MOAT_REASON_UNASSIGNED :
					    MOAT_REASON_UNASSIGNED_ALLOW;
		ret->audit = v->header->flags & MOAT_IMAGE_AUDIT;
		return;
	}
	ret->audit = flags & MOAT_PROFILE_SG_AUDIT;
	ret->reason = never_opens(v, probe);
	if (ret->reason == MOAT_REASON_NONE && sg == MOAT_CELL_NONE)
		ret->reason = MOAT_REASON_SG_NO_MATCH;
	ret->denies = ret->reason != MOAT_REASON_NONE;
	if (ret->denies)
		return;
	ret->reason = MOAT_REASON_SG_ALLOW;
	ret->slot = cell & MOAT_CELL_LIMITED ? chain_slot(v, sg) : sg;
}

static void answer(const struct image_view *v, enum moat_verdict verdict,
		   const struct says *by, struct answer *ret)
{
	ret->verdict = verdict;
	ret->reason = by->reason;
	slot_name(v->slots, by->slot, ret->rule, sizeof(ret->rule));
}

static void judge_layers(const struct image_view *v, const struct probe *probe,
			 struct answer *ret)
{
	unsigned profile = local_profile(v, probe);
	__u32 cell = profile == MOAT_PROFILE_NONE ? 0 :
						    cell_of(v, probe, profile);
	struct says nacl, sg;
	bool in = probe->direction == MOAT_INGRESS;
	const struct says *first, *second;

	nacl_says(v, profile, cell, &nacl);
	sg_says(v, probe, profile, cell, &sg);
	first = in ? &nacl : &sg;
	second = in ? &sg : &nacl;
	if (first->denies && !first->audit)
		answer(v, MOAT_DROP, first, ret);
	else if (second->denies && !second->audit)
		answer(v, MOAT_DROP, second, ret);
	else if (first->denies || second->denies)
		answer(v, MOAT_WOULD_DROP, first->denies ? first : second, ret);
	else if (sg.reason == MOAT_REASON_UNASSIGNED_ALLOW &&
		 nacl.reason != MOAT_REASON_NONE)
		answer(v, MOAT_ALLOW, &nacl, ret);
	else
		answer(v, MOAT_ALLOW, &sg, ret);
}

/* Dropped by no group and no NACL: the policy's mode, or audit where the
 * endpoint's groups are in audit (design 3.7). */
static void drop_early(const struct image_view *v, const struct probe *probe,
		       enum moat_reason reason, struct answer *ret)
{
	unsigned profile = local_profile(v, probe);
	bool audit = v->header->flags & MOAT_IMAGE_AUDIT;

	if (profile != MOAT_PROFILE_NONE &&
	    v->header->profile_flags[profile] & MOAT_PROFILE_SG_AUDIT)
		audit = true;
	ret->verdict = audit ? MOAT_WOULD_DROP : MOAT_DROP;
	ret->reason = reason;
}

static void judge_built_in(const struct image_view *v, struct answer *ret)
{
	const struct moat_image *h = v->header;

	if (h->flags & MOAT_IMAGE_PASS) {
		ret->verdict = MOAT_ALLOW;
		ret->reason = MOAT_REASON_BEFORE_POLICY;
		return;
	}
	ret->verdict = h->flags & MOAT_IMAGE_AUDIT ? MOAT_WOULD_DROP :
						     MOAT_DROP;
	ret->reason = MOAT_REASON_NO_POLICY;
}

void image_judge(const struct image_view *view, const struct probe *probe,
		 struct answer *ret)
{
	enum moat_reason reason = packet_parsed(probe);
	int failsafe;

	memset(ret, 0, sizeof(*ret));
	ret->generation = view->header->generation;
	if (reason != MOAT_REASON_NONE) {
		drop_early(view, probe, reason, ret);
		return;
	}
	failsafe = packet_failsafe(view->config, probe);
	if (failsafe >= 0) {
		ret->verdict = MOAT_ALLOW;
		ret->reason = MOAT_REASON_FAILSAFE;
		snprintf(ret->rule, sizeof(ret->rule), "failsafe/%d", failsafe);
		return;
	}
	reason = packet_essential(view->config, probe);
	if (reason == MOAT_REASON_ND_INVALID ||
	    reason == MOAT_REASON_REDIRECT) {
		drop_early(view, probe, reason, ret);
	} else if (reason != MOAT_REASON_NONE) {
		ret->verdict = MOAT_ALLOW;
		ret->reason = reason;
	} else if (view->header->flags & MOAT_IMAGE_BUILT_IN) {
		judge_built_in(view, ret);
	} else {
		judge_layers(view, probe, ret);
	}
}
