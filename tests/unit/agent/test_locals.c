// SPDX-License-Identifier: BSD-2-Clause
/* Own addresses: judged, assigned, following another, broadcast (F36, F37). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/held.h"
#include "agent/locals.h"

#include <linux/if_arp.h>
#include "base/addr.h"

static const char document[] =
	"version: 1\nname: t\nmode: enforce\nsecurity_groups:\n"
	"  g: {members: [10.0.0.0/24, \"fd00::/64\"], ingress: [], "
	"egress: []}\n";

static struct net_link links[] = {
	{ .ifindex = 1, .name = "lo", .type = ARPHRD_LOOPBACK },
	{ .ifindex = 2, .name = "eth0", .type = ARPHRD_ETHER },
	{ .ifindex = 3, .name = "docker0", .type = ARPHRD_ETHER },
};
static const struct selection taken[] = { { false, "" },
					  { true, "" },
					  { false, "" } };

static struct net_addr address(const char *text, uint32_t ifindex)
{
	struct net_addr a = { .ifindex = ifindex, .global = true };
	int family;

	assert_int_equal(addr_parse(text, &a.addr, &family), 0);
	a.v4 = family == 4;
	return a;
}

struct world {
	struct net_addr addrs[10];
	struct netfacts facts;
	struct held *held;
	struct local *l;
	size_t n;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct config *c = config_default();
	struct diags diags = {};

	w->facts = (struct netfacts){ .links = links,
				      .nlinks = 3,
				      .addrs = w->addrs };
	assert_int_equal(held_read(document, NULL, c, &diags, &w->held), 0);
	diags_free(&diags);
	config_free(c);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	held_free(w->held);
	free(w->l);
	free(w);
	return 0;
}

static struct net_addr *add(struct world *w, const char *text, uint32_t on)
{
	w->addrs[w->facts.naddrs] = address(text, on);
	return &w->addrs[w->facts.naddrs++];
}

static const struct local *find(const struct world *w, const char *text)
{
	struct net_addr a = address(text, 0);

	for (size_t i = 0; i < w->n; i++)
		if (addr_equal(&w->l[i].net.addr, &a.addr))
			return &w->l[i];
	return NULL;
}

static void compute(struct world *w)
{
	assert_int_equal(locals_compute(&w->facts, taken, w->held->policy,
					&w->l, &w->n),
			 0);
}

static void kinds(void **state)
{
	struct world *w = *state;

	add(w, "127.0.0.1", 1);
	add(w, "::1", 1);
	add(w, "10.0.0.99", 1); /* a VIP */
	add(w, "10.0.0.1", 2);
	add(w, "192.0.2.1", 2);
	add(w, "172.17.0.1", 3);
	compute(w);
	assert_null(find(w, "127.0.0.1"));
	assert_null(find(w, "::1"));
	assert_true(find(w, "10.0.0.99")->judged);
	assert_true(find(w, "10.0.0.99")->assigned);
	assert_false(local_needs_group(find(w, "10.0.0.1")));
	assert_true(local_needs_group(find(w, "192.0.2.1")));
	/* On a device that isn't judged nobody needs a group. */
	assert_false(find(w, "172.17.0.1")->judged);
	assert_false(local_needs_group(find(w, "172.17.0.1")));
}

static void followers(void **state)
{
	static const struct moat_addr none;
	struct world *w = *state;
	struct net_addr *ll, *temp, *other;

	add(w, "192.0.2.1", 2);
	add(w, "10.0.0.1", 2);
	add(w, "fd00::1", 2);
	ll = add(w, "fe80::1", 2);
	ll->link_local = true;
	ll->global = false;
	temp = add(w, "2001:db8::5", 2);
	temp->temporary = true;
	other = add(w, "fe80::2", 3);
	other->link_local = true;
	other->global = false;
	compute(w);
	/* The same family first, and only those of the own interface. */
	assert_true(addr_equal(&find(w, "fe80::1")->alias,
			       &find(w, "fd00::1")->net.addr));
	assert_true(addr_equal(&find(w, "2001:db8::5")->alias,
			       &find(w, "fd00::1")->net.addr));
	assert_true(addr_equal(&find(w, "fe80::2")->alias, &none));
	assert_true(addr_equal(&find(w, "10.0.0.1")->alias, &none));
	assert_false(local_needs_group(find(w, "2001:db8::5")));
}

/* Without an address of its family a link-local one follows the other's. */
static void follows_the_other_family(void **state)
{
	struct world *w = *state;
	struct net_addr *ll;

	add(w, "10.0.0.1", 2);
	ll = add(w, "fe80::1", 2);
	ll->link_local = true;
	compute(w);
	assert_true(addr_equal(&find(w, "fe80::1")->alias,
			       &find(w, "10.0.0.1")->net.addr));
}

static void map_entries(void **state)
{
	struct world *w = *state;
	struct own_entry *own = NULL;
	struct moat_iface first = {};
	struct net_addr *a;
	size_t n = 0;

	a = add(w, "10.0.0.1", 2);
	a->broadcast = address("10.0.0.255", 2).addr;
	a = add(w, "10.0.0.7", 2); /* /32: its own broadcast */
	a->broadcast = a->addr;
	a = add(w, "2001:db8::5", 2);
	a->temporary = true;
	add(w, "fd00::1", 2);
	compute(w);
	assert_int_equal(locals_own(w->l, w->n, &w->facts, &own, &n), 0);
	assert_int_equal(n, 5);
	assert_int_equal(own[4].own.flags, MOAT_OWN_BROADCAST);
	assert_int_equal(own[0].own.flags, 0);
	assert_int_equal(own[0].own.ifindex, 2);
	locals_first(w->l, w->n, 2, &first);
	assert_true(addr_equal(&first.first4, &own[0].addr));
	assert_true(addr_equal(&first.first6, &find(w, "fd00::1")->net.addr));
	free(own);
}

/* Routes name broadcast addresses that no interface tells, and some that are
 * known, or lo's. */
static void shared_addresses(void **state)
{
	static const char *const routes[] = { "10.0.0.255", "10.0.0.0",
					      "10.0.1.255", "fd00::",
					      "fd00::",	    "127.255.255.255",
					      "10.0.0.1" };
	static const char *const want[] = { "10.0.0.1", "10.0.0.255",
					    "10.0.0.0", "10.0.1.255",
					    "fd00::" };
	struct net_shared shared[ARRAY_SIZE(routes)];
	struct world *w = *state;
	struct own_entry *own = NULL;
	size_t n = 0;

	add(w, "10.0.0.1", 2)->broadcast = address("10.0.0.255", 2).addr;
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++)
		shared[i] = (struct net_shared){ 2,
						 address(routes[i], 2).addr };
	w->facts.shared = shared;
	w->facts.nshared = ARRAY_SIZE(routes);
	compute(w);
	assert_int_equal(locals_own(w->l, w->n, &w->facts, &own, &n), 0);
	assert_int_equal(n, ARRAY_SIZE(want));
	for (size_t i = 0; i < n; i++) {
		struct moat_addr addr = address(want[i], 2).addr;

		assert_true(addr_equal(&own[i].addr, &addr));
		assert_int_equal(own[i].own.flags, i ? MOAT_OWN_BROADCAST : 0);
		assert_int_equal(own[i].own.ifindex, 2);
	}
	free(own);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(kinds),
		TEST(followers),
		TEST(follows_the_other_family),
		TEST(map_entries),
		TEST(shared_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
