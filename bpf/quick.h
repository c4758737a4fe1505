/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The short way at tc: a TCP segment or UDP datagram of a flow that is
 * established and that passes, without state change and without anything
 * unusual about it. All facts stay in registers. Whatever is in doubt goes the
 * long way (pipeline.h), which decides the same: this file says yes, or
 * nothing.
 */
#ifndef MOAT_QUICK_H
#define MOAT_QUICK_H

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "count.h"
#include "entry.h"
#include "lease.h"
#include "parse_l4.h"
#include "tcp.h"

/* One packet: what a flow is found by, and what it is counted with. */
struct quick {
	struct lease_name name;
	__u64 now;
	__u64 amount;		/* MOAT_LEASE_AMOUNT */
	__u32 generation;
	__u32 ifindex;
	__u32 dir;
	__u32 length;		/* of the IP packet */
	__u32 header;		/* of IP and transport */
	__u16 transport;	/* MOAT_LEASE_UDP, or 0 for TCP */
};

/* Addresses in the roles of a flow key. */
static __always_inline void quick_addresses(struct quick *q,
					    const __u64 from[2],
					    const __u64 to[2])
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
	q->amount = MOAT_LEASE_AMOUNT(segments, q->length +
				      (segments - 1) * q->header);
	return segments;
}

/* ---- flows ---- */

#define QUICK_WORD 0x0000f000u	/* NACL verdicts, and every flag but one */
#define QUICK_FLAGS (0xfffu & ~MOAT_WORD_REEVALUATE)

/* Whether the record says no more than that its flow passes. */
static __always_inline bool record_passes(const struct moat_flow *f,
					  const struct quick *q)
{
	if (!flow_lives(f, q->now) ||
	    MOAT_WORD_GENERATION(f->word) != q->generation ||
	    f->word & (QUICK_WORD | QUICK_FLAGS))
		return false;
	if (f->state != MOAT_FLOW_ESTABLISHED || f->fin[0] | f->fin[1])
		return false;
	if (q->transport)
		return f->marks & MOAT_MARK_STREAM && f->seen[q->dir & 1];
	return f->seen[q->dir & 1] & MOAT_SEEN_ACK;
}

/* By the record: counts, and leases what comes next. The slot of the rule, or
 * negative: the long way. */
static __noinline int quick_record(const struct quick *q)
{
	struct moat_flow_key key = {};
	struct moat_flow *f;
	__u32 dir = q->dir & 1;
	__u64 timeout;

	key.local.d[0] = q->name.local[0];
	key.local.d[1] = q->name.local[1];
	key.remote.d[0] = q->name.remote[0];
	key.remote.d[1] = q->name.remote[1];
	key.lport = q->name.ports;
	key.rport = q->name.ports >> 16;
	key.proto = q->transport ? IPPROTO_UDP : IPPROTO_TCP;
	f = q->transport ? bpf_map_lookup_elem(&udp, &key) :
			   bpf_map_lookup_elem(&flows, &key);
	if (!record_passes(f, q))
		return -1;
	timeout = knobs.timeout[q->transport ? MOAT_TIMEOUT_UDP_STREAM :
					       MOAT_TIMEOUT_TCP_ESTABLISHED];
	flow_refresh(q->now, f, timeout);
	flow_add(f, dir, q->amount);
	if (f->ifindex[dir] != q->ifindex)
		f->ifindex[dir] = q->ifindex;
	lease_renew(&q->name, f, q->now, q->generation, q->transport);
	return MOAT_WORD_SLOT(f->word);
}

/* By the lease, if one runs. */
static __always_inline int quick_lease(const struct quick *q, __u64 floor)
{
	__u64 hash = lease_hash(&q->name), word;
	struct moat_leases *all = leases_of(hash);
	struct moat_lease *l;

	if (!all)
		return -1;
	for (__u32 i = 0; i < MOAT_LEASE_WAYS; i++) {
		l = &all->way[(MOAT_LEASE_WAY(hash) ^ i) &
			      (MOAT_LEASE_WAYS - 1)];
		word = *(volatile __u64 *)&l->word;
		l = lease_after(l, word);
		if (!lease_is_of(l, &q->name, q->transport))
			continue;
		if (!lease_runs(word, q->generation, q->now, floor) ||
		    l->count[q->dir & 1] & MOAT_LEASE_HALF)
			return -1;
		__sync_fetch_and_add(&l->count[q->dir & 1], q->amount);
		return l->slot;
	}
	return -1;
}

static __always_inline void quick_count(const struct quick *q, __u32 iface,
					__u32 slot)
{
	__u64 packets = q->amount >> 40, bytes = q->amount & MOAT_LEASE_BYTES;
	struct moat_iface_counters *c = iface_counters(iface, q->dir);
	struct moat_rule_count *r;

	if (c)
		count_amount(&c->count[MOAT_REASON_ESTABLISHED], packets,
			     bytes);
	r = slot == MOAT_SLOT_NONE ? 0 : rule_counters(slot);
	if (r)
		count_amount(&r->hit, packets, bytes);
}

static __always_inline void quick_trace(const struct quick *q, __u32 slot)
{
	__u32 zero = 0;
	struct moat_trace *t = bpf_map_lookup_elem(&trace, &zero);

	if (!t)
		return;
	t->verdict = MOAT_ALLOW;
	t->reason = MOAT_REASON_ESTABLISHED;
	t->slot = slot;
	t->generation = q->generation;
	t->nacl_slot = MOAT_SLOT_NONE;
	t->failsafe = 0;
	t->also_reason = 0;
	t->runs++;
}

/* Whether the packet passed and was counted. */
static __always_inline bool quick_pass(struct __sk_buff *skb, __u32 dir)
{
	__u32 zero = 0, flags = 0, iface = iface_find(skb->ifindex, &flags);
	struct moat_control *c = bpf_map_lookup_elem(&control, &zero);
	struct quick q = { .dir = dir, .ifindex = skb->ifindex };
	__u64 word = c ? *(volatile __u64 *)&c->word : 0;
	int slot;

	q.now = bpf_jiffies64();
	if (!c || !(flags & MOAT_IFACE_ETHER) || past_deadline(word, q.now) ||
	    !quick_parse(skb, &q))
		return false;
	q.generation = MOAT_CTL_GENERATION(word);
	slot = quick_lease(&q, c->lease_floor);
	if (slot < 0)
		slot = quick_record(&q);
	if (slot < 0)
		return false;
	quick_count(&q, iface, slot);
	if (knobs.trace)
		quick_trace(&q, slot);
	return true;
}

#endif
