// SPDX-License-Identifier: BSD-2-Clause
/* Which devices are taken, and why (interface.md section 2, F1, F20, F23). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/select.h"

#include <linux/if_arp.h>
#include "base/cleanup.h"

/* One of each kind that a host may have. */
static struct net_link links[] = {
	{ .ifindex = 1, .name = "lo", .type = ARPHRD_LOOPBACK },
	{ .ifindex = 2, .name = "eth0", .type = ARPHRD_ETHER, .carrier = true },
	{ .ifindex = 3, .name = "eth1", .type = ARPHRD_ETHER, .master = 5 },
	{ .ifindex = 4, .name = "eth2", .type = ARPHRD_ETHER, .master = 5 },
	{ .ifindex = 5, .name = "bond0", .type = ARPHRD_ETHER, .kind = "bond" },
	{ .ifindex = 6,
	  .name = "bond0.7",
	  .type = ARPHRD_ETHER,
	  .kind = "vlan",
	  .lower = 5 },
	{ .ifindex = 7, .name = "br0", .type = ARPHRD_ETHER, .kind = "bridge" },
	{ .ifindex = 8, .name = "eth3", .type = ARPHRD_ETHER, .master = 7 },
	{ .ifindex = 9,
	  .name = "docker0",
	  .type = ARPHRD_ETHER,
	  .kind = "bridge" },
	{ .ifindex = 10, .name = "veth1", .type = ARPHRD_ETHER, .kind = "veth" },
	{ .ifindex = 11,
	  .name = "veth2",
	  .type = ARPHRD_ETHER,
	  .kind = "veth",
	  .default_route = true },
	{ .ifindex = 12, .name = "ib0", .type = ARPHRD_INFINIBAND },
	{ .ifindex = 13,
	  .name = "wg0",
	  .type = ARPHRD_NONE,
	  .kind = "wireguard" },
	{ .ifindex = 14,
	  .name = "vxlan9",
	  .type = ARPHRD_ETHER,
	  .kind = "vxlan",
	  .lower = 2 },
	{ .ifindex = 15,
	  .name = "mv0",
	  .type = ARPHRD_ETHER,
	  .kind = "macvlan",
	  .lower = 10 },
	{ .ifindex = 16,
	  .name = "dummy0",
	  .type = ARPHRD_ETHER,
	  .kind = "dummy" },
	{ .ifindex = 17, .name = "can0", .type = 280 },
	{ .ifindex = 18, .name = "eth4", .type = ARPHRD_ETHER },
	{ .ifindex = 19,
	  .name = "bond0.7.8",
	  .type = ARPHRD_ETHER,
	  .kind = "vlan",
	  .lower = 6 },
};
#define NLINKS ARRAY_SIZE(links)
static const struct netfacts facts = { .links = links, .nlinks = NLINKS };

static struct selection chosen[NLINKS];

static const struct selection *of(const char *name)
{
	for (size_t i = 0; i < NLINKS; i++)
		if (!strcmp(links[i].name, name))
			return &chosen[i];
	fail_msg("no device %s", name);
	return NULL;
}

static void takes(const char *const *names)
{
	for (size_t i = 0; i < NLINKS; i++) {
		const char *const *n = names;

		while (*n && strcmp(*n, links[i].name))
			n++;
		if (chosen[i].taken != (*n != NULL))
			fail_msg("%s: taken %d (%s)", links[i].name,
				 chosen[i].taken, chosen[i].why);
		assert_true(chosen[i].why[0]);
	}
}

static void by_auto(void **state)
{
	const struct config c = { .interfaces_auto = true };

	select_interfaces(&c, &facts, chosen);
	takes((const char *const[]){ "eth0", "bond0", "eth3", "veth2", "ib0",
				     "mv0", "eth4", NULL });
	assert_string_equal(of("eth1")->why, "port of bond0, which is taken");
	assert_string_equal(of("bond0.7")->why,
			    "on top of bond0, which is taken");
	assert_string_equal(of("bond0.7.8")->why,
			    "on top of bond0, which is taken");
	assert_string_equal(of("docker0")->why,
			    "auto: name of a container or tunnel device");
	assert_string_equal(of("br0")->why, "auto: a bridge device");
	assert_string_equal(of("veth1")->why,
			    "auto: veth without a default route");
	assert_string_equal(of("lo")->why, "loopback is never judged");
	assert_string_equal(of("can0")->why,
			    "auto: neither Ethernet nor InfiniBand");
}

/* A glob takes nothing twice; what decapsulates is another packet. */
static void by_star(void **state)
{
	char *all[] = { "*" };
	const struct config c = { .interfaces = all, .ninterfaces = 1 };

	select_interfaces(&c, &facts, chosen);
	takes((const char *const[]){ "eth0", "bond0", "br0", "docker0", "veth1",
				     "veth2", "ib0", "wg0", "vxlan9", "dummy0",
				     "can0", "eth4", NULL });
	assert_string_equal(of("eth3")->why, "port of br0, which is taken");
	assert_string_equal(of("mv0")->why, "on top of veth1, which is taken");
	assert_string_equal(of("eth0")->why, "matches *");
}

/* A name takes what no glob would; exclude wins over everything. */
static void by_name(void **state)
{
	char *names[] = { "eth*", "bond0", "eth1", "lo" };
	char *except[] = { "eth4", "eth0*" };
	const struct config c = { .interfaces = names,
				  .ninterfaces = 4,
				  .exclude = except,
				  .nexclude = 2 };

	select_interfaces(&c, &facts, chosen);
	takes((const char *const[]){ "eth1", "bond0", "eth3", NULL });
	assert_string_equal(of("eth1")->why, "named in the configuration");
	assert_string_equal(of("eth2")->why, "port of bond0, which is taken");
	assert_string_equal(of("eth4")->why, "excluded by eth4");
	assert_string_equal(of("eth0")->why, "excluded by eth0*");
}

/* Devices that name each other must not send us round in circles. */
static void cycles(void **state)
{
	struct net_link ring[] = {
		{ .ifindex = 1, .name = "a", .type = ARPHRD_ETHER, .lower = 2 },
		{ .ifindex = 2, .name = "b", .type = ARPHRD_ETHER, .master = 1 },
	};
	const struct netfacts f = { .links = ring, .nlinks = 2 };
	const struct config c = { .interfaces_auto = true };
	struct selection s[2];

	select_interfaces(&c, &f, s);
	assert_true(s[0].taken != s[1].taken);
}

static void types(void **state)
{
	bool ether;

	assert_true(link_type_known(ARPHRD_ETHER, &ether));
	assert_true(ether);
	assert_true(link_type_known(ARPHRD_NONE, &ether));
	assert_false(ether);
	assert_true(link_type_known(ARPHRD_INFINIBAND, &ether));
	assert_false(link_type_known(280, &ether));
	assert_false(link_type_known(ARPHRD_IEEE80211_RADIOTAP, &ether));
}

static void xdp_modes(void **state)
{
	const struct net_link *eth0 = &links[1], *eth4 = &links[17];
	const struct net_link *veth = &links[9], *wg = &links[12];
	const char *why = "";

	assert_false(select_xdp(XDP_MODE_NONE, eth0, &why));
	assert_string_equal(why, "xdp: none");
	/* auto: while there is no carrier, and physical devices only. */
	assert_false(select_xdp(XDP_MODE_AUTO, eth0, &why));
	assert_non_null(strstr(why, "no carrier"));
	assert_true(select_xdp(XDP_MODE_AUTO, eth4, &why));
	assert_false(select_xdp(XDP_MODE_AUTO, veth, &why));
	assert_false(select_xdp(XDP_MODE_AUTO, &links[4], &why));
	assert_true(select_xdp(XDP_MODE_NATIVE, veth, &why));
	assert_true(select_xdp(XDP_MODE_GENERIC, eth0, &why));
	assert_false(select_xdp(XDP_MODE_NATIVE, wg, &why));
	assert_string_equal(why, "XDP reads Ethernet only");
}

static void entries(void **state)
{
	struct net_link eth = links[1];
	struct moat_iface e;

	eth.mac = 0x665544332211;
	e = select_entry(&eth, 0);
	assert_int_equal(e.ifindex, 2);
	assert_int_equal(e.flags, MOAT_IFACE_SELECTED | MOAT_IFACE_ETHER);
	assert_int_equal(e.mac, 0x665544332211);
	assert_int_equal(e.port_of, 0);
	e = select_entry(&eth, 5);
	assert_int_equal(e.flags, MOAT_IFACE_ETHER);
	assert_int_equal(e.port_of, 5);
	e = select_entry(&links[12], 0);
	assert_int_equal(e.flags, MOAT_IFACE_SELECTED | MOAT_IFACE_NO_HEADER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_auto), cmocka_unit_test(by_star),
		cmocka_unit_test(by_name), cmocka_unit_test(cycles),
		cmocka_unit_test(types),   cmocka_unit_test(xdp_modes),
		cmocka_unit_test(entries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
