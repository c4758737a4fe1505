/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Links and addresses of our network namespace as rtnetlink(7) tells them;
 * sysfs would show those of another namespace (F44).
 */
#ifndef MOAT_NETFACTS_H
#define MOAT_NETFACTS_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "moat/base.h"
#include "moat/host.h"

struct net_link {
	uint32_t ifindex;
	uint32_t master; /* 0: none */
	uint32_t lower;	 /* IFLA_LINK in this namespace, 0: none */
	uint32_t mtu;
	uint64_t mac;  /* first byte lowest, or MOAT_MAC_NONE */
	uint16_t type; /* ARPHRD_* */
	bool up, carrier;
	bool default_route; /* one of its routes is a default route */
	char name[IF_NAMESIZE];
	char kind[32]; /* IFLA_INFO_KIND, "" for physical devices */
};

struct net_addr {
	uint32_t ifindex;
	struct moat_addr addr;	    /* v4-mapped for IPv4 */
	struct moat_addr broadcast; /* zero: none */
	uint8_t length;		    /* prefix length in the family's bits */
	bool v4, link_local, temporary, global, tentative;
	bool routed; /* no interface has it: ours by a local route */
};

/* What more hosts than this one have: a subnet's broadcast address, or its
 * routers' anycast address (RFC 4291 section 2.6.1). */
struct net_shared {
	uint32_t ifindex;
	struct moat_addr addr; /* v4-mapped for IPv4 */
};

struct netfacts {
	struct net_link *links;
	size_t nlinks;
	struct net_addr *addrs;
	size_t naddrs;
	struct net_shared *shared; /* of which the kernel delivers to us */
	size_t nshared;
	bool local_networks; /* local routes to more than an address */
};

/* Everything, by three dumps. 0 or -errno. */
int netfacts_read(struct netfacts *ret);
void netfacts_free(struct netfacts *f); /* back to {0} */
const struct net_link *netfacts_link(const struct netfacts *f,
				     uint32_t ifindex);

/* Calls changed() when links, addresses, default or local routes change; news may
 * have been lost, so it tells nothing but that. */
struct netmonitor;
int netmonitor_new(struct loop *loop, loop_fn changed, void *arg,
		   struct netmonitor **ret);
void netmonitor_free(struct netmonitor *m);

#endif
