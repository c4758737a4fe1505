// SPDX-License-Identifier: BSD-2-Clause
/*
 * Follows the namespace: every piece of news leads to one look at the whole,
 * soon after, and the datapath is made to fit what is there.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "base/addr.h"
#include "base/log.h"

#define SETTLE_MS 20 /* news come in bursts */
#define ATTACHED_MAX 4096

static struct iface *find_iface(struct iface *list, size_t n, uint32_t ifindex)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (list[i].link.ifindex == ifindex)
			return &list[i];
	return NULL;
}

static bool wanted(const struct iface *i)
{
	return i->selection.taken && i->known_type;
}

/* ---- addresses ---- */

/* Too many: those that fit are judged, and it is told that others are not. */
static int set_own(struct agent *a)
{
	_cleanup_free_ struct own_entry *own = NULL;
	size_t n = 0;
	int r = locals_own(a->locals, a->nlocals, &a->facts, &own, &n);

	if (r)
		return r;
	a->own_left_out = n > MOAT_OWN_MAX ? n - MOAT_OWN_MAX : 0;
	/* What is left out is known to the kernel's routes. */
	r = datapath_set_local_networks(a->dp, a->facts.local_networks ||
						       a->own_left_out);
	return r ? r : datapath_set_own(a->dp, own, n - a->own_left_out);
}

/* The bond that is taken, of a port that is not; 0: none. */
static uint32_t port_of(const struct agent *a, const struct iface *port)
{
	const struct iface *m = find_iface(a->ifaces, a->nifaces,
					   port->link.master);

	return m && wanted(m) && !strcmp(m->link.kind, "bond") ?
		       m->link.ifindex :
		       0;
}

/* Ports come last: devices that are judged have the first pick. */
static int set_ifaces(struct agent *a)
{
	struct moat_iface list[MOAT_IFACES - 1];
	const struct iface *i, *end = a->ifaces + a->nifaces;
	size_t n = 0;
	int r;

	for (i = a->ifaces; i < end && n < ARRAY_SIZE(list); i++) {
		if (!wanted(i))
			continue;
		list[n] = select_entry(&i->link, 0);
		locals_first(a->locals, a->nlocals, i->link.ifindex, &list[n]);
		n++;
	}
	for (i = a->ifaces; i < end && n < ARRAY_SIZE(list); i++)
		if (!wanted(i) && port_of(a, i))
			list[n++] = select_entry(&i->link, port_of(a, i));
	r = datapath_set_ifaces(a->dp, list, n);
	a->ifaces_left_out = 0;
	for (i = a->ifaces; i < end; i++)
		a->ifaces_left_out += wanted(i) &&
				      datapath_iface_index(a->dp,
							   i->link.ifindex) ==
					      MOAT_IFACES - 1;
	return r;
}

static bool same_addresses(const struct local *a, size_t na,
			   const struct local *b, size_t nb)
{
	size_t i;

	if (na != nb)
		return false;
	for (i = 0; i < na; i++)
		if (!addr_equal(&a[i].net.addr, &b[i].net.addr))
			return false;
	return true;
}

int agent_refresh_locals(struct agent *a)
{
	_cleanup_free_ struct selection *s = calloc(a->facts.nlinks + 1,
						    sizeof(*s));
	const struct policy *policy = a->current ? a->current->policy : NULL;
	struct local *locals = NULL;
	size_t n = 0;
	bool same;
	int r;

	if (!s)
		return -ENOMEM;
	select_interfaces(a->config, &a->facts, s);
	r = locals_compute(&a->facts, s, policy, &locals, &n);
	if (r)
		return r;
	same = same_addresses(locals, n, a->locals, a->nlocals);
	free(a->locals);
	a->locals = locals;
	a->nlocals = n;
	r = set_own(a);
	if (r)
		log_write(LOG_LEVEL_ERROR, "own addresses: %s", strerror(-r));
	return r ? r : !same;
}

/* ---- devices ---- */

static int build_ifaces(struct agent *a, const struct netfacts *f)
{
	_cleanup_free_ struct selection *s = calloc(f->nlinks + 1, sizeof(*s));
	struct iface *list = calloc(f->nlinks + 1, sizeof(*list)), *i, *old;
	size_t n;

	if (!s || !list) {
		free(list);
		return -ENOMEM;
	}
	select_interfaces(a->config, f, s);
	for (n = 0; n < f->nlinks; n++) {
		i = &list[n];
		old = find_iface(a->ifaces, a->nifaces, f->links[n].ifindex);
		if (old)
			*i = *old;
		i->link = f->links[n];
		i->selection = s[n];
		i->known_type = link_type_known(i->link.type, &i->ether);
	}
	free(a->ifaces);
	a->ifaces = list;
	a->nifaces = f->nlinks;
	return 0;
}

/* Devices that left: the selection, this namespace, or the world. */
static void detach_others(struct agent *a)
{
	uint32_t attached[ATTACHED_MAX];
	struct iface *i;
	size_t n, count = attach_list(a->dp, attached, ATTACHED_MAX);

	for (n = 0; n < count; n++) {
		i = find_iface(a->ifaces, a->nifaces, attached[n]);
		if (i && wanted(i))
			continue;
		log_notice("interface %s (%u): detached",
			   i ? i->link.name : "gone", attached[n]);
		detach_interface(a->dp, attached[n]);
		if (!i)
			continue;
		i->was_attached = false;
		memset(i->hook, 0, sizeof(i->hook));
	}
}

static void attach_wanted(struct agent *a)
{
	struct iface *i;

	for (i = a->ifaces; i < a->ifaces + a->nifaces; i++) {
		if (wanted(i))
			agent_attach(a, i);
		else if (i->selection.taken)
			snprintf(i->why, sizeof(i->why),
				 "link type %u is "
				 "unknown, its headers can't be read",
				 i->link.type);
	}
}

int agent_refresh_net(struct agent *a)
{
	struct netfacts f = {};
	int changed, r = netfacts_read(&f);

	if (r)
		return log_error(r, "rtnetlink: %s", strerror(-r));
	r = build_ifaces(a, &f);
	if (r) {
		netfacts_free(&f);
		return r;
	}
	netfacts_free(&a->facts);
	a->facts = f;
	changed = agent_refresh_locals(a);
	r = set_ifaces(a);
	if (r)
		log_write(LOG_LEVEL_ERROR, "interfaces: %s", strerror(-r));
	if (a->pins_hidden || !a->attaching)
		return 0;
	detach_others(a);
	attach_wanted(a);
	agent_save_programs(a);
	keep_now(&a->keep, a->dp);
	if (changed > 0)
		agent_recompile(a);
	return 0;
}

static void on_settled(void *arg)
{
	struct agent *a = arg;

	a->refresh_timer = 0;
	agent_refresh_net(a);
}

static void on_news(void *arg)
{
	struct agent *a = arg;

	if (a->refresh_timer > 0)
		return;
	a->refresh_timer = loop_add_timer(a->loop, SETTLE_MS, 0, on_settled, a);
	if (a->refresh_timer < 0)
		on_settled(a);
}

int agent_watch_net(struct agent *a)
{
	return netmonitor_new(a->loop, on_news, a, &a->monitor);
}

void agent_free_net(struct agent *a)
{
	netmonitor_free(a->monitor);
	netfacts_free(&a->facts);
	free(a->ifaces);
	free(a->locals);
}
