// SPDX-License-Identifier: BSD-2-Clause
/* IPv6 packets of every odd shape (field evidence: attacks, section 2.1). */
#include "bpf/shapes.h"

#define HBH \
	{ \
		.type = 0 \
	}
#define DST \
	{ \
		.type = 60 \
	}
#define ATOMIC \
	{ \
		.type = 44, .id = 7 \
	}

static void headers(void **state)
{
	/* clang-format off */
	static const struct shape t[] = {
		{ "open port", { V6, SYN_TO(80) }, PASSES(SG_ALLOW) },
		{ "closed port", { V6, SYN_TO(81) }, DROPS(SG_NO_MATCH) },
		{ "version 4 in an IPv6 frame", { V6, SYN_TO(80), .version =
		  PACKET_SET(4) }, DROPS(BAD_HEADER) },
		{ "payload length 0, not GSO", { V6, SYN_TO(80),
		  .total_length = PACKET_SET(0) }, DROPS(BAD_LENGTH) },
		{ "payload length above the frame", { V6, SYN_TO(80),
		  .total_length = PACKET_SET(2000) }, DROPS(TRUNCATED) },
		{ "payload length cuts TCP", { V6, SYN_TO(80), .total_length =
		  PACKET_SET(10) }, DROPS(TRUNCATED) },
		{ "ends in the IP header", { V6, SYN_TO(80), .cut = 44 },
		  XDP_DROPS_CUT(TRUNCATED) },
		{ "data offset 4", { V6, SYN_TO(80), .doff = PACKET_SET(4) },
		  DROPS(TCP_OFFSET) },
		{ "null flags", { V6, .proto = 6, .sport = 1, .dport = 80 },
		  DROPS(TCP_FLAGS) },
		{ "UDP", { V6, .proto = 17, .sport = 9, .dport = 5000 },
		  PASSES(SG_ALLOW) },
		{ "UDP length 4", { V6, .proto = 17, .sport = 9, .dport = 5000,
		  .udp_length = PACKET_SET(4) }, DROPS(BAD_LENGTH) },
		{ "SYN+ACK without a flow", { V6, .proto = 6, .sport = 443,
		  .dport = 80, .flags = 0x12 }, TC_DROPS(NO_FLOW) },
		{ "ICMPv4 in IPv6", { V6, .proto = 1, .bare = true,
		  .payload_len = 20 }, DROPS(ICMP_FAMILY) },
		{ "VLAN 5, closed", { V6, SYN_TO(81), .nvlan = 1, .vlan =
		  { { 0x8100, 5 } } }, DROPS(SG_NO_MATCH) },
		{ "QinQ, open", { V6, SYN_TO(80), .nvlan = 2, .vlan =
		  { { 0x88a8, 5 }, { 0x8100, 6 } } }, PASSES(SG_ALLOW) },
	};
	/* clang-format on */

	shapes_run(t, sizeof(t) / sizeof(t[0]));
}

static void extensions(void **state)
{
	/* clang-format off */
	static const struct shape t[] = {
		{ "hop-by-hop, open", { V6, SYN_TO(80), .ext = { HBH },
		  .next = 1 }, PASSES(SG_ALLOW) },
		{ "hop-by-hop, closed", { V6, SYN_TO(81), .ext = { HBH },
		  .next = 1 }, DROPS(SG_NO_MATCH) },
		{ "hop-by-hop not first", { V6, SYN_TO(80), .ext = { DST, HBH },
		  .next = 2 }, DROPS(EXT_HEADER) },
		{ "4 destination options, closed", { V6, SYN_TO(81), .ext =
		  { DST, DST, DST, DST }, .next = 4 }, DROPS(SG_NO_MATCH) },
		{ "8 headers, open", { V6, SYN_TO(80), .ext = { DST, DST, DST,
		  DST, DST, DST, DST, DST }, .next = 8 }, PASSES(SG_ALLOW) },
		{ "9 headers", { V6, SYN_TO(80), .ext = { DST, DST, DST, DST,
		  DST, DST, DST, DST, DST }, .next = 9 }, DROPS(EXT_HEADER) },
		{ "256 bytes of options, closed", { V6, SYN_TO(81), .ext =
		  { { .type = 60, .extra = 31 } }, .next = 1 },
		  DROPS(SG_NO_MATCH) },
		{ "header longer than the packet", { V6, SYN_TO(80), .ext =
		  { { .type = 60, .length = PACKET_SET(200) } }, .next = 1 },
		  DROPS(TRUNCATED) },
		{ "routing type 0, segments left 0", { V6, SYN_TO(80), .ext =
		  { { .type = 43, .body = { 0, 0 } } }, .next = 1 },
		  DROPS(ROUTING_HEADER) },
		{ "routing type 0, segments left 1", { V6, SYN_TO(80), .ext =
		  { { .type = 43, .extra = 2, .body = { 0, 1 } } },
		  .next = 1 }, DROPS(ROUTING_HEADER) },
		{ "routing type 4, segments left 1", { V6, SYN_TO(80), .ext =
		  { { .type = 43, .extra = 2, .body = { 4, 1 } } },
		  .next = 1 }, DROPS(ROUTING_HEADER) },
		{ "routing type 4, segments left 0, closed", { V6, SYN_TO(81),
		  .ext = { { .type = 43, .extra = 2, .body = { 4, 0 } } },
		  .next = 1 }, DROPS(SG_NO_MATCH) },
		{ "AH with its own unit of length, closed", { V6, SYN_TO(81),
		  .ext = { { .type = 51, .extra = 4 } }, .next = 1 },
		  DROPS(SG_NO_MATCH) },
		{ "AH, open", { V6, SYN_TO(80), .ext = { { .type = 51, .extra =
		  4 } }, .next = 1 }, PASSES(SG_ALLOW) },
		{ "mobility", { V6, SYN_TO(80), .ext = { { .type = 135 } },
		  .next = 1 }, DROPS(EXT_HEADER) },
		{ "HIP", { V6, SYN_TO(80), .ext = { { .type = 139 } },
		  .next = 1 }, DROPS(EXT_HEADER) },
		{ "shim6", { V6, SYN_TO(80), .ext = { { .type = 140 } },
		  .next = 1 }, DROPS(EXT_HEADER) },
		{ "header 253", { V6, .proto = 253, .bare = true, .payload_len =
		  20 }, DROPS(EXT_HEADER) },
		{ "header 200 is a protocol", { V6, .proto = 200, .bare = true,
		  .payload_len = 20 }, TC_DROPS(SG_NO_MATCH) },
		{ "no next header", { V6, .proto = 59, .bare = true },
		  DROPS(EXT_HEADER) },
		{ "ESP", { V6, .proto = 50, .bare = true, .payload_len = 20 },
		  TC_DROPS(SG_NO_MATCH) },
	};
	/* clang-format on */

	shapes_run(t, sizeof(t) / sizeof(t[0]));
}

static void fragments(void **state)
{
	/* clang-format off */
	static const struct shape t[] = {
		{ "atomic fragment, open", { V6, SYN_TO(80), .ext = { ATOMIC },
		  .next = 1 }, PASSES(SG_ALLOW) },
		{ "atomic fragment, closed", { V6, SYN_TO(81), .ext =
		  { ATOMIC }, .next = 1 }, DROPS(SG_NO_MATCH) },
		{ "two fragment headers (CVE-2023-4809)", { V6, SYN_TO(80),
		  .ext = { ATOMIC, ATOMIC }, .next = 2 },
		  DROPS(BAD_FRAGMENT) },
		{ "first fragment, open", { V6, .proto = 17, .sport = 9,
		  .dport = 5000, .payload_len = 16, .ext = { { .type = 44,
		  .more = true, .id = 7 } }, .next = 1 }, PASSES(SG_ALLOW) },
		{ "first fragment, closed", { V6, .proto = 17, .sport = 9,
		  .dport = 5001, .payload_len = 16, .ext = { { .type = 44,
		  .more = true, .id = 7 } }, .next = 1 },
		  TC_DROPS(SG_NO_MATCH) },
		{ "first fragment without its transport header (RFC 7112)",
		  { V6, .proto = 6, .bare = true, .payload_len = 8, .ext =
		  { { .type = 44, .more = true, .id = 7 } }, .next = 1 },
		  TC_DROPS(TINY_FRAGMENT) },
		{ "later fragment alone", { V6, .proto = 17, .bare = true,
		  .payload_len = 16, .ext = { { .type = 44, .offset = 2,
		  .id = 7 } }, .next = 1 }, TC_DROPS(FRAGMENT_NO_FIRST) },
		{ "not a multiple of 8", { V6, .proto = 17, .sport = 9, .dport =
		  5000, .payload_len = 17, .ext = { { .type = 44, .more = true,
		  .id = 7 } }, .next = 1 }, DROPS(BAD_FRAGMENT) },
	};
	/* clang-format on */

	shapes_run(t, sizeof(t) / sizeof(t[0]));
}

#define FROM(a) .family = 6, .from = a, .to = "fd00::1", SYN_TO(80)

static void addresses(void **state)
{
	/* clang-format off */
	static const struct shape t[] = {
		{ "land (v6 is accepted by the stack)", { FROM("fd00::1") },
		  DROPS(OWN_SOURCE) },
		{ "source ::1", { FROM("::1") }, DROPS(BAD_SOURCE) },
		{ "source :: with TCP", { FROM("::") }, DROPS(BAD_SOURCE) },
		{ "source multicast", { FROM("ff02::1") }, DROPS(BAD_SOURCE) },
		{ "source v4-mapped", { FROM("::ffff:10.0.0.9") },
		  DROPS(BAD_SOURCE) },
		{ "source link-local", { FROM("fe80::9") }, PASSES(SG_ALLOW) },
		{ "destination ::1", { .family = 6, .from = "fd00::9", .to =
		  "::1", SYN_TO(80) }, DROPS(BAD_DESTINATION) },
		{ "not ours", { .family = 6, .from = "fd00::9", .to =
		  "fd00::77", SYN_TO(81) }, PASSES(FORWARDED) },
		{ "multicast to a closed port", { .family = 6, .from =
		  "fd00::9", .to = "ff02::fb", .proto = 17, .sport = 5353,
		  .dport = 5353 }, TC_DROPS(SG_NO_MATCH) },
	};
	/* clang-format on */

	shapes_run(t, sizeof(t) / sizeof(t[0]));
}

/* ND, RA and MLD pass by essentials; hop limit 64 is none of them (R-29,
 * RFC 4861 section 6.1, RFC 6980). payload_len: the rest of the message. */
#define ND(t, hops) V6, .proto = 58, .type = t, .ttl = hops, .payload_len = 16
#define FROM_NONE(t) \
	.family = 6, .from = "::", .to = "ff02::16", .proto = 58, .type = t, \
	.ttl = 1, .payload_len = 16

static void discovery(void **state)
{
	static const struct packet_spec other = { V6, SYN_TO(80) };
	/* clang-format off */
	static const struct shape t[] = {
		{ "router solicitation", { ND(133, 255) },
		  PASSES(ESSENTIAL_ND) },
		{ "router advertisement", { ND(134, 255) },
		  PASSES(ESSENTIAL_RA) },
		{ "neighbour solicitation", { ND(135, 255) },
		  PASSES(ESSENTIAL_ND) },
		{ "neighbour advertisement", { ND(136, 255) },
		  PASSES(ESSENTIAL_ND) },
		{ "DAD's solicitation (F4)", { .family = 6, .from = "::", .to =
		  "ff02::1:ff00:1", .proto = 58, .type = 135, .ttl = 255,
		  .payload_len = 16 }, PASSES(ESSENTIAL_ND) },
		{ "MLD report (F4)", { .family = 6, .from = "::", .to =
		  "ff02::16", .proto = 58, .type = 143, .ttl = 1, .payload_len =
		  20, .ext = { { .type = 0, .body = { 5, 2, 0, 0 } } },
		  .next = 1 }, PASSES(ESSENTIAL_ND) },
		{ "MLDv1 report (RFC 3590)", { FROM_NONE(131) },
		  PASSES(ESSENTIAL_ND) },
		{ "MLDv1 done", { FROM_NONE(132) }, PASSES(ESSENTIAL_ND) },
		{ "MLD query of nobody", { FROM_NONE(130) },
		  DROPS(BAD_SOURCE) },
		{ "our address defended (RFC 4862 5.4.4)", { .family = 6,
		  .from = "fd00::1", .to = "ff02::1", .proto = 58, .type = 136,
		  .ttl = 255, .payload_len = 16 }, PASSES(ESSENTIAL_ND) },
		{ "our address asks", { .family = 6, .from = "fd00::1", .to =
		  "ff02::1", .proto = 58, .type = 135, .ttl = 255,
		  .payload_len = 16 }, TC_DROPS(OWN_SOURCE) },
		{ "solicitation over a router", { ND(135, 64) },
		  TC_DROPS(ND_INVALID) },
		{ "advertisement over a router", { ND(136, 64) },
		  TC_DROPS(ND_INVALID) },
		{ "RA over a router", { ND(134, 64) }, TC_DROPS(ND_INVALID) },
		{ "solicitation with a code", { V6, .proto = 58, .type = 135,
		  .code = 1, .ttl = 255, .payload_len = 16 },
		  TC_DROPS(ND_INVALID) },
		{ "RA in an atomic fragment (RFC 6980)", { ND(134, 255), .ext =
		  { ATOMIC }, .next = 1 }, TC_DROPS(ND_INVALID) },
		{ "redirect", { ND(137, 255) }, TC_DROPS(REDIRECT) },
		{ "echo request", { V6, .proto = 58, .type = 128, .rest =
		  0x10001 }, PASSES(SG_ALLOW) },
		{ "echo reply without a request", { V6, .proto = 58, .type =
		  129, .rest = 0x10001 }, TC_DROPS(NO_FLOW) },
		{ "too big about nothing", { V6, .proto = 58, .type = 2,
		  .inner = &other }, TC_DROPS(NOT_RELATED) },
		{ "DHCPv6 reply", { .family = 6, .from = "fe80::254", .to =
		  "fd00::1", .proto = 17, .sport = 547, .dport = 546,
		  .payload_len = 40 }, PASSES(ESSENTIAL_DHCPV6) },
		{ "DHCPv6 reply from far away", { V6, .proto = 17, .sport = 547,
		  .dport = 546, .payload_len = 40 }, TC_DROPS(SG_NO_MATCH) },
	};
	/* clang-format on */

	shapes_run(t, sizeof(t) / sizeof(t[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers),   cmocka_unit_test(extensions),
		cmocka_unit_test(fragments), cmocka_unit_test(addresses),
		cmocka_unit_test(discovery),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
