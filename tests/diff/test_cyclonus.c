// SPDX-License-Identifier: BSD-2-Clause
/*
 * The NetworkPolicy matrices of cyclonus: every pod a host with a security
 * group of its own. Isolated: the group has the step's rules; not isolated:
 * it allows everything. `except` becomes the complement of its CIDR. Each
 * pair of different pods is judged at both ends, by the image engine and by
 * the reference, under several configurations that must not matter
 * (attacks.md section 4, row 7).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <linux/in.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "conformance.h"
#include "engines.h"
#include "support/build.h"

#define CASES 230
#define STEPS 256
#define EXPECTATIONS 109956
#define PODS_MAX 16

static const char *text(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	assert_non_null(s);
	return s;
}

static int number(const json_t *object, const char *key)
{
	const json_t *n = json_object_get(object, key);

	assert_true(json_is_integer(n));
	return (int)json_integer_value(n);
}

static int proto_of(const char *name)
{
	if (!strcmp(name, "TCP"))
		return IPPROTO_TCP;
	if (!strcmp(name, "UDP"))
		return IPPROTO_UDP;
	if (!strcmp(name, "SCTP"))
		return IPPROTO_SCTP;
	assert_string_equal(name, "any");
	return -1;
}

static bool covers(const struct cidr *outer, const struct cidr *inner)
{
	return outer->length <= inner->length &&
	       cidr_contains(outer, &inner->addr);
}

static void flip_last_bit(struct cidr *c)
{
	int bit = (c->family == 4 ? 96 : 0) + c->length - 1;

	c->addr.b[bit / 8] ^= (__u8)(0x80 >> (bit % 8));
}

/* A CIDR without the exceptions: halve it as long as one lies inside. */
static void add_complement(struct rule *r, struct cidr c, const json_t *except)
{
	const json_t *item;
	size_t i;

	json_array_foreach(except, i, item) {
		struct cidr hole = build_cidr_of(json_string_value(item));
		struct cidr half = c;

		if (covers(&hole, &c))
			return;
		if (!covers(&c, &hole))
			continue;
		half.length++;
		add_complement(r, half, except);
		flip_last_bit(&half);
		add_complement(r, half, except);
		return;
	}
	build_peer_cidr(r, c);
}

static void add_rules(struct ruleset *set, const json_t *rules, bool isolated)
{
	const json_t *item;
	char name[32];
	struct rule *r;
	size_t i;

	if (!isolated) {
		r = build_rule(set, "everything");
		build_peer_any(r);
		build_every(r);
		return;
	}
	json_array_foreach(rules, i, item) {
		int proto = proto_of(text(item, "protocol"));
		int first = number(item, "port_lo");
		int last = number(item, "port_hi");

		snprintf(name, sizeof(name), "rule%zu", i);
		r = build_rule(set, name);
		add_complement(r, build_cidr_of(text(item, "cidr")),
			       json_object_get(item, "except"));
		if (proto < 0) {
			assert_int_equal(first, 0);
			assert_int_equal(last, 65535);
			build_every(r);
		} else {
			build_ports(r, proto, (unsigned)first, (unsigned)last);
		}
	}
}

struct pods {
	size_t count;
	struct moat_addr addr[PODS_MAX];
	char name[PODS_MAX][64];
};

static void read_pods(const json_t *step, struct pods *ret)
{
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(step, "pods"), i, item) {
		assert_true(i < PODS_MAX);
		ret->addr[i] = build_addr(text(item, "ip"));
		snprintf(ret->name[i], sizeof(ret->name[i]), "%s/%s",
			 text(item, "namespace"), text(item, "name"));
		ret->count = i + 1;
	}
}

static struct policy *read_policy(const json_t *step, const struct pods *pods)
{
	struct policy *p = build_policy(MODE_ENFORCE);
	const json_t *host;
	size_t i, k, g;

	json_array_foreach(json_object_get(step, "resolved_host_policies"), i,
			   host) {
		struct cidr me = { .family = 6, .length = 128 };
		char name[32];

		for (k = 0; k < pods->count; k++)
			if (!strcmp(pods->name[k], text(host, "pod")))
				break;
		assert_true(k < pods->count);
		me.addr = pods->addr[k];
		if (addr_is_v4(&me.addr)) {
			me.family = 4;
			me.length = 32;
		}
		snprintf(name, sizeof(name), "pod%zu", k);
		g = build_group(p, name);
		build_cidr(p, p->groups[g].set, me);
		add_rules(&p->groups[g].rules[MOAT_INGRESS],
			  json_object_get(host, "ingress"),
			  json_is_true(
				  json_object_get(host, "ingress_isolated")));
		add_rules(
			&p->groups[g].rules[MOAT_EGRESS],
			json_object_get(host, "egress"),
			json_is_true(json_object_get(host, "egress_isolated")));
	}
	return p;
}

struct run {
	struct config *config;
	size_t cases, steps, expectations, wrong;
	int number;
	char what[160];
};

static char cell(const json_t *expected, const char *which, size_t from,
		 size_t to)
{
	const char *row = json_string_value(
		json_array_get(json_object_get(expected, which), from));

	assert_non_null(row);
	assert_true(strlen(row) > to);
	assert_true(row[to] == '.' || row[to] == 'X');
	return row[to];
}

static char judge(struct run *run, const struct engines *e, enum engine which,
		  const struct probe *probe)
{
	struct answer a;

	engines_judge(e, which, probe, &a);
	if (a.verdict == MOAT_ALLOW)
		return a.reason == MOAT_REASON_SG_ALLOW ? '.' : '?';
	if (a.verdict !=
	    (run->config->max_mode_audit ? MOAT_WOULD_DROP : MOAT_DROP))
		return '?';
	return a.reason == MOAT_REASON_SG_NO_MATCH ? 'X' : '?';
}

static void check_pair(struct run *run, const struct engines *e,
		       const json_t *expected, const struct pods *pods,
		       const size_t pair[2])
{
	struct probe out = {
		.direction = MOAT_EGRESS,
		.family = addr_is_v4(&pods->addr[pair[0]]) ? 4 : 6,
		.local = pods->addr[pair[0]],
		.remote = pods->addr[pair[1]],
		.proto = proto_of(text(expected, "protocol")),
		.sport = 40000,
		.dport = (uint16_t)number(expected, "port"),
	};
	struct probe in = out;

	in.direction = MOAT_INGRESS;
	in.local = out.remote;
	in.remote = out.local;
	for (int which = 0; which < ENGINE_COUNT; which++) {
		char egress = judge(run, e, which, &out);
		char ingress = judge(run, e, which, &in);
		char both = egress == '.' && ingress == '.' ? '.' : 'X';

		if (egress == cell(expected, "egress", pair[0], pair[1]) &&
		    ingress == cell(expected, "ingress", pair[0], pair[1]) &&
		    both == cell(expected, "combined", pair[0], pair[1]))
			continue;
		probe_print(&out, run->what, sizeof(run->what));
		print_error("case %d, %s: %s: egress %c, ingress %c\n",
			    run->number, engine_names[which], run->what, egress,
			    ingress);
		run->wrong++;
	}
	run->expectations++;
}

static void check_step(struct run *run, const json_t *step)
{
	struct pods pods = { 0 };
	struct policy *p;
	struct engines e;
	const json_t *expected;
	size_t i;

	read_pods(step, &pods);
	p = read_policy(step, &pods);
	assert_true(engines_open(&e, p, run->config, pods.addr, pods.count));
	json_array_foreach(json_object_get(step, "expected"), i, expected) {
		for (size_t pair[2] = { 0, 0 }; pair[0] < pods.count; pair[0]++)
			for (pair[1] = 0; pair[1] < pods.count; pair[1]++)
				if (pair[0] != pair[1])
					check_pair(run, &e, expected, &pods,
						   pair);
	}
	engines_close(&e);
	policy_free(p);
	run->steps++;
}

static bool check_case(const json_t *line, void *arg)
{
	struct run *run = arg;
	const json_t *step;
	size_t i;

	run->number = number(line, "n");
	json_array_foreach(json_object_get(line, "steps"), i, step)
		check_step(run, step);
	run->cases++;
	return run->wrong < 20;
}

static void check_file(const char *file, struct config *config,
		       const char *name)
{
	struct run run = { .config = config };
	bool read = conformance_each(file, check_case, &run);

	print_message(
		"%s, %s: %zu cases, %zu steps, %zu expectations, %zu wrong\n",
		file, name, run.cases, run.steps, run.expectations, run.wrong);
	build_config_free(config);
	assert_int_equal(run.wrong, 0);
	assert_true(read);
	assert_int_equal(run.cases, CASES);
	assert_int_equal(run.steps, STEPS);
	assert_int_equal(run.expectations, EXPECTATIONS);
}

static const char v4[] = "cyclonus/cases-v4.jsonl";
static const char v6[] = "cyclonus/cases-v6.jsonl";

static void ipv4(void **state)
{
	check_file(v4, build_config(), "defaults");
}

static void ipv6(void **state)
{
	check_file(v6, build_config(), "defaults");
}

/* No setting of the agent may open what the policy closes. */
static void other_configurations(void **state)
{
	struct config *c = build_config();

	c->unassigned_allow = true;
	c->midstream_drop = true;
	c->forwarding_judge = true;
	c->before_first_pass = false;
	for (int i = 0; i < MOAT_ESSENTIAL_COUNT; i++)
		c->essential[i] = false;
	check_file(v4, c, "all switched");
	c = build_config();
	c->max_mode_audit = true;
	check_file(v6, c, "max_mode audit");
	c = build_config();
	build_failsafe_peer(build_failsafe(c, MOAT_INGRESS, IPPROTO_TCP, 22),
			    build_cidr_of("0.0.0.0/0"));
	check_file(v4, c, "failsafe");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4),
		cmocka_unit_test(ipv6),
		cmocka_unit_test(other_configurations),
	};

	conformance_need(v4);
	conformance_need(v6);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
