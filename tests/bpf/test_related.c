// SPDX-License-Identifier: BSD-2-Clause
/*
 * ICMP errors (design 3.5, attacks 2.2): related to a tracked flow, whoever
 * sent them; everything else in them is dropped. Redirects never pass.
 */
#include "bpf/harness.h"

#include <linux/in.h>
#include <linux/in6.h>

#define IN ATTACH_TC_INGRESS
#define OUT ATTACH_TC_EGRESS
#define OURS "10.0.0.1"
#define THEIRS "10.1.0.1"
#define ROUTER "192.0.2.1"
#define OURS6 "fd00::1"
#define THEIRS6 "fd01::1"
#define ROUTER6 "2001:db8::1"

/* The NACL lets no ICMP in: errors of tracked flows pass before it. */
static const char policy[] =
	"version: 1\nname: t\nmode: enforce\n"
	"security_groups:\n"
	"  g:\n"
	"    members: [10.0.0.0/24, \"fd00::/64\"]\n"
	"    ingress:\n"
	"      - {name: syslog, from: [any], protocol: udp, ports: [514]}\n"
	"    egress:\n"
	"      - {name: all, to: [any]}\n"
	"network_acls:\n"
	"  n:\n"
	"    applies_to: [g]\n"
	"    ingress:\n"
	"      - {rule: 1, action: allow, from: [any], protocol: [tcp, udp]}\n"
	"    egress:\n"
	"      - {rule: 1, action: allow, to: [any]}\n";

static struct harness *h;
static uint16_t port = 2000; /* of a flow: never the same twice */

static int open_once(void **state)
{
	h = harness_host(OURS, OURS6);
	harness_policy(h, policy);
	return 0;
}

static int close_once(void **state)
{
	harness_close(h);
	return 0;
}

/* A flow that we opened, and an error about its packet from the router. */
static struct packet_spec flow4, flow6;
static int begin(void **state)
{
	flow4 = (struct packet_spec){
		.family = 4,
		.from = OURS,
		.to = THEIRS,
		.proto = IPPROTO_UDP,
		.sport = ++port,
		.dport = 53,
		.payload_len = 40,
	};
	flow6 = flow4;
	flow6.family = 6;
	flow6.from = OURS6;
	flow6.to = THEIRS6;
	expect(h, OUT, &flow4, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	expect(h, OUT, &flow6, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	return 0;
}

static struct packet_spec error4(uint8_t type, uint8_t code,
				 const struct packet_spec *inner)
{
	return (struct packet_spec){
		.family = 4,
		.from = ROUTER,
		.to = OURS,
		.proto = IPPROTO_ICMP,
		.type = type,
		.code = code,
		.inner = inner,
	};
}

static struct packet_spec error6(uint8_t type, const struct packet_spec *inner)
{
	return (struct packet_spec){
		.family = 6,
		.from = ROUTER6,
		.to = OURS6,
		.proto = IPPROTO_ICMPV6,
		.type = type,
		.inner = inner,
	};
}

/* "g/all": the rule of the flow is credited; it is one of egress. */
static void related(struct packet_spec *p)
{
	struct outcome o = expect(h, IN, p, MOAT_ALLOW, MOAT_REASON_RELATED);

	assert_string_equal(harness_rule_name(h, o.trace.slot), "g/all");
}

static void every_error(void **state)
{
	static const uint8_t types4[] = { 3, 4, 11, 12 };
	struct packet_spec p;

	for (int i = 0; i < 4; i++) {
		p = error4(types4[i], types4[i] == 3 ? 4 : 0, &flow4);
		related(&p);
		p = error6(i + 1, &flow6);
		related(&p);
	}
}

/* 24 bytes of the inner packet: ports alone. RFC 792 promises 28. */
static void short_quotes(void **state)
{
	struct packet_spec p = error4(3, 4, &flow4);

	p.inner_len = 24;
	related(&p);
	p.inner_len = 23;
	expect(h, IN, &p, MOAT_DROP, MOAT_REASON_NACL_DENY);
	p.inner_len = 20;
	expect(h, IN, &p, MOAT_DROP, MOAT_REASON_NACL_DENY);
	p = error6(2, &flow6);
	p.inner_len = 44;
	related(&p);
	p.inner_len = 43;
	expect(h, IN, &p, MOAT_DROP, MOAT_REASON_NACL_DENY);
}

static void strange(struct packet_spec inner)
{
	struct packet_spec p = error4(3, 4, &inner);

	expect(h, IN, &p, MOAT_DROP, MOAT_REASON_NACL_DENY);
}

static void unrelated(void **state)
{
	struct packet_spec i = flow4, p, nested;

	i.sport++;
	strange(i);		       /* no flow */
	strange(packet_reply(&flow4)); /* direction swapped */
	i = flow4;
	i.proto = IPPROTO_TCP;
	strange(i);
	i = flow4;
	i.ihl = PACKET_SET(15);
	strange(i);
	i.ihl = PACKET_SET(4);
	strange(i);
	i = flow4;
	i.offset = 8;
	strange(i);
	i = flow4;
	i.version = PACKET_SET(6);
	strange(i);
	nested = error4(3, 4, &flow4);
	nested.from = OURS;
	nested.to = THEIRS;
	strange(nested);
	i = flow4; /* not whom the error is for */
	i.from = "10.0.0.2";
	harness_own(h, "10.0.0.2", NULL);
	expect(h, OUT, &i, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	strange(i);
	p = error4(3, 4, &i);
	p.to = "10.0.0.2";
	related(&p);
}

/* Quoted bytes that would be the flow's ports, were they not of a later
 * fragment. */
static void quoted_fragments(void **state)
{
	struct packet_spec p = error4(3, 4, &flow4);
	static struct packet frame;
	struct outcome o;
	uint8_t *fragment;

	packet_build(&p, &frame);
	fragment = &frame.data[frame.l4 + 8 + 6];
	for (int bit = 0; bit < 16; bit++) {
		fragment[0] = (1 << bit) >> 8;
		fragment[1] = 1 << bit;
		o = harness_frame(h, IN, &frame);
		assert_int_equal(o.trace.reason, bit < 13 ?
							 MOAT_REASON_NACL_DENY :
							 MOAT_REASON_RELATED);
		assert_int_equal(o.trace.verdict,
				 bit < 13 ? MOAT_DROP : MOAT_ALLOW);
	}
}

/* A header that says it is shorter than one can be: what it says the ports are
 * is the address before them, and a flow has ports like that. */
static void header_too_short(void **state)
{
	struct packet_spec p;

	flow4.sport = 10 << 8 | 1; /* 10.1.0.1 */
	flow4.dport = 0 << 8 | 1;
	expect(h, OUT, &flow4, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	p = error4(3, 4, &flow4);
	related(&p);
	flow4.ihl = PACKET_SET(4);
	expect(h, IN, &p, MOAT_DROP, MOAT_REASON_NACL_DENY);
}

/* An ICMPv4 error quoting IPv6, and the other way round. */
static void other_family(void **state)
{
	struct packet_spec p = error4(3, 4, &flow6);

	expect(h, IN, &p, MOAT_DROP, MOAT_REASON_NACL_DENY);
	p = error6(2, &flow4);
	expect(h, IN, &p, MOAT_DROP, MOAT_REASON_NACL_DENY);
}

static void redirects(void **state)
{
	struct packet_spec p = error4(5, 1, &flow4);

	expect(h, IN, &p, MOAT_DROP, MOAT_REASON_REDIRECT);
	p = error6(137, &flow6);
	p.ttl = 255;
	expect(h, IN, &p, MOAT_DROP, MOAT_REASON_REDIRECT);
}

/* We answer a datagram of theirs with port unreachable. */
static void outward(void **state)
{
	struct packet_spec in = {
		.family = 4,
		.from = THEIRS,
		.to = OURS,
		.proto = IPPROTO_UDP,
		.sport = ++port,
		.dport = 514,
		.payload_len = 40,
	};
	struct packet_spec p = error4(3, 3, &in), other = in;

	p.from = OURS;
	p.to = THEIRS;
	expect(h, OUT, &p, MOAT_DROP, MOAT_REASON_NOT_RELATED);
	expect(h, IN, &in, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	expect(h, OUT, &p, MOAT_ALLOW, MOAT_REASON_RELATED);
	other.to = "10.0.0.3";
	p.inner = &other;
	expect(h, OUT, &p, MOAT_DROP, MOAT_REASON_NOT_RELATED);
	/* What they sent quoted back to them by themselves: not ours. */
	p = error4(3, 3, &in);
	expect(h, IN, &p, MOAT_DROP, MOAT_REASON_NACL_DENY);
}

/* F31: an echo's error names its identifier. */
static void queries(void **state)
{
	struct packet_spec echo = {
		.family = 4,
		.from = OURS,
		.to = THEIRS,
		.proto = IPPROTO_ICMP,
		.type = 8,
		.rest = (uint32_t)++port << 16 | 1,
	};
	struct packet_spec p = error4(11, 0, &echo);

	expect(h, IN, &p, MOAT_DROP, MOAT_REASON_NACL_DENY);
	expect(h, OUT, &echo, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	related(&p);
	echo.rest ^= 1 << 16;
	expect(h, IN, &p, MOAT_DROP, MOAT_REASON_NACL_DENY);
}

/* F34: PMTU of the operator's own session. */
static void failsafe_pair(void **state)
{
	struct moat_failsafe f = {};
	struct packet_spec ssh = {
		.family = 4,
		.from = OURS,
		.to = THEIRS,
		.proto = IPPROTO_TCP,
		.sport = 22,
		.dport = ++port,
		.flags = MOAT_TCP_FLAG_ACK,
	};
	struct packet_spec p = error4(3, 4, &ssh);

	failsafe_add4(&f, MOAT_INGRESS, IPPROTO_TCP, 22, 22);
	expect(h, IN, &p, MOAT_DROP, MOAT_REASON_NACL_DENY);
	harness_failsafe(h, &f);
	expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_ESSENTIAL_ICMP);
}

#define at(test) cmocka_unit_test_setup(test, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		at(every_error),      at(short_quotes),	 at(unrelated),
		at(other_family),     at(redirects),	 at(outward),
		at(queries),	      at(failsafe_pair), at(header_too_short),
		at(quoted_fragments),
	};

	return cmocka_run_group_tests_name("related", tests, open_once,
					   close_once);
}
