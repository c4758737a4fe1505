// SPDX-License-Identifier: BSD-2-Clause
/*
 * Audit and enforce of both layers (design 3.7, F11), flows of audit, and
 * flows judged again after a switch (on_tighten, design 3.5).
 */
#include "bpf/harness.h"

#include <linux/in.h>
#include <stdio.h>

#define IN ATTACH_TC_INGRESS
#define OUT ATTACH_TC_EGRESS
#define OURS "10.0.0.1"
#define THEIRS "10.1.0.1"
#define S MOAT_TCP_FLAG_SYN
#define A MOAT_TCP_FLAG_ACK

static struct harness *h;
static uint16_t port = 3000;

static int open_once(void **state)
{
	h = harness_host(OURS, NULL);
	harness_own(h, "10.9.0.1", NULL);
	return 0;
}

static int close_once(void **state)
{
	harness_close(h);
	return 0;
}

/* A group that lets tcp/80 in and an NACL that lets tcp/80-81 in, tcp/443 and
 * udp out; modes of the policy, the group and the NACL. */
static void policy(const char *mode, const char *group, const char *nacl)
{
	static char text[2000];

	snprintf(
		text, sizeof(text),
		"version: 1\nname: t\nmode: %s\n"
		"security_groups:\n"
		"  g:\n"
		"    mode: %s\n"
		"    members: [10.0.0.0/24]\n"
		"    ingress:\n"
		"      - {name: web, from: [any], protocol: tcp, ports: [80, 90]}\n"
		"    egress:\n"
		"      - {name: dns, to: [any], protocol: udp, ports: [53, 54]}\n"
		"network_acls:\n"
		"  n:\n"
		"    mode: %s\n"
		"    applies_to: [g]\n"
		"    ingress:\n"
		"      - {rule: 5, action: deny, from: [any], protocol: tcp, ports: [90]}\n"
		"      - {rule: 10, action: allow, from: [any], protocol: tcp, ports: [80-81]}\n"
		"      - {rule: 20, action: allow, from: [any], protocol: udp, ports: [1024-65535]}\n"
		"    egress:\n"
		"      - {rule: 10, action: allow, to: [any], protocol: tcp, ports: [1024-65535]}\n"
		"      - {rule: 20, action: allow, to: [any], protocol: udp, ports: [53]}\n",
		mode, group, nacl);
	harness_policy(h, text);
}

static struct packet_spec in(uint16_t dport)
{
	return (struct packet_spec){
		.family = 4,
		.from = THEIRS,
		.to = OURS,
		.proto = IPPROTO_TCP,
		.sport = ++port,
		.dport = dport,
		.flags = S,
		.seq = 5,
	};
}

static struct packet_spec out(uint16_t dport)
{
	return (struct packet_spec){
		.family = 4,
		.from = OURS,
		.to = THEIRS,
		.proto = IPPROTO_UDP,
		.sport = ++port,
		.dport = dport,
		.payload_len = 10,
	};
}

#define ALLOW MOAT_ALLOW
#define DROP MOAT_DROP
#define WOULD MOAT_WOULD_DROP
#define NACL MOAT_REASON_NACL_DENY
#define SG MOAT_REASON_SG_NO_MATCH
#define PASS MOAT_REASON_SG_ALLOW

static void also(const struct outcome *o, enum moat_reason second)
{
	assert_int_equal(o->trace.also_reason, second);
	assert_int_equal(o->all.packets, second ? 2 : 1);
}

/* Inward: the NACL first. 80: both yes; 81: group no; 90: NACL no; 99: both. */
static void inward(void **state)
{
	static const struct {
		const char *group, *nacl;
		struct {
			enum moat_verdict v;
			enum moat_reason r;
		} at[3];
		enum moat_reason second;
	} cases[] = {
		{ "enforce",
		  "enforce",
		  { { DROP, SG }, { DROP, NACL }, { DROP, NACL } },
		  0 },
		{ "audit",
		  "enforce",
		  { { WOULD, SG }, { DROP, NACL }, { DROP, NACL } },
		  0 },
		{ "enforce",
		  "audit",
		  { { DROP, SG }, { WOULD, NACL }, { DROP, SG } },
		  0 },
		{ "audit",
		  "audit",
		  { { WOULD, SG }, { WOULD, NACL }, { WOULD, NACL } },
		  SG },
	};
	static const uint16_t ports[] = { 81, 90, 99 };

	for (size_t i = 0; i < 4; i++) {
		struct packet_spec p = in(80);
		struct outcome o;

		policy("enforce", cases[i].group, cases[i].nacl);
		expect_rule(h, IN, &p, ALLOW, PASS, "g/web");
		for (int k = 0; k < 3; k++) {
			p = in(ports[k]);
			o = expect(h, IN, &p, cases[i].at[k].v,
				   cases[i].at[k].r);
		}
		also(&o, cases[i].second);
	}
}

/* Outward: the group first. 53: both yes; 54: NACL no; 55: both no. */
static void outward(void **state)
{
	struct packet_spec p;
	struct outcome o;

	policy("enforce", "enforce", "enforce");
	p = out(53);
	expect_rule(h, OUT, &p, ALLOW, PASS, "g/dns");
	p = out(54);
	expect_rule(h, OUT, &p, DROP, NACL, "n/*");
	p = out(55);
	expect_rule(h, OUT, &p, DROP, SG, "");
	policy("enforce", "audit", "enforce");
	p = out(55);
	expect_rule(h, OUT, &p, DROP, NACL, "n/*");
	policy("enforce", "audit", "audit");
	p = out(55);
	o = expect(h, OUT, &p, WOULD, SG);
	also(&o, NACL);
	p = out(54);
	expect_rule(h, OUT, &p, WOULD, NACL, "n/*");
	/* The flow exists, and goes on counting what its NACL would drop. */
	o = expect_rule(h, OUT, &p, WOULD, NACL, "n/*");
	also(&o, 0);
}

/* Replies of a flow meet the NACL of their direction (design 3.6). */
static void replies_meet_the_nacl(void **state)
{
	struct packet_spec syn, back;

	policy("enforce", "enforce", "enforce");
	syn = in(80);
	syn.sport = 1000; /* egress lets 1024 and above out */
	back = packet_reply(&syn);
	back.flags = S | A;
	expect(h, IN, &syn, ALLOW, PASS);
	expect_rule(h, OUT, &back, DROP, NACL, "n/*");
	policy("enforce", "enforce", "audit");
	expect_rule(h, OUT, &back, WOULD, NACL, "n/*");
}

/* In audit a denied opening makes a flow: replies count under it. */
static void flows_of_audit(void **state)
{
	struct packet_spec syn, back;
	struct moat_flow_key key;
	struct moat_flow f;

	policy("audit", "audit", "audit");
	syn = in(81);
	back = packet_reply(&syn);
	back.flags = S | A;
	key = harness_key(OURS, 81, THEIRS, syn.sport, IPPROTO_TCP);
	expect(h, IN, &syn, WOULD, SG);
	assert_true(harness_flow(h, MOAT_TABLE_DENIED, &key, &f));
	assert_true(f.word & MOAT_WORD_WOULD_DROP);
	expect(h, OUT, &back, WOULD, SG);
	syn.flags = A;
	expect(h, IN, &syn, WOULD, SG);
	/* Enforced, such flows are dropped, both ways. */
	policy("enforce", "enforce", "enforce");
	expect(h, IN, &syn, DROP, SG);
	expect(h, OUT, &back, DROP, SG);
	/* And allowed by a later policy they live. */
	harness_policy(
		h,
		"version: 1\nname: u\nmode: enforce\n"
		"security_groups:\n  g:\n"
		"    members: [10.0.0.0/24]\n    ingress:\n"
		"      - {name: alt, from: [any], protocol: tcp, ports: [81]}\n"
		"    egress: []\n");
	expect(h, IN, &syn, ALLOW, MOAT_REASON_ESTABLISHED);
	expect(h, OUT, &back, ALLOW, MOAT_REASON_ESTABLISHED);
	assert_true(harness_flow(h, MOAT_TABLE_EMBRYONIC_IN, &key, &f));
	assert_false(f.word & MOAT_WORD_WOULD_DROP);
}

/* A drop leaves a record, which is no flow. */
static void record_of_a_drop(void **state)
{
	struct packet_spec syn, back;
	struct moat_flow_key key;
	struct moat_flow f;

	policy("enforce", "enforce", "enforce");
	syn = in(81);
	back = packet_reply(&syn);
	back.flags = S | A;
	key = harness_key(OURS, 81, THEIRS, syn.sport, IPPROTO_TCP);
	expect(h, IN, &syn, DROP, SG);
	expect(h, IN, &syn, DROP, SG);
	assert_true(harness_flow(h, MOAT_TABLE_DENIED, &key, &f));
	assert_int_equal(f.packets[MOAT_INGRESS], 2);
	assert_int_equal(MOAT_WORD_REASON(f.word), SG);
	assert_false(f.word & MOAT_WORD_WOULD_DROP);
	back.dport = 2000;
	expect(h, OUT, &back, DROP, MOAT_REASON_NO_FLOW);
}

static void tighten(const char *how, const char *ports)
{
	static char text[1000];

	snprintf(text, sizeof(text),
		 "version: 1\nname: t\nmode: enforce\n"
		 "security_groups:\n  g:\n    on_tighten: %s\n"
		 "    members: [10.0.0.0/24]\n    ingress:\n"
		 "      - {name: %s, from: [any], protocol: tcp, ports: [%s]}\n"
		 "    egress: []\n",
		 how, ports[0] == '7' ? "old" : "new", ports);
	harness_policy(h, text);
}

static void on_tighten(void **state)
{
	struct packet_spec syn = in(70), back = packet_reply(&syn);

	back.flags = S | A;
	tighten("keep", "70");
	expect_rule(h, IN, &syn, ALLOW, PASS, "g/old");
	tighten("keep", "60");
	expect(h, OUT, &back, ALLOW, MOAT_REASON_ESTABLISHED);
	/* Design 3.7: an opening packet is judged all the same. */
	expect(h, IN, &syn, DROP, SG);
	tighten("reevaluate", "70");
	expect(h, OUT, &back, ALLOW, MOAT_REASON_ESTABLISHED);
	/* The rule is gone and with it its group's word: the flow's counts. */
	syn = in(70);
	back = packet_reply(&syn);
	back.flags = S | A;
	expect(h, IN, &syn, ALLOW, PASS);
	tighten("reevaluate", "60");
	expect(h, OUT, &back, DROP, SG);
	syn.flags = A;
	expect(h, IN, &syn, DROP, SG);
	/* It comes back with the policy: no state was lost. */
	tighten("reevaluate", "70");
	expect(h, OUT, &back, ALLOW, MOAT_REASON_ESTABLISHED);
}

static void before_any_policy(void **state)
{
	struct packet_spec ack = in(80), back = packet_reply(&ack), bad, syn;

	ack.flags = back.flags = A;
	h->config.before_first_pass = true;
	harness_built_in(h);
	expect(h, IN, &ack, ALLOW, MOAT_REASON_BEFORE_POLICY);
	expect(h, OUT, &back, ALLOW, MOAT_REASON_BEFORE_POLICY);
	bad = in(80);
	bad.flags = MOAT_TCP_FLAG_SYN | MOAT_TCP_FLAG_FIN;
	expect(h, IN, &bad, WOULD, MOAT_REASON_TCP_FLAGS);
	syn = in(99);
	expect(h, IN, &syn, ALLOW, MOAT_REASON_BEFORE_POLICY);
	/* The flow that the first policy allows lives, the other ends (G5). */
	tighten("keep", "80");
	expect(h, OUT, &back, ALLOW, MOAT_REASON_ESTABLISHED);
	expect(h, IN, &ack, ALLOW, MOAT_REASON_ESTABLISHED);
	syn.flags = A;
	expect(h, IN, &syn, DROP, SG);
	h->config.before_first_pass = false;
	harness_built_in(h);
	syn = in(80);
	expect(h, IN, &syn, DROP, MOAT_REASON_NO_POLICY);
}

/* Picked up in its middle by our own segment first: either direction does. */
static void unknown_opener(void **state)
{
	struct packet_spec ack = in(80), back = packet_reply(&ack);

	ack.flags = back.flags = A;
	h->config.before_first_pass = true;
	harness_built_in(h);
	expect(h, OUT, &back, ALLOW, MOAT_REASON_BEFORE_POLICY);
	tighten("keep", "80");
	expect(h, OUT, &back, ALLOW, MOAT_REASON_ESTABLISHED);
	expect(h, IN, &ack, ALLOW, MOAT_REASON_ESTABLISHED);
}

static void unassigned(void **state)
{
	struct packet_spec p = in(80);

	p.to = "10.9.0.1";
	policy("enforce", "audit", "enforce");
	expect(h, IN, &p, DROP, MOAT_REASON_UNASSIGNED);
	policy("audit", "enforce", "enforce");
	expect(h, IN, &p, WOULD, MOAT_REASON_UNASSIGNED);
	/* Parse: the policy's mode, or the profile's audit. */
	p.flags = MOAT_TCP_FLAG_SYN | MOAT_TCP_FLAG_FIN;
	expect(h, IN, &p, WOULD, MOAT_REASON_TCP_FLAGS);
	policy("enforce", "audit", "enforce");
	expect(h, IN, &p, DROP, MOAT_REASON_TCP_FLAGS);
	p.to = OURS;
	expect(h, IN, &p, WOULD, MOAT_REASON_TCP_FLAGS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inward),
		cmocka_unit_test(outward),
		cmocka_unit_test(replies_meet_the_nacl),
		cmocka_unit_test(flows_of_audit),
		cmocka_unit_test(record_of_a_drop),
		cmocka_unit_test(on_tighten),
		cmocka_unit_test(before_any_policy),
		cmocka_unit_test(unknown_opener),
		cmocka_unit_test(unassigned),
	};

	return cmocka_run_group_tests_name("modes", tests, open_once,
					   close_once);
}
