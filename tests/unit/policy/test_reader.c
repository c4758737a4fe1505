// SPDX-License-Identifier: BSD-2-Clause
/* Documents to a model: what each key becomes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "policy/reader.h"

#define HEAD "version: 1\nname: p\nmode: audit\n"

/* What one run left: the model or the diagnostics. */
struct run {
	struct policy *policy;
	struct diags diags;
	struct buf said;
};

static int read_list(const char *document, const char *path, struct buf *ret,
		     void *arg)
{
	assert_string_equal(document, "dir/p.yaml");
	if (!strcmp(path, "nul.txt"))
		return buf_add(ret, "10.0.0.0/8\n\0", 12);
	if (strcmp(path, "lists/a.txt") != 0)
		return -ENOENT;
	return buf_puts(ret, "# all ends\r10.0.0.0/8\n\n  fd00::/8  # six\r\n"
			     "10.0.0.0/8\r192.0.2.1");
}

static struct run run_files(const char *const *texts, size_t count)
{
	static const char *const names[] = { "dir/p.yaml", "b.yaml", "c.yaml" };
	const struct reader_options options = { .read_list = read_list };
	struct document docs[3];
	struct run run = { 0 };

	for (size_t i = 0; i < count; i++)
		docs[i] = (struct document){ names[i], texts[i],
					     strlen(texts[i]) };
	run.policy = policy_read(docs, count, &options, &run.diags);
	assert_int_equal(diags_render(&run.diags, &run.said), 0);
	assert_int_equal(run.policy != NULL, run.diags.errors == 0);
	return run;
}

static struct run run_text(const char *text)
{
	return run_files(&text, 1);
}

static struct run run_good(const char *text)
{
	struct run run = run_text(text);

	assert_string_equal(buf_text(&run.said), "");
	return run;
}

static void end(struct run *run)
{
	policy_free(run->policy);
	diags_free(&run->diags);
	buf_free(&run->said);
}

static void assert_cidrs(const struct addr_set *set, const char *expected)
{
	_cleanup_(buf_free) struct buf all = { 0 };
	char text[ADDR_TEXT];

	for (size_t i = 0; i < set->ncidrs; i++)
		buf_printf(&all, "%s%s", i ? " " : "",
			   cidr_print(&set->cidrs[i], false, text));
	assert_string_equal(buf_text(&all), expected);
}

/* "6:22 6:80-90 1/8 58/128/0 *" for matches of either kind. */
static void assert_services(const struct service_match *m, size_t count,
			    const char *expected)
{
	_cleanup_(buf_free) struct buf all = { 0 };

	for (size_t i = 0; i < count; i++, m++) {
		buf_puts(&all, i ? " " : "");
		if (m->proto < 0)
			buf_puts(&all, "*");
		else
			buf_printf(&all, "%d", m->proto);
		if (m->has_ports && m->first == m->last)
			buf_printf(&all, ":%d", m->first);
		else if (m->has_ports)
			buf_printf(&all, ":%d-%d", m->first, m->last);
		if (m->type >= 0)
			buf_printf(&all, "/%d", m->type);
		if (m->code >= 0)
			buf_printf(&all, "/%d", m->code);
	}
	assert_string_equal(buf_text(&all), expected);
}

static void top_level(void **state)
{
	struct run run = run_good("version: 1\nname: gpu-cluster\n"
				  "mode: enforce\non_tighten: reevaluate\n"
				  "revision: 2024-05 b\n");

	assert_string_equal(run.policy->name, "gpu-cluster");
	assert_string_equal(run.policy->revision, "2024-05 b");
	assert_int_equal(run.policy->mode, MODE_ENFORCE);
	assert_int_equal(run.policy->on_tighten, TIGHTEN_REEVALUATE);
	assert_int_equal(run.policy->nsets, 0);
	end(&run);

	/* sha256sum of the file, first twelve digits. */
	run = run_good(HEAD);
	assert_string_equal(run.policy->revision, "b1550457b071");
	assert_int_equal(run.policy->mode, MODE_AUDIT);
	assert_int_equal(run.policy->on_tighten, TIGHTEN_KEEP);
	end(&run);
}

static void sets(void **state)
{
	struct run run = run_good(
		HEAD
		"security_groups:\n"
		"  g: {members: [10.1.0.0/16, a, 10.1.0.0/16, \"fd00::1\"]}\n"
		"  h: {}\n"
		"prefix_lists:\n"
		"  a: [10.0.5.10, 10.0.5.10/32, fd00::/64]\n"
		"  b: 192.0.2.0/24\n"
		"  c: {file: lists/a.txt}\n"
		"  d: []\n"
		"network_acls:\n"
		"  n: {applies_to: [g, c, 172.16.0.0/12]}\n");
	const struct policy *p = run.policy;

	/* Lists first, then groups, then NACLs, in file order each. */
	assert_int_equal(p->nsets, 7);
	assert_string_equal(p->sets[0].name, "a");
	assert_cidrs(&p->sets[0], "10.0.5.10/32 fd00::/64");
	assert_cidrs(&p->sets[1], "192.0.2.0/24");
	assert_cidrs(&p->sets[2], "10.0.0.0/8 fd00::/8 192.0.2.1/32");
	assert_cidrs(&p->sets[3], "");
	assert_int_equal(p->sets[4].kind, SET_GROUP);
	assert_cidrs(&p->sets[4],
		     "10.1.0.0/16 10.0.5.10/32 fd00::/64 fd00::1/128");
	assert_int_equal(p->ngroups, 2);
	assert_int_equal(p->groups[0].set, 4);
	assert_int_equal(p->sets[5].ncidrs, 0);
	assert_int_equal(p->nacls[0].set, 6);
	assert_int_equal(p->sets[6].kind, SET_NACL);
	assert_cidrs(&p->sets[6],
		     "10.1.0.0/16 10.0.5.10/32 fd00::/64 fd00::1/128 "
		     "10.0.0.0/8 fd00::/8 192.0.2.1/32 172.16.0.0/12");
	assert_int_equal(p->sets[0].pos.line, 8);
	end(&run);
}

static void groups(void **state)
{
	struct run run = run_good(
		HEAD "security_groups:\n"
		     "  g:\n"
		     "    members: 10.0.0.1\n"
		     "    mode: enforce\n"
		     "    on_tighten: reevaluate\n"
		     "    description: a b\n"
		     "    owner: team\n"
		     "    ingress:\n"
		     "      - {name: x, from: [any, self, h, 10.0.0.0/8]}\n"
		     "    egress: []\n"
		     "  h: {}\n");
	const struct policy *p = run.policy;
	const struct group *g = &p->groups[0], *h = &p->groups[1];
	const struct rule *x = &g->rules[MOAT_INGRESS].rules[0];

	assert_int_equal(g->mode, MODE_ENFORCE);
	assert_int_equal(group_mode(p, g), MODE_ENFORCE);
	assert_int_equal(group_on_tighten(p, g), TIGHTEN_REEVALUATE);
	assert_string_equal(g->description, "a b");
	assert_string_equal(g->owner, "team");
	assert_false(g->rules[MOAT_INGRESS].absent);
	assert_false(g->rules[MOAT_EGRESS].absent);
	assert_int_equal(x->npeers, 4);
	assert_int_equal(x->peers[0].kind, PEER_ANY);
	assert_int_equal(x->peers[1].kind, PEER_SET);
	assert_true(x->peers[1].self);
	assert_int_equal(x->peers[1].set, g->set);
	assert_int_equal(x->peers[2].set, h->set);
	assert_int_equal(x->peers[3].kind, PEER_CIDR);
	assert_int_equal(x->peers[3].cidr.length, 8);
	assert_int_equal(x->peers[3].pos.column, 40);
	assert_services(x->services, x->nservices, "*");
	assert_false(x->limit.present);

	assert_int_equal(h->mode, MODE_INHERIT);
	assert_int_equal(group_mode(p, h), MODE_AUDIT);
	assert_int_equal(group_on_tighten(p, h), TIGHTEN_KEEP);
	assert_true(h->rules[MOAT_INGRESS].absent);
	assert_true(h->rules[MOAT_EGRESS].absent);
	end(&run);
}

static void nacls(void **state)
{
	struct run run = run_good(
		HEAD "network_acls:\n"
		     "  n:\n"
		     "    applies_to: any\n"
		     "    mode: enforce\n"
		     "    ingress:\n"
		     "      - {rule: 200, action: deny, from: self, name: x,\n"
		     "         description: why}\n"
		     "      - {rule: 100, action: allow, protocol: gre}\n");
	const struct policy *p = run.policy;
	const struct nacl *n = &p->nacls[0];
	const struct rule *rules = n->rules[MOAT_INGRESS].rules;

	assert_int_equal(nacl_mode(p, n), MODE_ENFORCE);
	assert_true(p->sets[n->set].any);
	assert_true(n->rules[MOAT_EGRESS].absent);
	assert_int_equal(rules[0].number, 200);
	assert_true(rules[0].deny);
	assert_string_equal(rules[0].name, "x");
	assert_int_equal(rules[0].peers[0].set, n->set);
	assert_int_equal(rules[1].number, 100);
	assert_false(rules[1].deny);
	assert_null(rules[1].name);
	assert_int_equal(rules[1].npeers, 1);
	assert_int_equal(rules[1].peers[0].kind, PEER_ANY);
	assert_services(rules[1].services, rules[1].nservices, "47");
	end(&run);
}

/* A rule's protocol, ports, icmp and service keys, and what they match. */
static const struct {
	const char *keys, *matches;
} service_cases[] = {
	{ "", "*" },
	{ ", protocol: any", "*" },
	{ ", protocol: [any]", "*" },
	{ ", protocol: tcp", "6" },
	{ ", protocol: 253", "253" },
	{ ", protocol: [tcp, 50, ah]", "6 50 51" },
	{ ", protocol: tcp, ports: 22", "6:22" },
	{ ", protocol: 17, ports: [0, 65535]", "17:0 17:65535" },
	{ ", protocol: [tcp, udp], ports: [53, 100-200]",
	  "6:53 6:100-200 17:53 17:100-200" },
	{ ", protocol: sctp, ports: \"1-2\"", "132:1-2" },
	{ ", protocol: icmp", "1" },
	{ ", protocol: icmp, icmp: echo-request", "1/8" },
	{ ", protocol: icmp, icmp: [frag-needed, {type: 3, code: 0}, {type: 9}]",
	  "1/3/4 1/3/0 1/9" },
	{ ", protocol: icmpv6, icmp: {type: 255, code: 255}", "58/255/255" },
	{ ", protocol: [icmp, icmpv6], icmp: [echo-request, port-unreachable]",
	  "1/8 1/3/3 58/128 58/1/4" },
	{ ", service: ssh", "6:22" },
	{ ", service: dns", "6:53 17:53" },
	{ ", service: lustre", "6:988 6:1018-1023" },
	{ ", service: ping", "1/8 58/128" },
	{ ", service: [ssh, http3]", "6:22 17:443" },
	{ ", service: mine", "6:1-2 6:9 17:7 1/8 50" },
};

static void services(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(service_cases); i++) {
		_cleanup_(buf_free) struct buf text = { 0 };

		buf_printf(&text,
			   HEAD "services:\n"
				"  mine:\n"
				"    - {protocol: tcp, ports: [1-2, 9]}\n"
				"    - {protocol: udp, ports: 7}\n"
				"    - {protocol: icmp, icmp: echo-request}\n"
				"    - protocol: esp\n"
				"security_groups:\n"
				"  g: {ingress: [{name: x, from: any%s}]}\n",
			   service_cases[i].keys);

		struct run run = run_good(buf_text(&text));
		const struct rule *x =
			&run.policy->groups[0].rules[MOAT_INGRESS].rules[0];
		assert_services(x->services, x->nservices,
				service_cases[i].matches);
		end(&run);
	}
}

/* The table that moat schema prints says what the reader does. */
static void builtin_table(void **state)
{
	const struct service_entry *table;
	size_t count = service_table(&table);

	assert_int_equal(count, 21);
	for (size_t i = 0; i < count; i++) {
		_cleanup_(buf_free) struct buf text = { 0 };

		buf_printf(
			&text,
			HEAD
			"security_groups:\n"
			"  g: {ingress: [{name: x, from: any, service: %s}]}\n",
			table[i].name);

		struct run run = run_good(buf_text(&text));
		const struct rule *x =
			&run.policy->groups[0].rules[MOAT_INGRESS].rules[0];
		assert_true(x->nservices > 0);
		for (size_t j = 0; j < x->nservices; j++)
			assert_true(x->services[j].proto > 0);
		end(&run);
	}
	assert_string_equal(table[7].text, "tcp 988, 1018-1023");
}

static void limits(void **state)
{
	static const struct {
		const char *text;
		uint64_t rate;
		uint32_t burst;
		bool per_source;
	} cases[] = {
		{ "{new_connections: 50/second, burst: 100, per: source}",
		  50000, 100, true },
		{ "{new_connections: 50/second, per: rule}", 50000, 50, false },
		{ "{new_connections: 600/minute}", 10000, 600, true },
		{ "{new_connections: 10/minute}", 166, 10, true },
		{ "{new_connections: 4/hour, burst: 1}", 1, 1, true },
		{ "{new_connections: 1000000/second}", 1000000000, 1000000,
		  true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(buf_free) struct buf text = { 0 };

		buf_printf(
			&text,
			HEAD
			"security_groups:\n"
			"  g: {ingress: [{name: x, from: any, limit: %s}]}\n",
			cases[i].text);

		struct run run = run_good(buf_text(&text));
		const struct rate_limit *l =
			&run.policy->groups[0].rules[MOAT_INGRESS].rules->limit;
		assert_true(l->present);
		assert_int_equal(l->rate, cases[i].rate);
		assert_int_equal(l->burst, cases[i].burst);
		assert_int_equal(l->per_source, cases[i].per_source);
		end(&run);
	}
}

static void tests_and_nevers(void **state)
{
	struct run run = run_good(
		HEAD
		"security_groups: {a: {}, b: {}}\n"
		"tests:\n"
		"  - {src: 10.20.0.1, dst: 10.40.0.5, dport: 2049, sport: 870,\n"
		"     protocol: tcp, expect: allow, description: NFS}\n"
		"  - {src: fd00::1, dst: fd00::2, protocol: icmpv6, expect: drop}\n"
		"  - {src: 10.0.0.1, dst: 10.0.0.2, protocol: icmp,\n"
		"     icmp: {type: 3, code: 4}, expect: deny}\n"
		"  - {src: 10.0.0.1, dst: 10.0.0.2, protocol: udp, dport: 53, expect: allow}\n"
		"never:\n"
		"  - {from: a, to: [b, any], service: ssh, description: apart}\n"
		"  - {from: 10.0.0.0/8, to: b}\n");
	const struct policy_test *t = run.policy->tests;
	const struct policy_never *n = run.policy->nevers;
	char text[ADDR_TEXT];

	assert_int_equal(run.policy->ntests, 4);
	assert_string_equal(addr_print(&t[0].src, text), "10.20.0.1");
	assert_string_equal(addr_print(&t[0].dst, text), "10.40.0.5");
	assert_int_equal(t[0].family, 4);
	assert_int_equal(t[0].proto, 6);
	assert_int_equal(t[0].sport, 870);
	assert_int_equal(t[0].dport, 2049);
	assert_true(t[0].expect_allow);
	assert_string_equal(t[0].description, "NFS");
	assert_int_equal(t[1].family, 6);
	assert_int_equal(t[1].type, -1);
	assert_int_equal(t[1].code, -1);
	assert_false(t[1].expect_allow);
	assert_int_equal(t[2].type, 3);
	assert_int_equal(t[2].code, 4);
	assert_false(t[2].expect_allow);
	assert_int_equal(t[3].sport, 40000);

	assert_int_equal(run.policy->nnevers, 2);
	assert_int_equal(n[0].nfrom, 1);
	assert_int_equal(n[0].from[0].set, 0);
	assert_int_equal(n[0].nto, 2);
	assert_services(n[0].services, n[0].nservices, "6:22");
	assert_string_equal(n[0].description, "apart");
	assert_services(n[1].services, n[1].nservices, "*");
	end(&run);
}

static void several_files(void **state)
{
	const char *texts[] = {
		HEAD "prefix_lists: {a: 10.0.0.0/8}\n",
		"security_groups: {g: {members: a, ingress: [{name: x, from: b}]}}\n",
		("prefix_lists: {b: 10.9.0.0/16}\non_tighten: reevaluate\n"
		 "security_groups: {h: {}}\n"),
	};
	struct run run = run_files(texts, 3);

	assert_string_equal(buf_text(&run.said), "");
	assert_int_equal(run.policy->nsets, 4);
	assert_string_equal(run.policy->sets[1].name, "b");
	assert_string_equal(run.policy->groups[0].name, "g");
	assert_int_equal(run.policy->groups[0].rules[0].rules[0].peers[0].set,
			 1);
	assert_cidrs(&run.policy->sets[2], "10.0.0.0/8");
	assert_int_equal(run.policy->on_tighten, TIGHTEN_REEVALUATE);
	end(&run);
}

static void several_files_in_conflict(void **state)
{
	const char *texts[] = {
		HEAD "prefix_lists: {a: 10.0.0.0/8}\n",
		"mode: audit\nsecurity_groups: {a: {}}\n",
		"prefix_lists: {a: 10.9.0.0/16}\nnmae: x\n",
	};
	struct run run = run_files(texts, 3);

	assert_string_equal(
		buf_text(&run.said),
		"b.yaml:1:1: error: `mode` stands in dir/p.yaml:3 already\n"
		"    1 | mode: audit\n"
		"      | ^\n"
		"b.yaml:2:19: error: `a` is defined twice; first in dir/p.yaml:4\n"
		"    2 | security_groups: {a: {}}\n"
		"      |                   ^\n"
		"c.yaml:1:16: error: `a` is defined twice; first in dir/p.yaml:4\n"
		"    1 | prefix_lists: {a: 10.9.0.0/16}\n"
		"      |                ^\n"
		"c.yaml:2:1: error: unknown key `nmae` in a policy; did you mean `name`?\n"
		"    2 | nmae: x\n"
		"      | ^\n");
	end(&run);
}

static void list_files(void **state)
{
	struct run run = run_text(HEAD "prefix_lists: {a: {file: nul.txt}}\n");

	assert_non_null(strstr(buf_text(&run.said), "holds a NUL character"));
	end(&run);
	run = run_text(HEAD "prefix_lists: {a: {file: gone.txt}}\n");

	assert_string_equal(
		buf_text(&run.said),
		"dir/p.yaml:4:26: error: can't read `gone.txt`: No such file or directory\n"
		"    4 | prefix_lists: {a: {file: gone.txt}}\n"
		"      |                          ^\n");
	end(&run);

	/* The agent opens no path that a client names. */
	const char *text = HEAD "prefix_lists: {a: {file: lists/a.txt}}\n";
	const struct document doc = { "p", text, strlen(text) };
	struct diags diags = { 0 };
	assert_null(policy_read(&doc, 1, NULL, &diags));
	assert_int_equal(diags.errors, 1);
	assert_string_equal(
		diags.items[0].text,
		"lists in files are read by the CLI, which writes them into what it pushes");
	diags_free(&diags);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test(fn)
	const struct CMUnitTest tests[] = {
		TEST(top_level),     TEST(sets),
		TEST(groups),	     TEST(nacls),
		TEST(services),	     TEST(builtin_table),
		TEST(limits),	     TEST(tests_and_nevers),
		TEST(several_files), TEST(several_files_in_conflict),
		TEST(list_files)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
