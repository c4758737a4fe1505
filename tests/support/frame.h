/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets from a description: lengths, next headers and checksums are right
 * unless a field is set on purpose. MAC addresses are zero by default, which
 * is what TEST_RUN's loopback takes for its own.
 */
#ifndef MOAT_TEST_FRAME_H
#define MOAT_TEST_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKET_MAX 20000

/* For fields whose 0 means "as it should be": PACKET_SET(0) is a real 0. */
#define PACKET_SET(value) (0x40000000 | (int)(value))

struct packet_vlan {
	uint16_t tpid; /* 0x8100, 0x88a8, … */
	uint16_t tci;
};

/* One IPv6 extension header. */
struct packet_ext {
	uint8_t type;	  /* 0, 43, 44, 51, 60, 135, 139, 140 */
	uint8_t extra;	  /* units after the first 8 bytes (AH: 4-byte) */
	uint8_t body[32]; /* after next header and length; rest zero */
	uint16_t offset;  /* type 44: in units of 8 bytes */
	bool more;	  /* type 44 */
	uint32_t id;	  /* type 44 */
	int length;	  /* PACKET_SET: the length byte */
};

struct packet_spec {
	/* Ethernet */
	uint8_t to_mac[6], from_mac[6];
	struct packet_vlan vlan[4];
	size_t nvlan;
	int ethertype; /* PACKET_SET; needed without a family */

	/* IP; family 4, 6, or 0 for none */
	int family;
	const char *from, *to;
	uint8_t tos, ttl; /* ttl 0: 64; PACKET_SET does not apply */
	bool ttl_zero;
	const void *options; /* IPv4, padded with zero to 4 bytes */
	size_t options_len;
	uint16_t id;	 /* IPv4 */
	uint16_t offset; /* IPv4, in units of 8 bytes */
	bool more, dont; /* IPv4: MF, DF */
	struct packet_ext ext[16];
	size_t next; /* number of ext in use */

	/* Layer 4; left out where a fragment offset is not 0 */
	uint8_t proto;
	bool bare; /* no layer 4 header: payload follows IP */
	uint16_t sport, dport;
	uint8_t flags; /* TCP */
	uint32_t seq, ack;
	const void *tcp_options;
	size_t tcp_options_len;
	uint8_t type, code; /* ICMP, ICMPv6 */
	uint32_t rest;	    /* bytes 4..7, host order: id << 16 | seq */
	const struct packet_spec *inner; /* ICMP error: quoted packet */
	size_t inner_len;    /* bytes of it, from its IP header; 0: all */
	const void *payload; /* NULL: zeros */
	size_t payload_len;

	/* What is wrong with it; PACKET_SET(value), 0: nothing */
	int version, ihl; /* ihl in 4-byte words */
	int total_length; /* IPv4 total, IPv6 payload length */
	int ip_checksum, l4_checksum;
	int udp_length;
	int doff;	   /* TCP, in 4-byte words */
	int reserved_flag; /* IPv4's evil bit */
	int last_next;	   /* next header of the last IP header */
	size_t cut;	   /* frame ends after this many bytes */
};

struct packet {
	uint8_t data[PACKET_MAX];
	size_t len;
	size_t l3, l4, payload; /* offsets; l4 == payload when bare */
};

/* Builds; a description that can't be built ends the test program. */
void packet_build(const struct packet_spec *s, struct packet *ret);

/* The same packet answered: addresses, ports and MACs exchanged. */
struct packet_spec packet_reply(const struct packet_spec *s);

/* RFC 1071 sum of len bytes folded to 16 bits, start added. */
uint16_t packet_sum(const void *data, size_t len, uint32_t start);

#endif
