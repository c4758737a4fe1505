// SPDX-License-Identifier: BSD-2-Clause
/* Own addresses, their aliases and broadcast addresses (design 2, F36, F37). */
#include "agent/locals.h"

#include <errno.h>
#include <linux/if_arp.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "compile/compile.h"

static bool is_loopback(const struct net_addr *a)
{
	static const struct moat_addr one = { .b[15] = 1 };

	return a->v4 ? addr_v4(&a->addr) >> 24 == 127 :
		       addr_equal(&a->addr, &one);
}

static bool in_a_group(const struct policy *p, const struct moat_addr *a)
{
	size_t first;

	return p && policy_groups_of(p, a, &first, 1) > 0;
}

/* Does it take over another's profile when it is in no group itself? */
static bool follows(const struct local *l)
{
	return l->net.link_local || l->net.temporary;
}

/*
 * The address that a link-local or temporary one follows: of its interface,
 * in a group, of its own family if there is one.
 */
static void find_alias(struct local *all, size_t n, struct local *l)
{
	const struct local *found = NULL;
	size_t i;

	for (i = 0; i < n; i++) {
		if (all[i].net.ifindex != l->net.ifindex || follows(&all[i]) ||
		    !all[i].assigned)
			continue;
		if (!found ||
		    (found->net.v4 != l->net.v4 && all[i].net.v4 == l->net.v4))
			found = &all[i];
	}
	if (found)
		l->alias = found->net.addr;
}

static struct local local_of(const struct netfacts *f,
			     const struct selection *s, const struct policy *p,
			     size_t which)
{
	const struct net_addr *a = &f->addrs[which];
	const struct net_link *l = netfacts_link(f, a->ifindex);
	struct local ret = { .net = *a, .name = l ? l->name : "?" };

	ret.judged = l && (s[l - f->links].taken ||
			   (l->type == ARPHRD_LOOPBACK && a->global));
	ret.assigned = in_a_group(p, &a->addr);
	return ret;
}

int locals_compute(const struct netfacts *f, const struct selection *s,
		   const struct policy *p, struct local **ret,
		   size_t *ret_count)
{
	struct local *all = calloc(f->naddrs + 1, sizeof(*all));
	size_t i, n = 0;

	if (!all)
		return -ENOMEM;
	for (i = 0; i < f->naddrs; i++)
		if (!is_loopback(&f->addrs[i]))
			all[n++] = local_of(f, s, p, i);
	for (i = 0; i < n; i++)
		if (follows(&all[i]) && !all[i].assigned)
			find_alias(all, n, &all[i]);
	*ret = all;
	*ret_count = n;
	return 0;
}

bool local_needs_group(const struct local *l)
{
	return l->judged && !l->assigned && !follows(l) && !l->net.tentative;
}

static void add_hosts(struct own_entry *own, size_t *count,
		      const struct local *l, size_t n, bool judged)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (l[i].judged == judged)
			own[(*count)++] = (struct own_entry){
				l[i].net.addr,
				{ l[i].alias, 0, l[i].net.ifindex }
			};
}

static bool has_own(const struct own_entry *own, size_t n,
		    const struct moat_addr *a)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (addr_equal(&own[i].addr, a))
			return true;
	return false;
}

/* Of hosts, not of networks: 127.255.255.255 never comes in. */
static void add_shared(struct own_entry *own, size_t *count,
		       const struct moat_addr *a, uint32_t ifindex)
{
	static const struct moat_addr none;
	struct net_addr net = { .addr = *a, .v4 = addr_is_v4(a) };

	if (addr_equal(a, &none) || is_loopback(&net) ||
	    has_own(own, *count, a))
		return;
	own[(*count)++] = (struct own_entry){
		*a, { {}, MOAT_OWN_BROADCAST, ifindex }
	};
}

int locals_own(const struct local *l, size_t n, const struct netfacts *f,
	       struct own_entry **ret, size_t *ret_count)
{
	struct own_entry *own = calloc(2 * n + f->nshared + 1, sizeof(*own));
	size_t i, count = 0;

	if (!own)
		return -ENOMEM;
	/* Where there are too many the last are left out. */
	add_hosts(own, &count, l, n, true);
	add_hosts(own, &count, l, n, false);
	for (i = 0; i < n; i++)
		add_shared(own, &count, &l[i].net.broadcast, l[i].net.ifindex);
	for (i = 0; i < f->nshared; i++)
		add_shared(own, &count, &f->shared[i].addr,
			   f->shared[i].ifindex);
	*ret = own;
	*ret_count = count;
	return 0;
}

void locals_first(const struct local *l, size_t n, uint32_t ifindex,
		  struct moat_iface *ret)
{
	static const struct moat_addr none;
	struct moat_addr *first;
	size_t i;

	for (i = 0; i < n; i++) {
		if (l[i].net.ifindex != ifindex || !l[i].net.global ||
		    l[i].net.temporary)
			continue;
		first = l[i].net.v4 ? &ret->first4 : &ret->first6;
		if (addr_equal(first, &none))
			*first = l[i].net.addr;
	}
}
