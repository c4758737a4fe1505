// SPDX-License-Identifier: BSD-2-Clause
/* The packet builder against published bytes and sums made another way. */
#include "support/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct packet p;

/* RFC 1071 over a pseudo header and the segment, byte by byte. */
static uint16_t verify(const struct packet *q, int family, unsigned proto)
{
	const uint8_t *ip = q->data + q->l3;
	size_t len = q->len - q->l4;
	uint32_t sum = proto + len;

	for (size_t i = 0; i < (family == 4 ? 8u : 32u); i++)
		sum += (uint32_t)ip[(family == 4 ? 12 : 8) + i]
		       << (i % 2 ? 0 : 8);
	for (size_t i = 0; i < len; i++)
		sum += (uint32_t)q->data[q->l4 + i] << (i % 2 ? 0 : 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* The IPv4 header that many textbooks sum up to 0xb861. */
static void ip4_header(void **state)
{
	static const uint8_t want[] = {
		0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11,
		0xb8, 0x61, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7,
	};

	packet_build(&(struct packet_spec){ .family = 4,
					    .proto = 17,
					    .from = "192.168.0.1",
					    .to = "192.168.0.199",
					    .dont = true,
					    .payload_len = 0x73 - 28 },
		     &p);
	assert_int_equal(p.l3, 14);
	assert_int_equal(p.l4, 34);
	assert_int_equal(p.payload, 42);
	assert_int_equal(p.len, 14 + 0x73);
	assert_memory_equal(p.data + 14, want, sizeof(want));
	assert_memory_equal(p.data + 12, "\x08\x00", 2);
	assert_memory_equal(p.data + 38, "\x00\x5f", 2);
}

static void checksums(void **state)
{
	static const uint8_t protos[] = { 6, 17, 58 };

	for (size_t i = 0; i < sizeof(protos); i++)
		for (size_t len = 0; len < 40; len++) {
			struct packet_spec s = { .family = 6,
						 .proto = protos[i],
						 .from = "2001:db8::1",
						 .to = "fd00::ffff:2",
						 .sport = 1234,
						 .dport = 443,
						 .type = 128,
						 .rest = 0x12345678,
						 .seq = 77,
						 .flags = 2,
						 .payload_len = len };

			packet_build(&s, &p);
			assert_int_equal(verify(&p, 6, protos[i]), 0xffff);
			if (protos[i] == 58)
				continue;
			s.family = 4;
			s.from = "10.0.0.1";
			s.to = "10.255.0.9";
			packet_build(&s, &p);
			assert_int_equal(verify(&p, 4, protos[i]), 0xffff);
		}
	packet_build(&(struct packet_spec){ .family = 4,
					    .proto = 1,
					    .from = "10.0.0.1",
					    .to = "10.0.0.2",
					    .type = 8 },
		     &p);
	assert_int_equal(packet_sum(p.data + p.l4, 8, 0), 0xffff);
}

static void vlan_and_extensions(void **state)
{
	packet_build(
		&(struct packet_spec){ .family = 6,
				       .proto = 6,
				       .from = "fd00::1",
				       .to = "fd00::2",
				       .vlan = { { 0x88a8, 5 }, { 0x8100, 7 } },
				       .nvlan = 2,
				       .ext = { { .type = 0, .extra = 1 },
						{ .type = 51, .extra = 1 },
						{ .type = 44,
						  .more = true,
						  .id = 0x01020304 } },
				       .next = 3 },
		&p);
	assert_memory_equal(p.data + 12,
			    "\x88\xa8\x00\x05\x81\x00\x00\x07\x86\xdd", 10);
	assert_int_equal(p.l3, 22);
	/* 40, hop-by-hop 16, AH 12, fragment 8 */
	assert_int_equal(p.l4 - p.l3, 76);
	assert_int_equal(p.data[22 + 6], 0);
	assert_int_equal(p.data[22 + 40], 51);
	assert_int_equal(p.data[22 + 41], 1);
	assert_int_equal(p.data[22 + 56], 44);
	assert_int_equal(p.data[22 + 68], 6);
	assert_memory_equal(p.data + 22 + 70, "\x00\x01\x01\x02\x03\x04", 6);
	assert_memory_equal(p.data + 22 + 4, "\x00\x38", 2); /* 56 */
}

static void icmp_error_quotes(void **state)
{
	struct packet_spec inner = { .family = 4,
				     .proto = 6,
				     .from = "10.0.0.1",
				     .to = "10.0.0.2",
				     .sport = 1,
				     .dport = 2 };
	struct packet_spec s = { .family = 4,
				 .proto = 1,
				 .from = "10.9.9.9",
				 .to = "10.0.0.1",
				 .type = 3,
				 .code = 4,
				 .rest = 1400,
				 .inner = &inner,
				 .inner_len = 28 };
	static struct packet q;

	packet_build(&inner, &q);
	packet_build(&s, &p);
	assert_int_equal(p.len, 14 + 20 + 8 + 28);
	assert_memory_equal(p.data + p.payload, q.data + q.l3, 28);
	s.inner_len = 0;
	packet_build(&s, &p);
	assert_int_equal(p.len, 14 + 20 + 8 + 40);
}

static void broken_on_purpose(void **state)
{
	packet_build(&(struct packet_spec){ .family = 4,
					    .proto = 6,
					    .from = "10.0.0.1",
					    .to = "10.0.0.2",
					    .ihl = PACKET_SET(15),
					    .total_length = PACKET_SET(0),
					    .doff = PACKET_SET(4),
					    .ip_checksum = PACKET_SET(1),
					    .cut = 50 },
		     &p);
	assert_int_equal(p.data[14], 0x4f);
	assert_memory_equal(p.data + 16, "\x00\x00", 2);
	assert_memory_equal(p.data + 24, "\x00\x01", 2);
	assert_int_equal(p.data[34 + 12] >> 4, 4);
	assert_int_equal(p.len, 50);
}

/* A later fragment holds data alone; a reply has the ends exchanged. */
static void fragments_and_replies(void **state)
{
	struct packet_spec s = { .family = 4,
				 .proto = 17,
				 .from = "10.0.0.1",
				 .to = "10.0.0.2",
				 .sport = 5,
				 .dport = 6,
				 .id = 9,
				 .offset = 185,
				 .payload_len = 32 },
			   r;

	packet_build(&s, &p);
	assert_int_equal(p.len, 34 + 32);
	assert_int_equal(p.l4, p.payload);
	assert_memory_equal(p.data + 18, "\x00\x09\x00\xb9", 4);
	r = packet_reply(&s);
	assert_string_equal(r.from, "10.0.0.2");
	assert_string_equal(r.to, "10.0.0.1");
	assert_int_equal(r.sport, 6);
	assert_int_equal(r.dport, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ip4_header),
		cmocka_unit_test(checksums),
		cmocka_unit_test(vlan_and_extensions),
		cmocka_unit_test(icmp_error_quotes),
		cmocka_unit_test(broken_on_purpose),
		cmocka_unit_test(fragments_and_replies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
