/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * struct pkt: the parsed facts of one packet and what was decided about it.
 * The only thing stages share. It lives in a per-CPU map: what is read back
 * from there is unknown to the verifier, so that paths which differ only in
 * facts join again. On the stack each fact of each path is a state of its own
 * (measured: above a million verified instructions instead of some 20,000).
 * Programs of one hook never nest on a CPU: all run with bottom halves off.
 */
#ifndef MOAT_PKT_H
#define MOAT_PKT_H

#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "moat/flow.h"
#include "moat/image.h"
#include "moat/reason.h"

#ifndef barrier_var
#define barrier_var(var) asm volatile("" : "+r"(var))
#endif

typedef _Bool bool;
#define true 1
#define false 0

/*
 * A global function: verified once for itself, on every kernel since 5.6, and
 * not again for each path that calls it. It takes scalars alone, uses each (what
 * is unused clang may leave unset, which verifiers refuse), and finds the packet
 * by pkt_current().
 */
#define VERIFIED_ONCE __noinline

enum hook { HOOK_TC, HOOK_XDP };

/* pkt.flags */
#define PKT_SENT 0x0001	       /* tc egress: this host's own stack sent it */
#define PKT_SOCKET 0x0002      /* tc egress: it belongs to a local socket */
#define PKT_OTHER_HOST 0x0004  /* frame for another MAC address */
#define PKT_ADDRESSES 0x0008   /* key.local and key.remote are known */
#define PKT_TUPLE 0x0010       /* the whole key is known */
#define PKT_FRAG_FIRST 0x0020  /* offset 0, more fragments */
#define PKT_FRAG_LATER 0x0040  /* offset above 0 */
#define PKT_FRAG_LAST 0x0080   /* no more fragments */
#define PKT_FRAG_HEADER 0x0100 /* IPv6 fragment header, atomic ones too */
#define PKT_OPENING 0x0200     /* SYN without ACK, ICMP request types */
#define PKT_ANSWER 0x0400      /* cannot open: SYN-ACK, FIN, RST, ICMP reply */
#define PKT_MIDSTREAM 0x0800   /* TCP: ACK without SYN, FIN, RST */
#define PKT_ICMP_ERROR 0x1000
#define PKT_GROUP_ADDRESS 0x2000 /* to a multicast or broadcast address */
#define PKT_CLASSIFIED 0x8000	 /* profile and remote_class are valid */
#define PKT_OWN_PROFILE \
	0x10000 /* local is ours, and under no other's profile */

#define PKT_MISSED 0x20000 /* no record where its flow settles, nor lease */

#define PKT_FRAGMENT (PKT_FRAG_FIRST | PKT_FRAG_LATER)

/* What both layers say of a packet, or of a flow's opening. */
struct judgement {
	__u32 nacl[2];	   /* MOAT_NACL_*, by direction */
	__u32 nacl_rule;   /* slot that decides in the packet's direction */
	__u32 deny;	   /* reason of the group layer's no, or NONE */
	__u32 allow;	   /* reason of its yes */
	__u32 rule;	   /* slot of the group rule */
	__u32 audit;	   /* the group layer's no is in audit */
	__u32 reevaluate;  /* MOAT_WORD_REEVALUATE or 0 */
	__u32 cannot_open; /* answers, and midstream: drop */
};

struct pkt {
	struct moat_flow_key key;
	__u64 now;     /* jiffies64 */
	__u64 mac;     /* XDP: the device's, MOAT_MAC_NONE if not known */
	__u32 dir;     /* MOAT_INGRESS, MOAT_EGRESS */
	__u32 hook;    /* enum hook */
	__u64 settles; /* jiffies its flow gets in the table of its kind, or 0 */

	/* Policy that this run uses. */
	__u32 slot;
	__u32 generation;
	__u32 policy_flags; /* MOAT_IMAGE_*, once classified */

	/* The frame. Offsets count from where hook.h counts. */
	__u32 ifindex;
	__u32 iface; /* its entry in the counters */
	__u32 iface_flags;
	__u32 start;   /* tc: BPF_HDR_START_* of offset 0 */
	__u32 frame;   /* bytes from offset 0 on; 0: not known */
	__u32 gso;     /* bytes of payload a segment, 0: not GSO */
	__u32 packets; /* segments */
	__u32 bytes;   /* L3 bytes of all segments, own headers each */
	__u32 l3;      /* offset of the IP header */
	__u32 l4;      /* offset of the transport header */
	__u32 end;     /* offset after the last byte of the IP packet */
	__u32 header;  /* bytes of IP and transport header, each segment's */

	/* IP. */
	__u32 flags;	   /* PKT_* */
	__u32 frag_id;	   /* network order */
	__u16 frag_offset; /* bytes */
	__u16 ethertype;   /* host order */
	__u8 family;	   /* 4 or 6 */
	__u8 hops;	   /* TTL or hop limit */

	/* Transport. TCP: as in the packet, host order. */
	__u8 tcp_flags;
	__u8 type; /* ICMP */
	__u32 seq;
	__u32 ack;
	__u16 code; /* ICMP */

	/* What was found and decided. */
	__u16 rule;	 /* slot credited or denying */
	__u16 nacl_rule; /* slot of the NACL rule that judged */
	__u16 remote_class;
	__u16 profile;
	__u8 profile_flags;
	__u8 table;    /* of the flow found */
	__u8 verdict;  /* enum moat_verdict; COUNT: by reason and mode */
	__u8 also;     /* second would-drop, or MOAT_REASON_NONE */
	__u8 failsafe; /* entry number */
	__u8 leg_back; /* it answers what that entry lets open */
	__u8 alive;    /* SYN of a flow that lives: no token, no new flow */

	struct judgement j;
};

static __always_inline struct moat_addr *pkt_source(struct pkt *p)
{
	return p->dir == MOAT_INGRESS ? &p->key.remote : &p->key.local;
}

static __always_inline struct moat_addr *pkt_destination(struct pkt *p)
{
	return p->dir == MOAT_INGRESS ? &p->key.local : &p->key.remote;
}

static __always_inline void addr_set4(struct moat_addr *a, __be32 v4)
{
	a->d[0] = 0;
	a->w[2] = bpf_htonl(0xffff);
	a->w[3] = v4;
}

static __always_inline bool addr_equal(const struct moat_addr *a,
				       const struct moat_addr *b)
{
	return a->d[0] == b->d[0] && a->d[1] == b->d[1];
}

static __always_inline bool addr_is_zero(const struct moat_addr *a)
{
	return !(a->d[0] | a->d[1]);
}

static __always_inline bool addr_is_mapped(const struct moat_addr *a)
{
	return a->d[0] == 0 && a->w[2] == bpf_htonl(0xffff);
}

#endif
