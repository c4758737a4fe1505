/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The generator of live frames: each run takes the template it is given,
 * writes the next source address and port and the checksums that follow from
 * them, and sends it out of a device. Also the programs that a drop rate is
 * compared with.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bench/generate.h"

#define IP4_CHECKSUM 24 /* offsets in the frame */
#define IP4_SOURCE 26
#define IP6_SOURCE_END 34 /* the last four bytes of the address */
#define ODD 0x9e3779b1u	  /* scrambles a count */

struct generate generate = {};

static __always_inline __be16 folded(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return bpf_htons(~sum & 0xffff);
}

static __always_inline void put16(void *at, __be16 v)
{
	*(__be16 *)at = v;
}

/* len: of the longest part that is written to. */
static __always_inline void *whole(struct xdp_md *xdp, __u32 len)
{
	void *data = (void *)(long)xdp->data;

	return data + len <= (void *)(long)xdp->data_end ? data : 0;
}

static __always_inline int send(void *data, __u32 l4, __u32 words, __u32 port)
{
	__u32 sum = generate.l4_sum + words + port;

	if (generate.ports)
		put16(data + l4, bpf_htons(port));
	if (generate.tcp)
		put16(data + l4 + 16, folded(sum));
	else
		put16(data + l4 + 6, folded(sum));
	return bpf_redirect(generate.ifindex, 0);
}

SEC("xdp")
int moat_generate(struct xdp_md *xdp)
{
	__u32 n = generate.count++ * ODD;
	__u32 addr = generate.base + (n >> 7 & generate.mask);
	__u32 words = (addr & 0xffff) + (addr >> 16);
	__u32 port = generate.ports ? 1024 + (n >> 17) : 0;
	void *data = whole(xdp, GENERATE_LEN4);

	if (!data)
		return XDP_ABORTED;
	if (!generate.ipv6) {
		*(__be32 *)(data + IP4_SOURCE) = bpf_htonl(addr);
		put16(data + IP4_CHECKSUM, folded(generate.l3_sum + words));
		return send(data, GENERATE_L4_4, words, port);
	}
	data = whole(xdp, GENERATE_LEN6);
	if (!data)
		return XDP_ABORTED;
	*(__be32 *)(data + IP6_SOURCE_END) = bpf_htonl(addr);
	return send(data, GENERATE_L4_6, words, port);
}

SEC("xdp.frags")
int moat_bare_drop(struct xdp_md *xdp)
{
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
