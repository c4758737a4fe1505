// SPDX-License-Identifier: BSD-2-Clause
/*
 * F38, F3: a GSO packet counts as its segments, each with its own headers:
 * L3 length + (segments - 1) * headers.
 */
#include "bpf/harness.h"

#define IN ATTACH_TC_INGRESS
#define A MOAT_TCP_FLAG_ACK
#define PAYLOAD 3000

static const char policy[] =
	"version: 1\nname: p\nmode: enforce\nsecurity_groups:\n"
	"  host:\n    members: [10.0.0.1, \"fd00::1\"]\n    ingress:\n"
	"      - {name: web, from: [any], protocol: [tcp, udp], ports: [80]}\n"
	"    egress: []\n";

static struct harness *h;

static int open_once(void **state)
{
	h = harness_open(NULL);
	harness_own(h, "10.0.0.1", NULL);
	harness_own(h, "fd00::1", NULL);
	harness_policy(h, policy);
	return 0;
}

static int close_once(void **state)
{
	harness_close(h);
	return 0;
}

static int afresh(void **state)
{
	h->gso_segs = h->gso_size = 0;
	return 0;
}

static struct packet_spec data(int family, uint8_t proto, uint16_t dport)
{
	static uint16_t sport = 2000;

	return (struct packet_spec){
		.family = family,
		.from = family == 4 ? "10.9.0.1" : "fd00::9",
		.to = family == 4 ? "10.0.0.1" : "fd00::1",
		.proto = proto,
		.sport = ++sport,
		.dport = dport,
		.flags = proto == 6 ? A : 0,
		.payload_len = PAYLOAD,
	};
}

static void counts(int family, uint8_t proto, unsigned segments)
{
	unsigned header = (family == 4 ? 20 : 40) + (proto == 6 ? 20 : 8);
	struct packet_spec p = data(family, proto, 80);
	struct moat_flow_key key = harness_key(p.to, 80, p.from, p.sport,
					       proto);
	struct outcome o = harness_run(h, IN, &p);
	struct moat_flow f;

	assert_int_equal(o.trace.verdict, MOAT_ALLOW);
	assert_int_equal(o.counted.packets, segments);
	assert_int_equal(o.counted.bytes, PAYLOAD + segments * header);
	assert_true(harness_flow(
		h, proto == 6 ? MOAT_TABLE_EMBRYONIC_IN : MOAT_TABLE_UDP, &key,
		&f));
	assert_int_equal(f.packets[MOAT_INGRESS], segments);
	assert_int_equal(f.bytes[MOAT_INGRESS], o.counted.bytes);
	/* Drops are counted alike. */
	p = data(family, proto, 81);
	o = harness_run(h, IN, &p);
	assert_int_equal(o.trace.verdict, MOAT_DROP);
	assert_int_equal(o.counted.packets, segments);
	assert_int_equal(o.counted.bytes, PAYLOAD + segments * header);
}

static void every_kind(unsigned segments)
{
	for (int family = 4; family <= 6; family += 2) {
		counts(family, 6, segments);
		counts(family, 17, segments);
	}
}

static void segments_counted(void **state)
{
	every_kind(1);
	h->gso_size = 1000;
	h->gso_segs = 3;
	every_kind(3);
}

/* Where the sender left the number out it follows from the lengths. */
static void segments_estimated(void **state)
{
	h->gso_size = 1000;
	every_kind(3);
	h->gso_size = 1400;
	every_kind(3);
	h->gso_size = 1500;
	every_kind(2);
}

/* F3: length 0 stands for a packet above 65,535 bytes alone. */
static void big_tcp_is_big(void **state)
{
	struct packet_spec p = data(4, 6, 80);

	p.total_length = PACKET_SET(0);
	expect(h, IN, &p, MOAT_DROP, MOAT_REASON_BAD_LENGTH);
	h->gso_size = 1000;
	h->gso_segs = 3;
	expect(h, IN, &p, MOAT_DROP, MOAT_REASON_BAD_LENGTH);
	p = data(6, 6, 80);
	p.total_length = PACKET_SET(0);
	expect(h, IN, &p, MOAT_DROP, MOAT_REASON_BAD_LENGTH);
}

#define fresh(test) cmocka_unit_test_setup(test, afresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		fresh(segments_counted),
		fresh(segments_estimated),
		fresh(big_tcp_is_big),
	};

	return cmocka_run_group_tests(tests, open_once, close_once);
}
