// SPDX-License-Identifier: BSD-2-Clause
/* Builds packets layer by layer, then writes lengths and checksums. */
#include "support/frame.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROTO_SCTP 132
#define EXT_FRAGMENT 44
#define EXT_AH 51

static void stop(const char *what)
{
	fprintf(stderr, "packet_build: %s\n", what);
	abort();
}

static int given(int field, int otherwise)
{
	return field & 0x40000000 ? field & 0x3fffffff : otherwise;
}

static uint8_t *room(struct packet *p, size_t n)
{
	uint8_t *at = p->data + p->len;

	if (p->len + n > PACKET_MAX)
		stop("longer than PACKET_MAX");
	p->len += n;
	memset(at, 0, n);
	return at;
}

static void put16(uint8_t *at, uint16_t v)
{
	at[0] = v >> 8;
	at[1] = v & 0xff;
}

static void put32(uint8_t *at, uint32_t v)
{
	put16(at, v >> 16);
	put16(at + 2, v & 0xffff);
}

uint16_t packet_sum(const void *data, size_t len, uint32_t start)
{
	const uint8_t *b = data;
	uint64_t sum = start;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)b[i] << 8 | b[i + 1];
	if (len & 1)
		sum += (uint32_t)b[len - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* RFC 9260 appendix A: CRC32c, least significant byte first. */
static uint32_t crc32c(const uint8_t *b, size_t len)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < len; i++) {
		crc ^= b[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

static void put_address(uint8_t *at, int family, const char *text)
{
	if (!text || inet_pton(family == 4 ? AF_INET : AF_INET6, text, at) != 1)
		stop(text ? text : "no address");
}

static void build_ether(struct packet *p, const struct packet_spec *s)
{
	uint8_t *at = room(p, 12);

	memcpy(at, s->to_mac, 6);
	memcpy(at + 6, s->from_mac, 6);
	for (size_t i = 0; i < s->nvlan; i++) {
		at = room(p, 4);
		put16(at, s->vlan[i].tpid);
		put16(at + 2, s->vlan[i].tci);
	}
	put16(room(p, 2), given(s->ethertype, s->family == 4 ? 0x0800 :
					      s->family == 6 ? 0x86dd :
							       0));
}

static void build_ip4(struct packet *p, const struct packet_spec *s)
{
	size_t words = 5 + (s->options_len + 3) / 4;
	uint8_t *at = room(p, words * 4);

	at[0] = given(s->version, 4) << 4 | (given(s->ihl, words) & 0xf);
	at[1] = s->tos;
	put16(at + 4, s->id);
	put16(at + 6, (given(s->reserved_flag, 0) << 15) | s->dont << 14 |
			      s->more << 13 | s->offset);
	at[8] = s->ttl || s->ttl_zero ? s->ttl : 64;
	at[9] = given(s->last_next, s->proto);
	put_address(at + 12, 4, s->from);
	put_address(at + 16, 4, s->to);
	if (s->options_len)
		memcpy(at + 20, s->options, s->options_len);
}

static size_t build_ext(struct packet *p, const struct packet_ext *e)
{
	size_t len = 8 + (size_t)e->extra * (e->type == EXT_AH ? 4 : 8);
	size_t start = p->len, n = len - 2;
	uint8_t *at = room(p, len);

	if (e->type == EXT_FRAGMENT) {
		put16(at + 2, e->offset << 3 | e->more);
		put32(at + 4, e->id);
	} else {
		at[1] = e->extra;
		memcpy(at + 2, e->body,
		       n < sizeof(e->body) ? n : sizeof(e->body));
	}
	if (e->length)
		at[1] = given(e->length, 0);
	return start;
}

static void build_ip6(struct packet *p, const struct packet_spec *s)
{
	uint8_t *at = room(p, 40);
	size_t next = p->len - 40 + 6;

	at[0] = given(s->version, 6) << 4 | s->tos >> 4;
	at[1] = s->tos << 4;
	at[7] = s->ttl || s->ttl_zero ? s->ttl : 64;
	put_address(at + 8, 6, s->from);
	put_address(at + 24, 6, s->to);
	for (size_t i = 0; i < s->next; i++) {
		p->data[next] = s->ext[i].type;
		next = build_ext(p, &s->ext[i]);
	}
	p->data[next] = given(s->last_next, s->proto);
}

static bool is_later_fragment(const struct packet_spec *s)
{
	if (s->family == 4)
		return s->offset;
	for (size_t i = 0; i < s->next; i++)
		if (s->ext[i].type == EXT_FRAGMENT && s->ext[i].offset)
			return true;
	return false;
}

static void build_tcp(struct packet *p, const struct packet_spec *s)
{
	size_t words = 5 + (s->tcp_options_len + 3) / 4;
	uint8_t *at = room(p, words * 4);

	put16(at, s->sport);
	put16(at + 2, s->dport);
	put32(at + 4, s->seq);
	put32(at + 8, s->ack);
	at[12] = given(s->doff, words) << 4;
	at[13] = s->flags;
	put16(at + 14, 65535);
	if (s->tcp_options_len)
		memcpy(at + 20, s->tcp_options, s->tcp_options_len);
}

static void build_l4(struct packet *p, const struct packet_spec *s)
{
	uint8_t *at;

	p->l4 = p->len;
	if (s->bare || is_later_fragment(s))
		return;
	switch (s->proto) {
	case IPPROTO_TCP:
		build_tcp(p, s);
		break;
	case IPPROTO_UDP:
		at = room(p, 8);
		put16(at, s->sport);
		put16(at + 2, s->dport);
		break;
	case PROTO_SCTP:
		at = room(p, 12);
		put16(at, s->sport);
		put16(at + 2, s->dport);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		at = room(p, 8);
		at[0] = s->type;
		at[1] = s->code;
		put32(at + 4, s->rest);
		break;
	default:
		break;
	}
}

static void build_payload(struct packet *p, const struct packet_spec *s)
{
	uint8_t *at;

	p->payload = p->len;
	if (s->inner) {
		struct packet *q = calloc(1, sizeof(*q));
		size_t n;

		if (!q)
			stop("no memory");
		packet_build(s->inner, q);
		n = q->len - q->l3;
		if (s->inner_len && s->inner_len < n)
			n = s->inner_len;
		memcpy(room(p, n), q->data + q->l3, n);
		free(q);
	}
	at = room(p, s->payload_len);
	if (s->payload && s->payload_len)
		memcpy(at, s->payload, s->payload_len);
}

static void set_lengths(struct packet *p, const struct packet_spec *s)
{
	uint8_t *ip = p->data + p->l3;
	size_t l3_len = p->len - p->l3;
	bool whole = p->payload - p->l4 == 8 && s->proto == IPPROTO_UDP;

	if (whole)
		put16(p->data + p->l4 + 4,
		      given(s->udp_length, p->len - p->l4));
	if (s->family == 4)
		put16(ip + 2, given(s->total_length, l3_len));
	else if (s->family == 6)
		put16(ip + 4, given(s->total_length, l3_len - 40));
}

static uint32_t pseudo_sum(const struct packet *p, const struct packet_spec *s)
{
	const uint8_t *ip = p->data + p->l3;
	uint32_t sum = s->family == 4 ? packet_sum(ip + 12, 8, 0) :
					packet_sum(ip + 8, 32, 0);

	return sum + s->proto + (uint32_t)(p->len - p->l4);
}

/* At: offset of the checksum in the layer 4 header. */
static void sum_l4(struct packet *p, const struct packet_spec *s, size_t at,
		   bool pseudo)
{
	uint8_t *l4 = p->data + p->l4;
	uint16_t sum = ~packet_sum(l4, p->len - p->l4,
				   pseudo ? pseudo_sum(p, s) : 0);

	/* RFC 768: 0 means no checksum. */
	if (!sum && s->proto == IPPROTO_UDP)
		sum = 0xffff;
	put16(l4 + at, given(s->l4_checksum, sum));
}

static void set_checksums(struct packet *p, const struct packet_spec *s)
{
	uint8_t *ip = p->data + p->l3, *l4 = p->data + p->l4;
	size_t header = p->payload - p->l4;
	uint32_t crc;

	if (s->family == 4)
		put16(ip + 10,
		      given(s->ip_checksum,
			    (uint16_t)~packet_sum(ip, p->l4 - p->l3, 0)));
	if (!header)
		return;
	if (s->proto == IPPROTO_TCP)
		sum_l4(p, s, 16, true);
	else if (s->proto == IPPROTO_UDP)
		sum_l4(p, s, 6, true);
	else if (s->proto == IPPROTO_ICMP || s->proto == IPPROTO_ICMPV6)
		sum_l4(p, s, 2, s->proto == IPPROTO_ICMPV6);
	else if (s->proto == PROTO_SCTP) {
		crc = given(s->l4_checksum, crc32c(l4, p->len - p->l4));
		for (int i = 0; i < 4; i++)
			l4[8 + i] = crc >> (8 * i);
	}
}

void packet_build(const struct packet_spec *s, struct packet *ret)
{
	ret->len = 0;
	build_ether(ret, s);
	ret->l3 = ret->l4 = ret->len;
	if (s->family == 4)
		build_ip4(ret, s);
	else if (s->family == 6)
		build_ip6(ret, s);
	if (s->family)
		build_l4(ret, s);
	build_payload(ret, s);
	if (s->family) {
		set_lengths(ret, s);
		set_checksums(ret, s);
	}
	if (s->cut && s->cut < ret->len)
		ret->len = s->cut;
}

struct packet_spec packet_reply(const struct packet_spec *s)
{
	struct packet_spec r = *s;

	memcpy(r.to_mac, s->from_mac, 6);
	memcpy(r.from_mac, s->to_mac, 6);
	r.from = s->to;
	r.to = s->from;
	r.sport = s->dport;
	r.dport = s->sport;
	return r;
}
