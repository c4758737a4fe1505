// SPDX-License-Identifier: BSD-2-Clause
/* read(print(m)) == m, and print(read(print(m))) is print(m) to the byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "policy/reader.h"
#include "support/equal.h"
#include "support/random.h"

#define HEAD "version: 1\nname: p\nmode: audit\n"

static struct policy *read_or_say(const char *text, size_t len)
{
	const struct document doc = { "p", text, len };
	struct diags diags = { 0 };
	struct buf said = { 0 };
	struct policy *p = policy_read(&doc, 1, NULL, &diags);

	assert_int_equal(diags_render(&diags, &said), 0);
	if (!p)
		print_error("%s\n", buf_text(&said));
	diags_free(&diags);
	buf_free(&said);
	assert_non_null(p);
	return p;
}

static void round_trip(const struct policy *p)
{
	struct buf first = { 0 }, second = { 0 };

	assert_int_equal(policy_print(p, &first), 0);
	struct policy *back = read_or_say(first.data, first.len);
	const char *difference = policy_difference(p, back);

	if (difference) {
		print_error("%s\n", first.data);
		fail_msg("differs in its %s", difference);
	}
	assert_int_equal(policy_print(back, &second), 0);
	assert_string_equal(first.data, second.data);
	buf_free(&first);
	buf_free(&second);
	policy_free(back);
}

/* Exactly this text, and back. */
static void canonical_form(void **state)
{
	static const char text[] =
		"version: 1\nname: p\nmode: audit\nrevision: r\n"
		"prefix_lists: {l: [10.0.0.1, fd00::/8]}\n"
		"security_groups:\n"
		"  g:\n"
		"    members: [l, 10.1.0.0/16]\n"
		"    mode: enforce\n"
		"    ingress:\n"
		"      - {name: a, from: [self, l, any], protocol: [tcp, udp], ports: [1, 2-3],\n"
		"         limit: {new_connections: 90/minute, per: rule}}\n"
		"      - {name: b, from: 10.0.0.0/8, service: ping}\n"
		"      - {name: c, from: any, service: [ssh, http3]}\n"
		"    egress: []\n"
		"network_acls:\n"
		"  n: {applies_to: any, ingress: [{rule: 5, action: deny}]}\n"
		"tests:\n"
		"  - {src: 10.1.0.1, dst: 10.2.0.1, protocol: tcp, dport: 22, expect: deny}\n"
		"never: [{from: g, to: l, service: http}]\n";
	struct policy *p = read_or_say(text, sizeof(text) - 1);
	struct buf out = { 0 };

	assert_int_equal(policy_print(p, &out), 0);
	assert_string_equal(
		out.data,
		"{\"version\":1,\"name\":\"p\",\"revision\":\"r\",\"mode\":\"audit\",\"on_tighten\":\"keep\","
		"\"services\":{\"s1\":[{\"protocol\":[\"tcp\"],\"ports\":[22]},{\"protocol\":[\"udp\"],\"ports\":[443]}]},"
		"\"prefix_lists\":{\"l\":[\"10.0.0.1\",\"fd00::/8\"]},"
		"\"security_groups\":{\"g\":{\"members\":[\"10.0.0.1\",\"fd00::/8\",\"10.1.0.0/16\"],\"mode\":\"enforce\","
		"\"ingress\":["
		"{\"name\":\"a\",\"from\":[\"self\",\"l\",\"any\"],\"protocol\":[\"tcp\",\"udp\"],\"ports\":[1,\"2-3\"],"
		"\"limit\":{\"new_connections\":\"90/minute\",\"burst\":90,\"per\":\"rule\"}},"
		"{\"name\":\"b\",\"from\":[\"10.0.0.0/8\"],\"protocol\":[\"icmp\",\"icmpv6\"],\"icmp\":[\"echo-request\"]},"
		"{\"name\":\"c\",\"from\":[\"any\"],\"service\":\"s1\"}],"
		"\"egress\":[]}},"
		"\"network_acls\":{\"n\":{\"applies_to\":[\"any\"],\"ingress\":[{\"rule\":5,\"action\":\"deny\",\"from\":[\"any\"]}]}},"
		"\"tests\":[{\"src\":\"10.1.0.1\",\"dst\":\"10.2.0.1\",\"protocol\":\"tcp\",\"sport\":40000,\"dport\":22,\"expect\":\"drop\"}],"
		"\"never\":[{\"from\":[\"g\"],\"to\":[\"l\"],\"protocol\":[\"tcp\"],\"ports\":[80]}]}");
	round_trip(p);
	buf_free(&out);
	policy_free(p);
}

/* Shapes that need made-up services, empty sets, every kind of words. */
static void odd_shapes(void **state)
{
	static const char text[] = HEAD
		"services:\n"
		"  s1: [{protocol: tcp}, {protocol: tcp, ports: 5}, {protocol: icmp, icmp: {type: 3, code: 1}}]\n"
		"  mix: [{protocol: [icmp, icmpv6], icmp: [echo-request, redirect]}, {protocol: udp, ports: [1, 1, 2]}]\n"
		"security_groups:\n"
		"  empty: {description: \"\xc3\xa4 \\\" \\\\ \\n\\t end\", owner: \"~\"}\n"
		"  g:\n"
		"    members: []\n"
		"    ingress:\n"
		"      - {name: a, from: self, service: [s1, mix, ping, dns]}\n"
		"      - {name: b, from: self, service: [mix, s1]}\n"
		"      - {name: c, from: self, service: [s1, mix, ping, dns]}\n"
		"      - {name: d, from: self, protocol: [0, 255, tcp]}\n"
		"      - {name: e, from: self, protocol: icmp, icmp: [{type: 0}, {type: 255, code: 0}]}\n"
		"      - {name: f, from: self, protocol: [icmpv6, icmp], icmp: echo-request}\n"
		"network_acls:\n"
		"  n: {applies_to: [empty], ingress: []}\n"
		"  m: {applies_to: 0.0.0.0/0, description: '\"', owner: 'null'}\n"
		"tests:\n"
		"  - {src: fd00::1, dst: fd00::2, protocol: 58, icmp: neighbor-solicitation, expect: allow}\n"
		"  - {src: 10.0.0.1, dst: 10.0.0.2, protocol: 0, expect: allow, description: 'yes'}\n";
	struct policy *p = read_or_say(text, sizeof(text) - 1);

	round_trip(p);
	policy_free(p);
}

/* Each rate that a bucket can hold is printed as one that reads back. */
static void every_rate(void **state)
{
	struct policy *p = build_policy(MODE_AUDIT);
	size_t g = build_group(p, "g");
	struct rule *rule = build_named(p, g, MOAT_INGRESS, "r");

	build_peer_any(rule);
	build_every(rule);
	for (uint64_t rate = 1; rate <= 1000000000;
	     rate = rate < 2000 ? rate + 1 : rate * 5 / 4 + 1) {
		build_limit(rule, rate, 7);
		round_trip(p);
	}
	policy_free(p);
}

static void random_policies(void **state)
{
	for (uint64_t seed = 0; seed < 1500; seed++) {
		struct rng rng = { seed };
		struct policy *p = random_policy(&rng);

		round_trip(p);
		policy_free(p);
	}
}

static int read_list(const char *document, const char *path, struct buf *ret,
		     void *arg)
{
	_cleanup_free_ char *name = NULL;
	const char *slash = strrchr(document, '/');

	if (asprintf(&name, "%.*s%s", (int)(slash + 1 - document), document,
		     path) < 0)
		return -1;
	return buf_read_file(ret, name, 1 << 20);
}

static void shipped_policies(void **state)
{
	const struct reader_options options = { .read_list = read_list };
	glob_t files;
	size_t read = 0;

	assert_int_equal(
		glob(MOAT_SOURCE_DIR "/policies/*.yaml", 0, NULL, &files), 0);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		struct buf text = { 0 };
		struct diags diags = { 0 };

		assert_int_equal(
			buf_read_file(&text, files.gl_pathv[i], 1 << 20), 0);
		const struct document doc = { files.gl_pathv[i],
					      buf_text(&text), text.len };
		struct policy *p = policy_read(&doc, 1, &options, &diags);

		/* A role that adds to another file can't stand alone. */
		if (p) {
			round_trip(p);
			read++;
		}
		policy_free(p);
		diags_free(&diags);
		buf_free(&text);
	}
	assert_true(read * 2 > files.gl_pathc);
	globfree(&files);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(canonical_form),
		cmocka_unit_test(odd_shapes),
		cmocka_unit_test(every_rate),
		cmocka_unit_test(random_policies),
		cmocka_unit_test(shipped_policies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
