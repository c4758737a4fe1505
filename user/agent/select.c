// SPDX-License-Identifier: BSD-2-Clause
/* Rules for taking devices: configured names and globs, or `auto`. */
#include "agent/select.h"

#include <fnmatch.h>
#include <linux/if_arp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct job {
	const struct config *config;
	const struct netfacts *facts;
	struct selection *ret;
	/* 0 not looked at, 1 in progress, 2 done: devices name each other */
	unsigned char *state;
	/* The taken device that judges a device's frames, NULL: none does. */
	const char **by;
};

static const char *const decapsulating[] = {
	"vxlan",     "geneve",	  "gre", "gretap", "ip6gre",
	"ip6gretap", "ipip",	  "sit", "ip6tnl", "erspan",
	"ip6erspan", "wireguard", "vti", "vti6",   "xfrm",
	"gtp",	     "bareudp",	  "tun", "ppp",	   NULL,
};
static const char *const foreign_names[] = {
	"docker*",	"br-*",	    "virbr*",	  "cni*",     "cali*",
	"lxc*",		"cilium_*", "eni*",	  "flannel*", "kube-ipvs*",
	"nodelocaldns", "wg*",	    "tailscale*", NULL,
};
static const char *const auto_kinds[] = {
	"bond",	  "team",   "vlan",  "macvlan", "macvtap",
	"ipvlan", "ipvtap", "ipoib", "hsr",	NULL,
};
static const char *const no_xdp_kinds[] = {
	"veth",	   "bridge", "tun",    "vlan",	"team", "macvlan",
	"macvtap", "ipvlan", "ipvtap", "dummy", "bond", NULL,
};

static bool one_of(const char *name, const char *const *list)
{
	for (; *list; list++)
		if (strcmp(name, *list) == 0)
			return true;
	return false;
}

static bool matches(const char *name, const char *const *patterns)
{
	for (; *patterns; patterns++)
		if (fnmatch(*patterns, name, 0) == 0)
			return true;
	return false;
}

static void decide(struct selection *s, bool taken, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void decide(struct selection *s, bool taken, const char *fmt, ...)
{
	va_list ap;

	s->taken = taken;
	va_start(ap, fmt);
	vsnprintf(s->why, sizeof(s->why), fmt, ap);
	va_end(ap);
}

static void look_at(struct job *j, size_t i);

/* Where frames of that device are judged: itself or below, as a VLAN in a VLAN
 * is. NULL: nowhere, or the device isn't here. */
static const char *judged_at(struct job *j, uint32_t ifindex)
{
	size_t i;

	if (!ifindex)
		return NULL;
	for (i = 0; i < j->facts->nlinks; i++) {
		if (j->facts->links[i].ifindex != ifindex)
			continue;
		if (j->state[i] == 0)
			look_at(j, i);
		return j->ret[i].taken ? j->facts->links[i].name : j->by[i];
	}
	return NULL;
}

/* Judged where its frames pass already, so not a second time. */
static bool covered(struct job *j, size_t i)
{
	const struct net_link *l = &j->facts->links[i];
	const char *by = judged_at(j, l->master);

	if (by) {
		decide(&j->ret[i], false, "port of %s, which is taken", by);
	} else if (!one_of(l->kind, decapsulating)) {
		by = judged_at(j, l->lower);
		if (by)
			decide(&j->ret[i], false,
			       "on top of %s, which is taken", by);
	}
	j->by[i] = by;
	return by != NULL;
}

static void by_auto(struct job *j, size_t i)
{
	const struct net_link *l = &j->facts->links[i];
	struct selection *s = &j->ret[i];

	if (matches(l->name, foreign_names))
		decide(s, false, "auto: name of a container or tunnel device");
	else if (strcmp(l->kind, "veth") == 0 && !l->default_route)
		decide(s, false, "auto: veth without a default route");
	else if (l->kind[0] && strcmp(l->kind, "veth") != 0 &&
		 !one_of(l->kind, auto_kinds))
		decide(s, false, "auto: a %s device", l->kind);
	else if (!l->kind[0] && l->type != ARPHRD_ETHER &&
		 l->type != ARPHRD_INFINIBAND)
		decide(s, false, "auto: neither Ethernet nor InfiniBand");
	else if (!covered(j, i))
		decide(s, true, "auto: %s",
		       !l->kind[0] ? "physical" :
		       strcmp(l->kind, "veth") == 0 ?
				     "veth with a default route" :
				     l->kind);
}

static bool is_glob(const char *pattern)
{
	return strpbrk(pattern, "*?[") != NULL;
}

/* A literal name takes anything; a glob nothing that is judged elsewhere. */
static void by_list(struct job *j, size_t i)
{
	const struct net_link *l = &j->facts->links[i];
	const struct config *c = j->config;
	const char *glob = NULL;
	size_t n;

	for (n = 0; n < c->ninterfaces; n++) {
		if (strcmp(c->interfaces[n], l->name) == 0) {
			decide(&j->ret[i], true, "named in the configuration");
			return;
		}
		if (!glob && is_glob(c->interfaces[n]) &&
		    fnmatch(c->interfaces[n], l->name, 0) == 0)
			glob = c->interfaces[n];
	}
	if (glob && !covered(j, i))
		decide(&j->ret[i], true, "matches %.40s", glob);
}

static const char *excluded_by(const struct config *c, const char *name)
{
	size_t n;

	for (n = 0; n < c->nexclude; n++)
		if (fnmatch(c->exclude[n], name, 0) == 0)
			return c->exclude[n];
	return NULL;
}

static void look_at(struct job *j, size_t i)
{
	const struct net_link *l = &j->facts->links[i];
	const char *pattern = excluded_by(j->config, l->name);
	struct selection *s = &j->ret[i];

	j->state[i] = 1;
	if (l->type == ARPHRD_LOOPBACK) {
		decide(s, false, "loopback is never judged");
	} else if (pattern) {
		decide(s, false, "excluded by %.40s", pattern);
	} else {
		decide(s, false, "not in the configured interfaces");
		by_list(j, i);
		if (!s->taken && j->config->interfaces_auto)
			by_auto(j, i);
	}
	j->state[i] = 2;
}

void select_interfaces(const struct config *c, const struct netfacts *f,
		       struct selection *ret)
{
	unsigned char state[f->nlinks + 1];
	const char *by[f->nlinks + 1];
	struct job j = { c, f, ret, state, by };
	size_t i;

	memset(state, 0, sizeof(state));
	memset(by, 0, sizeof(by));
	memset(ret, 0, f->nlinks * sizeof(*ret));
	for (i = 0; i < f->nlinks; i++)
		if (state[i] == 0)
			look_at(&j, i);
}

/* MOAT_IFACE_* for the length of the link header, 0: not known. */
static __u32 link_header_flags(uint16_t type)
{
	switch (type) {
	case ARPHRD_ETHER:
		return MOAT_IFACE_ETHER;
	case ARPHRD_INFINIBAND:
		return MOAT_IFACE_INFINIBAND;
	case ARPHRD_NONE:
	case ARPHRD_TUNNEL:
	case ARPHRD_TUNNEL6:
	case ARPHRD_SIT:
	case ARPHRD_RAWIP:
		return MOAT_IFACE_NO_HEADER;
	default: /* GRE, PPP: the programs look where the packet ends */
		return 0;
	}
}

struct moat_iface select_entry(const struct net_link *l, uint32_t port_of)
{
	return (struct moat_iface){
		.ifindex = l->ifindex,
		.flags = link_header_flags(l->type) |
			 (port_of ? 0 : MOAT_IFACE_SELECTED),
		.mac = l->mac,
		.port_of = port_of,
	};
}

bool link_type_known(uint16_t type, bool *ret_ether)
{
	*ret_ether = type == ARPHRD_ETHER;
	switch (type) {
	case ARPHRD_ETHER:
	case ARPHRD_INFINIBAND:
	case ARPHRD_NONE: /* tun, wireguard */
	case ARPHRD_TUNNEL:
	case ARPHRD_TUNNEL6:
	case ARPHRD_SIT:
	case ARPHRD_IPGRE:
	case ARPHRD_IP6GRE:
	case ARPHRD_PPP:
	case ARPHRD_RAWIP:
		return true;
	default:
		return false;
	}
}

bool select_xdp(enum xdp_mode mode, const struct net_link *l,
		const char **ret_why)
{
	if (mode == XDP_MODE_NONE)
		*ret_why = "xdp: none";
	else if (l->type != ARPHRD_ETHER)
		*ret_why = "XDP reads Ethernet only";
	else if (mode != XDP_MODE_AUTO)
		return true;
	else if (one_of(l->kind, no_xdp_kinds) || l->kind[0])
		*ret_why = "xdp: auto takes physical devices only";
	else if (l->carrier)
		*ret_why = "xdp: auto attaches only while there is no carrier";
	else
		return true;
	return false;
}
