// SPDX-License-Identifier: BSD-2-Clause
/*
 * Warnings that need the address space: exact text and place, the policies
 * beside them that are quiet, and that large policies are searched in time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "compile/compile.h"
#include "policy/facts.h"
#include "reference/reference.h"
#include "support/build.h"
#include "support/random.h"
#include "support/warned.h"

static void run(const struct policy *p, struct diags *diags, const void *arg)
{
	compile_warn(p, diags);
}

static void warned(const char *text, const char *expected)
{
	assert_warned(text, run, NULL, expected);
}

static void redundant(void **state)
{
	warned("prefix_lists: {ops: [10.9.0.0/24], half: [10.9.0.0/25]}\n"
	       "security_groups:\n"
	       "  a:\n"
	       "    members: [10.1.0.0/24]\n"
	       "    egress: []\n"
	       "    ingress:\n"
	       "      - {name: ssh, from: [half], service: ssh}\n"
	       "      - {name: low, from: [ops], protocol: tcp, "
	       "ports: [1-1023]}\n"
	       "      - {name: again, from: [10.9.0.7], protocol: tcp, "
	       "ports: [80, 443]}\n"
	       "      - {name: dns, from: [ops], protocol: udp, "
	       "ports: [53]}\n"
	       "      - {name: wider, from: [10.8.0.0/15], service: ssh}\n"
	       "      - {name: same, from: [10.9.0.0/24], protocol: tcp, "
	       "ports: [1-500, 501-1023]}\n"
	       "      - {name: part, from: [ops, 10.7.0.0/24], "
	       "protocol: tcp, ports: [80]}\n",
	       "7:9 rule a/ssh is redundant: a/low allows all it does\n"
	       "9:9 rule a/again is redundant: a/low allows all it does\n"
	       "12:9 rule a/same is redundant: a/low allows all it does\n");
}

/* self, the group's name and its members are one; directions are not. */
static void redundant_self(void **state)
{
	warned("security_groups:\n"
	       "  a:\n"
	       "    members: [10.1.0.0/24]\n"
	       "    ingress:\n"
	       "      - {name: all, from: [self]}\n"
	       "      - {name: ping, from: [a], service: ping}\n"
	       "      - {name: host, from: [10.1.0.9], service: ssh}\n"
	       "    egress:\n"
	       "      - {name: ping, to: [self], service: ping}\n",
	       "6:9 rule a/ping is redundant: a/all allows all it does\n"
	       "7:9 rule a/host is redundant: a/all allows all it does\n");
}

/* A limited rule does not make another one redundant, nor the reverse. */
static void limited_is_not_redundant(void **state)
{
	warned("security_groups:\n"
	       "  a:\n"
	       "    members: [10.1.0.0/24]\n"
	       "    egress: []\n"
	       "    ingress:\n"
	       "      - {name: all, from: [any], service: https, limit: "
	       "{new_connections: 5/second, burst: 9, per: source}}\n"
	       "      - {name: partner, from: [10.9.0.0/24], "
	       "service: https}\n",
	       "");
}

static void void_beside_open(void **state)
{
	warned("security_groups:\n"
	       "  a:\n"
	       "    members: [10.1.0.0/24, \"fd00:1::/64\"]\n"
	       "    ingress: [{name: ssh, from: [10.9.0.0/24], "
	       "service: ssh}]\n"
	       "    egress:\n"
	       "      - {name: one, to: [10.2.0.0/24]}\n"
	       "      - {name: two, to: [10.3.0.0/24]}\n"
	       "  open:\n"
	       "    members: [10.1.0.128/25]\n"
	       "  wide:\n"
	       "    members: [10.1.0.0/24]\n"
	       "    ingress: [{name: all, from: [any]}]\n"
	       "    egress: []\n"
	       "  apart:\n"
	       "    members: [10.5.0.0/24]\n"
	       "    egress: [{name: all, to: [0.0.0.0/0, \"::/0\"]}]\n",
	       "4:5 group a: its 1 ingress rule is void on 256 addresses "
	       "(10.1.0.0/24): wide/all allows all\n"
	       "5:5 group a: its 2 egress rules are void on 128 addresses "
	       "(10.1.0.128/25): open/default-egress allows all\n");
}

static void limit_voided(void **state)
{
	warned("security_groups:\n"
	       "  a:\n"
	       "    members: [10.1.0.0/24]\n"
	       "    egress: []\n"
	       "    ingress:\n"
	       "      - name: api\n"
	       "        from: [any]\n"
	       "        service: https\n"
	       "        limit: {new_connections: 50/second, burst: 100, "
	       "per: source}\n"
	       "      - name: web\n"
	       "        from: [10.9.0.0/24]\n"
	       "        service: http\n"
	       "        limit: {new_connections: 1/second, burst: 2, "
	       "per: rule}\n"
	       "      - {name: tcp, from: [any], protocol: tcp, "
	       "ports: [400-500]}\n"
	       "  b:\n"
	       "    members: [10.1.0.0/26, 10.2.0.0/24]\n"
	       "    egress: []\n"
	       "    ingress:\n"
	       "      - {name: office, from: [10.9.0.0/16], service: http}\n",
	       "6:9 rule a/api: its limit never applies: a/tcp lets the same "
	       "in without one\n"
	       "10:9 rule a/web: its limit never applies on 64 addresses "
	       "(10.1.0.0/26): b/office lets the same in without one\n");
}

/* NACL n for both families with these ingress rules, one a line from 6. */
static void nacl(const char *rules, const char *expected)
{
	_cleanup_(buf_free) struct buf text = { 0 };

	buf_printf(&text,
		   "prefix_lists: {bad: [192.0.2.0/24, \"2001:db8::/32\"]}\n"
		   "network_acls:\n"
		   "  n:\n"
		   "    applies_to: [10.1.0.0/24, \"fd00:1::/64\"]\n"
		   "    ingress:\n%s",
		   rules);
	warned(buf_text(&text), expected);
}

static void never_matches(void **state)
{
	nacl("      - {rule: 10, action: deny, from: [bad]}\n"
	     "      - {rule: 20, action: allow, protocol: tcp, "
	     "ports: [1-1000]}\n"
	     "      - {rule: 30, action: deny, protocol: tcp, ports: [22]}\n"
	     "      - {rule: 40, action: allow, from: [192.0.2.7]}\n"
	     "      - {rule: 50, action: allow, protocol: tcp, "
	     "ports: [1000-2000]}\n"
	     "      - {rule: 35, action: allow, protocol: udp, "
	     "ports: [1-1000]}\n",
	     "8:9 rule n/30 can never match: n/20 decides all it would\n"
	     "9:9 rule n/40 can never match: n/10 decides all it would\n");
}

/* Rules that decide together, in services and in addresses. */
static void never_matches_together(void **state)
{
	nacl("      - {rule: 10, action: allow, from: [10.2.0.0/25], "
	     "protocol: tcp, ports: [1-100]}\n"
	     "      - {rule: 20, action: deny, from: [10.2.0.128/25], "
	     "protocol: tcp, ports: [1-100]}\n"
	     "      - {rule: 30, action: deny, from: [10.2.0.0/24], "
	     "protocol: tcp, ports: [101-200]}\n"
	     "      - {rule: 40, action: allow, from: [10.2.0.0/24], "
	     "protocol: tcp, ports: [50-150]}\n"
	     "      - {rule: 50, action: allow, from: [10.2.0.0/24], "
	     "protocol: tcp, ports: [50-201]}\n"
	     "      - {rule: 60, action: allow, from: [10.2.0.0/23], "
	     "protocol: tcp, ports: [50-150]}\n",
	     "9:9 rule n/40 can never match: rules with lower numbers decide "
	     "all it would\n");
}

/* ICMP has one family, and so have addresses; what is left decides. */
static void never_matches_families(void **state)
{
	nacl("      - {rule: 10, action: allow, protocol: icmp}\n"
	     "      - {rule: 20, action: allow, protocol: icmpv6}\n"
	     "      - {rule: 30, action: deny, from: [\"::/0\"], "
	     "protocol: icmpv6}\n"
	     "      - {rule: 40, action: deny, from: [\"fd00::/8\"], "
	     "protocol: ah}\n"
	     "      - {rule: 50, action: deny, from: [10.0.0.0/8], "
	     "protocol: ah}\n"
	     "      - {rule: 60, action: allow, from: [0.0.0.0/0]}\n"
	     "      - {rule: 70, action: allow, from: [\"::/0\"]}\n"
	     "      - {rule: 80, action: deny}\n",
	     "8:9 rule n/30 can never match: n/20 decides all it would\n"
	     "9:9 rule n/40 can never match: no address family is its peers', "
	     "its protocol's and applies_to's\n"
	     "13:9 rule n/80 can never match: rules with lower numbers decide "
	     "all it would\n");
	warned("network_acls:\n"
	       "  four:\n"
	       "    applies_to: [10.1.0.0/24]\n"
	       "    egress:\n"
	       "      - {rule: 1, action: allow, to: [\"fd00::/8\"]}\n"
	       "      - {rule: 2, action: allow, to: [10.0.0.0/8]}\n"
	       "      - {rule: 3, action: deny, to: [any]}\n",
	       "5:9 rule four/1 can never match: no address family is its "
	       "peers', its protocol's and applies_to's\n");
}

/* A group rule and a NACL rule for each of count peers, and a NACL rule that
 * the first one leaves nothing to. */
static struct policy *many_rules(size_t count)
{
	_cleanup_(buf_free) struct buf text = { 0 };

	buf_puts(&text, "version: 1\nname: p\nmode: enforce\n"
			"security_groups:\n"
			"  g:\n"
			"    members: [10.1.0.0/24]\n"
			"    egress: []\n"
			"    ingress:\n");
	for (size_t i = 0; i < count; i++)
		buf_printf(&text,
			   "    - {name: r%zu, from: [172.16.%zu.%zu], "
			   "protocol: tcp, ports: [%zu]}\n",
			   i, i / 256, i % 256, i % 60000 + 1);
	buf_puts(&text, "network_acls:\n"
			"  n:\n"
			"    applies_to: [g]\n"
			"    ingress:\n");
	for (size_t i = 0; i < count; i++)
		buf_printf(
			&text,
			"    - {rule: %zu, action: deny, from: "
			"[10.%zu.%zu.0/24], protocol: tcp, ports: [%zu-%zu]}\n",
			i + 1, i / 256 + 2, i % 256, i % 100 + 1,
			i % 100 + 1000);
	buf_printf(&text,
		   "    - {rule: %zu, action: deny, from: "
		   "[10.2.0.0/24], protocol: tcp, ports: [500]}\n",
		   count + 1);
	return read_valid(buf_text(&text));
}

/* 10,000 rules: answered, and by work that grows as the policy does. */
static void large_policy(void **state)
{
	struct policy *p = many_rules(4999);
	struct diags diags = { 0 };
	struct timespec start, end;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
	compile_warn(p, &diags);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	print_message("%ld ms\n",
		      (end.tv_sec - start.tv_sec) * 1000 +
			      (end.tv_nsec - start.tv_nsec) / 1000000);
	assert_int_equal(diags.errors, 0);
	assert_int_equal(diags.warnings, 1);
	assert_string_equal(diags.items[0].text,
			    "rule n/5000 can never match: n/1 decides all it "
			    "would");
	diags_free(&diags);
	policy_free(p);
}

/* The list that holds rule "owner/name" of a warning, and its index there. */
static struct ruleset *list_of(struct policy *p, const char *rule, size_t *ret)
{
	for (size_t g = 0; g < 2 * (p->ngroups + p->nnacls); g++) {
		bool nacl = g / 2 >= p->ngroups;
		struct nacl *n = &p->nacls[nacl ? g / 2 - p->ngroups : 0];
		struct ruleset *list = nacl ? &n->rules[g % 2] :
					      &p->groups[g / 2].rules[g % 2];

		for (size_t i = 0; i < list->count; i++) {
			char name[FACTS_TEXT];

			rule_print(nacl ? n->name : p->groups[g / 2].name,
				   &list->rules[i], name);
			*ret = i;
			if (!strcmp(name, rule))
				return list;
		}
	}
	return NULL;
}

static bool names_twice(struct policy *p, const char *rule)
{
	size_t i, n = 0;
	struct ruleset *list;
	struct policy *copy = build_copy(p);

	while ((list = list_of(copy, rule, &i))) {
		list->rules[i].number = 0;
		free(list->rules[i].name);
		list->rules[i].name = strdup("-");
		n++;
	}
	policy_free(copy);
	return n > 1;
}

/* Without the rule that a warning calls idle every packet fares the same. */
static void assert_idle(struct rng *rng, const struct policy *p,
			const struct config *c, const char *rule)
{
	struct policy *without = build_copy(p);
	struct palette palette;
	size_t i;
	struct ruleset *list = list_of(without, rule, &i);

	assert_non_null(list);
	/* A port of a protocol that is none of IP's: it matches nothing. */
	list->rules[i].nservices = 1;
	list->rules[i].services[0] = (struct service_match){ .proto = 253,
							     .type = -1,
							     .code = -1 };
	palette_make(p, c, &palette);
	for (int k = 0; k < 200; k++) {
		struct probe probe = random_probe(rng, &palette);
		struct answer with, less;

		if (probe.proto == 253)
			continue;
		reference_judge(p, c, &probe, &with);
		reference_judge(without, c, &probe, &less);
		assert_int_equal(with.verdict, less.verdict);
		assert_int_equal(with.reason, less.reason);
	}
	palette_free(&palette);
	policy_free(without);
}

static void idle_rules_are_idle(void **state)
{
	struct rng rng = { 20 };
	size_t redundant_ones = 0, unmatched = 0;

	for (int i = 0; i < 400; i++) {
		struct policy *p = random_policy(&rng);
		struct config *c = random_config(&rng);
		struct diags diags = { 0 };

		compile_warn(p, &diags);
		for (size_t k = 0; k < diags.count; k++) {
			char rule[128];
			bool idle = strstr(diags.items[k].text, "redundant");
			bool never = strstr(diags.items[k].text, "can never");

			if ((!idle && !never) ||
			    sscanf(diags.items[k].text, "rule %127s", rule) !=
				    1 ||
			    names_twice(p, rule))
				continue;
			redundant_ones += idle;
			unmatched += never;
			assert_idle(&rng, p, c, rule);
		}
		diags_free(&diags);
		build_config_free(c);
		policy_free(p);
	}
	print_message("%zu redundant, %zu unmatched\n", redundant_ones,
		      unmatched);
	assert_true(redundant_ones > 20);
	assert_true(unmatched > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(redundant),
		cmocka_unit_test(redundant_self),
		cmocka_unit_test(limited_is_not_redundant),
		cmocka_unit_test(void_beside_open),
		cmocka_unit_test(limit_voided),
		cmocka_unit_test(never_matches),
		cmocka_unit_test(never_matches_together),
		cmocka_unit_test(never_matches_families),
		cmocka_unit_test(large_policy),
		cmocka_unit_test(idle_rules_are_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
