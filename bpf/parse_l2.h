/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Frame to EtherType and offset of the network header: Ethernet, VLAN. */
#ifndef MOAT_PARSE_L2_H
#define MOAT_PARSE_L2_H

#include <linux/if_ether.h>

#include "hook.h"

#define VLAN_LEVELS 2

static __always_inline bool is_vlan(__u16 ethertype)
{
	return ethertype == ETH_P_8021Q || ethertype == ETH_P_8021AD;
}

#define MAC_BITS 0xffffffffffffull
#define MAC_GROUP 1 /* multicast and broadcast */

/* Whether the frame is neither for the device nor for a group; the kernel's
 * eth_skb_pkt_type(). to: the frame's first six bytes, the first lowest. */
static __always_inline bool for_another(__u64 to, __u64 mac)
{
	return !(to & MAC_GROUP) && to != mac;
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "bits above");

/* XDP only: programs at tc take EtherType and offset from the skb, and whom
 * it is for. */
static __always_inline enum moat_reason parse_ethernet(const struct frame *fr,
						       struct pkt *p)
{
	__u64 head;
	__be16 type;

	if (hook_load(fr, 0, &head, sizeof(head)) ||
	    hook_load(fr, 2 * ETH_ALEN, &type, sizeof(type)))
		return MOAT_REASON_TRUNCATED;
	if (for_another(head & MAC_BITS, p->mac))
		p->flags |= PKT_OTHER_HOST;
	p->ethertype = bpf_ntohs(type);
	p->l3 = ETH_HLEN;
	return MOAT_REASON_NONE;
}

/*
 * Walks inline tags (IEEE 802.1Q); levels: tags already taken off into the
 * skb. Deeper stacks than two tags are dropped.
 */
static __always_inline enum moat_reason parse_vlan(const struct frame *fr,
						   struct pkt *p, __u32 levels)
{
	__be16 tag[2]; /* TCI, EtherType of what follows */

	for (int i = 0; i < VLAN_LEVELS + 1; i++) {
		if (!is_vlan(p->ethertype))
			return MOAT_REASON_NONE;
		if (++levels > VLAN_LEVELS)
			return MOAT_REASON_VLAN_DEPTH;
		if (hook_load(fr, p->l3, tag, sizeof(tag)))
			return MOAT_REASON_TRUNCATED;
		p->ethertype = bpf_ntohs(tag[1]);
		p->l3 += sizeof(tag);
	}
	return MOAT_REASON_VLAN_DEPTH;
}

#endif
