/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The short way's parser: an ordinary TCP segment or UDP datagram in an
 * Ethernet frame, read where it lies, all facts in registers. Refuses whatever
 * is unusual; it never drops.
 */
#ifndef MOAT_QUICK_PARSE_H
#define MOAT_QUICK_PARSE_H

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "leases.h"
#include "parse_ip.h"
#include "parse_l4.h"

/* One packet: what a flow is found by, and what it is counted with. */
struct quick {
	struct lease_name name;
	__u64 now;
	__u64 amount; /* MOAT_LEASE_AMOUNT */
	__u32 generation;
	__u32 ifindex;
	__u32 dir;
	__u32 length;	 /* of the IP packet */
	__u32 header;	 /* of IP and transport */
	__u16 transport; /* MOAT_LEASE_UDP, or 0 for TCP */
};

/* Addresses in the roles of a flow key. */
static __always_inline void
quick_addresses(struct quick *q, const __u64 from[2], const __u64 to[2])
{
	const __u64 *local = q->dir == MOAT_INGRESS ? to : from;
	const __u64 *remote = q->dir == MOAT_INGRESS ? from : to;

	q->name.local[0] = local[0];
	q->name.local[1] = local[1];
	q->name.remote[0] = remote[0];
	q->name.remote[1] = remote[1];
}

/* ports: source and destination as they are in the packet. */
static __always_inline void quick_ports(struct quick *q, __u32 ports)
{
	q->name.ports = q->dir == MOAT_EGRESS ? ports :
						ports << 16 | ports >> 16;
}

/* An acknowledging segment without SYN, FIN or RST; such flags are valid. */
static __always_inline bool quick_tcp(struct quick *q, void *at, void *end)
{
	__u8 *byte = at;
	__u32 offset;

	if (at + sizeof(struct tcphdr) > end ||
	    (byte[13] & (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK)) != TCP_ACK)
		return false;
	offset = (byte[12] >> 4) * 4;
	q->header += offset;
	quick_ports(q, *(__u32 *)at);
	return offset >= sizeof(struct tcphdr) && q->header <= q->length;
}

static __always_inline bool quick_udp(struct quick *q, void *at, void *end)
{
	struct udphdr *u = at;
	__u32 length;

	if (at + sizeof(*u) > end)
		return false;
	length = bpf_ntohs(u->len);
	if (length < sizeof(*u) || q->header + length > q->length)
		return false;
	q->header += sizeof(*u);
	q->transport = MOAT_LEASE_UDP;
	quick_ports(q, *(__u32 *)at);
	return true;
}

static __always_inline bool quick_transport(struct quick *q, __u8 proto,
					    void *at, void *end)
{
	if (proto == IPPROTO_TCP)
		return quick_tcp(q, at, end);
	return proto == IPPROTO_UDP && quick_udp(q, at, end);
}

/* No options, no fragments, no BIG TCP. */
static __always_inline bool quick_ipv4(struct quick *q, void *at, void *end)
{
	__u64 from[2] = {}, to[2] = {};
	struct iphdr *ip = at;

	if (at + sizeof(*ip) > end || *(__u8 *)at != 0x45 ||
	    ip->frag_off & bpf_htons(IPV4_MF | IPV4_OFFSET))
		return false;
	from[1] = (__u64)ip->saddr << 32 | 0xffff0000;
	to[1] = (__u64)ip->daddr << 32 | 0xffff0000;
	quick_addresses(q, from, to);
	q->length = bpf_ntohs(ip->tot_len);
	q->header = sizeof(*ip);
	return quick_transport(q, ip->protocol, at + sizeof(*ip), end);
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words above");

static __always_inline bool quick_ipv6(struct quick *q, void *at, void *end)
{
	struct ipv6hdr *ip = at;
	__u64 *word = at;

	if (at + sizeof(*ip) > end || *(__u8 *)at >> 4 != 6)
		return false;
	quick_addresses(q, word + 1, word + 3);
	q->length = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	q->header = sizeof(*ip);
	return ip->payload_len &&
	       quick_transport(q, ip->nexthdr, at + sizeof(*ip), end);
}

/*
 * Whether the bytes are where an Ethernet frame has them. On ingress wire_len
 * is the length without the link header (net/core/dev.c,
 * sch_handle_ingress()): generic XDP may have lost that header's length, and
 * then the packet begins elsewhere. BPF_PROG_TEST_RUN sets it too late.
 */
static __always_inline bool quick_frame(struct __sk_buff *skb, __u32 dir,
					struct ethhdr *eth)
{
	if (eth->h_proto != skb->protocol)
		return false;
	if (dir == MOAT_EGRESS)
		return true;
	return skb->pkt_type != PACKET_OTHERHOST &&
	       (knobs.trace || skb->len - skb->wire_len == ETH_HLEN);
}

static __always_inline bool quick_parse(struct __sk_buff *skb, struct quick *q)
{
	void *data = (void *)(long)skb->data;
	void *end = (void *)(long)skb->data_end;
	void *at = data + ETH_HLEN;
	__u32 segments = 1;
	bool ok;

	if (at > end || !quick_frame(skb, q->dir, data))
		return false;
	if (skb->protocol == bpf_htons(ETH_P_IP))
		ok = quick_ipv4(q, at, end);
	else if (skb->protocol == bpf_htons(ETH_P_IPV6))
		ok = quick_ipv6(q, at, end);
	else
		return false;
	if (!ok || q->length > skb->len - ETH_HLEN)
		return false;
	if (skb->gso_size || skb->gso_segs)
		segments = skb->gso_segs;
	q->amount = MOAT_LEASE_AMOUNT(segments,
				      q->length + (segments - 1) * q->header);
	return segments;
}

#endif
