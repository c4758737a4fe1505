/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the short way in XDP takes for plain: TCP and UDP without options,
 * fragments, tags or extension headers, whole and linear. What it does not
 * take says nothing about a packet; the stages of the long way do.
 */
#ifndef MOAT_XDP_SIGHT_H
#define MOAT_XDP_SIGHT_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "parse_ip.h"
#include "parse_l2.h"
#include "parse_l4.h"
#include "pkt.h"

struct sight {
	struct moat_addr local, remote;
	__u32 length; /* of the IP packet */
	__u32 header; /* of IP */
	__u32 ifindex;
	__u64 head; /* the frame's first eight bytes */
	__u16 lport, rport;
	__u8 family, proto, opening, bad;
};

static __always_inline bool sight_tcp(struct sight *s, const __u8 *at)
{
	const struct tcphdr *tcp = (const void *)at;
	__u32 header = (at[12] >> 4) * 4;

	s->rport = bpf_ntohs(tcp->source);
	s->lport = bpf_ntohs(tcp->dest);
	s->opening = (at[13] & (TCP_SYN | TCP_ACK)) == TCP_SYN;
	s->bad = !(TCP_VALID >> TCP_INDEX(at[13]) & 1);
	return header >= sizeof(*tcp) && s->header + header <= s->length;
}

/* DHCP's own ports are left to the essentials. */
static __always_inline bool sight_udp(struct sight *s, const __u8 *at)
{
	const struct udphdr *udp = (const void *)at;
	__u32 length = bpf_ntohs(udp->len);

	s->rport = bpf_ntohs(udp->source);
	s->lport = bpf_ntohs(udp->dest);
	s->opening = s->bad = 0;
	return length >= sizeof(*udp) && s->header + length <= s->length &&
	       s->lport != 68 && s->lport != 546;
}

static __always_inline bool sight_transport(struct sight *s, const __u8 *at,
					    const void *end)
{
	if (s->proto == IPPROTO_TCP)
		return (void *)at + sizeof(struct tcphdr) <= end &&
		       sight_tcp(s, at);
	return s->proto == IPPROTO_UDP &&
	       (void *)at + sizeof(struct udphdr) <= end && sight_udp(s, at);
}

/* Neither 0/8, 127/8, nor 224/4 and above: source.h says what those are. */
static __always_inline bool plain4(__be32 addr)
{
	__u32 first = bpf_ntohl(addr) >> 24;

	return first && first != 127 && first < 224;
}

/* Neither in ::/3, where mapped and loopback are, nor multicast. */
static __always_inline bool plain6(const struct moat_addr *a)
{
	return a->b[0] & 0xe0 && a->b[0] != 0xff;
}

static __always_inline bool sight_ipv4(struct sight *s, void *at, void *end)
{
	const struct iphdr *ip = at;

	if (at + sizeof(*ip) > end || *(__u8 *)at != 0x45 ||
	    ip->frag_off & bpf_htons(IPV4_MF | IPV4_OFFSET) ||
	    ip->saddr == ip->daddr || !plain4(ip->saddr) || !plain4(ip->daddr))
		return false;
	addr_set4(&s->local, ip->daddr);
	addr_set4(&s->remote, ip->saddr);
	s->family = 4;
	s->proto = ip->protocol;
	s->length = bpf_ntohs(ip->tot_len);
	s->header = sizeof(*ip);
	return sight_transport(s, at + sizeof(*ip), end);
}

static __always_inline bool sight_ipv6(struct sight *s, void *at, void *end)
{
	const struct ipv6hdr *ip = at;

	if (at + sizeof(*ip) > end || *(__u8 *)at >> 4 != 6 || !ip->payload_len)
		return false;
	__builtin_memcpy(&s->local, &ip->daddr, 16);
	__builtin_memcpy(&s->remote, &ip->saddr, 16);
	s->family = 6;
	s->proto = ip->nexthdr;
	s->length = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	s->header = sizeof(*ip);
	return plain6(&s->local) && plain6(&s->remote) &&
	       !addr_equal(&s->local, &s->remote) &&
	       sight_transport(s, at + sizeof(*ip), end);
}

/* All of the packet has to be in the linear part. */
static __always_inline bool sight_parse(struct xdp_md *xdp, struct sight *s)
{
	void *data = (void *)(long)xdp->data;
	void *end = (void *)(long)xdp->data_end;
	const struct ethhdr *eth = data;
	void *at = data + sizeof(*eth);
	bool ok;

	if (at > end)
		return false;
	s->ifindex = xdp->ingress_ifindex;
	__builtin_memcpy(&s->head, data, sizeof(s->head));
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		ok = sight_ipv4(s, at, end);
	else if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		ok = sight_ipv6(s, at, end);
	else
		return false;
	return ok && s->length <= end - at;
}

#endif
