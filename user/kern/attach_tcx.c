// SPDX-License-Identifier: BSD-2-Clause
/* tcx links (kernel 6.6): at the head of the hook, updated in place (F22). */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "kern/private.h"

/* The part of union bpf_attr that libbpf 1.1 and headers of 6.1 lack. */
struct query_attr {
	__u32 ifindex;
	__u32 attach_type;
	__u32 query_flags;
	__u32 attach_flags;
	__u64 prog_ids;
	__u32 count;
	__u32 pad;
	__u64 prog_attach_flags;
	__u64 link_ids;
	__u64 link_attach_flags;
	__u64 revision;
};

static enum bpf_attach_type attach_type(enum attach_hook hook)
{
	return hook == ATTACH_TC_INGRESS ? KERN_TCX_INGRESS : KERN_TCX_EGRESS;
}

int tcx_list(__u32 ifindex, enum attach_hook hook, struct hook_programs *ret)
{
	struct hook_programs h = {};
	struct query_attr attr = {
		.ifindex = ifindex,
		.attach_type = attach_type(hook),
		.prog_ids = (__u64)(unsigned long)h.prog_id,
		.link_ids = (__u64)(unsigned long)h.link_id,
		.count = HOOK_PROGRAMS_MAX,
	};

	if (syscall(SYS_bpf, BPF_PROG_QUERY, &attr, sizeof(attr)) < 0)
		return -errno;
	h.count = attr.count;
	*ret = h;
	return 0;
}

/* Position of a link on the hook, or -1. */
static int position(const struct hook_programs *h, __u32 link)
{
	for (__u32 i = 0; i < h->count; i++)
		if (h->link_id[i] == link)
			return (int)i;
	return -1;
}

/* The agent of a service has no CAP_SYS_ADMIN, and goes without the name. */
static void learn_name(struct hook_state *state)
{
	_cleanup_close_ int fd = bpf_prog_get_fd_by_id(state->foreign_prog_id);
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len))
		snprintf(state->foreign_name, sizeof(state->foreign_name), "%s",
			 info.name);
}

static void judge(const struct datapath *dp, const struct hook_programs *h,
		  enum attach_hook hook, struct hook_state *ret)
{
	__u32 want = load_prog_id(dp->load, hook);

	for (__u32 i = 0; i < h->count; i++) {
		if (h->prog_id[i] != want)
			continue;
		ret->kind = ATTACH_TCX;
		ret->ours = true;
		ret->first = i == 0;
		ret->prog_id = want;
		break;
	}
	if (h->count && !ret->first) {
		ret->foreign_prog_id = h->prog_id[0];
		learn_name(ret);
	}
	if (!ret->ours)
		hook_why(ret, "our program is not on this hook");
	else if (!ret->first && ret->foreign_name[0])
		hook_why(ret, "program %u (%s) runs before ours", h->prog_id[0],
			 ret->foreign_name);
	else if (!ret->first)
		hook_why(ret, "program %u runs before ours", h->prog_id[0]);
}

int tcx_query(struct datapath *dp, __u32 ifindex, enum attach_hook hook,
	      struct hook_state *ret)
{
	struct hook_state state = {};
	struct hook_programs h = {};
	int err = tcx_list(ifindex, hook, &h);

	if (err)
		return err;
	judge(dp, &h, hook, &state);
	*ret = state;
	return 0;
}

static int create_at_head(int prog, __u32 ifindex, enum attach_hook hook)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = KERN_F_BEFORE);
	int fd = bpf_link_create(prog, (int)ifindex, attach_type(hook), &opts);

	return fd < 0 ? -errno : fd;
}

/*
 * Our pinned link, unless its device is gone, has left this namespace, or
 * another device took its number; such a link is let go.
 */
static int living_link(struct datapath *dp, __u32 ifindex,
		       enum attach_hook hook, const struct hook_programs *h,
		       struct own_link **ret)
{
	struct own_link *l = links_find(dp, ifindex, hook);
	__u32 link = 0, prog, at = 0;
	int err;

	*ret = NULL;
	if (!l)
		return 0;
	/* Not to be told is no reason to end what may be judging. */
	err = l->fd >= 0 ? link_ids(l->fd, &link, &prog, &at) : 0;
	if (err)
		return err;
	if (l->fd >= 0 && at == ifindex && position(h, link) >= 0)
		*ret = l;
	else
		links_drop(dp, l);
	return 0;
}

static int pin_as(struct datapath *dp, const struct own_link *l, int fd)
{
	char path[PIN_PATH];

	return pins_enabled(&dp->pins) ?
		       pin_replace(link_path(dp, l, path), fd) :
		       0;
}

/* The pin may have been removed by someone; the fd kept the link alive. */
static int keep_pinned(struct datapath *dp, const struct own_link *l)
{
	char path[PIN_PATH];

	if (!pins_enabled(&dp->pins) || !access(link_path(dp, l, path), F_OK))
		return 0;
	return pin_replace(path, l->fd);
}

/* Says nothing to any packet. */
static int load_stub(void)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K,
		  .dst_reg = BPF_REG_0,
		  .imm = -1 /* TCX_NEXT */ },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "moat_tc_next",
			       "Dual BSD/GPL", insns, ARRAY_SIZE(insns), NULL);

	return fd < 0 ? -errno : fd;
}

/*
 * From the old link to the one at the head, both attached. A packet that meets
 * two judging programs gets the same verdict of both and is counted twice; so
 * they judge together for as long as the pin takes to move, and not for the
 * grace periods in which the kernel attaches and detaches.
 */
static int hand_over(struct datapath *dp, const struct own_link *old, int fd,
		     int judging, int stub)
{
	int err;

	if (bpf_link_update(fd, judging, NULL))
		return -errno;
	err = pin_as(dp, old, fd);
	if (!err)
		bpf_link_update(old->fd, stub, NULL);
	return err;
}

/*
 * Somebody attached ahead of us. The other program is not moved: a second
 * load of ours goes to the head (one program can't be on a hook twice), then
 * the old link goes, then the new one gets the program of all others. Killed
 * at any point, one of the two is attached, judging and pinned.
 */
int tcx_go_ahead(struct datapath *dp, __u32 ifindex, enum attach_hook hook)
{
	struct own_link *old = links_find(dp, ifindex, hook);
	_cleanup_close_ int stub = load_stub();
	int fd, twin = -1, err = stub < 0 ? stub : old ? 0 : -ENOENT;

	if (!err)
		err = twin_take(dp, hook, &twin);
	if (err)
		return err;
	fd = create_at_head(stub, ifindex, hook);
	if (fd < 0)
		return fd;
	err = hand_over(dp, old, fd, twin, stub);
	if (err) {
		close(fd);
		return err;
	}
	bpf_link_detach(old->fd);
	close(old->fd);
	old->fd = fd;
	return bpf_link_update(fd, load_prog_fd(dp->load, hook), NULL) ?
		       -errno :
		       0;
}

int tcx_attach(struct datapath *dp, __u32 ifindex, enum attach_hook hook,
	       struct hook_state *ret)
{
	int prog = load_prog_fd(dp->load, hook), fd, err;
	struct hook_programs h = {};
	struct own_link *l;

	err = tcx_list(ifindex, hook, &h);
	if (!err)
		err = living_link(dp, ifindex, hook, &h, &l);
	if (err)
		return err;
	if (l) {
		if (bpf_link_update(l->fd, prog, NULL))
			return -errno;
		err = keep_pinned(dp, l);
	} else {
		fd = create_at_head(prog, ifindex, hook);
		err = fd < 0 ? fd : links_add(dp, ifindex, hook, fd);
	}
	return err ? err : tcx_query(dp, ifindex, hook, ret);
}
