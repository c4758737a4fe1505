/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every reason a packet can leave the datapath with. Enum, counter index,
 * printed name, metric label and layer all come from this one list.
 * Numbers are part of the counter layout: append, never reorder.
 *
 * X(symbol, printed name, layer, kind)
 * kind PASS: the packet passes. kind DROP: it is dropped, or, where the mode
 * that decides is audit, passes and counts as would-drop.
 */
#ifndef MOAT_REASON_H
#define MOAT_REASON_H

#include "moat/base.h"

#define MOAT_LAYERS(X) \
	X(PARSE, "parse") \
	X(BLOCK, "block") \
	X(FAILSAFE, "failsafe") \
	X(ESSENTIAL, "essential") \
	X(NACL, "nacl") \
	X(SG, "sg") \
	X(LIMIT, "limit") \
	X(UNASSIGNED, "unassigned") \
	X(FORWARDED, "forwarded") \
	X(SPOOF, "spoof")

enum moat_layer {
#define X(symbol, name) MOAT_LAYER_##symbol,
	MOAT_LAYERS(X)
#undef X
		MOAT_LAYER_COUNT
};

#define MOAT_REASONS(X) \
	/* internal: no decision yet, go on to the next stage */ \
	X(NONE, "none", PARSE, PASS) \
	/* passes */ \
	X(ESTABLISHED, "established", SG, PASS) \
	X(RELATED, "related", SG, PASS) \
	X(SG_ALLOW, "sg-allow", SG, PASS) \
	X(NACL_ALLOW, "nacl-allow", NACL, PASS) \
	X(UNASSIGNED_ALLOW, "unassigned-allow", UNASSIGNED, PASS) \
	X(FAILSAFE, "failsafe", FAILSAFE, PASS) \
	X(ESSENTIAL_ND, "ipv6-nd", ESSENTIAL, PASS) \
	X(ESSENTIAL_RA, "ipv6-ra", ESSENTIAL, PASS) \
	X(ESSENTIAL_DHCP, "dhcp", ESSENTIAL, PASS) \
	X(ESSENTIAL_DHCPV6, "dhcpv6", ESSENTIAL, PASS) \
	X(ESSENTIAL_ICMP, "icmp-errors", ESSENTIAL, PASS) \
	X(FRAGMENT, "fragment", PARSE, PASS) \
	X(NON_IP, "non-ip", PARSE, PASS) \
	X(FORWARDED, "forwarded", FORWARDED, PASS) \
	X(OTHER_HOST, "other-host", FORWARDED, PASS) \
	X(UNTRACKED, "untracked", SG, PASS) \
	X(BEFORE_POLICY, "before-first-policy", UNASSIGNED, PASS) \
	/* drops: what can't be parsed */ \
	X(VLAN_DEPTH, "vlan-depth", PARSE, DROP) \
	X(TRUNCATED, "truncated", PARSE, DROP) \
	X(BAD_HEADER, "bad-header", PARSE, DROP) \
	X(BAD_LENGTH, "bad-length", PARSE, DROP) \
	X(SOURCE_ROUTE, "source-route", PARSE, DROP) \
	X(EXT_HEADER, "ext-header", PARSE, DROP) \
	X(ROUTING_HEADER, "routing-header", PARSE, DROP) \
	X(BAD_FRAGMENT, "bad-fragment", PARSE, DROP) \
	X(TINY_FRAGMENT, "tiny-fragment", PARSE, DROP) \
	X(FRAGMENT_NO_FIRST, "fragment-no-first", PARSE, DROP) \
	X(TCP_FLAGS, "tcp-flags", PARSE, DROP) \
	X(TCP_OFFSET, "tcp-offset", PARSE, DROP) \
	X(BAD_SOURCE, "bad-source", PARSE, DROP) \
	X(OWN_SOURCE, "own-source", PARSE, DROP) \
	X(BAD_DESTINATION, "bad-destination", PARSE, DROP) \
	X(ICMP_FAMILY, "icmp-family", PARSE, DROP) \
	X(ND_INVALID, "nd-invalid", PARSE, DROP) \
	/* drops: what was judged */ \
	X(REDIRECT, "redirect", ESSENTIAL, DROP) \
	X(BLOCKED, "blocked", BLOCK, DROP) \
	X(NACL_DENY, "nacl-deny", NACL, DROP) \
	X(SG_NO_MATCH, "sg-no-match", SG, DROP) \
	X(RATE_LIMITED, "rate-limited", LIMIT, DROP) \
	X(NO_FLOW, "no-flow", SG, DROP) \
	X(NOT_RELATED, "not-related", SG, DROP) \
	X(TABLE_FULL, "table-full", SG, DROP) \
	X(UNASSIGNED, "unassigned", UNASSIGNED, DROP) \
	X(SPOOFED_SOURCE, "spoofed-source", SPOOF, DROP) \
	X(NO_POLICY, "no-policy", SG, DROP) \
	/* said by explain alone: the opening passes, its reply would not */ \
	X(REPLY_DENIED, "reply-denied", NACL, DROP)

enum moat_reason {
#define X(symbol, name, layer, kind) MOAT_REASON_##symbol,
	MOAT_REASONS(X)
#undef X
		MOAT_REASON_COUNT
};

/* Counter arrays are indexed by reason; they hold this many. */
#define MOAT_REASON_MAX 64
_Static_assert(MOAT_REASON_COUNT <= MOAT_REASON_MAX,
	       "reasons outgrew counters");

#define MOAT_KIND_PASS 0
#define MOAT_KIND_DROP 1

enum moat_verdict {
	MOAT_ALLOW,
	MOAT_DROP,
	MOAT_WOULD_DROP,
	MOAT_VERDICT_COUNT
};
#define MOAT_VERDICT_NAMES \
	{ \
		"allow", "drop", "would-drop" \
	}

#endif
