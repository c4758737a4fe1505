// SPDX-License-Identifier: BSD-2-Clause
/*
 * XDP at MTU 9000: the native attach takes frames of several buffers (5.18),
 * and verdicts hold for frames above 4 KiB, on real frames and wherever the
 * linear part ends (F25).
 */
#include "bpf/harness.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bpf/place.h"

#define OURS "10.0.0.1"
#define THEIRS "10.1.0.1"
#define PAYLOAD 8500
#define FRAMES 50
#define S MOAT_TCP_FLAG_SYN

static const char policy[] =
	"version: 1\nname: t\nmode: enforce\nsecurity_groups:\n"
	"  g:\n    members: [" OURS "]\n    ingress:\n"
	"      - {name: data, from: [any], protocol: udp, ports: [5000]}\n";

static struct harness *h;
static __u32 near, far; /* the enforced end, and the sender's */
static int sender;

static int begin(void **state)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET };
	struct datapath_settings s;
	char dir[128];

	snprintf(dir, sizeof(dir), "%s/jumbo", place_enter());
	near = place_veth("near", "far");
	far = place_ifindex("far");
	place_run("ip link set near mtu 9000 && ip link set far mtu 9000");
	place_run("ip addr add " OURS "/24 dev near");
	place_run("ip route add 10.1.0.0/24 dev near");
	place_run("sysctl -qw net.ipv4.conf.all.rp_filter=0");
	harness_settings(&s);
	s.pin_dir = dir;
	h = harness_open(&s);
	harness_own(h, OURS, NULL);
	harness_iface(h, near, OURS, NULL);
	harness_policy(h, policy);
	datapath_heartbeat(h->dp);
	sender = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	to.sll_ifindex = (int)far;
	assert_int_equal(bind(sender, (struct sockaddr *)&to, sizeof(to)), 0);
	return 0;
}

static int end(void **state)
{
	char dir[128];

	close(sender);
	snprintf(dir, sizeof(dir), "%s/jumbo", place_enter());
	harness_close(h);
	assert_int_equal(detach_all(dir), 0);
	return place_leave(state);
}

static void need_frags(void)
{
	if (datapath_facts()->xdp_frags)
		return;
	print_message("%s has no frames of several buffers in XDP\n",
		      datapath_facts()->release);
	skip();
}

static struct packet_spec large(uint8_t proto, uint16_t port)
{
	return (struct packet_spec){
		.family = 4,
		.from = THEIRS,
		.to = OURS,
		.proto = proto,
		.sport = 3000,
		.dport = port,
		.flags = S,
		.to_mac = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
		.payload_len = PAYLOAD,
	};
}

static void transmit(struct packet_spec s)
{
	static struct packet p;

	packet_build(&s, &p);
	assert_true(p.len > 4096);
	for (int i = 0; i < FRAMES; i++)
		assert_int_equal(send(sender, p.data, p.len, 0), p.len);
}

static struct moat_totals totals(void)
{
	struct moat_totals t;

	assert_int_equal(stats_totals(h->dp, &t), 0);
	return t;
}

static __u64 counted(enum moat_reason reason)
{
	struct iface_stats st;

	assert_int_equal(
		stats_iface(h->dp, datapath_iface_index(h->dp, near), &st), 0);
	return st.direction[MOAT_INGRESS].count[reason].packets;
}

static void real_frames(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(5000) };
	struct hook_state hook[ATTACH_HOOK_COUNT];
	static char got[PAYLOAD + 1];
	struct pollfd fd = { .events = POLLIN };
	int bytes = 4 << 20;

	need_frags();
	assert_int_equal(attach_tc(h->dp, near, hook), 0);
	assert_int_equal(
		attach_xdp(h->dp, near, ATTACH_NATIVE, &hook[ATTACH_XDP]), 0);
	assert_int_equal(hook[ATTACH_XDP].kind, ATTACH_NATIVE);
	fd.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(setsockopt(fd.fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes,
				    sizeof(bytes)),
			 0);
	assert_int_equal(bind(fd.fd, (struct sockaddr *)&at, sizeof(at)), 0);

	transmit(large(IPPROTO_TCP, 81));
	for (int i = 0; i < 100 && totals().xdp_dropped < FRAMES; i++)
		usleep(20000);
	assert_int_equal(totals().xdp_dropped, FRAMES);
	assert_int_equal(counted(MOAT_REASON_SG_NO_MATCH), FRAMES);

	transmit(large(IPPROTO_UDP, 5000));
	for (int i = 0; i < FRAMES; i++) {
		assert_int_equal(poll(&fd, 1, 5000), 1);
		assert_int_equal(recv(fd.fd, got, sizeof(got), 0), PAYLOAD);
	}
	assert_int_equal(totals().xdp_dropped, FRAMES);
	close(fd.fd);
	assert_int_equal(detach_interface(h->dp, near), 0);
}

static void linear_parts(void **state)
{
	static const __u32 lengths[] = { 14, 15, 20, 34, 35, 42, 54, 3000 };
	struct packet_spec open = large(IPPROTO_UDP, 5000);
	struct packet_spec closed = large(IPPROTO_TCP, 81);

	need_frags();
	memset(open.to_mac, 0, 6);
	memset(closed.to_mac, 0, 6);
	h->ifindex = HARNESS_IFINDEX;
	harness_iface(h, HARNESS_IFINDEX, OURS, NULL);
	for (size_t i = 0; i < 8; i++) {
		h->linear = lengths[i];
		expect(h, ATTACH_XDP, &closed, MOAT_DROP,
		       MOAT_REASON_SG_NO_MATCH);
		expect(h, ATTACH_XDP, &open, MOAT_ALLOW, MOAT_REASON_NONE);
	}
	h->linear = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_frames),
		cmocka_unit_test(linear_parts),
	};

	return cmocka_run_group_tests_name("jumbo", tests, begin, end);
}
