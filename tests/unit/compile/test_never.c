// SPDX-License-Identifier: BSD-2-Clause
/*
 * never: the prover against the reference. Where it gives an example, that
 * packet is let by at both ends; where it says proved, no packet of many that
 * sit on every edge is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/in.h>
#include <linux/in6.h>

#include "policy/reader.h"
#include "reference/reference.h"
#include "support/compiled.h"
#include "support/random.h"

/* The text of the errors of a policy's nevers, "" if all are proved. */
static void prove_text(const char *text, struct buf *ret)
{
	struct document doc = { "p.yaml", text, strlen(text) };
	struct reader_options options = { 0 };
	struct diags diags = { 0 };
	struct config *c = build_config();
	struct policy *p = policy_read(&doc, 1, &options, &diags);

	if (!p) {
		diags_render(&diags, ret);
		fail_msg("%s", buf_text(ret));
	}
	compile_prove_never(p, c, &diags);
	for (size_t i = 0; i < diags.count; i++)
		buf_printf(ret, "%d: %s\n", diags.items[i].pos.line,
			   diags.items[i].text);
	policy_free(p);
	build_config_free(c);
	diags_free(&diags);
}

static void expect_text(const char *text, const char *want)
{
	struct buf got = { 0 };

	prove_text(text, &got);
	assert_string_equal(buf_text(&got), want);
	buf_free(&got);
}

#define HEAD "version: 1\nname: t\nmode: audit\nsecurity_groups:\n"

static void both_ends_must_allow(void **state)
{
	expect_text(
		HEAD
		"  a: {members: [10.1.0.0/24], ingress: [], egress: [{name: out, to: [any], protocol: tcp, ports: [400-500]}]}\n"
		"  b: {members: [10.2.0.0/24], egress: [], ingress: [{name: in, from: [a], protocol: tcp, ports: [500-600]}]}\n"
		"never: [{from: a, to: b, protocol: tcp, ports: [22, 450-1000]}]\n",
		"7: never is broken: 10.1.0.0 may open tcp/500 to 10.2.0.0 (sender: a/out; receiver: b/in)\n");
	expect_text(
		HEAD
		"  a: {members: [10.1.0.0/24], ingress: [], egress: [{name: out, to: [any], protocol: tcp, ports: [400-499]}]}\n"
		"  b: {members: [10.2.0.0/24], egress: [], ingress: [{name: in, from: [a], protocol: tcp, ports: [500-600]}]}\n"
		"never: [{from: a, to: b}]\n",
		"");
}

/* One address of a million, one port of 65,536: sampling would miss it. */
static void one_packet_of_many(void **state)
{
	expect_text(
		HEAD
		"  a: {members: [10.0.0.0/8, \"fd00::/32\"], ingress: []}\n"
		"  b: {members: [172.16.0.0/12, \"fd01::/32\"], egress: [], ingress: [{name: hole, from: [\"fd00:0:1:2:3:4:5:6\"], protocol: udp, ports: [40001]}]}\n"
		"never: [{from: a, to: b}]\n",
		"7: never is broken: fd00:0:1:2:3:4:5:6 may open udp/40001 to fd01:: (sender: a/default-egress; receiver: b/hole)\n");
}

static void network_acl_counts(void **state)
{
	const char *groups = HEAD
		"  a: {members: [10.1.0.0/24], ingress: []}\n"
		"  b: {members: [10.2.0.0/24], egress: [], ingress: [{name: in, from: [any]}]}\n";
	char text[1024];

	snprintf(
		text, sizeof(text), "%s%s", groups,
		"network_acls: {n: {applies_to: [b], egress: [], ingress: [{rule: 5, action: deny, from: [10.1.0.0/25]}, {rule: 9, action: allow}]}}\n"
		"never: [{from: a, to: b, service: ssh}]\n");
	expect_text(
		text,
		"8: never is broken: 10.1.0.128 may open tcp/22 to 10.2.0.0 (sender: a/default-egress; receiver: b/in)\n");
	snprintf(
		text, sizeof(text), "%s%s", groups,
		"network_acls: {n: {applies_to: [b], egress: [], ingress: [{rule: 5, action: deny, from: [10.1.0.0/24]}, {rule: 9, action: allow}]}}\n"
		"never: [{from: a, to: b, service: ssh}]\n");
	expect_text(text, "");
}

static void strangers_may_send_anything(void **state)
{
	expect_text(
		HEAD
		"  b: {members: [10.2.0.0/24], egress: [], ingress: [{name: in, from: [any], protocol: icmp}]}\n"
		"never: [{from: any, to: b}]\n",
		"6: never is broken: 1.0.0.0 may open icmp type 1 code 0 to 10.2.0.0 (sender: in no group and under no network ACL; receiver: b/in)\n");
}

/* An address opens nothing to itself over the wire. */
static void one_address_and_itself(void **state)
{
	expect_text(
		HEAD
		"  a: {members: [10.1.0.1], ingress: [{name: in, from: [self]}], egress: [{name: out, to: [self]}]}\n"
		"never: [{from: a, to: a}]\n",
		"");
	expect_text(
		HEAD
		"  a: {members: [10.1.0.1, 10.1.0.3], ingress: [{name: in, from: [self]}], egress: [{name: out, to: [self]}]}\n"
		"never: [{from: a, to: a, service: http, description: apart}]\n",
		"6: never is broken (apart): 10.1.0.1 may open tcp/80 to 10.1.0.3 (sender: a/out; receiver: a/in)\n");
}

/* As the prover sees it: enforced, strangers pass, nothing built in. */
static bool reference_allows(const struct policy *p, const struct config *c,
			     const struct probe *egress)
{
	struct probe in = *egress;
	struct answer a;

	reference_judge(p, c, egress, &a);
	if (a.verdict != MOAT_ALLOW)
		return false;
	in.direction = MOAT_INGRESS;
	in.local = egress->remote;
	in.remote = egress->local;
	reference_judge(p, c, &in, &a);
	return a.verdict == MOAT_ALLOW;
}

static bool service_in(const struct policy_never *n, const struct probe *p)
{
	for (size_t i = 0; i < n->nservices; i++) {
		const struct service_match *m = &n->services[i];

		if (m->proto >= 0 && m->proto != p->proto)
			continue;
		if (m->has_ports && (p->dport < m->first || p->dport > m->last))
			continue;
		if (m->proto >= 0 && m->type >= 0 && p->type != m->type)
			continue;
		return true;
	}
	return false;
}

static bool held(const struct policy *p, const struct peer *peers, size_t n,
		 const struct moat_addr *a)
{
	for (size_t i = 0; i < n; i++) {
		const struct addr_set *s = &p->sets[peers[i].set];

		for (size_t k = 0; k < s->ncidrs; k++)
			if (cidr_contains(&s->cidrs[k], a) &&
			    (s->cidrs[k].family == 4) == addr_is_v4(a))
				return true;
	}
	return false;
}

static void add_never(struct policy *p, struct rng *r)
{
	static const struct service_match choices[] = {
		{ .proto = -1, .type = -1, .code = -1 },
		{ IPPROTO_TCP, true, 0, 65535, -1, -1 },
		{ IPPROTO_TCP, true, 443, 8000, -1, -1 },
		{ IPPROTO_UDP, true, 53, 67, -1, -1 },
		{ IPPROTO_ICMP, false, 0, 0, 8, -1 },
		{ 47, false, 0, 0, -1, -1 },
	};
	struct policy_never *n = calloc(1, sizeof(*n));

	assert_non_null(n);
	n->from = calloc(1, sizeof(*n->from));
	n->to = calloc(1, sizeof(*n->to));
	n->services = calloc(1, sizeof(*n->services));
	assert_true(n->from && n->to && n->services);
	n->nfrom = n->nto = n->nservices = 1;
	n->from->kind = n->to->kind = PEER_SET;
	n->from->set = p->groups[rng_below(r, (unsigned)p->ngroups)].set;
	n->to->set = rng_below(r, (unsigned)p->nsets);
	if (p->sets[n->to->set].kind == SET_NACL)
		n->to->set = n->from->set;
	n->services[0] = RNG_PICK(r, choices);
	n->pos = (struct pos){ .file = -1 };
	p->nevers = n;
	p->nnevers = 1;
}

/* "never is broken: A may open tcp/22 to B (…" back to the packet. */
static void check_example(const struct policy *p, const struct config *c,
			  const char *text)
{
	char from[64], service[64], to[64], name[16];
	struct probe probe = { .direction = MOAT_EGRESS, .sport = 40000 };
	const struct policy_never *n = p->nevers;
	unsigned a = 0, b = 0, family;

	assert_int_equal(sscanf(text, "never is broken: %63s may open %63[^(]",
				from, service),
			 2);
	assert_non_null(strstr(service, " to "));
	snprintf(to, sizeof(to), "%s", strstr(service, " to ") + 4);
	*strstr(service, " to ") = '\0';
	to[strcspn(to, " ")] = '\0';
	assert_int_equal(addr_parse(from, &probe.local, &probe.family), 0);
	assert_int_equal(addr_parse(to, &probe.remote, (int *)&family), 0);
	assert_int_equal(probe.family, family);
	if (sscanf(service, "protocol %u", &a) == 1) {
		probe.proto = (int)a;
	} else if (sscanf(service, "%15[a-z0-9] type %u code %u", name, &a,
			  &b) == 3) {
		probe.proto = proto_parse(name);
		probe.type = (uint8_t)a;
		probe.code = (uint8_t)b;
	} else if (sscanf(service, "%15[^/]/%u", name, &a) == 2) {
		probe.proto = proto_parse(name);
		probe.dport = (uint16_t)a;
	} else {
		probe.proto = proto_parse(service);
	}
	assert_in_range(probe.proto, 0, 255);
	assert_false(addr_equal(&probe.local, &probe.remote));
	assert_true(service_in(n, &probe));
	assert_true(held(p, n->from, 1, &probe.local));
	assert_true(held(p, n->to, 1, &probe.remote));
	if (!reference_allows(p, c, &probe))
		fail_msg("the example does not pass: %s", text);
}

static void look_for_counterexample(const struct policy *p,
				    const struct config *c, struct rng *r,
				    const struct palette *palette)
{
	const struct policy_never *n = p->nevers;

	for (int k = 0; k < 300; k++) {
		struct probe probe = random_probe(r, palette);

		probe.direction = MOAT_EGRESS;
		probe.flags_given = false;
		if (!held(p, n->from, 1, &probe.local) ||
		    !held(p, n->to, 1, &probe.remote) ||
		    !service_in(n, &probe) ||
		    addr_equal(&probe.local, &probe.remote))
			continue;
		assert_false(reference_allows(p, c, &probe));
	}
}

static void against_the_reference(void **state)
{
	struct rng rng = { 99 };
	struct config *c = build_config();
	unsigned broken = 0, proved = 0;

	c->unassigned_allow = true;
	memset(c->essential, 0, sizeof(c->essential));
	for (int i = 0; i < 600; i++) {
		struct policy *p = random_policy(&rng);
		struct diags diags = { 0 };
		struct palette palette;

		p->mode = MODE_ENFORCE;
		for (size_t g = 0; g < p->ngroups; g++)
			p->groups[g].mode = MODE_ENFORCE;
		for (size_t g = 0; g < p->nnacls; g++)
			p->nacls[g].mode = MODE_ENFORCE;
		add_never(p, &rng);
		palette_make(p, c, &palette);
		compile_prove_never(p, c, &diags);
		if (diags.count) {
			assert_int_equal(diags.count, 1);
			check_example(p, c, diags.items[0].text);
			broken++;
		} else {
			look_for_counterexample(p, c, &rng, &palette);
			proved++;
		}
		palette_free(&palette);
		diags_free(&diags);
		policy_free(p);
	}
	assert_true(broken > 50);
	assert_true(proved > 50);
	build_config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ends_must_allow),
		cmocka_unit_test(one_packet_of_many),
		cmocka_unit_test(network_acl_counts),
		cmocka_unit_test(strangers_may_send_anything),
		cmocka_unit_test(one_address_and_itself),
		cmocka_unit_test(against_the_reference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
