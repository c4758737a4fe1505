// SPDX-License-Identifier: BSD-2-Clause
/*
 * Seeds: valid packets of every kind that the world knows, alone, in fragments,
 * under tags and extension headers, and as short conversations. Wrong ones are
 * the fuzzer's business.
 */
#include "fuzz/packet_seeds.h"

#include <linux/in.h>
#include <linux/in6.h>
#include <stdint.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "support/frame.h"

#define SCTP 132
#define SYN 0x02
#define RST 0x04
#define ACK 0x10
#define FIN 0x01
#define V4 .family = 4, .from = "10.9.0.7", .to = "10.0.0.1"
#define V6 .family = 6, .from = "2001:db8:9::7", .to = "2001:db8::1"
#define TCP(p) .proto = IPPROTO_TCP, .sport = 40000, .dport = p
#define UDP(p) .proto = IPPROTO_UDP, .sport = 40000, .dport = p

static const struct packet_spec tcp4 = { V4, TCP(80), .flags = SYN };
static const struct packet_spec udp6 = { V6, UDP(53), .payload_len = 16 };

static const struct packet_spec alone[] = {
	{ V4, TCP(80), .flags = SYN },
	{ V4, TCP(443), .flags = ACK, .payload_len = 40 },
	{ V4, TCP(22), .flags = SYN },
	{ .family = 4,
	  .from = "10.8.0.1",
	  .to = "10.0.0.1",
	  TCP(22),
	  .flags = SYN },
	{ .family = 4,
	  .from = "10.9.0.7",
	  .to = "10.0.0.2",
	  TCP(23),
	  .flags = SYN },
	{ .family = 4,
	  .from = "10.9.0.7",
	  .to = "10.0.0.3",
	  TCP(80),
	  .flags = SYN },
	{ .family = 4,
	  .from = "10.66.0.1",
	  .to = "10.0.0.4",
	  TCP(80),
	  .flags = SYN },
	{ .family = 4, .from = "10.9.0.7", .to = "10.0.0.255", UDP(138) },
	{ .family = 4, .from = "10.9.0.7", .to = "224.0.0.251", UDP(5353) },
	{ .family = 4, .from = "10.9.0.7", .to = "192.0.2.1", UDP(53) },
	{ .family = 4,
	  .from = "0.0.0.0",
	  .to = "255.255.255.255",
	  .proto = IPPROTO_UDP,
	  .sport = 68,
	  .dport = 67 },
	{ .family = 4,
	  .from = "10.0.0.9",
	  .to = "10.0.0.1",
	  .proto = IPPROTO_UDP,
	  .sport = 67,
	  .dport = 68 },
	{ V4, UDP(5050), .payload_len = 100 },
	{ V4, .proto = IPPROTO_ICMP, .type = 8, .rest = 0x12340001 },
	{ V4, .proto = IPPROTO_ICMP, .type = 5, .inner = &tcp4 },
	{ V4, .proto = IPPROTO_ICMP, .type = 3, .code = 4, .inner = &tcp4 },
	{ V4, .proto = SCTP, .sport = 9, .dport = 36412, .payload_len = 8 },
	{ V4, .proto = 47, .bare = true, .payload_len = 12 },
	{ V4, UDP(53), .options = "\x94\x04\0", .options_len = 4 },
	{ V4, TCP(80), .flags = SYN, .options = "\x83\x07\x04\x0a\0\0\x09",
	  .options_len = 7 },
	{ V4, UDP(53), .more = true, .id = 77, .payload_len = 16 },
	{ V4, UDP(53), .offset = 3, .id = 77, .payload_len = 16 },
	{ V4, TCP(80), .flags = SYN, .nvlan = 1, .vlan = { { 0x8100, 5 } } },
	{ V4, TCP(80), .flags = SYN, .nvlan = 2,
	  .vlan = { { 0x88a8, 5 }, { 0x8100, 6 } } },
	{ V4, TCP(80), .flags = SYN, .nvlan = 3,
	  .vlan = { { 0x8100, 1 }, { 0x8100, 2 }, { 0x8100, 3 } } },
	{ V4, TCP(80), .flags = SYN, .to_mac = { 2, 1, 1, 1, 1, 1 } },
	{ .ethertype = PACKET_SET(0x0806), .payload_len = 28 },
	{ .ethertype = PACKET_SET(100), .payload_len = 46 },
	{ V6, TCP(443), .flags = SYN },
	{ V6, UDP(53), .payload_len = 16 },
	{ .family = 6,
	  .from = "fe80::9",
	  .to = "ff02::1:ff00:1",
	  .ttl = 255,
	  .proto = IPPROTO_ICMPV6,
	  .type = 135,
	  .payload_len = 24 },
	{ .family = 6,
	  .from = "fe80::9",
	  .to = "ff02::1",
	  .ttl = 255,
	  .proto = IPPROTO_ICMPV6,
	  .type = 134,
	  .payload_len = 16 },
	{ .family = 6,
	  .from = "::",
	  .to = "ff02::16",
	  .proto = IPPROTO_ICMPV6,
	  .type = 143,
	  .payload_len = 20 },
	{ .family = 6,
	  .from = "fe80::9",
	  .to = "fe80::1",
	  .proto = IPPROTO_UDP,
	  .sport = 547,
	  .dport = 546 },
	{ .family = 6,
	  .from = "fe80::9",
	  .to = "fe80::1",
	  TCP(8080),
	  .flags = SYN },
	{ V6, .proto = IPPROTO_ICMPV6, .type = 128, .rest = 0x43210001 },
	{ V6, .proto = IPPROTO_ICMPV6, .type = 2, .rest = 1280,
	  .inner = &udp6 },
	{ V6, UDP(53), .next = 2, .ext = { { .type = 0 }, { .type = 60 } } },
	{ V6, TCP(443), .flags = SYN, .next = 1,
	  .ext = { { .type = 43, .body = { 4, 0 } } } },
	{ V6, TCP(443), .flags = SYN, .next = 1,
	  .ext = { { .type = 51, .extra = 4 } } },
	{ V6, UDP(53), .payload_len = 16, .next = 1,
	  .ext = { { .type = 44, .more = true, .id = 5 } } },
	{ V6, UDP(53), .payload_len = 16, .next = 1,
	  .ext = { { .type = 44, .offset = 3, .id = 5 } } },
	{ V6, UDP(53), .next = 1, .ext = { { .type = 44, .id = 5 } } },
};

struct seed {
	unsigned char bytes[4096];
	size_t len;
};

static void add(struct seed *s, int bits, const struct packet_spec *spec)
{
	struct packet p;

	packet_build(spec, &p);
	must(s->len + 3 + p.len <= sizeof(s->bytes));
	s->bytes[s->len++] = (unsigned char)bits;
	s->bytes[s->len++] = (unsigned char)(p.len >> 8);
	s->bytes[s->len++] = (unsigned char)p.len;
	memcpy(s->bytes + s->len, p.data, p.len);
	s->len += p.len;
}

static void save(const char *folder, const struct seed *s)
{
	static int number;
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%03d", folder, number++);
	f = fopen(path, "w");
	must(f && fwrite(s->bytes, 1, s->len, f) == s->len);
	must(fclose(f) == 0);
}

/* Handshake, then data alone, or data and the end of it. */
static const uint8_t talk[] = { SYN, SYN | ACK, ACK, ACK, ACK, ACK, ACK, ACK };
static const uint8_t whole[] = { SYN,	    SYN | ACK, ACK, ACK,
				 FIN | ACK, FIN | ACK, ACK, RST };

/* Eight segments, to and fro; opened from either side. */
static void one_conversation(const char *folder, const uint8_t flags[8],
			     const struct packet_spec *opening, int direction)
{
	struct packet_spec there = *opening, back = packet_reply(opening);
	struct seed s = { .len = 0 };

	there.seq = back.ack = 1000;
	there.ack = back.seq = 2000;
	for (size_t i = 0; i < 8; i++) {
		bool reply = i & 1;
		struct packet_spec *p = reply ? &back : &there;

		p->flags = flags[i];
		p->payload_len = i > 2 && i < 6 ? 100 : 0;
		p->seq += i < 3;
		p->ack += i < 3;
		add(&s, direction ^ (reply ? PACKET_EGRESS : 0), p);
	}
	save(folder, &s);
}

static void conversation(const char *folder, const struct packet_spec *opening,
			 int direction)
{
	one_conversation(folder, talk, opening, direction);
	one_conversation(folder, whole, opening, direction);
}

/* An opening, its answer, and an ICMP error about it. */
static void exchange(const char *folder, const struct packet_spec *opening)
{
	bool v6 = opening->family == 6;
	struct packet_spec back = packet_reply(opening);
	struct packet_spec error = {
		.family = opening->family,
		.from = v6 ? "2001:db8:7::1" : "192.0.2.9",
		.to = back.from,
		.proto = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
		.type = v6 ? 1 : 3,
		.inner = &back,
	};
	struct seed s = { .len = 0 };

	add(&s, 0, opening);
	add(&s, PACKET_EGRESS, &back);
	add(&s, 0, &error);
	add(&s, 0, opening);
	save(folder, &s);
}

/* In order, turned round, and after a hole. */
static void fragments(const char *folder, int family)
{
	struct packet_spec first = { V4, UDP(53), .more = true, .id = 9,
				     .payload_len = 16 };
	struct packet_spec last = { V4, UDP(53), .offset = 3, .id = 9,
				    .payload_len = 16 };
	struct packet_spec first6 = {
		V6, UDP(53), .payload_len = 16, .next = 1,
		.ext = { { .type = 44, .more = true, .id = 9 } }
	};
	struct packet_spec last6 = {
		V6, UDP(53), .payload_len = 16, .next = 1,
		.ext = { { .type = 44, .offset = 3, .id = 9 } }
	};
	struct seed s = { .len = 0 };

	add(&s, 0, family == 4 ? &last : &last6);
	add(&s, 0, family == 4 ? &first : &first6);
	add(&s, 0, family == 4 ? &last : &last6);
	add(&s, 0, family == 4 ? &first : &first6);
	save(folder, &s);
}

void packet_seeds(const char *folder)
{
	static const struct packet_spec out4 = {
		.family = 4, .from = "10.0.0.1", .to = "192.0.2.5", TCP(443)
	};
	static const struct packet_spec in6 = { V6, TCP(443) };
	static const struct packet_spec in2 = {
		.family = 4, .from = "10.9.0.7", .to = "10.0.0.2", TCP(23)
	};
	static const struct packet_spec ping4 = { V4, .proto = IPPROTO_ICMP,
						  .type = 8,
						  .rest = 0x00070001 };

	for (size_t i = 0; i < sizeof(alone) / sizeof(alone[0]); i++) {
		struct packet_spec back = packet_reply(&alone[i]);
		struct seed s = { .len = 0 };

		add(&s, 0, &alone[i]);
		save(folder, &s);
		s.len = 0;
		add(&s, PACKET_EGRESS, &back);
		add(&s, PACKET_EGRESS | PACKET_FORWARDED, &alone[i]);
		save(folder, &s);
	}
	conversation(folder, &tcp4, 0);
	conversation(folder, &in6, 0);
	conversation(folder, &in2, 0);
	conversation(folder, &out4, PACKET_EGRESS);
	exchange(folder, &udp6);
	exchange(folder, &ping4);
	exchange(folder, &tcp4);
	fragments(folder, 4);
	fragments(folder, 6);
}
