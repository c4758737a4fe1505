/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flow table's key and entry. One form for IPv4 and IPv6, free of the
 * packet's direction and of the interface: a flow that leaves by one rail and
 * is answered on another is one flow.
 */
#ifndef MOAT_FLOW_H
#define MOAT_FLOW_H

#include "moat/base.h"

/*
 * local is the endpoint address (design: ingress destination, egress source).
 * ICMP and ICMPv6 queries: lport is the identifier, rport is
 * htons(request type << 8 | code), and opener is the direction of the request
 * plus one, so that a ping of ours and a ping of theirs with one identifier
 * are two flows. A reply is looked up under the type it answers.
 * Protocols without ports: both ports 0. opener is 0 for all but ICMP.
 */
struct moat_flow_key {
	struct moat_addr local;
	struct moat_addr remote;
	__be16 lport;
	__be16 rport;
	__u8 proto;
	__u8 opener;
	__u8 pad[2];
};
MOAT_ASSERT_SIZE(struct moat_flow_key, 40);

/*
 * The verdict word: all that a flow caches of the policy, in one aligned u64,
 * written by one store (another CPU never sees a new generation beside an old
 * verdict).
 *
 *   63..40 generation     39..24 slot of the credited rule (MOAT_SLOT_NONE)
 *   23..16 reason of the opening (enum moat_reason)
 *   15..14 NACL verdict ingress   13..12 NACL verdict egress (MOAT_NACL_*)
 *   11..0  MOAT_WORD_* flags
 */
#define MOAT_WORD_GENERATION(w) ((__u32)((w) >> 40))
#define MOAT_WORD_SLOT(w) ((__u16)((w) >> 24))
#define MOAT_WORD_REASON(w) ((__u8)((w) >> 16))
#define MOAT_WORD_NACL(w, dir) ((__u8)((w) >> ((dir) ? 12 : 14)) & 3)
#define MOAT_WORD(generation, slot, reason, nacl_in, nacl_out, flags) \
	((__u64)(generation) << 40 | (__u64)(__u16)(slot) << 24 | \
	 (__u64)(__u8)(reason) << 16 | (__u64)(nacl_in) << 14 | \
	 (__u64)(nacl_out) << 12 | (flags))

#define MOAT_NACL_PASS 0 /* allowed, or no NACL */
#define MOAT_NACL_DENY 1
#define MOAT_NACL_WOULD_DENY 2 /* denied by a NACL in audit */

#define MOAT_WORD_WOULD_DROP 0x001 /* opened in audit, would not have been */
#define MOAT_WORD_REEVALUATE 0x002 /* credited rule's group: on_tighten */
#define MOAT_WORD_FAILSAFE 0x004
#define MOAT_WORD_NO_POLICY 0x008 /* seen before any policy: always judged */

/* TCP life (no window tracking). Other protocols use NEW and ESTABLISHED. */
enum moat_flow_state {
	MOAT_FLOW_NEW,	       /* one side seen; TCP: SYN */
	MOAT_FLOW_ANSWERED,    /* TCP: SYN-ACK seen; others: both sides seen */
	MOAT_FLOW_ESTABLISHED, /* TCP: handshake complete; UDP: a stream */
	MOAT_FLOW_HALF_CLOSED, /* one FIN */
	MOAT_FLOW_CLOSING,     /* both FINs */
	MOAT_FLOW_RESET,       /* RST seen; data revives it */
	MOAT_FLOW_STATE_COUNT
};
#define MOAT_FLOW_STATE_NAMES \
	{ \
		"new", "answered", "established", "half-closed", "closing", \
			"reset" \
	}

/* Bits of moat_flow.seen[direction]; they are only ever set. */
#define MOAT_SEEN_ANY 0x01
#define MOAT_SEEN_SYN 0x02
#define MOAT_SEEN_SYNACK 0x04
#define MOAT_SEEN_ACK 0x08
#define MOAT_SEEN_FIN 0x10
#define MOAT_SEEN_RST 0x20

/* moat_flow.marks; only ever set. */
#define MOAT_MARK_PROMOTED 0x01	 /* embryonic entry whose flow moved on */
#define MOAT_MARK_MIDSTREAM 0x02 /* opened by a segment without SYN */
#define MOAT_MARK_STREAM 0x04	 /* UDP: more than one exchange */

#define MOAT_TCP_FLAG_FIN 0x01
#define MOAT_TCP_FLAG_SYN 0x02
#define MOAT_TCP_FLAG_RST 0x04
#define MOAT_TCP_FLAG_PSH 0x08
#define MOAT_TCP_FLAG_ACK 0x10
#define MOAT_TCP_FLAG_URG 0x20

/*
 * An entry past its expiry is a miss for everyone: never touched, revived or
 * reused. User space deletes it five seconds later, so no packet can still
 * hold it. Every other field is a counter, a byte that only gains bits, or
 * the verdict word.
 */
struct moat_flow {
	__u64 word;
	__u64 expires;	  /* jiffies64 */
	__u64 created;	  /* jiffies64 */
	__u64 packets[2]; /* by direction; GSO segments count each */
	__u64 bytes[2];	  /* by direction; L3 bytes */
	__u32 ifindex[2]; /* interface last used, by direction */
	__u32 synack_seq; /* embryonic: host order, valid once ANSWERED */
	__u8 state;	  /* enum moat_flow_state */
	__u8 direction;	  /* of the opening */
	__u8 seen[2];
	__u8 marks;
	__u8 layout;	/* MOAT_ABI_VERSION */
	__u8 fin[2];	/* 1: FIN seen, by direction; a byte of its own,
				   so that no racing update of seen loses it */
	__u8 spare[36]; /* F40 */
};
MOAT_ASSERT_SIZE(struct moat_flow, 112);
MOAT_ASSERT_OFFSET(struct moat_flow, synack_seq, 64);

/* Names of the tables, in the order in which a miss asks them. */
#define MOAT_TABLES(X) \
	X(FLOWS, "flows") \
	X(UDP, "udp") \
	X(OTHER, "other") \
	X(EMBRYONIC_OUT, "embryonic_out") \
	X(EMBRYONIC_IN, "embryonic_in") \
	X(CLOSING, "closing") \
	X(DENIED, "denied") \
	X(FRAGMENTS, "fragments")

enum moat_table {
#define X(symbol, name) MOAT_TABLE_##symbol,
	MOAT_TABLES(X)
#undef X
		MOAT_TABLE_COUNT
};

/* Fragments after the first follow its verdict (RFC 791, RFC 8200). */
struct moat_frag_key {
	struct moat_addr source;
	struct moat_addr destination;
	__u32 id;   /* network order; IPv4: 16 bits */
	__u8 proto; /* IPv6: 44, a datagram is its addresses and id alone */
	__u8 direction;
	__u8 pad[2];
};
MOAT_ASSERT_SIZE(struct moat_frag_key, 40);

struct moat_frag {
	__u64 expires; /* jiffies64 */
	__be16 sport;  /* ICMP: identifier */
	__be16 dport;  /* ICMP: htons(type << 8 | code) */
	__u8 verdict;  /* MOAT_ALLOW or MOAT_WOULD_DROP */
	__u8 reason;   /* of the first fragment */
	__u8 complete; /* last fragment seen: the id may be used anew */
	__u8 proto;    /* transport protocol; IPv6: behind all headers */
	__u16 slot;
	__u16 pad2[3];
};
MOAT_ASSERT_SIZE(struct moat_frag, 24);

#endif
