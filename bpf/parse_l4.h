/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* TCP, UDP, SCTP and ICMP headers: ports, flags, type and code, identifier. */
#ifndef MOAT_PARSE_L4_H
#define MOAT_PARSE_L4_H

#include <linux/in.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "hook.h"

#ifndef IPPROTO_SCTP
#define IPPROTO_SCTP 132
#endif
#define SCTP_HEADER 12 /* RFC 9260 section 3.1 */

/* RFC 792, RFC 4443; id only in queries. */
struct icmp_header {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be16 id;
	__be16 sequence;
};

#define TCP_FIN MOAT_TCP_FLAG_FIN
#define TCP_SYN MOAT_TCP_FLAG_SYN
#define TCP_RST MOAT_TCP_FLAG_RST
#define TCP_ACK MOAT_TCP_FLAG_ACK
#define TCP_URG MOAT_TCP_FLAG_URG

/* FIN, SYN, RST, ACK, URG squeezed to five bits. */
#define TCP_INDEX(flags) (((flags)&7) | ((flags) >> 1 & 0x18))
#define TCP_BIT(flags) (1u << TCP_INDEX(flags))
/* The kernel's valid sets: tcp_valid_flags[] in
 * net/netfilter/nf_conntrack_proto_tcp.c; PSH, ECE and CWR are left out. */
#define TCP_VALID \
	(TCP_BIT(TCP_SYN) | TCP_BIT(TCP_SYN | TCP_URG) | \
	 TCP_BIT(TCP_SYN | TCP_ACK) | TCP_BIT(TCP_RST) | \
	 TCP_BIT(TCP_RST | TCP_ACK) | TCP_BIT(TCP_FIN | TCP_ACK) | \
	 TCP_BIT(TCP_FIN | TCP_ACK | TCP_URG) | TCP_BIT(TCP_ACK) | \
	 TCP_BIT(TCP_ACK | TCP_URG))

/* The transport header isn't all there. */
static __always_inline enum moat_reason short_header(const struct pkt *p)
{
	return p->flags & PKT_FRAG_FIRST ? MOAT_REASON_TINY_FRAGMENT :
					   MOAT_REASON_TRUNCATED;
}

static __always_inline void set_ports(struct pkt *p, __be16 source, __be16 dest)
{
	if (p->dir == MOAT_INGRESS) {
		p->key.rport = source;
		p->key.lport = dest;
	} else {
		p->key.lport = source;
		p->key.rport = dest;
	}
}

/* Of a segment with valid flags. */
static __always_inline void set_tcp(struct pkt *p, const struct tcphdr *tcp,
				    __u8 flags)
{
	p->tcp_flags = flags;
	p->seq = bpf_ntohl(tcp->seq);
	p->ack = bpf_ntohl(tcp->ack_seq);
	if ((flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)
		p->flags |= PKT_OPENING;
	else if (flags & (TCP_SYN | TCP_FIN | TCP_RST))
		p->flags |= PKT_ANSWER;
	else
		p->flags |= PKT_MIDSTREAM;
}

static __always_inline enum moat_reason parse_tcp(const struct frame *fr,
						  struct pkt *p)
{
	__u32 have = p->end - p->l4, header;
	struct tcphdr tcp;
	__u8 bytes[2]; /* data offset and flags, free of bit fields */

	if (have < sizeof(tcp) || hook_load(fr, p->l4, &tcp, sizeof(tcp)))
		return short_header(p);
	__builtin_memcpy(bytes, (__u8 *)&tcp + 12, sizeof(bytes));
	header = (bytes[0] >> 4) * 4;
	if (header < sizeof(tcp))
		return MOAT_REASON_TCP_OFFSET;
	if (header > have)
		return p->flags & PKT_FRAG_FIRST ? MOAT_REASON_TINY_FRAGMENT :
						   MOAT_REASON_TCP_OFFSET;
	p->tcp_flags = bytes[1];
	if (!(TCP_VALID >> TCP_INDEX(bytes[1]) & 1))
		return MOAT_REASON_TCP_FLAGS;
	set_ports(p, tcp.source, tcp.dest);
	set_tcp(p, &tcp, bytes[1]);
	p->header = p->l4 - p->l3 + header;
	return MOAT_REASON_NONE;
}

static __always_inline enum moat_reason parse_udp(const struct frame *fr,
						  struct pkt *p)
{
	__u32 have = p->end - p->l4, length;
	struct udphdr udp;

	if (have < sizeof(udp) || hook_load(fr, p->l4, &udp, sizeof(udp)))
		return short_header(p);
	/* RFC 768; of a first fragment the rest comes later. */
	length = bpf_ntohs(udp.len);
	if (length < sizeof(udp) ||
	    (length > have && !(p->flags & PKT_FRAG_FIRST)))
		return MOAT_REASON_BAD_LENGTH;
	set_ports(p, udp.source, udp.dest);
	p->header = p->l4 - p->l3 + sizeof(udp);
	return MOAT_REASON_NONE;
}

static __always_inline enum moat_reason parse_sctp(const struct frame *fr,
						   struct pkt *p)
{
	__be16 ports[2];

	if (p->end - p->l4 < SCTP_HEADER ||
	    hook_load(fr, p->l4, ports, sizeof(ports)))
		return short_header(p);
	set_ports(p, ports[0], ports[1]);
	return MOAT_REASON_NONE;
}

/* RFC 792, 950, 4443: the request that a type answers, or -1. */
static __always_inline int icmp_request_of(__u8 proto, __u8 type)
{
	if (proto == IPPROTO_ICMPV6)
		return type == 129 ? 128 : -1;
	switch (type) {
	case 0:
		return 8;
	case 14:
		return 13;
	case 16:
		return 15;
	case 18:
		return 17;
	}
	return -1;
}

static __always_inline bool icmp_is_request(__u8 proto, __u8 type)
{
	if (proto == IPPROTO_ICMPV6)
		return type == 128;
	return type == 8 || type == 13 || type == 15 || type == 17;
}

/* RFC 792: unreachable, source quench, time exceeded, parameter problem;
 * RFC 4443: unreachable, too big, time exceeded, parameter problem. */
static __always_inline bool icmp_is_error(__u8 proto, __u8 type)
{
	if (proto == IPPROTO_ICMPV6)
		return type >= 1 && type <= 4;
	return type == 3 || type == 4 || type == 11 || type == 12;
}

/*
 * Key of an ICMP query (F31): identifier, request type and code, and who
 * asked. Any other type is a flow of its own direction without identifier.
 */
static __always_inline void icmp_key(struct moat_flow_key *key, __u64 dir,
				     const struct icmp_header *icmp)
{
	int request = icmp_request_of(key->proto, icmp->type);
	bool answer = request >= 0;
	__u8 type = answer ? request : icmp->type;

	key->lport = answer || icmp_is_request(key->proto, type) ? icmp->id : 0;
	key->rport = bpf_htons(type << 8 | icmp->code);
	key->opener = answer ? 2 - dir : dir + 1;
}

static __always_inline enum moat_reason parse_icmp(const struct frame *fr,
						   struct pkt *p)
{
	struct icmp_header icmp;

	if ((p->key.proto == IPPROTO_ICMP) != (p->family == 4))
		return MOAT_REASON_ICMP_FAMILY;
	if (p->end - p->l4 < sizeof(icmp) ||
	    hook_load(fr, p->l4, &icmp, sizeof(icmp)))
		return short_header(p);
	p->type = icmp.type;
	p->code = icmp.code;
	icmp_key(&p->key, p->dir, &icmp);
	if (icmp_request_of(p->key.proto, icmp.type) >= 0)
		p->flags |= PKT_ANSWER;
	else if (icmp_is_request(p->key.proto, icmp.type))
		p->flags |= PKT_OPENING;
	else if (icmp_is_error(p->key.proto, icmp.type))
		p->flags |= PKT_ICMP_ERROR;
	return MOAT_REASON_NONE;
}

/* Fills the key's ports and the transport facts. Ports of a later fragment
 * come from its first one, never from its bytes. */
static __noinline enum moat_reason parse_l4(const struct frame *fr,
					    struct pkt *p)
{
	switch (p->key.proto) {
	case IPPROTO_TCP:
		return parse_tcp(fr, p);
	case IPPROTO_UDP:
		return parse_udp(fr, p);
	case IPPROTO_SCTP:
		return parse_sctp(fr, p);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return parse_icmp(fr, p);
	}
	return MOAT_REASON_NONE;
}

#endif
