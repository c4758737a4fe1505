/* SPDX-License-Identifier: BSD-2-Clause */
/* What bpf_user.c shows of the programs. */
#ifndef MOAT_FUZZ_BPF_USER_H
#define MOAT_FUZZ_BPF_USER_H

#include <linux/bpf.h>

/* clang-format off */
#define BPF_USER_MAPS(X) \
	X(addr4) X(addr6) X(classes) X(rows) X(image) X(control) X(own) \
	X(ifaces) X(failsafe) X(flows) X(udp) X(other) X(embryonic_out) \
	X(embryonic_in) X(closing) X(denied) X(fragments) X(trace)
/* clang-format on */

enum bpf_user_map {
#define X(map) BPF_USER_##map,
	BPF_USER_MAPS(X)
#undef X
};
struct shim_map;
/* Valid until the next call. */
const struct shim_map *bpf_user_map(enum bpf_user_map which);
/* struct moat_knobs, which lies in memory that can't be written. */
void *bpf_user_knobs(void);

int moat_tc_ingress(struct __sk_buff *skb);
int moat_tc_egress(struct __sk_buff *skb);
int moat_xdp(struct xdp_md *xdp);

#endif
