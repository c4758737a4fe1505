/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The entries: from hook to pipeline and back to a verdict of the hook. */
#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "entry.h"
#include "maps.h"
#include "pipeline.h"
#include "quick.h"
#include "xdp.h"
#include "xdp_quick.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Returns (jiffies64, boot time) so that user space can convert (F35). */
SEC("tc")
int moat_clock(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct moat_clock_pair *pair = bpf_map_lookup_elem(&clock, &zero);

	if (pair) {
		pair->jiffies = bpf_jiffies64();
		pair->boot_ns = bpf_ktime_get_boot_ns();
	}
	return TC_ACT_OK;
}

#define IPOIB_HLEN 24 /* IPOIB_HARD_LEN of drivers/infiniband/ulp/ipoib */
#define IPOIB_TYPE 20 /* EtherType, after the pseudo header */

/*
 * Tags in the frame: the network header stands before them (a sender's own, a
 * VLAN device that does not reorder) or behind (__vlan_hwaccel_push_inside(),
 * as for the inner of two VLAN devices; packet_parse_headers() since 6.0). Where
 * the frame starts is sure.
 */
static __always_inline void tc_tagged(struct pkt *p, __u32 header)
{
	p->start = BPF_HDR_START_MAC;
	p->l3 = header;
	p->frame += header;
}

/*
 * AF_PACKET senders name an EtherType beside the frame, and the skb has theirs.
 * Whoever gets the frame reads its bytes: where those name IP or a tag, they
 * count. Such a sender's link header is linear (packet_snd(), tpacket_snd()).
 */
static __always_inline void tc_named(struct __sk_buff *skb, struct pkt *p)
{
	bool ether = p->iface_flags & MOAT_IFACE_ETHER;
	void *end = (void *)(long)skb->data_end;
	void *at = (void *)(long)skb->data;
	__u16 type;

	if (!ether && !(p->iface_flags & MOAT_IFACE_INFINIBAND))
		return;
	at += ether ? 2 * ETH_ALEN : IPOIB_TYPE;
	if (at + sizeof(type) > end || *(__be16 *)at == skb->protocol)
		return;
	type = bpf_ntohs(*(__be16 *)at);
	if (type != ETH_P_IP && type != ETH_P_IPV6 && !is_vlan(type))
		return;
	p->ethertype = type;
	if (p->start == BPF_HDR_START_NET)
		tc_tagged(p, ether ? ETH_HLEN : IPOIB_HLEN);
}

/*
 * The skb's facts. Its network header stands behind the link header whatever
 * that is; where the link header is Ethernet's, the length behind it is known
 * without asking (F1). packets 0: to be found out from the lengths.
 */
static __always_inline struct pkt *tc_begin(struct __sk_buff *skb, __u32 dir,
					    int quick)
{
	struct pkt *p = pkt_begin(HOOK_TC, dir, skb->ifindex);

	if (!p)
		return 0;
	if (quick == QUICK_MISSED)
		p->flags = PKT_MISSED;
	p->ethertype = bpf_ntohs(skb->protocol);
	p->start = BPF_HDR_START_NET;
	p->gso = skb->gso_size;
	if (p->iface_flags & MOAT_IFACE_ETHER)
		p->frame = skb->len - ETH_HLEN;
	else if (p->iface_flags & MOAT_IFACE_INFINIBAND)
		p->frame = skb->len - IPOIB_HLEN;
	else if (p->gso || p->iface_flags & MOAT_IFACE_NO_HEADER)
		p->frame = skb->len;
	p->packets = p->gso || skb->gso_segs ? skb->gso_segs : 1;
	p->bytes = p->frame ? p->frame : skb->len;
	if (is_vlan(p->ethertype) && p->iface_flags & MOAT_IFACE_ETHER)
		tc_tagged(p, ETH_HLEN);
	if (dir == MOAT_EGRESS)
		tc_named(skb, p);
	return p;
}

static __always_inline int tc_run(struct pkt *p, struct __sk_buff *skb)
{
	struct frame fr = { .ctx = skb, .hook = HOOK_TC, .start = p->start };
	__u32 tags = skb->vlan_present ? 1 : 0;

	return pipeline_run(&fr, p, tags) == MOAT_DROP ? TC_ACT_SHOT :
							 TC_ACT_UNSPEC;
}

SEC("tc")
int moat_tc_ingress(struct __sk_buff *skb)
{
	int quick = quick_pass(skb, MOAT_INGRESS);
	struct pkt *p;

	if (quick >= 0)
		return TC_ACT_UNSPEC;
	p = tc_begin(skb, MOAT_INGRESS, quick);
	if (!p)
		return TC_ACT_SHOT;
	if (skb->pkt_type == PACKET_OTHERHOST)
		p->flags |= PKT_OTHER_HOST;
	return tc_run(p, skb);
}

SEC("tc")
int moat_tc_egress(struct __sk_buff *skb)
{
	int quick = quick_pass(skb, MOAT_EGRESS);
	struct pkt *p;

	if (quick >= 0)
		return TC_ACT_UNSPEC;
	p = tc_begin(skb, MOAT_EGRESS, quick);
	if (!p)
		return TC_ACT_SHOT;
	if (!skb->ingress_ifindex)
		p->flags |= PKT_SENT;
	if (skb->sk)
		p->flags |= PKT_SOCKET;
	return tc_run(p, skb);
}

SEC("xdp")
int moat_xdp(struct xdp_md *xdp)
{
	struct frame fr = { .ctx = xdp, .hook = HOOK_XDP };
	enum short_answer answer = xdp_quick(xdp);
	__u64 epoch = 0;
	struct pkt *p;
	bool drop;

	if (answer == SHORT_PASS || answer == SHORT_DROP)
		return answer == SHORT_PASS ? XDP_PASS : XDP_DROP;
	p = pkt_begin(HOOK_XDP, MOAT_INGRESS, xdp->ingress_ifindex);
	if (!p)
		return XDP_PASS;
	if (answer == SHORT_LEARN)
		epoch = host_epoch();
	p->frame = knobs.xdp_load_bytes ? bpf_xdp_get_buff_len(xdp) :
					  xdp->data_end - xdp->data;
	p->bytes = p->frame;
	p->packets = 1;
	drop = xdp_run(&fr, p);
	if (answer == SHORT_LEARN)
		xdp_learn(p, epoch);
	return drop ? XDP_DROP : XDP_PASS;
}
