// SPDX-License-Identifier: BSD-2-Clause
/*
 * AF_PACKET senders name an EtherType beside the frame (sll_protocol), and the
 * skb believes them. Whoever gets the frame reads its bytes: those are judged,
 * whatever was said (G10).
 */
#include "bpf/harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "bpf/place.h"

#define OURS "10.0.0.1"
#define OURS6 "fd00::1"
#define LLDP 0x88cc
#define IPOIB_TYPE 20 /* of the EtherType behind the pseudo header */

static const char policy[] =
	"version: 1\nname: t\nmode: enforce\nsecurity_groups:\n"
	"  g:\n    members: [" OURS ", '" OURS6 "']\n    egress:\n"
	"      - {name: web, to: [any], protocol: [tcp, udp], ports: [80]}\n";

static struct harness *h;
static __u32 near;
static int sender;

static int begin(void **state)
{
	struct hook_state hook[ATTACH_HOOK_COUNT];
	struct datapath_settings s;
	char dir[128];

	snprintf(dir, sizeof(dir), "%s/sender", place_enter());
	place_run("sysctl -qw net.ipv6.conf.default.disable_ipv6=1");
	near = place_veth("near", "far");
	harness_settings(&s);
	s.pin_dir = dir;
	h = harness_open(&s);
	harness_own(h, OURS, NULL);
	harness_own(h, OURS6, NULL);
	harness_iface(h, near, OURS, OURS6);
	harness_policy(h, policy);
	datapath_heartbeat(h->dp);
	assert_int_equal(attach_tc(h->dp, near, hook), 0);
	sender = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	assert_true(sender >= 0);
	return 0;
}

static int end(void **state)
{
	char dir[128];

	close(sender);
	snprintf(dir, sizeof(dir), "%s/sender", place_enter());
	harness_close(h);
	assert_int_equal(detach_all(dir), 0);
	return place_leave(state);
}

static __u64 counted(enum moat_reason reason)
{
	struct iface_stats st;

	assert_int_equal(
		stats_iface(h->dp, datapath_iface_index(h->dp, near), &st), 0);
	return st.direction[MOAT_EGRESS].count[reason].packets;
}

/* Sends it with this EtherType beside it: it goes, or is dropped, and that
 * counts under the reason. */
static void sends(const struct packet *p, uint16_t said,
		  enum moat_verdict verdict, enum moat_reason reason)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_ifindex = (int)near,
				  .sll_protocol = htons(said),
				  .sll_halen = ETH_ALEN };
	__u64 before = counted(reason);
	ssize_t n = sendto(sender, p->data, p->len, 0, (struct sockaddr *)&to,
			   sizeof(to));

	if (counted(reason) != before + 1)
		fail_msg("said %04x, in the frame %02x%02x: not %d", said,
			 p->data[12], p->data[13], reason);
	if (verdict == MOAT_ALLOW)
		assert_int_equal(n, p->len);
	else
		assert_true(n < 0 && errno == ENOBUFS);
}

static void build(int family, uint8_t proto, uint16_t dport, size_t tags,
		  struct packet *ret)
{
	static uint16_t sport = 2000;
	struct packet_spec s = {
		.family = family,
		.from = family == 4 ? OURS : OURS6,
		.to = family == 4 ? "10.9.0.1" : "fd00:9::1",
		.proto = proto,
		.sport = ++sport,
		.dport = dport,
		.flags = proto == IPPROTO_TCP ? MOAT_TCP_FLAG_SYN : 0,
		.to_mac = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
		.vlan = { { ETH_P_8021Q, 5 }, { ETH_P_8021Q, 6 } },
		.nvlan = tags,
	};

	packet_build(&s, ret);
}

static void ip_by_another_name(void **state)
{
	static const uint16_t said[] = {
		0,	    LLDP,	 ETH_P_ARP,    ETH_P_IP,
		ETH_P_IPV6, ETH_P_8021Q, ETH_P_8021AD, 0x0100
	};
	static struct packet p;

	for (size_t i = 0; i < ARRAY_SIZE(said); i++)
		for (int n = 0; n < 12; n++) {
			int family = n & 1 ? 6 : 4;
			uint8_t proto = n & 2 ? IPPROTO_UDP : IPPROTO_TCP;

			build(family, proto, 81, n / 4, &p);
			sends(&p, said[i], MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
			build(family, proto, 80, n / 4, &p);
			sends(&p, said[i], MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
		}
}

/* A tag whose number reads like an IP header is a tag. */
static void tag_like_a_header(void **state)
{
	static struct packet p;

	build(4, IPPROTO_UDP, 81, 1, &p);
	p.data[14] = 0x45;
	sends(&p, ETH_P_IP, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
	build(6, IPPROTO_UDP, 81, 1, &p);
	p.data[14] = 0x60;
	sends(&p, ETH_P_IPV6, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
}

/* What is no IP in the frame either; and what only was said to be IP. */
static void not_ip(void **state)
{
	static struct packet p;

	build(4, IPPROTO_TCP, 81, 0, &p);
	p.data[12] = LLDP >> 8;
	p.data[13] = LLDP & 0xff;
	sends(&p, LLDP, MOAT_ALLOW, MOAT_REASON_NON_IP);
	sends(&p, ETH_P_ARP, MOAT_ALLOW, MOAT_REASON_NON_IP);
	sends(&p, ETH_P_IP, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
}

/* Ethernet to InfiniBand, and back. */
static void other_link(void)
{
	struct moat_iface *last = &h->ifaces[h->nifaces - 1];

	assert_int_equal(last->ifindex, near);
	last->flags ^= MOAT_IFACE_ETHER | MOAT_IFACE_INFINIBAND;
	assert_int_equal(datapath_set_ifaces(h->dp, h->ifaces, h->nifaces), 0);
}

/* IPoIB: 20 bytes of pseudo header, EtherType, two bytes reserved. */
static void infiniband(void **state)
{
	static struct packet p, ib;

	other_link();
	for (int i = 0; i < 4; i++) {
		int family = i & 1 ? 6 : 4;

		build(family, IPPROTO_TCP, i < 2 ? 81 : 80, 0, &p);
		memset(&ib, 0, sizeof(ib));
		memcpy(ib.data + IPOIB_TYPE, p.data + 12, 2);
		memcpy(ib.data + IPOIB_TYPE + 4, p.data + p.l3, p.len - p.l3);
		ib.len = p.len - p.l3 + IPOIB_TYPE + 4;
		if (i < 2)
			sends(&ib, LLDP, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
		else
			sends(&ib, LLDP, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	}
	other_link();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ip_by_another_name),
		cmocka_unit_test(tag_like_a_header),
		cmocka_unit_test(not_ip),
		cmocka_unit_test(infiniband),
	};

	return cmocka_run_group_tests_name("sender", tests, begin, end);
}
