// SPDX-License-Identifier: BSD-2-Clause
/* XDP by link: never replaces another program, whoever it belongs to. */
#include <errno.h>
#include <string.h>

#include <linux/if_link.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kern/private.h"

/* The program on the hook, 0: none. 0 or -errno. */
static int holder(__u32 ifindex, __u32 *ret_prog, enum attach_kind *ret_kind)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, opts);
	int err = bpf_xdp_query((int)ifindex, 0, &opts);

	if (err)
		return err;
	*ret_kind = ATTACH_NONE;
	if (opts.attach_mode == XDP_ATTACHED_SKB)
		*ret_kind = ATTACH_GENERIC;
	else if (opts.attach_mode != XDP_ATTACHED_NONE)
		*ret_kind = ATTACH_NATIVE;
	*ret_prog = opts.prog_id     ? opts.prog_id :
		    opts.drv_prog_id ? opts.drv_prog_id :
				       opts.skb_prog_id;
	return 0;
}

int xdp_query_hook(struct datapath *dp, __u32 ifindex, struct hook_state *ret)
{
	struct hook_state s = {};

	/* Not known is not there: whoever attaches will find out. */
	holder(ifindex, &s.prog_id, &s.kind);
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

/* *ret_kind: ATTACH_NONE if it is dead. 0, or -errno where nobody can say. */
static int how_it_lives(const struct own_link *l, enum attach_kind *ret_kind)
{
	enum attach_kind kind = ATTACH_NONE;
	__u32 link, prog = 0, at = 0, on_hook = 0;
	int err = l->fd < 0 ? 0 : link_ids(l->fd, &link, &prog, &at);

	if (!err && l->fd >= 0 && at == l->ifindex)
		err = holder(at, &on_hook, &kind);
	if (!err)
		*ret_kind = on_hook && on_hook == prog ? kind : ATTACH_NONE;
	return err;
}

enum attach_kind attach_xdp_own(struct datapath *dp, __u32 ifindex)
{
	const struct own_link *l = links_find(dp, ifindex, ATTACH_XDP);
	enum attach_kind kind = ATTACH_NONE;

	why_begin();
	return l && !how_it_lives(l, &kind) ? kind : ATTACH_NONE;
}

/*
 * Our link if it is alive, on this device and of this kind; another is
 * dropped. One that may be alive is not: that would flap the device.
 */
static int living_link(struct datapath *dp, __u32 ifindex,
		       enum attach_kind kind, struct own_link **ret)
{
	struct own_link *l = links_find(dp, ifindex, ATTACH_XDP);
	enum attach_kind now = ATTACH_NONE;
	int err = l ? how_it_lives(l, &now) : 0;

	if (err)
		return err;
	if (l && now != kind) {
		links_drop(dp, l);
		l = NULL;
	}
	*ret = l;
	return 0;
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
	holder(ifindex, &state->foreign_prog_id, &other);
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
	struct own_link *l = NULL;
	int err;

	if (kind != ATTACH_NATIVE && kind != ATTACH_GENERIC)
		return -EINVAL;
	why_begin();
	err = living_link(dp, ifindex, kind, &l);
	if (!err && !l)
		err = create(dp, ifindex, kind, &state);
	else if (!err &&
		 bpf_link_update(l->fd, load_prog_fd(dp->load, ATTACH_XDP),
				 NULL))
		err = -errno;
	if (!err)
		err = xdp_query_hook(dp, ifindex, &state);
	*ret = state;
	return err;
}
