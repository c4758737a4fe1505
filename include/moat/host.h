/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the datapath knows of this host outside the policy image: own
 * addresses, interfaces, the failsafe, and rate buckets.
 */
#ifndef MOAT_HOST_H
#define MOAT_HOST_H

#include "moat/base.h"

/*
 * Own addresses: a hash from struct moat_addr, kept by the agent. alias is
 * the address whose profile this one takes over (link-local and temporary
 * addresses in no group), zero for none.
 */
#define MOAT_OWN_BROADCAST 1 /* a subnet's broadcast or anycast address */
struct moat_own {
	struct moat_addr alias;
	__u32 flags;
	__u32 ifindex;
};
MOAT_ASSERT_SIZE(struct moat_own, 24);
#define MOAT_OWN_MAX 4096

/*
 * Interfaces: an array of MOAT_IFACES; entry of an ifindex is at
 * (ifindex + n) % MOAT_IFACES for the first n < MOAT_IFACE_PROBES that holds
 * it. Entry MOAT_IFACES - 1 is the overflow and never assigned.
 */
#define MOAT_IFACES 64
#define MOAT_IFACE_PROBES 4
#define MOAT_IFACE_ETHER 1 /* 14-byte Ethernet header at tc */
#define MOAT_IFACE_SELECTED 2
#define MOAT_IFACE_LOOPBACK 4	 /* lo, where 127/8, ::1 and own sources are */
#define MOAT_IFACE_NO_HEADER 8	 /* tun, WireGuard, IPIP: begins with IP */
#define MOAT_IFACE_INFINIBAND 16 /* 24 bytes: pseudo header and EtherType */
struct moat_iface {
	__u32 ifindex; /* 0: free */
	__u32 flags;
	struct moat_addr first4; /* first global address of the family, or 0: */
	struct moat_addr first6; /* endpoint of multicast and broadcast */
	__u64 mac;     /* of an Ethernet device, the first byte lowest */
	__u32 port_of; /* bond whose XDP program runs here and whose entry
			  counts, 0: none */
	__u32 pad;
};
MOAT_ASSERT_SIZE(struct moat_iface, 56);
#define MOAT_MAC_NONE (~0ull) /* not known: nobody's frame has it */

/* Failsafe: array of one element; entries up to count, in order. */
#define MOAT_FAILSAFE_MAX 64
struct moat_failsafe_entry {
	struct moat_addr peer; /* network; v4-mapped for IPv4 */
	__u8 length;	       /* prefix length in mapped space, 0..128 */
	__u8 direction;	       /* of the opening */
	__u8 proto;
	__u8 number; /* index of the configuration's entry */
	__u16 first; /* host order, local port on ingress, */
	__u16 last;  /* remote port on egress; inclusive */
};
MOAT_ASSERT_SIZE(struct moat_failsafe_entry, 24);
struct moat_failsafe {
	__u32 count;
	__u32 pad;
	struct moat_failsafe_entry entry[MOAT_FAILSAFE_MAX];
};
MOAT_ASSERT_SIZE(struct moat_failsafe, 8 + 64 * 24);

/* Of an address of two words: a hash, by Knuth's multiplicative method. */
#define MOAT_OWN_BITS 2048
#define MOAT_OWN_BIT(d0, d1) ((((d0) ^ (d1)) * 0x9e3779b97f4a7c15ull) >> 53)

/*
 * An array of one element, written by the agent after own addresses,
 * interfaces or failsafe entries have changed; what programs remember of
 * those holds for one epoch, which only grows from 1.
 */
struct moat_host {
	__u64 epoch;
	__u64 failsafe_ports[2];   /* by direction of the entries: bit n, some
				    port of one is n modulo 64 */
	__u32 failsafe_generation; /* in force when they last changed: its flows
				      may have been opened by entries of before */
	__u32 flags;		   /* MOAT_HOST_* */
	/* MOAT_OWN_BIT() of every own address. What has no bit here is none. */
	__u64 own_bits[MOAT_OWN_BITS / 64];
};
MOAT_ASSERT_SIZE(struct moat_host, 32 + MOAT_OWN_BITS / 8);
/* Routes of type local take in whole networks, which no own address names:
 * what is not ours by those may be delivered here all the same. */
#define MOAT_HOST_LOCAL_NETWORKS 1

/*
 * Rate buckets: a fixed array indexed by a seeded hash of (slot, source).
 * A collision shares a bucket, it never grants more. The first member is the
 * kernel's struct bpf_spin_lock (4 bytes), written by programs only.
 */
#define MOAT_BUCKETS 65536
#define MOAT_BUCKET_UNIT 1000 /* parts of one token */

#endif
