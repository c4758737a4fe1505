/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What a CPU remembers of a local address for the short way in XDP, as the
 * long way found it (struct xdp_memo of maps.h).
 */
#ifndef MOAT_XDP_MEMO_H
#define MOAT_XDP_MEMO_H

#include "classify.h"
#include "judge.h"

/* Neither 0/8, 127/8, nor 224/4 and above; neither in ::/3, where mapped and
 * loopback addresses are, nor multicast: source.h says what those are. */
static __always_inline bool plain_address(const __u64 a[2], bool v4)
{
	__u32 first = v4 ? a[1] >> 32 & 0xff : a[0] & 0xff;

	if (v4)
		return first && first != 127 && first < 224;
	return first & 0xe0 && first != 0xff;
}

static __always_inline struct xdp_memo *memo_of(__u64 local, __u32 ifindex)
{
	__u32 index = (local >> 56 ^ ifindex) & (XDP_MEMOS - 1);

	return bpf_map_lookup_elem(&xdp_memos, &index);
}

static __always_inline __u32 memo_flags(const struct pkt *p, bool ours)
{
	__u32 has = p->profile_flags, flags = 0;

	if (ours && has & MOAT_PROFILE_SG)
		flags |= MEMO_OPENINGS;
	if (ours && has & MOAT_PROFILE_NACL)
		flags |= MEMO_NACL;
	if (has & (MOAT_PROFILE_SG_AUDIT | MOAT_PROFILE_NACL_AUDIT))
		flags |= MEMO_ASK;
	if (policy_in_audit(p) || has & MOAT_PROFILE_SG_AUDIT)
		flags |= MEMO_BAD_ASK;
	return flags;
}

static __always_inline __u64 host_epoch(void)
{
	__u32 zero = 0;
	const struct moat_host *facts = bpf_map_lookup_elem(&host, &zero);

	return facts ? *(volatile __u64 *)&facts->epoch : 0;
}

/* For the short way, what the long way found of the endpoint's address; epoch:
 * before it looked. Nothing is learnt under a built-in policy. */
static __noinline void xdp_learn(struct pkt *p, __u64 epoch)
{
	struct xdp_memo *m = memo_of(p->key.local.d[1], p->ifindex);
	const struct moat_image *h = image_of(p);
	const struct moat_own *o;

	if (!m || !h || !epoch || h->flags & MOAT_IMAGE_BUILT_IN ||
	    !(p->flags & PKT_ADDRESSES) ||
	    !plain_address(p->key.local.d, p->family == 4))
		return;
	o = bpf_map_lookup_elem(&own, &p->key.local);
	classify(p);
	m->where = 0;
	m->local = p->key.local;
	m->epoch = epoch;
	m->mac = p->mac;
	m->iface = p->iface;
	m->flags = memo_flags(p, o && !(o->flags & MOAT_OWN_BROADCAST));
	m->place = h->rowmap + p->profile * 2 * h->classes;
	m->rowdir = h->rowdir;
	m->addr6_upper = h->addr6_upper;
	m->starts = starts6(h);
	m->where = MEMO_WHERE(p->generation, p->ifindex);
}

#endif
