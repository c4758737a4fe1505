/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The entries: from hook to pipeline and back to a verdict of the hook. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "maps.h"

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

SEC("tc")
int moat_tc_ingress(struct __sk_buff *skb)
{
	return TC_ACT_UNSPEC;
}

SEC("tc")
int moat_tc_egress(struct __sk_buff *skb)
{
	return TC_ACT_UNSPEC;
}

SEC("xdp")
int moat_xdp(struct xdp_md *xdp)
{
	return XDP_PASS;
}
