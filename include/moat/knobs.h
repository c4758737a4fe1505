/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Load-time constants: user space writes them to .rodata, the verifier
 * removes what they switch off. All times in jiffies.
 */
#ifndef MOAT_KNOBS_H
#define MOAT_KNOBS_H

#include "moat/base.h"
#include "moat/lease.h"

/* Timeouts, by name of the agent's configuration. */
#define MOAT_TIMEOUTS(X) \
	X(TCP_ESTABLISHED, tcp_established, 432000) \
	X(TCP_HALF_OPEN, tcp_half_open, 60) \
	X(TCP_HALF_CLOSED, tcp_half_closed, 3600) \
	X(TCP_CLOSING, tcp_closing, 120) \
	X(UDP, udp, 30) \
	X(UDP_STREAM, udp_stream, 180) \
	X(ICMP, icmp, 30) \
	X(OTHER, other, 600)

enum moat_timeout {
#define X(symbol, name, seconds) MOAT_TIMEOUT_##symbol,
	MOAT_TIMEOUTS(X)
#undef X
		MOAT_TIMEOUT_COUNT
};
#define MOAT_TIMEOUT_RESET_SECONDS 10 /* life of a flow after a RST */
#define MOAT_TIMEOUT_FRAGMENT_SECONDS 30

/* Essentials, switchable one by one. */
#define MOAT_ESSENTIALS(X) \
	X(IPV6_ND, "ipv6-nd") \
	X(IPV6_RA, "ipv6-ra") \
	X(DHCP, "dhcp") \
	X(DHCPV6, "dhcpv6") \
	X(ICMP_ERRORS, "icmp-errors")

enum moat_essential {
#define X(symbol, name) MOAT_ESSENTIAL_##symbol,
	MOAT_ESSENTIALS(X)
#undef X
		MOAT_ESSENTIAL_COUNT
};

struct moat_knobs {
	__u64 epoch; /* jiffies64 at second 0 of the control word */
	__u64 timeout[MOAT_TIMEOUT_COUNT];
	__u32 hz;
	__u32 seed;	    /* of the bucket hash */
	__u32 part_mask[4]; /* entries - 1 of each image array, by part:
				   words, u64, u16, words; powers of two */
	__u32 rule_mask;    /* elements - 1 of the rule counter array */
	__u32 bucket_mask;
	__u64 lease_key[MOAT_LEASE_KEYS];
	__u64 lease_time; /* jiffies */
	__u32 lease_buckets;
	__u32 lease_after; /* packets of a flow before its first lease */
	__u8 essential[8]; /* by enum moat_essential: 1 on */
	__u8 midstream_drop;
	__u8 unassigned_allow;
	__u8 forwarding_judge;
	__u8 xdp_load_bytes; /* kernel has bpf_xdp_load_bytes (5.18) */
	__u8 trace;	     /* write every decision to the trace map */
	__u8 fault;	     /* tests: flow inserts fail with -fault */
	__u8 long_way;	     /* tests: no short way (quick.h) */
	__u8 xdp_quick;	     /* tests: drops of the short way from the first */
};
MOAT_ASSERT_SIZE(struct moat_knobs, 8 + 64 + 8 + 16 + 8 + 56 + 8 + 8);

/*
 * What a program decided, for explain and tests: per-run record in a
 * one-element array, written only with knobs.trace.
 */
struct moat_trace {
	__u32 verdict; /* enum moat_verdict */
	__u32 reason;  /* enum moat_reason */
	__u32 slot;    /* rule credited or denying, MOAT_SLOT_NONE */
	__u32 generation;
	__u32 nacl_slot;   /* NACL rule that judged this direction */
	__u32 failsafe;	   /* entry number, with reason failsafe */
	__u32 also_reason; /* second would-drop of the same packet, or 0 */
	__u32 runs;	   /* counts program runs */
};
MOAT_ASSERT_SIZE(struct moat_trace, 32);

#endif
