// SPDX-License-Identifier: BSD-2-Clause
/* One packet through a loaded program by BPF_PROG_TEST_RUN. */
#include <errno.h>

#include <bpf/bpf.h>

#include "kern/private.h"
#include "kern/run.h"

static int run_tc(int prog, const struct run_packet *p, int *ret)
{
	struct __sk_buff ctx = {
		.ifindex = p->ifindex,
		.ingress_ifindex = p->ingress_ifindex,
		.gso_segs = p->gso_segs,
		.gso_size = p->gso_size,
	};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = p->frame,
		    .data_size_in = p->len, .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx));

	if (bpf_prog_test_run_opts(prog, &opts))
		return -errno;
	*ret = (int)opts.retval;
	return 0;
}

/*
 * ctx.data_end sets the linear length; the rest goes into fragments (F25).
 * Before 5.15 XDP takes no context, so none is given where it says nothing.
 */
static int run_xdp(int prog, const struct run_packet *p, int *ret)
{
	struct xdp_md ctx = {
		.data_end = p->linear && p->linear < p->len ? p->linear :
							      (__u32)p->len,
		.ingress_ifindex = p->ifindex,
	};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = p->frame,
		    .data_size_in = p->len);

	if (p->ifindex || ctx.data_end != p->len) {
		opts.ctx_in = &ctx;
		opts.ctx_size_in = sizeof(ctx);
	}
	if (bpf_prog_test_run_opts(prog, &opts))
		return -errno;
	*ret = (int)opts.retval;
	return 0;
}

int run_packet(struct datapath *dp, const struct run_packet *p,
	       struct run_result *ret)
{
	int prog = load_prog_fd(dp->load, p->hook);
	const struct load *l = dp->load;
	struct run_result r = {};
	__u32 zero = 0;
	int err = 0;

	if (dp->settings.one_by_one) {
		err = twin_take(dp, p->hook, &prog);
		l = dp->twin[p->hook].load;
	}
	if (err)
		return err;
	err = p->hook == ATTACH_XDP ? run_xdp(prog, p, &r.action) :
				      run_tc(prog, p, &r.action);
	if (err)
		return err;
	/* Each load writes its own. */
	if (dp->settings.trace &&
	    bpf_map_lookup_elem(load_map_fd(l, "trace"), &zero, &r.trace))
		return -errno;
	*ret = r;
	return 0;
}
