// SPDX-License-Identifier: BSD-2-Clause
/* The order of stages and what audit makes of them (design section 3). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <stdlib.h>

#include "reference/reference.h"
#include "support/build.h"

#define IN MOAT_INGRESS
#define OUT MOAT_EGRESS
#define TCP IPPROTO_TCP
#define UDP IPPROTO_UDP

struct fixture {
	struct policy *p;
	struct config *c;
};

/*
 * web 10.0.0.0/24, fd00::/64: in tcp/443 any, tcp/80 limited and unlimited,
 * out udp/53 to 10.9.0.0/16. db 10.0.0.128/25: in tcp/5432 from web, out
 * everything by default. front on 10.0.0.0/28, fd00::/124: in 10 deny
 * 10.6.6.0/24, 20 allow tcp/443, 30 allow tcp/1024-65535; out 10 allow any.
 */
static struct policy *make_policy(enum policy_mode mode)
{
	struct policy *p = build_policy(mode);
	size_t web = build_group(p, "web"), db = build_group(p, "db");
	size_t n = build_nacl(p, "front");
	struct rule *r;

	build_member(p, p->groups[web].set, "10.0.0.0/24");
	build_member(p, p->groups[web].set, "fd00::/64");
	build_member(p, p->groups[db].set, "10.0.0.128/25");
	r = build_named(p, web, IN, "https");
	build_peer_any(r);
	build_ports(r, TCP, 443, 443);
	r = build_named(p, web, IN, "slow");
	build_peer_any(r);
	build_ports(r, TCP, 80, 81);
	build_limit(r, 1000, 10);
	r = build_named(p, web, IN, "balancer");
	build_peer(r, "10.7.0.0/16");
	build_ports(r, TCP, 80, 80);
	r = build_named(p, web, OUT, "dns");
	build_peer(r, "10.9.0.0/16");
	build_ports(r, UDP, 53, 53);
	r = build_named(p, db, IN, "sql");
	build_peer_set(r, p->groups[web].set);
	build_ports(r, TCP, 5432, 5432);
	p->groups[db].rules[OUT].absent = true;

	build_member(p, p->nacls[n].set, "10.0.0.0/28");
	build_member(p, p->nacls[n].set, "fd00::/124");
	r = build_entry(&p->nacls[n].rules[IN], 20, false);
	build_peer_any(r);
	build_ports(r, TCP, 443, 443);
	r = build_entry(&p->nacls[n].rules[IN], 10, true);
	build_peer(r, "10.6.6.0/24");
	build_every(r);
	r = build_entry(&p->nacls[n].rules[IN], 30, false);
	build_peer_any(r);
	build_ports(r, TCP, 1024, 65535);
	r = build_entry(&p->nacls[n].rules[OUT], 10, false);
	build_peer_any(r);
	build_every(r);
	return p;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->p = make_policy(MODE_ENFORCE);
	f->c = build_config();
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	policy_free(f->p);
	build_config_free(f->c);
	free(f);
	return 0;
}

static void check(const struct fixture *f, const struct probe *probe,
		  enum moat_verdict verdict, enum moat_reason reason,
		  const char *rule)
{
	struct answer a;

	reference_judge(f->p, f->c, probe, &a);
	assert_string_equal(reason_name(a.reason), reason_name(reason));
	assert_int_equal(a.verdict, verdict);
	assert_string_equal(a.rule, rule);
}

static struct probe in(const char *local, const char *remote, unsigned port)
{
	return build_probe(IN, local, remote, TCP, port);
}

static void union_of_groups(void **state)
{
	struct fixture *f = *state;
	struct probe p = in("10.0.0.20", "1.2.3.4", 443);

	check(f, &p, MOAT_ALLOW, MOAT_REASON_SG_ALLOW, "web/https");
	p = in("10.0.0.200", "10.0.0.7", 5432);
	check(f, &p, MOAT_ALLOW, MOAT_REASON_SG_ALLOW, "db/sql");
	p = in("10.0.0.200", "1.2.3.4", 443);
	check(f, &p, MOAT_ALLOW, MOAT_REASON_SG_ALLOW, "web/https");
	p = in("10.0.0.20", "10.0.0.7", 5432);
	check(f, &p, MOAT_DROP, MOAT_REASON_SG_NO_MATCH, "");
	p = in("fd00::5:1", "2001:db8::1", 443);
	check(f, &p, MOAT_ALLOW, MOAT_REASON_SG_ALLOW, "web/https");
}

static void unlimited_is_credited_first(void **state)
{
	struct fixture *f = *state;
	struct probe p = in("10.0.0.20", "10.7.1.1", 80);

	check(f, &p, MOAT_ALLOW, MOAT_REASON_SG_ALLOW, "web/balancer");
	p = in("10.0.0.20", "10.8.1.1", 80);
	check(f, &p, MOAT_ALLOW, MOAT_REASON_SG_ALLOW, "web/slow");
}

static void default_egress(void **state)
{
	struct fixture *f = *state;
	struct probe p = build_probe(OUT, "10.0.0.200", "8.8.8.8", TCP, 25);

	check(f, &p, MOAT_ALLOW, MOAT_REASON_SG_ALLOW, "db/default-egress");
	p = build_probe(OUT, "10.0.0.200", "10.9.0.1", UDP, 53);
	check(f, &p, MOAT_ALLOW, MOAT_REASON_SG_ALLOW, "web/dns");
	p = build_probe(OUT, "10.0.0.20", "8.8.8.8", TCP, 25);
	check(f, &p, MOAT_DROP, MOAT_REASON_SG_NO_MATCH, "");
}

static void nacl_order_and_final_deny(void **state)
{
	struct fixture *f = *state;
	struct probe p = in("10.0.0.5", "10.6.6.6", 443);

	check(f, &p, MOAT_DROP, MOAT_REASON_NACL_DENY, "front/10");
	p = in("10.0.0.5", "10.6.7.6", 443);
	check(f, &p, MOAT_ALLOW, MOAT_REASON_SG_ALLOW, "web/https");
	p = in("10.0.0.5", "10.6.7.6", 80);
	check(f, &p, MOAT_DROP, MOAT_REASON_NACL_DENY, "front/*");
	p = in("10.0.0.5", "10.6.7.6", 1024);
	check(f, &p, MOAT_DROP, MOAT_REASON_SG_NO_MATCH, "");
	/* Another rule number 10 in the other direction. */
	p = build_probe(OUT, "10.0.0.5", "10.9.6.6", UDP, 53);
	check(f, &p, MOAT_ALLOW, MOAT_REASON_SG_ALLOW, "web/dns");
}

static void layers_are_asked_in_order(void **state)
{
	struct fixture *f = *state;
	struct rule *r;
	struct probe p = in("10.0.0.5", "10.6.6.6", 1);

	check(f, &p, MOAT_DROP, MOAT_REASON_NACL_DENY, "front/10");
	r = build_entry(&f->p->nacls[0].rules[OUT], 5, true);
	build_peer_any(r);
	build_ports(r, TCP, 1, 1);
	p = build_probe(OUT, "10.0.0.5", "10.6.6.6", TCP, 1);
	check(f, &p, MOAT_DROP, MOAT_REASON_SG_NO_MATCH, "");
}

static void audit_of_one_layer_leaves_the_other(void **state)
{
	struct fixture *f = *state;
	struct probe nacl_only = in("10.0.0.5", "10.6.6.6", 443);
	struct probe both = in("10.0.0.5", "10.6.6.6", 7);

	f->p->nacls[0].mode = MODE_AUDIT;
	check(f, &nacl_only, MOAT_WOULD_DROP, MOAT_REASON_NACL_DENY,
	      "front/10");
	check(f, &both, MOAT_DROP, MOAT_REASON_SG_NO_MATCH, "");
	f->p->groups[0].mode = MODE_AUDIT;
	check(f, &both, MOAT_WOULD_DROP, MOAT_REASON_NACL_DENY, "front/10");
	f->p->nacls[0].mode = MODE_ENFORCE;
	check(f, &both, MOAT_DROP, MOAT_REASON_NACL_DENY, "front/10");
}

static void one_audit_group_suspends_the_union(void **state)
{
	struct fixture *f = *state;
	struct probe p = in("10.0.0.200", "9.9.9.9", 7);

	f->p->groups[1].mode = MODE_AUDIT;
	check(f, &p, MOAT_WOULD_DROP, MOAT_REASON_SG_NO_MATCH, "");
	p = in("10.0.0.20", "9.9.9.9", 7);
	check(f, &p, MOAT_DROP, MOAT_REASON_SG_NO_MATCH, "");
	/* ... and what no layer decides, where the profile is known. */
	p = in("10.0.0.200", "127.0.0.1", 7);
	check(f, &p, MOAT_WOULD_DROP, MOAT_REASON_BAD_SOURCE, "");
	p = in("10.0.0.20", "127.0.0.1", 7);
	check(f, &p, MOAT_DROP, MOAT_REASON_BAD_SOURCE, "");
}

static void policy_mode_and_ceiling(void **state)
{
	struct fixture *f = *state;
	struct probe sg = in("10.0.0.20", "9.9.9.9", 7);
	struct probe parse = in("10.0.0.20", "10.0.0.20", 443);
	struct probe stranger = in("10.5.5.5", "9.9.9.9", 7);

	check(f, &stranger, MOAT_DROP, MOAT_REASON_UNASSIGNED, "");
	f->p->mode = MODE_AUDIT;
	check(f, &sg, MOAT_WOULD_DROP, MOAT_REASON_SG_NO_MATCH, "");
	check(f, &parse, MOAT_WOULD_DROP, MOAT_REASON_OWN_SOURCE, "");
	check(f, &stranger, MOAT_WOULD_DROP, MOAT_REASON_UNASSIGNED, "");
	f->p->groups[0].mode = MODE_ENFORCE;
	check(f, &sg, MOAT_DROP, MOAT_REASON_SG_NO_MATCH, "");
	check(f, &parse, MOAT_WOULD_DROP, MOAT_REASON_OWN_SOURCE, "");
	f->c->max_mode_audit = true;
	check(f, &sg, MOAT_WOULD_DROP, MOAT_REASON_SG_NO_MATCH, "");
}

static void unassigned(void **state)
{
	struct fixture *f = *state;
	struct probe p = in("10.5.5.5", "9.9.9.9", 443);
	size_t set = f->p->nacls[0].set;

	check(f, &p, MOAT_DROP, MOAT_REASON_UNASSIGNED, "");
	f->c->unassigned_allow = true;
	check(f, &p, MOAT_ALLOW, MOAT_REASON_UNASSIGNED_ALLOW, "");
	build_member(f->p, set, "10.5.0.0/16");
	check(f, &p, MOAT_ALLOW, MOAT_REASON_NACL_ALLOW, "front/20");
	p.remote = build_addr("10.6.6.1");
	check(f, &p, MOAT_DROP, MOAT_REASON_NACL_DENY, "front/10");
	/* A NACL judges each packet alone: no flow is asked for. */
	p = in("10.5.5.5", "9.9.9.9", 2000);
	p.flags_given = true;
	p.flags = MOAT_TCP_FLAG_SYN | MOAT_TCP_FLAG_ACK;
	check(f, &p, MOAT_ALLOW, MOAT_REASON_NACL_ALLOW, "front/30");
	f->c->unassigned_allow = false;
	check(f, &p, MOAT_DROP, MOAT_REASON_UNASSIGNED, "");
}

static void nothing_committed(void **state)
{
	struct fixture none = { .p = NULL, .c = build_config() };
	struct fixture *f = &none;
	struct probe p = in("10.5.5.5", "9.9.9.9", 22);
	struct probe bad = in("10.5.5.5", "127.0.0.1", 22);

	check(f, &p, MOAT_ALLOW, MOAT_REASON_BEFORE_POLICY, "");
	check(f, &bad, MOAT_WOULD_DROP, MOAT_REASON_BAD_SOURCE, "");
	f->c->before_first_pass = false;
	check(f, &p, MOAT_DROP, MOAT_REASON_NO_POLICY, "");
	check(f, &bad, MOAT_DROP, MOAT_REASON_BAD_SOURCE, "");
	f->c->max_mode_audit = true;
	check(f, &p, MOAT_WOULD_DROP, MOAT_REASON_NO_POLICY, "");
	check(f, &bad, MOAT_WOULD_DROP, MOAT_REASON_BAD_SOURCE, "");
	build_failsafe_peer(build_failsafe(f->c, IN, TCP, 22),
			    build_cidr_of("9.0.0.0/8"));
	check(f, &p, MOAT_ALLOW, MOAT_REASON_FAILSAFE, "failsafe/0");
	p = build_probe(OUT, "fd00::1", "ff02::1", IPPROTO_ICMPV6, 0);
	p.type = 135;
	check(f, &p, MOAT_ALLOW, MOAT_REASON_ESSENTIAL_ND, "");
	build_config_free(none.c);
}

/* Design 3.7 and the end of 3.6: what a missing flow means. */
static void packets_without_a_flow(void **state)
{
	struct fixture *f = *state;
	struct probe p = in("10.0.0.20", "9.9.9.9", 443);

	p.flags_given = true;
	p.flags = MOAT_TCP_FLAG_SYN | MOAT_TCP_FLAG_ACK;
	check(f, &p, MOAT_DROP, MOAT_REASON_NO_FLOW, "");
	p.flags = MOAT_TCP_FLAG_RST;
	check(f, &p, MOAT_DROP, MOAT_REASON_NO_FLOW, "");
	p.flags = MOAT_TCP_FLAG_FIN | MOAT_TCP_FLAG_ACK;
	check(f, &p, MOAT_DROP, MOAT_REASON_NO_FLOW, "");
	p.flags = MOAT_TCP_FLAG_ACK | MOAT_TCP_FLAG_PSH;
	check(f, &p, MOAT_ALLOW, MOAT_REASON_SG_ALLOW, "web/https");
	f->c->midstream_drop = true;
	check(f, &p, MOAT_DROP, MOAT_REASON_NO_FLOW, "");
	p.local = build_addr("10.0.0.5");
	p.dport = 2;
	check(f, &p, MOAT_DROP, MOAT_REASON_NACL_DENY, "front/*");

	p = build_probe(IN, "10.0.0.20", "9.9.9.9", IPPROTO_ICMP, 0);
	p.type = 0;
	check(f, &p, MOAT_DROP, MOAT_REASON_NO_FLOW, "");
	p.type = 8;
	check(f, &p, MOAT_DROP, MOAT_REASON_SG_NO_MATCH, "");
	p.type = 3;
	check(f, &p, MOAT_DROP, MOAT_REASON_NOT_RELATED, "");
	p.type = 5;
	check(f, &p, MOAT_DROP, MOAT_REASON_REDIRECT, "");
	p.type = 9;
	check(f, &p, MOAT_DROP, MOAT_REASON_SG_NO_MATCH, "");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(union_of_groups),
		TEST(unlimited_is_credited_first),
		TEST(default_egress),
		TEST(nacl_order_and_final_deny),
		TEST(layers_are_asked_in_order),
		TEST(audit_of_one_layer_leaves_the_other),
		TEST(one_audit_group_suspends_the_union),
		TEST(policy_mode_and_ceiling),
		TEST(unassigned),
		TEST(nothing_committed),
		TEST(packets_without_a_flow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
