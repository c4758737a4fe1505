// SPDX-License-Identifier: BSD-2-Clause
/*
 * Fragments (design 3.3, attacks 2.1): the first is judged, later ones follow
 * it; shapes that are dropped. IPv4 and IPv6.
 */
#include "bpf/harness.h"

#include <bpf/bpf.h>
#include <linux/in.h>
#include <linux/in6.h>

#define IN ATTACH_TC_INGRESS
#define OURS "10.0.0.1"
#define THEIRS "10.1.0.1"
#define OURS6 "fd00::1"
#define THEIRS6 "fd01::1"

#define POLICY(mode) \
	"version: 1\nname: t\nmode: " mode "\n" \
	"security_groups:\n" \
	"  web:\n" \
	"    members: [10.0.0.0/24, \"fd00::/64\"]\n" \
	"    ingress:\n" \
	"      - {name: syslog, from: [any], protocol: udp, ports: [514]}\n" \
	"      - {name: http, from: [any], protocol: tcp, ports: [80]}\n" \
	"      - {name: ping, from: [any], service: ping}\n" \
	"    egress: []\n"

static struct harness *h;
static uint16_t id; /* of a datagram: never the same twice */

static int open_once(void **state)
{
	h = harness_host(OURS, OURS6);
	return 0;
}

static int close_once(void **state)
{
	harness_close(h);
	return 0;
}

static int begin(void **state)
{
	harness_policy(h, POLICY("enforce"));
	id++;
	return 0;
}

/* A fragment of 64 bytes at offset (in units of 8). */
static struct packet_spec v4(uint8_t proto, uint16_t offset, bool more)
{
	return (struct packet_spec){
		.family = 4,
		.from = THEIRS,
		.to = OURS,
		.proto = proto,
		.sport = 1000 + id,
		.dport = proto == IPPROTO_TCP ? 80 : 514,
		.flags = MOAT_TCP_FLAG_SYN,
		.type = 8,
		.rest = id << 16,
		.id = id,
		.offset = offset,
		.more = more,
		.payload_len = offset		    ? 64 :
			       proto == IPPROTO_TCP ? 44 :
						      56,
		.udp_length = offset ? 0 : PACKET_SET(200),
	};
}

static struct packet_spec v6(uint8_t proto, uint16_t offset, bool more)
{
	struct packet_spec s = v4(proto, offset, more);

	s.family = 6;
	s.from = THEIRS6;
	s.to = OURS6;
	s.offset = 0;
	s.more = false;
	s.bare = offset;
	s.next = 1;
	s.ext[0] = (struct packet_ext){ .type = IPPROTO_FRAGMENT,
					.offset = offset,
					.more = more,
					.id = id };
	return s;
}

static void in_order(void **state)
{
	struct moat_flow_key key;
	struct moat_flow f;

	for (int family = 4; family <= 6; family += 2) {
		struct packet_spec (*frag)(uint8_t, uint16_t,
					   bool) = family == 4 ? v4 : v6;
		struct packet_spec p = frag(IPPROTO_UDP, 0, true);

		expect_rule(h, IN, &p, MOAT_ALLOW, MOAT_REASON_SG_ALLOW,
			    "web/syslog");
		p = frag(IPPROTO_UDP, 8, true);
		expect_rule(h, IN, &p, MOAT_ALLOW, MOAT_REASON_FRAGMENT,
			    "web/syslog");
		p = frag(IPPROTO_UDP, 16, false);
		expect_rule(h, IN, &p, MOAT_ALLOW, MOAT_REASON_FRAGMENT,
			    "web/syslog");
		key = harness_key(family == 4 ? OURS : OURS6, 514,
				  family == 4 ? THEIRS : THEIRS6, 1000 + id,
				  IPPROTO_UDP);
		assert_true(harness_flow(h, MOAT_TABLE_UDP, &key, &f));
		assert_int_equal(f.packets[MOAT_INGRESS], 3);
	}
}

/* Reversed order, another datagram, and ports read from nobody's payload. */
static void without_first(void **state)
{
	struct packet_spec p = v4(IPPROTO_UDP, 8, false);
	static const uint8_t fake[64] = { 0x10, 0, 0x02, 0x02 }; /* to 514 */

	p.payload = fake;
	expect(h, IN, &p, MOAT_DROP, MOAT_REASON_FRAGMENT_NO_FIRST);
	p = v6(IPPROTO_UDP, 8, false);
	p.payload = fake;
	expect(h, IN, &p, MOAT_DROP, MOAT_REASON_FRAGMENT_NO_FIRST);
	p = v4(IPPROTO_UDP, 0, true);
	expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	id++;
	p = v4(IPPROTO_UDP, 8, false);
	expect(h, IN, &p, MOAT_DROP, MOAT_REASON_FRAGMENT_NO_FIRST);
}

static void denied_first(void **state)
{
	struct packet_spec p = v4(IPPROTO_UDP, 0, true);

	p.dport = 515;
	expect(h, IN, &p, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
	p = v4(IPPROTO_UDP, 8, false);
	expect(h, IN, &p, MOAT_DROP, MOAT_REASON_FRAGMENT_NO_FIRST);
}

/* In audit later fragments count under the first one's would-drop. */
static void audited(void **state)
{
	struct packet_spec p = v4(IPPROTO_UDP, 0, true);

	harness_policy(h, POLICY("audit"));
	p.dport = 515;
	expect(h, IN, &p, MOAT_WOULD_DROP, MOAT_REASON_SG_NO_MATCH);
	p = v4(IPPROTO_UDP, 8, false);
	p.dport = 515;
	expect(h, IN, &p, MOAT_WOULD_DROP, MOAT_REASON_SG_NO_MATCH);
	id++;
	p = v4(IPPROTO_UDP, 8, false);
	expect(h, IN, &p, MOAT_WOULD_DROP, MOAT_REASON_FRAGMENT_NO_FIRST);
}

/* Offset 0 twice with other ports; once the last was seen the id is free. */
static void first_twice(void **state)
{
	struct packet_spec p = v4(IPPROTO_UDP, 0, true), other = p, last;

	other.sport++;
	expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	expect(h, IN, &other, MOAT_DROP, MOAT_REASON_BAD_FRAGMENT);
	last = v4(IPPROTO_UDP, 8, false);
	expect(h, IN, &last, MOAT_ALLOW, MOAT_REASON_FRAGMENT);
	expect(h, IN, &other, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
}

/* Makes every first fragment that is remembered one of 30 s ago. */
static void age_all(void)
{
	int fd = harness_map(h, "fragments");
	struct moat_frag_key key, *last = NULL;
	struct moat_frag f;

	while (!bpf_map_get_next_key(fd, last, &key)) {
		assert_int_equal(bpf_map_lookup_elem(fd, &key, &f), 0);
		f.expires = 1;
		assert_int_equal(bpf_map_update_elem(fd, &key, &f, BPF_EXIST),
				 0);
		last = &key;
	}
	assert_non_null(last);
}

/* Past its time it says nothing of later ones, nor against another first. */
static void too_old(void **state)
{
	struct packet_spec p = v4(IPPROTO_UDP, 0, true), other = p, later;

	p.sport = 7001;
	other.sport = 7002;
	expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	later = v4(IPPROTO_UDP, 8, true);
	expect(h, IN, &later, MOAT_ALLOW, MOAT_REASON_FRAGMENT);
	expect(h, IN, &other, MOAT_DROP, MOAT_REASON_BAD_FRAGMENT);
	age_all();
	expect(h, IN, &later, MOAT_DROP, MOAT_REASON_FRAGMENT_NO_FIRST);
	expect(h, IN, &other, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
}

static void shapes(void **state)
{
	struct packet_spec p = v4(IPPROTO_TCP, 1, false);

	expect(h, IN, &p, MOAT_DROP, MOAT_REASON_BAD_FRAGMENT); /* RFC 1858 */
	p = v4(IPPROTO_UDP, 0x1fff, false);
	expect(h, IN, &p, MOAT_DROP, MOAT_REASON_BAD_FRAGMENT); /* > 65535 */
	p = v4(IPPROTO_UDP, 8, true);
	p.payload_len = 63;
	expect(h, IN, &p, MOAT_DROP, MOAT_REASON_BAD_FRAGMENT);
	p = v6(IPPROTO_UDP, 8, true);
	p.payload_len = 63;
	expect(h, IN, &p, MOAT_DROP, MOAT_REASON_BAD_FRAGMENT);
	p = v4(IPPROTO_TCP, 0, true); /* 8 bytes: ports without flags */
	p.bare = true;
	p.payload_len = 8;
	expect(h, IN, &p, MOAT_DROP, MOAT_REASON_TINY_FRAGMENT);
	p = v6(IPPROTO_TCP, 0, true);
	p.bare = true;
	p.payload_len = 16;
	expect(h, IN, &p, MOAT_DROP, MOAT_REASON_TINY_FRAGMENT);
}

/* RFC 6946: judged as an ordinary packet; CVE-2023-4809: two are dropped. */
static void atomic(void **state)
{
	struct packet_spec p = v6(IPPROTO_TCP, 0, false);

	expect_rule(h, IN, &p, MOAT_ALLOW, MOAT_REASON_SG_ALLOW, "web/http");
	p.dport = 81;
	expect(h, IN, &p, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
	p.dport = 80;
	p.next = 2;
	p.ext[1] = p.ext[0];
	expect(h, IN, &p, MOAT_DROP, MOAT_REASON_BAD_FRAGMENT);
}

static void ping_in_fragments(void **state)
{
	struct packet_spec p = v4(IPPROTO_ICMP, 0, true);

	expect_rule(h, IN, &p, MOAT_ALLOW, MOAT_REASON_SG_ALLOW, "web/ping");
	p = v4(IPPROTO_ICMP, 8, false);
	expect_rule(h, IN, &p, MOAT_ALLOW, MOAT_REASON_FRAGMENT, "web/ping");
}

/* What we only forward is not ours to reassemble. */
static void forwarded(void **state)
{
	struct packet_spec p = v4(IPPROTO_UDP, 8, false);

	p.to = "10.9.9.9";
	expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_FORWARDED);
}

#define at(test) cmocka_unit_test_setup(test, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		at(in_order),  at(without_first), at(denied_first),
		at(audited),   at(first_twice),	  at(too_old),
		at(shapes),    at(atomic),	  at(ping_in_fragments),
		at(forwarded),
	};

	return cmocka_run_group_tests_name("fragment", tests, open_once,
					   close_once);
}
