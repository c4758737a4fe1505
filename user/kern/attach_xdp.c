// SPDX-License-Identifier: BSD-2-Clause
/* XDP by link: never replaces another program, whoever it belongs to. */
#include <errno.h>
#include <string.h>

#include <linux/if_link.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kern/private.h"

static __u32 holder(__u32 ifindex, enum attach_kind *ret_kind)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, opts);

	*ret_kind = ATTACH_NONE;
	if (bpf_xdp_query((int)ifindex, 0, &opts))
		return 0;
	if (opts.attach_mode == XDP_ATTACHED_SKB)
		*ret_kind = ATTACH_GENERIC;
	else if (opts.attach_mode != XDP_ATTACHED_NONE)
		*ret_kind = ATTACH_NATIVE;
	return opts.prog_id	? opts.prog_id :
	       opts.drv_prog_id ? opts.drv_prog_id :
				  opts.skb_prog_id;
}

int xdp_query_hook(struct datapath *dp, __u32 ifindex, struct hook_state *ret)
{
	struct hook_state s = {};

	s.prog_id = holder(ifindex, &s.kind);
	s.ours = s.prog_id && s.prog_id == load_prog_id(dp->load, ATTACH_XDP);
	s.first = s.ours;
	if (s.prog_id && !s.ours) {
		s.foreign_prog_id = s.prog_id;
		s.prog_id = 0;
		s.kind = ATTACH_NONE;
		hook_why(&s, "program %u holds the XDP hook",
			 s.foreign_prog_id);
	}
	*ret = s;
	return 0;
}

static bool lives(const struct own_link *l, enum attach_kind *ret_kind)
{
	__u32 link, prog, at;

	return l->fd >= 0 && !link_ids(l->fd, &link, &prog, &at) &&
	       at == l->ifindex && holder(at, ret_kind) == prog;
}

enum attach_kind attach_xdp_own(struct datapath *dp, __u32 ifindex)
{
	const struct own_link *l = links_find(dp, ifindex, ATTACH_XDP);
	enum attach_kind kind;

	why_begin();
	return l && lives(l, &kind) ? kind : ATTACH_NONE;
}

/* Our link if it is alive, on this device and of this kind. */
static struct own_link *living_link(struct datapath *dp, __u32 ifindex,
				    enum attach_kind kind)
{
	struct own_link *l = links_find(dp, ifindex, ATTACH_XDP);
	enum attach_kind now;

	if (!l)
		return NULL;
	if (lives(l, &now) && now == kind)
		return l;
	links_drop(dp, l);
	return NULL;
}

static int create(struct datapath *dp, __u32 ifindex, enum attach_kind kind,
		  struct hook_state *state)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts,
		    .flags = kind == ATTACH_NATIVE ? XDP_FLAGS_DRV_MODE :
						     XDP_FLAGS_SKB_MODE);
	enum attach_kind other;
	int fd = bpf_link_create(load_prog_fd(dp->load, ATTACH_XDP),
				 (int)ifindex, BPF_XDP, &opts);

	if (fd >= 0)
		return links_add(dp, ifindex, ATTACH_XDP, fd);
	fd = -errno;
	state->foreign_prog_id = holder(ifindex, &other);
	if (fd == -EBUSY || fd == -EEXIST)
		hook_why(state, "program %u holds the XDP hook",
			 state->foreign_prog_id);
	else
		hook_why(state, "the driver refuses %s XDP: %s",
			 kind == ATTACH_NATIVE ? "native" : "generic",
			 strerror(-fd));
	return fd;
}

int attach_xdp(struct datapath *dp, __u32 ifindex, enum attach_kind kind,
	       struct hook_state *ret)
{
	struct hook_state state = {};
	struct own_link *l;
	int err = 0;

	if (kind != ATTACH_NATIVE && kind != ATTACH_GENERIC)
		return -EINVAL;
	why_begin();
	l = living_link(dp, ifindex, kind);
	if (!l)
		err = create(dp, ifindex, kind, &state);
	else if (bpf_link_update(l->fd, load_prog_fd(dp->load, ATTACH_XDP),
				 NULL))
		err = -errno;
	if (!err)
		err = xdp_query_hook(dp, ifindex, &state);
	*ret = state;
	return err;
}
