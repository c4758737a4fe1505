/* SPDX-License-Identifier: BSD-2-Clause */
/* Which devices moat takes, and why (interface.md section 2, F23). */
#ifndef MOAT_SELECT_H
#define MOAT_SELECT_H

#include "agent/netfacts.h"
#include "moat/host.h"
#include "policy/config.h"

struct selection {
	bool taken;
	char why[96];
};

/* One entry of ret per link of f, in its order; ret holds f->nlinks. Pure. */
void select_interfaces(const struct config *c, const struct netfacts *f,
		       struct selection *ret);
/* A device whose frames we know how to read (F1); *ret_ether: it has an
 * Ethernet header. */
bool link_type_known(uint16_t type, bool *ret_ether);
/*
 * What programs know of a device that is taken, or, if port_of names a bond
 * that is taken, of its port: there runs the bond's native XDP program
 * (bond_xdp_set() of the kernel). All but the addresses.
 */
struct moat_iface select_entry(const struct net_link *l, uint32_t port_of);
/* May the XDP program be attached, as the mode says? why: a text if not. */
bool select_xdp(enum xdp_mode mode, const struct net_link *l,
		const char **ret_why);

#endif
