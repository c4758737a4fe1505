/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Addresses that may not be, and whose packet it is (design 3.8, 3.10). */
#ifndef MOAT_SOURCE_H
#define MOAT_SOURCE_H

#include <linux/in.h>

#include "hook.h"

#define AGENT_DEAD_SECONDS 10 /* F36 */
#define FIB_FAMILY4 2	      /* AF_INET, AF_INET6 without libc */
#define FIB_FAMILY6 10

static __always_inline bool agent_is_dead(const struct pkt *p)
{
	__u32 zero = 0;
	struct moat_control *c = bpf_map_lookup_elem(&control, &zero);

	return !c ||
	       p->now - c->heartbeat > AGENT_DEAD_SECONDS * (__u64)knobs.hz;
}

/* 0/8, 127/8, 224/4 and 255.255.255.255 are no one's source (RFC 1122
 * section 3.2.1.3). 0.0.0.0 itself may be that of an essential (F4). */
static __always_inline enum moat_reason check_addresses4(struct pkt *p)
{
	__u32 source = bpf_ntohl(pkt_source(p)->w[3]);
	__u32 to = bpf_ntohl(pkt_destination(p)->w[3]);
	bool loopback = p->iface_flags & MOAT_IFACE_LOOPBACK;

	if (source >> 28 == 0xe || source == 0xffffffff ||
	    (source >> 24 == 127 && !loopback) ||
	    (source >> 24 == 0 && (source || p->key.proto != IPPROTO_UDP)))
		return MOAT_REASON_BAD_SOURCE;
	if (source == to && p->dir == MOAT_INGRESS && !loopback)
		return MOAT_REASON_OWN_SOURCE;
	if (to >> 24 == 127 && !loopback)
		return MOAT_REASON_BAD_DESTINATION;
	return MOAT_REASON_NONE;
}

static __always_inline bool is_loopback6(const struct moat_addr *a)
{
	return !a->d[0] && a->d[1] == bpf_cpu_to_be64(1);
}

/* RFC 4291 section 2.5 and 2.7. A mapped address on the wire would share the
 * flow key of an IPv4 one: neither end may have it. */
static __always_inline enum moat_reason check_addresses6(struct pkt *p)
{
	const struct moat_addr *source = pkt_source(p);
	const struct moat_addr *to = pkt_destination(p);
	bool loopback = p->iface_flags & MOAT_IFACE_LOOPBACK;

	if (source->b[0] == 0xff || addr_is_mapped(source) ||
	    (is_loopback6(source) && !loopback) ||
	    (addr_is_zero(source) && p->key.proto != IPPROTO_ICMPV6))
		return MOAT_REASON_BAD_SOURCE;
	if (addr_equal(source, to) && p->dir == MOAT_INGRESS && !loopback)
		return MOAT_REASON_OWN_SOURCE;
	if ((is_loopback6(to) && !loopback) || addr_is_mapped(to))
		return MOAT_REASON_BAD_DESTINATION;
	return MOAT_REASON_NONE;
}

static __always_inline enum moat_reason check_addresses(struct pkt *p)
{
	return p->family == 4 ? check_addresses4(p) : check_addresses6(p);
}

/* F4: without an address one may ask for one, or whether it is taken:
 * DHCP 68 to 67, neighbour solicitation, MLD reports. */
static __always_inline enum moat_reason check_unspecified(struct pkt *p)
{
	const struct moat_addr *source = pkt_source(p);

	if (p->family == 4) {
		__be16 from = p->dir ? p->key.lport : p->key.rport;
		__be16 to = p->dir ? p->key.rport : p->key.lport;

		if (source->w[3] ||
		    (from == bpf_htons(68) && to == bpf_htons(67)))
			return MOAT_REASON_NONE;
		return MOAT_REASON_BAD_SOURCE;
	}
	if (!addr_is_zero(source) || p->type == 135 || p->type == 131 ||
	    p->type == 132 || p->type == 143)
		return MOAT_REASON_NONE;
	return MOAT_REASON_BAD_SOURCE;
}

/* Our own address, or a subnet's broadcast, as the source of what comes in. */
static __noinline enum moat_reason check_own_source(struct pkt *p)
{
	struct moat_own *own_entry;

	if (p->dir != MOAT_INGRESS || p->iface_flags & MOAT_IFACE_LOOPBACK)
		return MOAT_REASON_NONE;
	/* RFC 4862 section 5.4.4: who defends an address that we are about to
	 * take advertises it from that very address. */
	if (p->key.proto == IPPROTO_ICMPV6 && p->type == 136)
		return MOAT_REASON_NONE;
	own_entry = bpf_map_lookup_elem(&own, &p->key.remote);
	if (!own_entry)
		return MOAT_REASON_NONE;
	return own_entry->flags & MOAT_OWN_BROADCAST ? MOAT_REASON_BAD_SOURCE :
						       MOAT_REASON_OWN_SOURCE;
}

/* F36: an address that appeared while the agent was dead, or one of a network
 * that is ours by a route alone. The kernel's routes say whether it would
 * deliver the packet here. */
static __noinline bool delivered_here(const struct frame *fr, struct pkt *p)
{
	struct bpf_fib_lookup fib = {};
	long rc;

	fib.family = p->family == 4 ? FIB_FAMILY4 : FIB_FAMILY6;
	fib.l4_protocol = p->key.proto;
	fib.ifindex = p->ifindex;
	if (p->family == 4) {
		fib.ipv4_src = p->key.remote.w[3];
		fib.ipv4_dst = p->key.local.w[3];
	} else {
		__builtin_memcpy(fib.ipv6_src, &p->key.remote, 16);
		__builtin_memcpy(fib.ipv6_dst, &p->key.local, 16);
	}
	rc = bpf_fib_lookup(fr->ctx, &fib, sizeof(fib), 0);
	return rc == BPF_FIB_LKUP_RET_NOT_FWDED ||
	       rc == BPF_FIB_LKUP_RET_FWD_DISABLED;
}

static __always_inline bool takes_networks(void)
{
	__u32 zero = 0;
	const struct moat_host *facts = bpf_map_lookup_elem(&host, &zero);

	return facts && facts->flags & MOAT_HOST_LOCAL_NETWORKS;
}

/*
 * Ours (MOAT_REASON_NONE), forwarded, or sent by us under an address that is
 * not ours. With forwarding: judge a forwarded packet is judged by the class
 * of its endpoint address like ours.
 */
static __noinline enum moat_reason whose_packet(const struct frame *fr,
						struct pkt *p)
{
	struct moat_own *own_entry;

	if (p->flags & PKT_GROUP_ADDRESS && p->dir == MOAT_INGRESS)
		return MOAT_REASON_NONE;
	own_entry = bpf_map_lookup_elem(&own, &p->key.local);
	/* Nobody sends from a broadcast address. */
	if (own_entry && (p->dir == MOAT_INGRESS ||
			  !(own_entry->flags & MOAT_OWN_BROADCAST))) {
		if (own_entry->flags & MOAT_OWN_BROADCAST)
			p->flags |= PKT_GROUP_ADDRESS;
		else if (addr_is_zero(&own_entry->alias))
			p->flags |= PKT_OWN_PROFILE;
		return MOAT_REASON_NONE;
	}
	if (p->dir == MOAT_EGRESS && p->flags & PKT_SENT) {
		if (p->flags & PKT_SOCKET && agent_is_dead(p))
			return MOAT_REASON_NONE;
		return MOAT_REASON_SPOOFED_SOURCE;
	}
	if (knobs.forwarding_judge)
		return MOAT_REASON_NONE;
	if (p->dir == MOAT_INGRESS && (agent_is_dead(p) || takes_networks()) &&
	    delivered_here(fr, p))
		return MOAT_REASON_NONE;
	return MOAT_REASON_FORWARDED;
}

#endif
