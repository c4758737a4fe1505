// SPDX-License-Identifier: BSD-2-Clause
/*
 * The short way (bpf/quick.h) against the long way (bpf/pipeline.h): every
 * byte of the headers of an established flow's packet, changed to every
 * value, must get the same verdict, reason and counts, and leave the same
 * flow behind.
 */
#include "bpf/harness.h"

#include <linux/in.h>
#include <string.h>

#include "kern/private.h"

#define IN ATTACH_TC_INGRESS
#define OUT ATTACH_TC_EGRESS
#define S MOAT_TCP_FLAG_SYN
#define A MOAT_TCP_FLAG_ACK

static const char policy[] =
	"version: 1\nname: p\nmode: enforce\nsecurity_groups:\n"
	"  host:\n    members: [10.0.0.1, 'fd00::1']\n    ingress:\n"
	"      - {name: in, from: [any], protocol: [tcp, udp], ports: [80]}\n";

static struct harness *quick, *slow;

static struct harness *open_one(bool long_way)
{
	struct datapath_settings s;
	struct harness *h;

	harness_settings(&s);
	s.long_way = long_way;
	/* Changed addresses and ports make flows. */
	for (int i = 0; i < MOAT_TABLE_COUNT; i++)
		s.table_entries[i] = 16384;
	h = harness_open(&s);
	harness_own(h, "10.0.0.1", NULL);
	harness_own(h, "fd00::1", NULL);
	harness_policy(h, policy);
	return h;
}

static int open_both(void **state)
{
	quick = open_one(false);
	slow = open_one(true);
	return 0;
}

static int close_both(void **state)
{
	harness_close(quick);
	harness_close(slow);
	return 0;
}

static struct packet_spec theirs(int family, uint8_t proto, uint8_t flags)
{
	static const uint8_t data[40];

	return (struct packet_spec){
		.family = family,
		.proto = proto,
		.sport = 2000,
		.dport = 80,
		.from = family == 4 ? "10.9.0.1" : "fd00:9::1",
		.to = family == 4 ? "10.0.0.1" : "fd00::1",
		.flags = flags,
		.seq = flags & S ? 100 : 101,
		.ack = flags & A ? 501 : 0,
		.payload = data,
		.payload_len = flags & S ? 0 : sizeof(data),
	};
}

static void establish(struct harness *h, int family, uint8_t proto)
{
	struct packet_spec syn = theirs(family, proto, S);
	struct packet_spec ack = theirs(family, proto, A);
	struct packet_spec answer = packet_reply(&syn);

	answer.flags = S | A;
	answer.seq = 500;
	answer.ack = 101;
	harness_run(h, IN, &syn);
	harness_run(h, OUT, &answer);
	for (int i = 0; i < 3; i++)
		harness_run(h, IN, &ack);
	answer.flags = A;
	answer.seq = 501;
	for (int i = 0; i < 3; i++)
		harness_run(h, OUT, &answer);
}

static void same_outcome(enum attach_hook hook, const struct packet *p,
			 size_t at)
{
	struct outcome a = harness_frame(quick, hook, p);
	struct outcome b = harness_frame(slow, hook, p);

	a.trace.runs = b.trace.runs = 0;
	a.trace.generation = b.trace.generation = 0;
	if (a.action != b.action ||
	    memcmp(&a.trace, &b.trace, sizeof(a.trace)) ||
	    memcmp(&a.counted, &b.counted, sizeof(a.counted)) ||
	    memcmp(&a.all, &b.all, sizeof(a.all)))
		fail_msg("hook %d, byte %zu = %02x: short way reason %u, "
			 "%llu bytes; long way reason %u, %llu bytes",
			 hook, at, p->data[at], a.trace.reason,
			 (unsigned long long)a.all.bytes, b.trace.reason,
			 (unsigned long long)b.all.bytes);
}

static bool find(struct harness *h, const struct moat_flow_key *key,
		 struct moat_flow *ret)
{
	return harness_flow(h, MOAT_TABLE_FLOWS, key, ret) ||
	       harness_flow(h, MOAT_TABLE_UDP, key, ret) ||
	       harness_flow(h, MOAT_TABLE_CLOSING, key, ret);
}

static void same_flow(int family, uint8_t proto, size_t at)
{
	struct packet_spec s = theirs(family, proto, A);
	struct moat_flow_key key = harness_key(s.to, 80, s.from, 2000, proto);
	struct moat_flow a, b;
	bool has = find(quick, &key, &a);

	assert_int_equal(has, find(slow, &key, &b));
	if (!has)
		return;
	if (memcmp(a.packets, b.packets, sizeof(a.packets)) ||
	    memcmp(a.bytes, b.bytes, sizeof(a.bytes)) || a.state != b.state ||
	    memcmp(a.seen, b.seen, sizeof(a.seen)) || a.fin[0] != b.fin[0])
		fail_msg(
			"byte %zu: the flows differ: %llu and %llu packets in, "
			"%llu and %llu bytes, states %u and %u, seen %02x %02x "
			"and %02x %02x",
			at, (unsigned long long)a.packets[0],
			(unsigned long long)b.packets[0],
			(unsigned long long)a.bytes[0],
			(unsigned long long)b.bytes[0], a.state, b.state,
			a.seen[0], a.seen[1], b.seen[0], b.seen[1]);
}

/* Begins anew for each byte, since some values end the flow. */
static void change_each_byte(enum attach_hook hook, int family, uint8_t proto)
{
	struct packet_spec s = theirs(family, proto, A), reply;
	static struct packet p;

	reply = packet_reply(&s);
	reply.flags = A;
	packet_build(hook == IN ? &s : &reply, &p);
	for (size_t at = 12; at < p.payload; at++) {
		uint8_t was = p.data[at];

		flows_clear(quick->dp);
		flows_clear(slow->dp);
		establish(quick, family, proto);
		establish(slow, family, proto);
		for (int value = 0; value < 256; value++) {
			p.data[at] = (uint8_t)value;
			same_outcome(hook, &p, at);
		}
		p.data[at] = was;
		same_outcome(hook, &p, at);
		same_flow(family, proto, at);
	}
}

static void tcp_over_ipv4(void **state)
{
	change_each_byte(IN, 4, IPPROTO_TCP);
	change_each_byte(OUT, 4, IPPROTO_TCP);
}

static void tcp_over_ipv6(void **state)
{
	change_each_byte(IN, 6, IPPROTO_TCP);
	change_each_byte(OUT, 6, IPPROTO_TCP);
}

static void udp(void **state)
{
	change_each_byte(IN, 4, IPPROTO_UDP);
	change_each_byte(OUT, 6, IPPROTO_UDP);
}

/* Every length that TEST_RUN takes: from the IP header alone on. */
static void cut_anywhere(void **state)
{
	for (int family = 4; family <= 6; family += 2) {
		struct packet_spec s = theirs(family, IPPROTO_TCP, A);
		static struct packet p;

		establish(quick, family, IPPROTO_TCP);
		establish(slow, family, IPPROTO_TCP);
		packet_build(&s, &p);
		for (size_t whole = p.len; p.len >= p.l4; p.len--)
			same_outcome(IN, &p, p.len < whole ? p.len : 0);
		same_flow(family, IPPROTO_TCP, 0);
	}
}

static void segments_of_any_size(void **state)
{
	struct packet_spec s = theirs(4, IPPROTO_TCP, A);
	static struct packet p;

	establish(quick, 4, IPPROTO_TCP);
	establish(slow, 4, IPPROTO_TCP);
	s.payload_len = 3000;
	s.payload = NULL;
	packet_build(&s, &p);
	for (__u32 size = 0; size <= 3000; size += 250)
		for (__u32 segs = 0; segs <= 12; segs += 3) {
			quick->gso_size = slow->gso_size = size;
			quick->gso_segs = slow->gso_segs = segs;
			same_outcome(IN, &p, 0);
		}
	same_flow(4, IPPROTO_TCP, 0);
}

/* A flow's key has no family: IPv6 between the mapped addresses of an IPv4 flow
 * would go by that one's lease or record. */
static void mapped_addresses(void **state)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP };
	static struct packet p;

	for (int i = 0; i < 4; i++) {
		enum attach_hook hook = i & 1 ? OUT : IN;
		uint8_t proto = protos[i / 2];
		struct packet_spec s = theirs(6, proto, A);

		flows_clear(quick->dp);
		flows_clear(slow->dp);
		establish(quick, 4, proto);
		establish(slow, 4, proto);
		s.from = "::ffff:10.9.0.1";
		s.to = "::ffff:10.0.0.1";
		if (hook == OUT) {
			s = packet_reply(&s);
			s.flags = A;
		}
		packet_build(&s, &p);
		same_outcome(hook, &p, 0);
		expect(quick, hook, &s, MOAT_DROP, MOAT_REASON_BAD_SOURCE);
		same_flow(4, proto, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mapped_addresses),
		cmocka_unit_test(tcp_over_ipv4),
		cmocka_unit_test(tcp_over_ipv6),
		cmocka_unit_test(udp),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(segments_of_any_size),
	};

	return cmocka_run_group_tests(tests, open_both, close_both);
}
