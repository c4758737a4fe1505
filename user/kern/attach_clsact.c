// SPDX-License-Identifier: BSD-2-Clause
/*
 * clsact filters for kernels without tcx (F2): priority 1, our own handle,
 * replaced in place, read back after every attach. A qdisc is never deleted,
 * and a foreign `ingress` qdisc never gets an egress filter: the kernel would
 * take it and run it on ingress.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include <libmnl/libmnl.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kern/private.h"

/* "moat", and its neighbour for the moment in which both are there. */
#define HANDLE 0x6d6f6174u
#define HANDLE_OTHER (HANDLE + 1)
#define PRIORITY 1

struct filter {
	__u32 handle;
	__u32 priority;
	__u32 prog_id; /* 0: no BPF */
	char name[HOOK_NAME];
};
struct found {
	char qdisc[32];	     /* kind at the clsact parent, "" for none */
	struct filter first; /* of the chain */
	bool any;	     /* first is set */
	struct filter ours;  /* the one that runs first */
	struct filter spare; /* ours as well: a kill in go_ahead() left it */
};

static bool is_ours(const struct filter *f)
{
	return (f->handle == HANDLE || f->handle == HANDLE_OTHER) &&
	       f->priority == PRIORITY;
}

static struct bpf_tc_hook hook_of(__u32 ifindex, enum attach_hook hook)
{
	return (struct bpf_tc_hook){
		.sz = sizeof(struct bpf_tc_hook),
		.ifindex = (int)ifindex,
		.attach_point = hook == ATTACH_TC_INGRESS ? BPF_TC_INGRESS :
							    BPF_TC_EGRESS,
	};
}

/* Sends one dump request and feeds each answer to fn. */
static int dump(__u16 type, __u32 ifindex, __u32 parent, mnl_cb_t fn, void *arg)
{
	char buf[16384];
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct tcmsg *tc;
	int n = 1, err = 0;

	if (!nl)
		return -errno;
	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	h->nlmsg_seq = (__u32)time(NULL);
	tc = mnl_nlmsg_put_extra_header(h, sizeof(*tc));
	tc->tcm_family = AF_UNSPEC;
	tc->tcm_ifindex = (int)ifindex;
	tc->tcm_parent = parent;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(nl, h, h->nlmsg_len) < 0)
		err = -errno;
	while (!err && n > MNL_CB_STOP) {
		ssize_t got = mnl_socket_recvfrom(nl, buf, sizeof(buf));

		n = got < 0 ? -1 :
			      mnl_cb_run(buf, got, 0, mnl_socket_get_portid(nl),
					 fn, arg);
		if (n < 0)
			err = -errno;
	}
	mnl_socket_close(nl);
	return err;
}

struct request {
	struct found found;
	__u32 ifindex;
};

static int see_qdisc(const struct nlmsghdr *h, void *arg)
{
	struct request *r = arg;
	const struct tcmsg *tc = mnl_nlmsg_get_payload(h);
	struct nlattr *a;

	if ((__u32)tc->tcm_ifindex != r->ifindex ||
	    tc->tcm_parent != TC_H_CLSACT)
		return MNL_CB_OK;
	mnl_attr_for_each(a, h, sizeof(*tc))
		if (mnl_attr_get_type(a) == TCA_KIND)
			snprintf(r->found.qdisc, sizeof(r->found.qdisc), "%s",
				 mnl_attr_get_str(a));
	return MNL_CB_OK;
}

/* libbpf puts the number behind the name, tc the section: "name:[7]". */
static void see_name(const char *name, struct filter *f)
{
	size_t n = strcspn(name, ":");

	snprintf(f->name, sizeof(f->name), "%.*s", (int)n, name);
	/* Any bytes are a name to the kernel; ours goes into JSON and logs. */
	for (char *c = f->name; *c; c++)
		if (*c <= ' ' || *c > '~')
			*c = '?';
}

static void see_program(const struct nlattr *options, struct filter *f)
{
	struct nlattr *a;

	mnl_attr_for_each_nested(a, options) {
		if (mnl_attr_get_type(a) == TCA_BPF_ID)
			f->prog_id = mnl_attr_get_u32(a);
		if (mnl_attr_get_type(a) == TCA_BPF_NAME)
			see_name(mnl_attr_get_str(a), f);
	}
}

static int see_filter(const struct nlmsghdr *h, void *arg)
{
	struct request *r = arg;
	const struct tcmsg *tc = mnl_nlmsg_get_payload(h);
	struct filter f = { .handle = tc->tcm_handle,
			    .priority = tc->tcm_info >> 16 };
	struct nlattr *a;

	/* Handle 0 announces a classifier, not a filter of it. */
	if ((__u32)tc->tcm_ifindex != r->ifindex || !tc->tcm_handle)
		return MNL_CB_OK;
	mnl_attr_for_each(a, h, sizeof(*tc))
		if (mnl_attr_get_type(a) == TCA_OPTIONS)
			see_program(a, &f);
	if (!r->found.any)
		r->found.first = f;
	r->found.any = true;
	if (is_ours(&f) && r->found.ours.handle)
		r->found.spare = f;
	else if (is_ours(&f))
		r->found.ours = f;
	return MNL_CB_OK;
}

static int look(__u32 ifindex, enum attach_hook hook, struct found *ret)
{
	struct request r = { .ifindex = ifindex };
	__u32 minor = hook == ATTACH_TC_INGRESS ? TC_H_MIN_INGRESS :
						  TC_H_MIN_EGRESS;
	int err = dump(RTM_GETQDISC, ifindex, 0, see_qdisc, &r);

	if (!err && r.found.qdisc[0])
		err = dump(RTM_GETTFILTER, ifindex,
			   TC_H_MAKE(TC_H_CLSACT, minor), see_filter, &r);
	/* Egress filters of an ingress qdisc are ingress filters. */
	if (hook == ATTACH_TC_EGRESS && strcmp(r.found.qdisc, "clsact"))
		r.found.first = r.found.ours = r.found.spare = (struct filter){};
	if (!err)
		*ret = r.found;
	return err;
}

static void judge(const struct datapath *dp, const struct found *f,
		  enum attach_hook hook, struct hook_state *ret)
{
	struct hook_state s = { .foreign_prog_id = f->first.prog_id };

	if (f->ours.prog_id &&
	    f->ours.prog_id == load_prog_id(dp->load, hook)) {
		s.kind = ATTACH_CLSACT;
		s.ours = true;
		s.prog_id = f->ours.prog_id;
		s.first = is_ours(&f->first);
		if (s.first)
			s.foreign_prog_id = 0;
	}
	if (!s.ours && hook == ATTACH_TC_EGRESS && f->qdisc[0] &&
	    strcmp(f->qdisc, "clsact"))
		hook_why(&s, "a foreign '%s' qdisc leaves no egress hook",
			 f->qdisc);
	else if (!s.ours)
		hook_why(&s, "our filter is not on this hook");
	else if (!s.first)
		hook_why(&s, "a filter%s%s of priority %u runs before ours",
			 f->first.name[0] ? " " : "", f->first.name,
			 f->first.priority);
	if (s.foreign_prog_id)
		memcpy(s.foreign_name, f->first.name, sizeof(s.foreign_name));
	*ret = s;
}

int clsact_query(struct datapath *dp, __u32 ifindex, enum attach_hook hook,
		 struct hook_state *ret)
{
	struct found f = {};
	int err = look(ifindex, hook, &f);

	if (!err)
		judge(dp, &f, hook, ret);
	return err;
}

static int put(__u32 ifindex, enum attach_hook hook, __u32 handle, int prog_fd)
{
	struct bpf_tc_hook h = hook_of(ifindex, hook);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = prog_fd,
		    .flags = BPF_TC_F_REPLACE, .handle = handle,
		    .priority = PRIORITY);

	return bpf_tc_attach(&h, &opts);
}

static int drop(__u32 ifindex, enum attach_hook hook, __u32 handle)
{
	struct bpf_tc_hook h = hook_of(ifindex, hook);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = handle, .priority = PRIORITY);

	return bpf_tc_detach(&h, &opts);
}

/* What was flushed is not put back: the qdisc may be another's by now. */
int clsact_move(__u32 ifindex, enum attach_hook hook, int prog_fd)
{
	struct found f = {};
	int err = look(ifindex, hook, &f);

	if (!err && f.ours.handle)
		err = put(ifindex, hook, f.ours.handle, prog_fd);
	if (!err && f.spare.handle)
		err = put(ifindex, hook, f.spare.handle, prog_fd);
	return err;
}

int clsact_detach(__u32 ifindex, enum attach_hook hook)
{
	struct found f = {};
	int err = look(ifindex, hook, &f);

	/* Both are there after a kill between the two steps of clsact_go_ahead(). */
	while (!err && f.ours.handle) {
		err = drop(ifindex, hook, f.ours.handle);
		f = (struct found){};
		if (!err)
			err = look(ifindex, hook, &f);
	}
	return err;
}

/* The youngest filter of a priority runs first: a new own one goes in front
 * of the foreign one, then the old one goes. */
int clsact_go_ahead(struct datapath *dp, __u32 ifindex, enum attach_hook hook)
{
	struct found f = {};
	int err = look(ifindex, hook, &f);
	__u32 old = f.ours.handle;

	if (err || !old)
		return err ? err : -ENOENT;
	err = put(ifindex, hook, HANDLE + HANDLE_OTHER - old,
		  load_prog_fd(dp->load, hook));
	return err ? err : drop(ifindex, hook, old);
}

static int make_qdisc(__u32 ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, h, .ifindex = (int)ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	int err = bpf_tc_hook_create(&h);

	return err == -EEXIST ? 0 : err;
}

/* Its mark comes first: a filter outlives whoever is killed, and one without a
 * mark is found by nobody who detaches. */
static int put_marked(struct datapath *dp, __u32 ifindex, enum attach_hook hook,
		      const struct found *f)
{
	bool marked = links_find(dp, ifindex, hook);
	int err = marked ? 0 : links_add(dp, ifindex, hook, -1);

	if (err)
		return err;
	err = put(ifindex, hook, f->ours.handle ? f->ours.handle : HANDLE,
		  load_prog_fd(dp->load, hook));
	if (err && !marked)
		links_drop(dp, links_find(dp, ifindex, hook));
	if (!err && f->spare.handle)
		err = drop(ifindex, hook, f->spare.handle);
	return err;
}

int clsact_attach(struct datapath *dp, __u32 ifindex, enum attach_hook hook,
		  struct hook_state *ret)
{
	struct found f = {};
	int err = look(ifindex, hook, &f);

	if (!err && !f.qdisc[0])
		err = make_qdisc(ifindex);
	if (err)
		return err;
	if (f.qdisc[0] && strcmp(f.qdisc, "clsact") &&
	    hook == ATTACH_TC_EGRESS) {
		judge(dp, &f, hook, ret);
		return -EBUSY;
	}
	err = put_marked(dp, ifindex, hook, &f);
	if (!err)
		err = clsact_query(dp, ifindex, hook, ret);
	return err ? err : ret->ours ? 0 : -EIO;
}
