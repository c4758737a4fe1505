/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The one place, besides the entries, that knows the hooks: header bytes.
 * At tc offsets count from the network header (F1: the same code then serves
 * Ethernet, tun, WireGuard, IPIP and IPoIB), or from the frame's start where
 * VLAN tags stand in it (tc_tagged()); in XDP from the frame's start.
 */
#ifndef MOAT_HOOK_H
#define MOAT_HOOK_H

#include "maps.h"
#include "pkt.h"

/*
 * The packet itself, on the stack of the entry. Constants of the program, in
 * whole words: kernels before 5.16 lose track of narrower ones on the stack,
 * and with them of which branches are dead.
 */
struct frame {
	void *ctx;
	__u64 hook; /* enum hook */
	/* tc: BPF_HDR_START_*. No constant, else every branch is verified twice. */
	__u64 start;
};

/* Above any offset that the parser makes; keeps packet pointers bounded. */
#define HOOK_OFFSET_MASK 0x7fff

/* Kernels before 5.18: only the linear part. */
static __always_inline int hook_load_direct(const struct frame *fr, __u32 off,
					    void *to, __u32 len)
{
	struct xdp_md *xdp = fr->ctx;
	void *data = (void *)(long)xdp->data;
	void *end = (void *)(long)xdp->data_end;

	data += off & HOOK_OFFSET_MASK;
	if (data + len > end)
		return -1;
	__builtin_memcpy(to, data, len);
	return 0;
}

/*
 * bpf_skb_load_bytes_relative() reads the linear part alone (net/core/filter.c,
 * ____bpf_skb_load_bytes_relative): what lies in fragments is pulled up first.
 * The link header is part of what is pulled, 64 bytes are above any.
 */
#define HOOK_LINK_MAX 64
static __noinline int hook_pull(const struct frame *fr, __u32 end)
{
	struct __sk_buff *skb = fr->ctx;
	__u32 want = end + HOOK_LINK_MAX;

	want = want < skb->len ? want : skb->len;
	return (int)bpf_skb_pull_data(skb, want);
}

/* Copies len (a constant) bytes of the packet. 0, or negative if they are not
 * all there. */
static __always_inline int hook_load(const struct frame *fr, __u32 off,
				     void *to, __u32 len)
{
	if (fr->hook == HOOK_TC) {
		if (!bpf_skb_load_bytes_relative(fr->ctx, off, to, len,
						 fr->start))
			return 0;
		if (hook_pull(fr, off + len))
			return -1;
		return (int)bpf_skb_load_bytes_relative(fr->ctx, off, to, len,
							fr->start);
	}
	if (knobs.xdp_load_bytes)
		return (int)bpf_xdp_load_bytes(fr->ctx, off, to, len);
	return hook_load_direct(fr, off, to, len);
}

/*
 * Whether the frame holds the bytes up to offset end. The length is a short
 * cut that may be too small: after generic XDP has replaced an skb its mac_len
 * is 0 (skb_pp_cow_data() does not copy it), so skb->len lacks the link header.
 */
static __always_inline bool hook_holds(const struct frame *fr,
				       const struct pkt *p, __u32 end)
{
	__u8 last;

	if (p->frame && end <= p->frame)
		return true;
	return hook_load(fr, end - 1, &last, 1) == 0;
}

#endif
