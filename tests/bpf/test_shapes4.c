// SPDX-License-Identifier: BSD-2-Clause
/* IPv4 packets of every odd shape (field evidence: attacks, section 2.1). */
#include "bpf/shapes.h"

#define F MOAT_TCP_FLAG_FIN
#define S MOAT_TCP_FLAG_SYN
#define R MOAT_TCP_FLAG_RST
#define A MOAT_TCP_FLAG_ACK
#define U MOAT_TCP_FLAG_URG

static const uint8_t nops[4] = { 1, 1, 1, 1 };
static const uint8_t record_route[8] = { 7, 7, 4, 0, 0, 0, 0, 0 };
static const uint8_t router_alert[4] = { 148, 4, 0, 0 };
static const uint8_t loose_route[8] = { 131, 7, 4, 10, 0, 0, 1, 0 };
static const uint8_t strict_route[8] = { 137, 7, 4, 10, 0, 0, 1, 0 };
/* Read as ports at a fixed offset of 20 this says 40000 to 80. */
static const uint8_t fake_ports[4] = { 0x01, 0x01, 0x00, 0x50 };
static const uint8_t bad_option[4] = { 7, 1, 0, 0 };
static const uint8_t long_option[4] = { 7, 40, 0, 0 };
/* A later fragment that looks like a TCP header: SYN to port 80. */
static const uint8_t looks_like_syn[24] = { 0x9c, 0x40, 0, 80, 0,    0, 0, 1,
					    0,	  0,	0, 0,  0x50, 2, 2, 0 };

static void headers(void **state)
{
	/* clang-format off */
	static const struct shape t[] = {
		{ "open port", { V4, SYN_TO(80) }, PASSES(SG_ALLOW) },
		{ "closed port", { V4, SYN_TO(81) }, DROPS(SG_NO_MATCH) },
		{ "NOP options, open", { V4, SYN_TO(80), .options = nops,
		  .options_len = 4 }, PASSES(SG_ALLOW) },
		{ "NOP options, closed", { V4, SYN_TO(81), .options = nops,
		  .options_len = 4 }, DROPS(SG_NO_MATCH) },
		{ "record route, closed", { V4, SYN_TO(81), .options =
		  record_route, .options_len = 8 }, DROPS(SG_NO_MATCH) },
		{ "router alert, open", { V4, SYN_TO(80), .options =
		  router_alert, .options_len = 4 }, PASSES(SG_ALLOW) },
		{ "ipopt-fake-port80-real81", { V4, SYN_TO(81), .options =
		  fake_ports, .options_len = 4 }, DROPS(SG_NO_MATCH) },
		{ "LSRR", { V4, SYN_TO(80), .options = loose_route,
		  .options_len = 8 }, DROPS(SOURCE_ROUTE) },
		{ "SSRR", { V4, SYN_TO(80), .options = strict_route,
		  .options_len = 8 }, DROPS(SOURCE_ROUTE) },
		{ "option shorter than itself", { V4, SYN_TO(80), .options =
		  bad_option, .options_len = 4 }, DROPS(BAD_HEADER) },
		{ "option longer than the header", { V4, SYN_TO(80), .options =
		  long_option, .options_len = 4 }, DROPS(BAD_HEADER) },
		{ "IHL 4", { V4, SYN_TO(80), .ihl = PACKET_SET(4) },
		  DROPS(BAD_HEADER) },
		{ "IHL 0", { V4, SYN_TO(80), .ihl = PACKET_SET(0) },
		  DROPS(BAD_HEADER) },
		{ "IHL 15, short", { V4, SYN_TO(80), .ihl = PACKET_SET(15) },
		  DROPS(BAD_LENGTH) },
		{ "version 5", { V4, SYN_TO(80), .version = PACKET_SET(5) },
		  DROPS(BAD_HEADER) },
		{ "version 6 in an IPv4 frame", { V4, SYN_TO(80),
		  .version = PACKET_SET(6) }, DROPS(BAD_HEADER) },
		{ "total length below the header", { V4, SYN_TO(80),
		  .total_length = PACKET_SET(19) }, DROPS(BAD_LENGTH) },
		{ "total length 0, not GSO", { V4, SYN_TO(80),
		  .total_length = PACKET_SET(0) }, DROPS(BAD_LENGTH) },
		{ "total length above the frame", { V4, SYN_TO(80),
		  .total_length = PACKET_SET(400) }, DROPS(TRUNCATED) },
		{ "wrong IP checksum is the stack's", { V4, SYN_TO(80),
		  .ip_checksum = PACKET_SET(1) }, PASSES(SG_ALLOW) },
		{ "padding behind the packet", { V4, SYN_TO(80), .payload_len =
		  6, .total_length = PACKET_SET(40) }, PASSES(SG_ALLOW) },
		{ "TTL 0", { V4, SYN_TO(80), .ttl_zero = true },
		  PASSES(SG_ALLOW) },
		{ "evil bit", { V4, SYN_TO(80), .reserved_flag = 1 },
		  PASSES(SG_ALLOW) },
		{ "ends in the IP header", { V4, SYN_TO(80), .cut = 24 },
		  XDP_DROPS_CUT(TRUNCATED) },
		{ "ends in the TCP header", { V4, SYN_TO(80), .cut = 38 },
		  DROPS(TRUNCATED) },
	};
	/* clang-format on */

	shapes_run(t, sizeof(t) / sizeof(t[0]));
}

static void transport(void **state)
{
	/* clang-format off */
	static const struct shape t[] = {
		{ "data offset 4", { V4, SYN_TO(80), .doff = PACKET_SET(4) },
		  DROPS(TCP_OFFSET) },
		{ "data offset 15, short", { V4, SYN_TO(80), .doff =
		  PACKET_SET(15) }, DROPS(TCP_OFFSET) },
		{ "wrong TCP checksum is the stack's", { V4, SYN_TO(80),
		  .l4_checksum = PACKET_SET(7) }, PASSES(SG_ALLOW) },
		{ "SYN with data", { V4, SYN_TO(80), .payload_len = 100 },
		  PASSES(SG_ALLOW) },
		{ "SYN with ECE and CWR", { V4, .proto = 6, .sport = 40000,
		  .dport = 80, .flags = S | 0xc0 }, PASSES(SG_ALLOW) },
		{ "source port 0", { V4, .proto = 6, .dport = 80, .flags = S },
		  PASSES(SG_ALLOW) },
		{ "destination port 0 is no wildcard", { V4, SYN_TO(0) },
		  DROPS(SG_NO_MATCH) },
		{ "ACK to an open port", { V4, .proto = 6, .sport = 40000,
		  .dport = 80, .flags = A }, PASSES(SG_ALLOW) },
		{ "ACK to a closed port", { V4, .proto = 6, .sport = 40000,
		  .dport = 81, .flags = A }, TC_DROPS(SG_NO_MATCH) },
		{ "PSH+ACK to an open port", { V4, .proto = 6, .sport = 40000,
		  .dport = 80, .flags = A | MOAT_TCP_FLAG_PSH },
		  PASSES(SG_ALLOW) },
		{ "SYN+ACK without a flow", { V4, .proto = 6, .sport = 40000,
		  .dport = 80, .flags = S | A }, TC_DROPS(NO_FLOW) },
		{ "RST without a flow", { V4, .proto = 6, .sport = 40000,
		  .dport = 80, .flags = R }, TC_DROPS(NO_FLOW) },
		{ "FIN+ACK without a flow", { V4, .proto = 6, .sport = 40000,
		  .dport = 80, .flags = F | A }, TC_DROPS(NO_FLOW) },
		{ "ACK from 443 to an ephemeral port", { V4, .proto = 6,
		  .sport = 443, .dport = 40000, .flags = A },
		  TC_DROPS(SG_NO_MATCH) },
		{ "UDP", { V4, .proto = 17, .sport = 9, .dport = 5000 },
		  PASSES(SG_ALLOW) },
		{ "UDP to a closed port", { V4, .proto = 17, .sport = 53,
		  .dport = 40000 }, TC_DROPS(SG_NO_MATCH) },
		{ "UDP length 4", { V4, .proto = 17, .sport = 9, .dport = 5000,
		  .udp_length = PACKET_SET(4) }, DROPS(BAD_LENGTH) },
		{ "UDP length 400", { V4, .proto = 17, .sport = 9, .dport =
		  5000, .udp_length = PACKET_SET(400) }, DROPS(BAD_LENGTH) },
		{ "SCTP to no rule", { V4, .proto = 132, .sport = 9,
		  .dport = 80, .payload_len = 20 }, TC_DROPS(SG_NO_MATCH) },
		{ "GRE", { V4, .proto = 47, .bare = true, .payload_len = 20 },
		  TC_DROPS(SG_NO_MATCH) },
		{ "IPIP", { V4, .proto = 4, .bare = true, .payload_len = 40 },
		  TC_DROPS(SG_NO_MATCH) },
		{ "protocol 0 is no wildcard", { V4, .proto = 0, .bare = true,
		  .payload_len = 20 }, TC_DROPS(SG_NO_MATCH) },
		{ "protocol 255", { V4, .proto = 255, .bare = true,
		  .payload_len = 20 }, TC_DROPS(SG_NO_MATCH) },
		{ "ICMPv6 in IPv4", { V4, .proto = 58, .bare = true,
		  .payload_len = 20 }, DROPS(ICMP_FAMILY) },
	};
	/* clang-format on */

	shapes_run(t, sizeof(t) / sizeof(t[0]));
}

static void icmp(void **state)
{
	static const struct packet_spec other = { V4, SYN_TO(80) };
	/* clang-format off */
	static const struct shape t[] = {
		{ "echo request", { V4, .proto = 1, .type = 8, .rest = 0x10001 },
		  PASSES(SG_ALLOW) },
		{ "echo reply without a request", { V4, .proto = 1,
		  .rest = 0x10001 }, TC_DROPS(NO_FLOW) },
		{ "timestamp request", { V4, .proto = 1, .type = 13,
		  .payload_len = 12 }, TC_DROPS(SG_NO_MATCH) },
		{ "timestamp reply", { V4, .proto = 1, .type = 14,
		  .payload_len = 12 }, TC_DROPS(NO_FLOW) },
		{ "redirect", { V4, .proto = 1, .type = 5, .code = 1, .inner =
		  &other }, TC_DROPS(REDIRECT) },
		{ "unreachable about nothing", { V4, .proto = 1, .type = 3,
		  .code = 1, .inner = &other }, TC_DROPS(NOT_RELATED) },
		{ "router advertisement", { V4, .proto = 1, .type = 9 },
		  TC_DROPS(SG_NO_MATCH) },
		{ "4 bytes of ICMP", { V4, .proto = 1, .bare = true,
		  .payload_len = 4 }, DROPS(TRUNCATED) },
	};
	/* clang-format on */

	shapes_run(t, sizeof(t) / sizeof(t[0]));
}

#define FROM(a) .family = 4, .from = a, .to = "10.0.0.1", SYN_TO(80)

static void addresses(void **state)
{
	/* clang-format off */
	static const struct shape t[] = {
		{ "land", { FROM("10.0.0.1") }, DROPS(OWN_SOURCE) },
		{ "source loopback", { FROM("127.0.0.1") },
		  DROPS(BAD_SOURCE) },
		{ "source 0.0.0.0", { FROM("0.0.0.0") }, DROPS(BAD_SOURCE) },
		{ "source in 0/8", { FROM("0.1.2.3") }, DROPS(BAD_SOURCE) },
		{ "source multicast", { FROM("224.0.0.1") },
		  DROPS(BAD_SOURCE) },
		{ "source broadcast", { FROM("255.255.255.255") },
		  DROPS(BAD_SOURCE) },
		{ "source the subnet's broadcast", { FROM("10.0.0.255") },
		  TC_DROPS(BAD_SOURCE) },
		{ "source 240/4 is a rule's business", { FROM("240.0.0.1") },
		  PASSES(SG_ALLOW) },
		{ "source link-local", { FROM("169.254.1.1") },
		  PASSES(SG_ALLOW) },
		{ "destination loopback (CVE-2020-8558)", { .family = 4, .from =
		  "10.0.0.9", .to = "127.0.0.1", SYN_TO(80) },
		  DROPS(BAD_DESTINATION) },
		{ "not ours", { .family = 4, .from = "10.0.0.9", .to =
		  "10.0.0.77", SYN_TO(81) }, PASSES(FORWARDED) },
		{ "multicast to a closed port", { .family = 4, .from =
		  "10.0.0.9", .to = "224.0.0.251", .proto = 17, .sport = 5353,
		  .dport = 5353 }, TC_DROPS(SG_NO_MATCH) },
		{ "multicast to an open port", { .family = 4, .from =
		  "10.0.0.9", .to = "224.0.0.251", .proto = 17, .sport = 5353,
		  .dport = 5000 }, PASSES(SG_ALLOW) },
		{ "broadcast to an open port", { .family = 4, .from =
		  "10.0.0.9", .to = "10.0.0.255", .proto = 17, .sport = 1,
		  .dport = 5000 }, PASSES(SG_ALLOW) },
		{ "DHCP offer", { .family = 4, .from = "10.0.0.254", .to =
		  "255.255.255.255", .proto = 17, .sport = 67, .dport = 68,
		  .payload_len = 240 }, PASSES(ESSENTIAL_DHCP) },
	};
	/* clang-format on */

	shapes_run(t, sizeof(t) / sizeof(t[0]));
}

static void fragments(void **state)
{
	/* clang-format off */
	static const struct shape t[] = {
		{ "first fragment to an open port", { V4, .proto = 17,
		  .sport = 9, .dport = 5000, .more = true, .id = 7,
		  .payload_len = 16 }, PASSES(SG_ALLOW) },
		{ "first fragment to a closed port", { V4, .proto = 17,
		  .sport = 9, .dport = 5001, .more = true, .id = 7,
		  .payload_len = 16 }, TC_DROPS(SG_NO_MATCH) },
		{ "later fragment alone", { V4, .proto = 17, .bare = true,
		  .offset = 3, .id = 7, .payload_len = 16 },
		  TC_DROPS(FRAGMENT_NO_FIRST) },
		{ "frag-payload-fakeports", { V4, .proto = 6, .bare = true,
		  .offset = 4, .id = 7, .payload = looks_like_syn,
		  .payload_len = 24 }, TC_DROPS(FRAGMENT_NO_FIRST) },
		{ "tiny first fragment of TCP", { V4, .proto = 6, .bare = true,
		  .more = true, .id = 7, .payload_len = 8 },
		  TC_DROPS(TINY_FRAGMENT) },
		{ "TCP at offset 1", { V4, .proto = 6, .bare = true, .offset =
		  1, .id = 7, .payload_len = 16 }, DROPS(BAD_FRAGMENT) },
		{ "not a multiple of 8", { V4, .proto = 17, .sport = 9, .dport =
		  5000, .more = true, .id = 7, .payload_len = 17 },
		  DROPS(BAD_FRAGMENT) },
		{ "ping of death", { V4, .proto = 1, .bare = true, .offset =
		  8189, .id = 7, .payload_len = 100 },
		  DROPS(BAD_FRAGMENT) },
		{ "no payload, more to come", { V4, .proto = 17, .bare = true,
		  .more = true, .offset = 4, .id = 7 },
		  DROPS(BAD_FRAGMENT) },
	};
	/* clang-format on */

	shapes_run(t, sizeof(t) / sizeof(t[0]));
}

#define TAG(type, n) \
	{ \
		type, n \
	}

static void links(void **state)
{
	/* clang-format off */
	static const struct shape t[] = {
		{ "VLAN 0, open", { V4, SYN_TO(80), .nvlan = 1, .vlan =
		  { TAG(0x8100, 0) } }, PASSES(SG_ALLOW) },
		{ "VLAN 0, closed", { V4, SYN_TO(81), .nvlan = 1, .vlan =
		  { TAG(0x8100, 0) } }, DROPS(SG_NO_MATCH) },
		{ "VLAN 5, closed (R-11)", { V4, SYN_TO(81), .nvlan = 1,
		  .vlan = { TAG(0x8100, 5) } }, DROPS(SG_NO_MATCH) },
		{ "QinQ, open", { V4, SYN_TO(80), .nvlan = 2, .vlan =
		  { TAG(0x88a8, 5), TAG(0x8100, 6) } }, PASSES(SG_ALLOW) },
		{ "QinQ, closed", { V4, SYN_TO(81), .nvlan = 2, .vlan =
		  { TAG(0x88a8, 5), TAG(0x8100, 6) } }, DROPS(SG_NO_MATCH) },
		{ "802.1ad VLAN 0, closed", { V4, SYN_TO(81), .nvlan = 1,
		  .vlan = { TAG(0x88a8, 0) } }, DROPS(SG_NO_MATCH) },
		{ "three tags", { V4, SYN_TO(80), .nvlan = 3, .vlan =
		  { TAG(0x8100, 1), TAG(0x8100, 2), TAG(0x8100, 3) } },
		  DROPS(VLAN_DEPTH) },
		{ "ARP", { .ethertype = PACKET_SET(0x0806), .payload_len = 28 },
		  PASSES(NON_IP) },
		{ "LLDP", { .ethertype = PACKET_SET(0x88cc), .payload_len = 40 },
		  PASSES(NON_IP) },
		{ "MPLS", { .ethertype = PACKET_SET(0x8847), .payload_len = 40 },
		  PASSES(NON_IP) },
		{ "LLC", { .ethertype = PACKET_SET(40), .payload_len = 40 },
		  PASSES(NON_IP) },
		{ "another host's frame", { V4, SYN_TO(80), .to_mac =
		  { 2, 1, 1, 1, 1, 1 } }, PASSES(OTHER_HOST) },
	};
	/* clang-format on */

	shapes_run(t, sizeof(t) / sizeof(t[0]));
}

/* Of 64 sets of TCP flags nine are valid, PSH, ECE and CWR left aside:
 * tcp_valid_flags[] of nf_conntrack_proto_tcp.c. */
static void flag_sets(void **state)
{
	static const uint8_t valid[] = { S,	S | U,	   S | A, R,	R | A,
					 F | A, F | A | U, A,	  A | U };
	struct harness *h = harness_open(NULL);
	size_t bad = 0;

	harness_own(h, "10.0.0.1", NULL);
	harness_policy(h, SHAPES_POLICY);
	for (int flags = 0; flags < 256; flags++) {
		struct packet_spec spec = { V4, .proto = 6, .sport = 40000,
					    .dport = 81, .flags = flags };
		bool ok = false;

		for (size_t i = 0; i < sizeof(valid); i++)
			ok |= (flags & (F | S | R | A | U)) == valid[i];
		if (ok) {
			struct outcome o = harness_run(h, ATTACH_TC_INGRESS,
						       &spec);

			assert_int_not_equal(o.trace.reason,
					     MOAT_REASON_TCP_FLAGS);
			assert_int_equal(o.trace.verdict, MOAT_DROP);
			continue;
		}
		bad++;
		expect(h, ATTACH_TC_INGRESS, &spec, MOAT_DROP,
		       MOAT_REASON_TCP_FLAGS);
		expect(h, ATTACH_XDP, &spec, MOAT_DROP, MOAT_REASON_TCP_FLAGS);
	}
	assert_int_equal(bad, 256 - 9 * 8);
	harness_close(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers),   cmocka_unit_test(transport),
		cmocka_unit_test(icmp),	     cmocka_unit_test(addresses),
		cmocka_unit_test(fragments), cmocka_unit_test(links),
		cmocka_unit_test(flag_sets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
