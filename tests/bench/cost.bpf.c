/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The datapath's entries behind a step that makes each run's packet another
 * one, and bare programs behind the same step. The frame is one TCP segment
 * without options; the step writes the remote address and both ports into it.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "entry.h"
#include "maps.h"
#include "pipeline.h"
#include "quick.h"
#include "xdp.h"

/* The entries as they ship, but inlined into those below. */
#undef SEC
#define SEC(name)
#define LICENSE datapath_license
static __always_inline int moat_clock(struct __sk_buff *skb);
static __always_inline int moat_tc_ingress(struct __sk_buff *skb);
static __always_inline int moat_tc_egress(struct __sk_buff *skb);
static __always_inline int moat_xdp(struct xdp_md *xdp);
#include "moat.bpf.c"
#undef LICENSE
#undef SEC
#define SEC(name) __attribute__((section(name), used))

#include "bench/cost_tuple.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile struct cost_shape shape = {};
__u32 cursor; /* of the next run; one CPU runs */
__u64 misses; /* runs that did not do what they are measured for */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct cost_tuple4);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, COST_TUPLES);
} tuples4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct cost_tuple6);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, COST_TUPLES);
} tuples6 SEC(".maps");

/* The peer: what a flow table costs by itself. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct moat_flow_key);
	__type(value, __u64);
	__uint(max_entries, COST_TUPLES);
} bare SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct moat_flow_key);
	__type(value, struct moat_flow);
	__uint(max_entries, COST_TUPLES);
} bare_wide SEC(".maps");

struct frame4 {
	struct ethhdr eth;
	struct iphdr ip;
	struct tcphdr tcp;
} __attribute__((packed));

struct frame6 {
	struct ethhdr eth;
	struct ipv6hdr ip;
	struct tcphdr tcp;
} __attribute__((packed));

static __always_inline void write_ports(struct tcphdr *tcp, __be16 remote,
					__be16 local)
{
	tcp->source = shape.dir == MOAT_INGRESS ? remote : local;
	tcp->dest = shape.dir == MOAT_INGRESS ? local : remote;
}

static __always_inline bool write4(struct __sk_buff *skb, __u32 index)
{
	struct cost_tuple4 *t = bpf_map_lookup_elem(&tuples4, &index);
	struct frame4 *f = (void *)(long)skb->data;

	if (!t || (void *)(f + 1) > (void *)(long)skb->data_end)
		return false;
	if (shape.dir == MOAT_INGRESS)
		f->ip.saddr = t->remote;
	else
		f->ip.daddr = t->remote;
	write_ports(&f->tcp, t->rport, t->lport);
	return true;
}

static __always_inline bool write6(struct __sk_buff *skb, __u32 index)
{
	struct cost_tuple6 *t = bpf_map_lookup_elem(&tuples6, &index);
	struct frame6 *f = (void *)(long)skb->data;

	if (!t || (void *)(f + 1) > (void *)(long)skb->data_end)
		return false;
	__builtin_memcpy(shape.dir == MOAT_INGRESS ? &f->ip.saddr :
						     &f->ip.daddr,
			 t->remote, sizeof(t->remote));
	write_ports(&f->tcp, t->rport, t->lport);
	return true;
}

/*
 * On a real ingress wire_len counts from the network header on; TEST_RUN makes
 * it as long as the frame at least. Its first run lengthens the frame, so that
 * the difference is what it is on a device.
 */
static __always_inline bool next_packet(struct __sk_buff *skb)
{
	__u32 index = cursor++ & (COST_TUPLES - 1);

	if (skb->len == skb->wire_len &&
	    bpf_skb_change_tail(skb, skb->len + ETH_HLEN, 0))
		return false;
	return shape.family == 4 ? write4(skb, index) : write6(skb, index);
}

static __always_inline int result(bool good)
{
	if (good)
		return TC_ACT_UNSPEC;
	misses++;
	return TC_ACT_SHOT;
}

SEC("tc")
int cost_empty(struct __sk_buff *skb)
{
	return result(next_packet(skb));
}

SEC("tc")
int cost_moat(struct __sk_buff *skb)
{
	if (!next_packet(skb))
		return result(false);
	return shape.dir == MOAT_INGRESS ? moat_tc_ingress(skb) :
					   moat_tc_egress(skb);
}

/* ---- the parse of the datapath, as it reads an established packet ---- */

static __always_inline bool parse_same(struct __sk_buff *skb, struct quick *q)
{
	q->dir = shape.dir;
	return quick_parse(skb, q);
}

SEC("tc")
int cost_parse(struct __sk_buff *skb)
{
	struct quick q = {};

	if (!next_packet(skb) || !parse_same(skb, &q))
		return result(false);
	asm volatile("" : : "r"(&q) : "memory");
	return result(true);
}

/* As it reads any other. */
SEC("tc")
int cost_parse_long(struct __sk_buff *skb)
{
	struct frame fr = { .ctx = skb, .hook = HOOK_TC };
	struct pkt *p = pkt_current();

	if (!next_packet(skb) || !p)
		return result(false);
	__builtin_memset(p, 0, sizeof(*p));
	p->dir = shape.dir;
	p->ethertype = bpf_ntohs(skb->protocol);
	p->frame = skb->len - ETH_HLEN;
	p->iface_flags = MOAT_IFACE_ETHER;
	return result(parse_packet(&fr, p, 0) == MOAT_REASON_NONE);
}

SEC("tc")
int cost_bare(struct __sk_buff *skb)
{
	struct moat_flow_key key = {};
	struct quick q = {};
	__u64 *verdict;

	if (!next_packet(skb) || !parse_same(skb, &q))
		return result(false);
	lease_key(&key, &q.name, q.transport);
	verdict = bpf_map_lookup_elem(&bare, &key);
	return result(verdict && *verdict);
}

/* ---- the least parse that makes the same checks of such a segment ---- */

static __always_inline bool lean_tcp(struct moat_flow_key *key, void *at,
				     void *end, __u32 have)
{
	struct tcphdr *tcp = at;
	__u8 *byte = at;
	__u32 header;

	if ((void *)(tcp + 1) > end)
		return false;
	header = (byte[12] >> 4) * 4;
	if (header < sizeof(*tcp) || header > have ||
	    !(TCP_VALID >> TCP_INDEX(byte[13]) & 1))
		return false;
	key->proto = IPPROTO_TCP;
	key->rport = shape.dir == MOAT_INGRESS ? tcp->source : tcp->dest;
	key->lport = shape.dir == MOAT_INGRESS ? tcp->dest : tcp->source;
	return true;
}

static __always_inline bool lean4(struct moat_flow_key *key, void *at,
				  void *end)
{
	struct iphdr *ip = at;
	__u32 length;

	if ((void *)(ip + 1) > end || *(__u8 *)at != 0x45 ||
	    ip->protocol != IPPROTO_TCP ||
	    ip->frag_off & bpf_htons(IPV4_MF | IPV4_OFFSET))
		return false;
	length = bpf_ntohs(ip->tot_len);
	if (length < sizeof(*ip) || length > end - at)
		return false;
	addr_set4(&key->remote, shape.dir ? ip->daddr : ip->saddr);
	addr_set4(&key->local, shape.dir ? ip->saddr : ip->daddr);
	return lean_tcp(key, ip + 1, end, length - sizeof(*ip));
}

static __always_inline bool lean6(struct moat_flow_key *key, void *at,
				  void *end)
{
	struct ipv6hdr *ip = at;
	__u32 length;

	if ((void *)(ip + 1) > end || *(__u8 *)at >> 4 != 6 ||
	    ip->nexthdr != IPPROTO_TCP)
		return false;
	length = bpf_ntohs(ip->payload_len);
	if (!length || length > end - (void *)(ip + 1))
		return false;
	__builtin_memcpy(&key->remote, shape.dir ? &ip->daddr : &ip->saddr, 16);
	__builtin_memcpy(&key->local, shape.dir ? &ip->saddr : &ip->daddr, 16);
	return lean_tcp(key, ip + 1, end, length);
}

static __always_inline bool parse_lean(struct __sk_buff *skb,
				       struct moat_flow_key *key)
{
	void *end = (void *)(long)skb->data_end;
	struct ethhdr *eth = (void *)(long)skb->data;

	if ((void *)(eth + 1) > end)
		return false;
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		return lean4(key, eth + 1, end);
	return eth->h_proto == bpf_htons(ETH_P_IPV6) &&
	       lean6(key, eth + 1, end);
}

SEC("tc")
int cost_lean(struct __sk_buff *skb)
{
	struct moat_flow_key key = {};
	__u64 *verdict;

	if (!next_packet(skb) || !parse_lean(skb, &key))
		return result(false);
	verdict = bpf_map_lookup_elem(&bare, &key);
	return result(verdict && *verdict);
}

/* ---- what making an entry costs by itself ---- */

static __always_inline bool make_entry(struct __sk_buff *skb,
				       struct moat_flow_key *key,
				       struct moat_flow *f)
{
	if (!next_packet(skb) || !parse_lean(skb, key))
		return false;
	f->created = bpf_jiffies64();
	f->packets[shape.dir & 1] = 1;
	f->bytes[shape.dir & 1] = skb->len;
	return true;
}

SEC("tc")
int cost_fill(struct __sk_buff *skb)
{
	struct moat_flow_key key = {};
	struct moat_flow f = {};

	if (!make_entry(skb, &key, &f))
		return result(false);
	asm volatile("" : : "r"(&key), "r"(&f) : "memory");
	return result(true);
}

SEC("tc")
int cost_insert(struct __sk_buff *skb)
{
	struct moat_flow_key key = {};
	struct moat_flow f = {};

	return result(make_entry(skb, &key, &f) &&
		      !bpf_map_update_elem(&bare_wide, &key, &f, BPF_NOEXIST));
}
