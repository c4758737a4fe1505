/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The short way's parser at tc: a plain packet (sight.h) in an Ethernet frame
 * that may belong to an established flow. Refuses whatever is unusual; it
 * never drops.
 */
#ifndef MOAT_QUICK_PARSE_H
#define MOAT_QUICK_PARSE_H

#include <linux/if_packet.h>

#include "leases.h"
#include "sight.h"

/* One packet: what a flow is found by, and what it is counted with. */
struct quick {
	struct lease_name name;
	__u64 now;
	__u64 amount; /* MOAT_LEASE_AMOUNT */
	__u32 generation;
	__u32 ifindex;
	__u32 dir;
	__u16 transport; /* MOAT_LEASE_UDP, or 0 for TCP */
};

/* In the roles of a flow key. */
static __always_inline void quick_name(struct quick *q, const struct sight *s)
{
	const __u64 *local = q->dir == MOAT_INGRESS ? s->to : s->from;
	const __u64 *remote = q->dir == MOAT_INGRESS ? s->from : s->to;

	q->name.local[0] = local[0];
	q->name.local[1] = local[1];
	q->name.remote[0] = remote[0];
	q->name.remote[1] = remote[1];
	q->name.ports = q->dir == MOAT_EGRESS ? s->ports :
						s->ports << 16 | s->ports >> 16;
	q->transport = s->proto == IPPROTO_UDP ? MOAT_LEASE_UDP : 0;
}

/* An acknowledging segment without SYN, FIN or RST; such flags are valid. */
static __always_inline bool quick_flags(const struct sight *s)
{
	return s->proto == IPPROTO_UDP ||
	       (s->tcp_flags & (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK)) ==
		       TCP_ACK;
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
	struct sight s;

	if (at > end || !quick_frame(skb, q->dir, data) ||
	    !sight_parse(&s, skb->protocol, at, end) || !quick_flags(&s) ||
	    s.length > skb->len - ETH_HLEN)
		return false;
	quick_name(q, &s);
	if (skb->gso_size || skb->gso_segs)
		segments = skb->gso_segs;
	q->amount = MOAT_LEASE_AMOUNT(segments,
				      s.length + (segments - 1) * s.header);
	return segments;
}

#endif
