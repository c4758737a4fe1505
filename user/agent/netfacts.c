// SPDX-License-Identifier: BSD-2-Clause
/* rtnetlink dumps of links, addresses and routes, and its news. */
#include "agent/netfacts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/addr.h"

#define TRIES 5
#define LOWER_UP (1u << 16) /* IFF_LOWER_UP, which net/if.h lacks */

struct netmonitor {
	struct loop *loop;
	struct mnl_socket *socket;
	loop_fn changed;
	void *arg;
};

static void *grown(void *array, size_t count, size_t size)
{
	if (count & (count - 1))
		return array;
	return reallocarray(array, count ? count * 2 : 1, size);
}

static void text_attr(const struct nlattr *a, char *ret, size_t len)
{
	size_t n = mnl_attr_get_payload_len(a);

	n = n < len - 1 ? n : len - 1;
	memcpy(ret, mnl_attr_get_payload(a), n);
	ret[n] = 0;
}

/*
 * The kernel takes names of any bytes but blanks, '/' and ':'. What is no text
 * would be left out of status, and of the reasons for being degraded.
 */
static void name_attr(const struct nlattr *a, char *ret, size_t len)
{
	json_t *text;
	bool ok;

	text_attr(a, ret, len);
	text = json_string(ret);
	ok = text != NULL;
	json_decref(text);
	for (; *ret; ret++)
		if ((unsigned char)*ret < ' ' || *ret == 127 ||
		    (!ok && (unsigned char)*ret >= 128))
			*ret = '?';
}

/* ---- links ---- */

static uint64_t mac_attr(const struct nlattr *a)
{
	const uint8_t *b = mnl_attr_get_payload(a);
	uint64_t mac = 0;

	if (mnl_attr_get_payload_len(a) != ETH_ALEN)
		return MOAT_MAC_NONE;
	for (int i = ETH_ALEN - 1; i >= 0; i--)
		mac = mac << 8 | b[i];
	return mac;
}

static void link_info(const struct nlattr *info, struct net_link *l)
{
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, info)
		if (mnl_attr_get_type(a) == IFLA_INFO_KIND)
			text_attr(a, l->kind, sizeof(l->kind));
}

static int on_link(const struct nlmsghdr *h, void *arg)
{
	const struct ifinfomsg *m = mnl_nlmsg_get_payload(h);
	struct netfacts *f = arg;
	struct net_link l = { .ifindex = m->ifi_index,
			      .mac = MOAT_MAC_NONE,
			      .type = m->ifi_type,
			      .up = m->ifi_flags & IFF_UP,
			      .carrier = m->ifi_flags & LOWER_UP };
	bool elsewhere = false;
	const struct nlattr *a;
	void *more;

	mnl_attr_for_each(a, h, sizeof(*m)) {
		switch (mnl_attr_get_type(a)) {
		case IFLA_IFNAME:
			name_attr(a, l.name, sizeof(l.name));
			break;
		case IFLA_ADDRESS:
			l.mac = mac_attr(a);
			break;
		case IFLA_MTU:
			l.mtu = mnl_attr_get_u32(a);
			break;
		case IFLA_MASTER:
			l.master = mnl_attr_get_u32(a);
			break;
		case IFLA_LINK:
			l.lower = mnl_attr_get_u32(a);
			break;
		case IFLA_LINK_NETNSID:
			elsewhere = true;
			break;
		case IFLA_LINKINFO:
			link_info(a, &l);
		}
	}
	/* A device may name itself, or the other end of a veth. */
	if (elsewhere || l.lower == l.ifindex || !strcmp(l.kind, "veth"))
		l.lower = 0;
	more = grown(f->links, f->nlinks, sizeof(l));
	if (!more)
		return MNL_CB_ERROR;
	f->links = more;
	f->links[f->nlinks++] = l;
	return MNL_CB_OK;
}

/* ---- addresses ---- */

static struct moat_addr addr_attr(const struct nlattr *a, bool v4)
{
	struct moat_addr ret = {};
	__be32 four;

	if (v4 && mnl_attr_get_payload_len(a) >= sizeof(four)) {
		memcpy(&four, mnl_attr_get_payload(a), sizeof(four));
		ret = addr_from_v4(ntohl(four));
	} else if (!v4 && mnl_attr_get_payload_len(a) >= sizeof(ret)) {
		memcpy(&ret, mnl_attr_get_payload(a), sizeof(ret));
	}
	return ret;
}

static bool is_link_local(const struct net_addr *a)
{
	if (a->v4)
		return addr_v4(&a->addr) >> 16 == 0xa9fe;
	return a->addr.b[0] == 0xfe && (a->addr.b[1] & 0xc0) == 0x80;
}

static int add_addr(struct netfacts *f, const struct net_addr *n)
{
	void *more = grown(f->addrs, f->naddrs, sizeof(*n));

	if (!more)
		return MNL_CB_ERROR;
	f->addrs = more;
	f->addrs[f->naddrs++] = *n;
	return MNL_CB_OK;
}

static int on_addr(const struct nlmsghdr *h, void *arg)
{
	const struct ifaddrmsg *m = mnl_nlmsg_get_payload(h);
	struct net_addr n = { .ifindex = m->ifa_index,
			      .length = m->ifa_prefixlen,
			      .v4 = m->ifa_family == AF_INET };
	uint32_t flags = m->ifa_flags;
	struct netfacts *f = arg;
	bool local = false;
	const struct nlattr *a;

	if (!n.v4 && m->ifa_family != AF_INET6)
		return MNL_CB_OK;
	mnl_attr_for_each(a, h, sizeof(*m)) {
		/* On a point-to-point link IFA_ADDRESS is the peer's. */
		if (mnl_attr_get_type(a) == IFA_LOCAL) {
			n.addr = addr_attr(a, n.v4);
			local = true;
		} else if (mnl_attr_get_type(a) == IFA_ADDRESS && !local) {
			n.addr = addr_attr(a, n.v4);
		} else if (mnl_attr_get_type(a) == IFA_BROADCAST) {
			n.broadcast = addr_attr(a, n.v4);
		} else if (mnl_attr_get_type(a) == IFA_FLAGS) {
			flags = mnl_attr_get_u32(a);
		}
	}
	n.link_local = is_link_local(&n);
	n.temporary = !n.v4 && (flags & IFA_F_TEMPORARY);
	n.tentative = flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED);
	n.global = m->ifa_scope == RT_SCOPE_UNIVERSE && !n.link_local;
	return add_addr(f, &n);
}

/* ---- routes by which the kernel delivers here ---- */

static bool known(const struct netfacts *f, const struct moat_addr *a)
{
	size_t i;

	for (i = 0; i < f->naddrs; i++)
		if (addr_equal(&f->addrs[i].addr, a))
			return true;
	return false;
}

static int add_shared(struct netfacts *f, const struct net_addr *n)
{
	void *more = grown(f->shared, f->nshared, sizeof(*f->shared));

	if (!more)
		return MNL_CB_ERROR;
	f->shared = more;
	f->shared[f->nshared++] = (struct net_shared){ n->ifindex, n->addr };
	return MNL_CB_OK;
}

static bool is_loopback_net(const struct rtmsg *m, const struct net_addr *n)
{
	return n->v4 && m->rtm_dst_len >= 8 && addr_v4(&n->addr) >> 24 == 127;
}

/*
 * Local routes name the addresses of interfaces, and others: AnyIP, virtual
 * addresses that a balancer leaves on its packets. Broadcast ones name what
 * IFA_BROADCAST may not: the kernel makes them for each subnet.
 */
static int on_delivered(struct netfacts *f, const struct nlmsghdr *h,
			const struct rtmsg *m)
{
	struct net_addr n = { .v4 = m->rtm_family == AF_INET, .routed = true };
	const struct nlattr *a;

	mnl_attr_for_each(a, h, sizeof(*m)) {
		if (mnl_attr_get_type(a) == RTA_DST)
			n.addr = addr_attr(a, n.v4);
		else if (mnl_attr_get_type(a) == RTA_OIF)
			n.ifindex = mnl_attr_get_u32(a);
	}
	n.length = n.v4 ? 32 : 128;
	if (m->rtm_dst_len < n.length) {
		if (m->rtm_type == RTN_LOCAL && !is_loopback_net(m, &n))
			f->local_networks = true;
		return MNL_CB_OK;
	}
	if (m->rtm_type != RTN_LOCAL)
		return add_shared(f, &n);
	n.link_local = is_link_local(&n);
	n.global = !n.link_local;
	return known(f, &n.addr) ? MNL_CB_OK : add_addr(f, &n);
}

static bool is_delivered(const struct rtmsg *m)
{
	return (m->rtm_family == AF_INET || m->rtm_family == AF_INET6) &&
	       (m->rtm_type == RTN_LOCAL || m->rtm_type == RTN_BROADCAST ||
		m->rtm_type == RTN_ANYCAST);
}

/* ---- default routes ---- */

static void mark_default(struct netfacts *f, uint32_t ifindex)
{
	size_t i;

	for (i = 0; i < f->nlinks; i++)
		if (f->links[i].ifindex == ifindex)
			f->links[i].default_route = true;
}

static void multipath(struct netfacts *f, const struct nlattr *a)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(a);
	int left = mnl_attr_get_payload_len(a);

	while (RTNH_OK(hop, left)) {
		mark_default(f, hop->rtnh_ifindex);
		left -= NLMSG_ALIGN(hop->rtnh_len);
		hop = RTNH_NEXT(hop);
	}
}

static int on_route(const struct nlmsghdr *h, void *arg)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *a;

	if (is_delivered(m))
		return on_delivered(arg, h, m);
	if (m->rtm_dst_len || m->rtm_type != RTN_UNICAST)
		return MNL_CB_OK;
	mnl_attr_for_each(a, h, sizeof(*m)) {
		if (mnl_attr_get_type(a) == RTA_OIF)
			mark_default(arg, mnl_attr_get_u32(a));
		else if (mnl_attr_get_type(a) == RTA_MULTIPATH)
			multipath(arg, a);
	}
	return MNL_CB_OK;
}

/* ---- dumps ---- */

static int receive_dump(struct mnl_socket *s, unsigned int seq, mnl_cb_t fn,
			struct netfacts *f)
{
	unsigned int port = mnl_socket_get_portid(s);
	_cleanup_free_ char *data = malloc(1 << 16);
	ssize_t n;
	int r = MNL_CB_OK;

	if (!data)
		return -ENOMEM;
	while (r > MNL_CB_STOP) {
		n = mnl_socket_recvfrom(s, data, 1 << 16);
		if (n < 0)
			return -errno;
		r = mnl_cb_run(data, n, seq, port, fn, f);
	}
	return r < 0 ? -errno : 0;
}

static int dump(struct mnl_socket *s, int type, mnl_cb_t fn, struct netfacts *f)
{
	static unsigned int seq;
	char data[256];
	struct nlmsghdr *h = mnl_nlmsg_put_header(data);

	h->nlmsg_type = (uint16_t)type;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	h->nlmsg_seq = ++seq;
	/* As long as the longest of the family headers, all zero: any. */
	mnl_nlmsg_put_extra_header(
		h, type == RTM_GETADDR	? sizeof(struct ifaddrmsg) :
		   type == RTM_GETROUTE ? sizeof(struct rtmsg) :
					  sizeof(struct ifinfomsg));
	errno = 0;
	if (mnl_socket_sendto(s, h, h->nlmsg_len) < 0)
		return -errno;
	return receive_dump(s, seq, fn, f);
}

static int read_once(struct netfacts *f)
{
	struct mnl_socket *s = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int one = 1, r;

	if (!s)
		return -errno;
	/* With it the kernel filters route dumps and checks our headers. */
	mnl_socket_setsockopt(s, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
	r = mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : 0;
	if (!r)
		r = dump(s, RTM_GETLINK, on_link, f);
	if (!r)
		r = dump(s, RTM_GETADDR, on_addr, f);
	if (!r)
		r = dump(s, RTM_GETROUTE, on_route, f);
	mnl_socket_close(s);
	return r;
}

int netfacts_read(struct netfacts *ret)
{
	struct netfacts f = {};
	int tries, r = -EINTR;

	/* -EINTR: something changed while the kernel dumped it. */
	for (tries = 0; tries < TRIES && r == -EINTR; tries++) {
		netfacts_free(&f);
		r = read_once(&f);
	}
	if (r) {
		netfacts_free(&f);
		return r;
	}
	*ret = f;
	return 0;
}

void netfacts_free(struct netfacts *f)
{
	free(f->links);
	free(f->addrs);
	free(f->shared);
	*f = (struct netfacts){};
}

const struct net_link *netfacts_link(const struct netfacts *f, uint32_t ifindex)
{
	size_t i;

	for (i = 0; i < f->nlinks; i++)
		if (f->links[i].ifindex == ifindex)
			return &f->links[i];
	return NULL;
}

/* ---- news ---- */

/* Routes change all the time on a router: only default ones matter, and those
 * that say what is ours. */
static bool matters(const struct nlmsghdr *h)
{
	const struct rtmsg *m;

	if (h->nlmsg_type != RTM_NEWROUTE && h->nlmsg_type != RTM_DELROUTE)
		return true;
	m = mnl_nlmsg_get_payload(h);
	return m->rtm_dst_len == 0 || is_delivered(m);
}

static void on_news(int fd, uint32_t events, void *arg)
{
	struct netmonitor *m = arg;
	char data[32768];
	const struct nlmsghdr *h;
	bool news = false;
	ssize_t n;
	int left;

	while ((n = recv(fd, data, sizeof(data), MSG_DONTWAIT)) > 0) {
		left = (int)n;
		for (h = (void *)data; mnl_nlmsg_ok(h, left);
		     h = mnl_nlmsg_next(h, &left))
			news = news || matters(h);
	}
	/* -ENOBUFS: news were lost, so there were some. */
	if (news || (n < 0 && errno == ENOBUFS))
		m->changed(m->arg);
}

int netmonitor_new(struct loop *loop, loop_fn changed, void *arg,
		   struct netmonitor **ret)
{
	struct netmonitor *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return -ENOMEM;
	*m = (struct netmonitor){ .loop = loop,
				  .changed = changed,
				  .arg = arg };
	m->socket = mnl_socket_open2(NETLINK_ROUTE,
				     SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!m->socket) {
		r = -errno;
		free(m);
		return r;
	}
	r = mnl_socket_bind(m->socket,
			    RTMGRP_LINK | RTMGRP_IPV4_IFADDR |
				    RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE |
				    RTMGRP_IPV6_ROUTE,
			    MNL_SOCKET_AUTOPID) < 0 ?
		    -errno :
		    0;
	if (!r)
		r = loop_add_fd(loop, mnl_socket_get_fd(m->socket), EPOLLIN,
				on_news, m);
	if (r) {
		mnl_socket_close(m->socket);
		free(m);
		return r;
	}
	*ret = m;
	return 0;
}

void netmonitor_free(struct netmonitor *m)
{
	if (!m)
		return;
	loop_remove_fd(m->loop, mnl_socket_get_fd(m->socket));
	mnl_socket_close(m->socket);
	free(m);
}
