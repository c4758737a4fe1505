// SPDX-License-Identifier: BSD-2-Clause
/*
 * What becomes of live flows when a rule, a member or a group goes away
 * (design 3.5, R-16), by `keep` and by `reevaluate`, whichever way the first
 * packet after the push travels; NACLs are asked at once under both.
 */
#include "bpf/harness.h"

#include <linux/in.h>
#include <stdio.h>

#define IN ATTACH_TC_INGRESS
#define OUT ATTACH_TC_EGRESS
#define S MOAT_TCP_FLAG_SYN
#define A MOAT_TCP_FLAG_ACK

static struct harness *h;

static int open_once(void **state)
{
	h = harness_open(NULL);
	harness_own(h, "10.0.0.1", NULL);
	return 0;
}

static int close_once(void **state)
{
	harness_close(h);
	return 0;
}

#define BASE \
	"  base:\n    members: [10.0.0.0/24]\n    ingress:\n" \
	"      - {name: ping, from: [any], service: ping}\n    egress: []\n"
#define WEB(members, ports) \
	"  web:\n    members: [" members "]\n    ingress:\n" \
	"      - {name: http, from: [any], protocol: tcp, ports: [" ports \
	"]}\n" \
	"    egress: []\n"
#define WHOLE BASE WEB("10.0.0.1", "80")
#define NACL(in, out) \
	"network_acls:\n  acl:\n    applies_to: [base]\n    ingress:\n" \
	"      - {rule: 1, action: " in ", from: any}\n" \
	"    egress:\n      - {rule: 1, action: " out ", to: any}\n"

static void push(const char *how, const char *groups)
{
	static char text[2000];

	snprintf(text, sizeof(text),
		 "version: 1\nname: p\nmode: enforce\n"
		 "on_tighten: %s\nsecurity_groups:\n%s",
		 how, groups);
	harness_policy(h, text);
}

/* A SYN of theirs to port 80. */
static struct packet_spec opening(void)
{
	static uint16_t sport = 3000;

	return (struct packet_spec){
		.family = 4,
		.from = "10.9.0.1",
		.to = "10.0.0.1",
		.proto = 6,
		.sport = ++sport,
		.dport = 80,
		.flags = S,
		.seq = 100,
	};
}

/* An established connection of theirs to port 80. */
static struct packet_spec connected(void)
{
	struct packet_spec p = opening(), back = packet_reply(&p);

	expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_SG_ALLOW);
	back.flags = S | A;
	back.seq = 500;
	expect(h, OUT, &back, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	p.flags = A;
	p.ack = 501;
	expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	return p;
}

/* Two flows, of which one is met first by a packet out, one by a packet in;
 * both ways again, then the whole policy again. */
static void tightened(const char *how, const char *groups,
		      enum moat_verdict verdict, enum moat_reason reason)
{
	struct packet_spec p[2], back;

	push(how, WHOLE);
	p[0] = connected();
	p[1] = connected();
	push(how, groups);
	for (int i = 0; i < 2; i++) {
		back = packet_reply(&p[i]);
		back.flags = A;
		if (i)
			expect(h, IN, &p[i], verdict, reason);
		expect(h, OUT, &back, verdict, reason);
		expect(h, IN, &p[i], verdict, reason);
	}
	/* It comes back if the policy does. */
	push(how, WHOLE);
	for (int i = 0; i < 2; i++)
		expect(h, IN, &p[i], MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
}

static void both(const char *groups)
{
	tightened("keep", groups, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	tightened("reevaluate", groups, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
}

static void rule_gone(void **state)
{
	both(BASE WEB("10.0.0.1", "81"));
}

static void member_gone(void **state)
{
	both(BASE WEB("10.0.0.2", "80"));
}

static void group_gone(void **state)
{
	both(BASE);
}

/*
 * The failsafe's session that was there before us: whichever leg is seen first,
 * it is theirs. With the failsafe gone it lives by the rules of its opening.
 */
static void failsafe_gone(void **state)
{
	struct moat_failsafe some = {}, none = {};
	struct packet_spec p, back;

	failsafe_add4(&some, MOAT_INGRESS, IPPROTO_TCP, 80, 80);
	for (int i = 0; i < 2; i++) {
		push("keep", WHOLE);
		harness_failsafe(h, &some);
		p = opening();
		back = packet_reply(&p);
		p.flags = back.flags = A;
		if (i)
			expect(h, OUT, &back, MOAT_ALLOW, MOAT_REASON_FAILSAFE);
		expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_FAILSAFE);
		expect(h, OUT, &back, MOAT_ALLOW, MOAT_REASON_FAILSAFE);
		expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_FAILSAFE);
		harness_failsafe(h, &none);
		push("keep", WHOLE);
		expect(h, OUT, &back, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
		expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	}
}

/* What a flow keeps of its group is what the last policy with its rule said. */
static void mind_changed(void **state)
{
	static const char *const how[] = { "reevaluate", "keep" };

	for (int i = 0; i < 2; i++) {
		struct packet_spec p;

		push(how[i], WHOLE);
		p = connected();
		push(how[1 - i], WHOLE);
		expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
		push(how[1 - i], BASE);
		if (i)
			expect(h, IN, &p, MOAT_DROP, MOAT_REASON_SG_NO_MATCH);
		else
			expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
	}
}

static void nacl_at_once(void **state)
{
	static const char *const how[] = { "keep", "reevaluate" };
	struct packet_spec p, back;

	for (int i = 0; i < 2; i++) {
		push(how[i], WHOLE);
		p = connected();
		back = packet_reply(&p);
		back.flags = A;
		push(how[i], WHOLE NACL("allow", "deny"));
		expect(h, IN, &p, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
		expect_rule(h, OUT, &back, MOAT_DROP, MOAT_REASON_NACL_DENY,
			    "acl/1");
		push(how[i], WHOLE NACL("deny", "allow"));
		expect(h, OUT, &back, MOAT_ALLOW, MOAT_REASON_ESTABLISHED);
		expect_rule(h, IN, &p, MOAT_DROP, MOAT_REASON_NACL_DENY,
			    "acl/1");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rule_gone),	 cmocka_unit_test(member_gone),
		cmocka_unit_test(group_gone),	 cmocka_unit_test(mind_changed),
		cmocka_unit_test(failsafe_gone), cmocka_unit_test(nacl_at_once),
	};

	return cmocka_run_group_tests(tests, open_once, close_once);
}
