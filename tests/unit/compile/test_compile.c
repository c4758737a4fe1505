// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a compiled policy must keep of the words it was written in: unions,
 * first matches, edges of ranges, empty sets, limits (F7), profiles (F36).
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

#include "base/cleanup.h"
#include "reference/reference.h"
#include "support/compiled.h"
#include "support/random.h"

struct bed {
	struct policy *p;
	struct config *c;
	struct compiled compiled;
	size_t group;
};

static void bed_make(struct bed *b)
{
	*b = (struct bed){ .p = build_policy(MODE_ENFORCE),
			   .c = build_config() };
	b->group = build_group(b->p, "g");
	build_member(b->p, b->p->groups[b->group].set, "10.20.0.0/16");
	build_member(b->p, b->p->groups[b->group].set, "fd00:20::/64");
}

static void bed_compile(struct bed *b)
{
	compiled_make(&b->compiled, b->p, b->c, NULL, 0);
	if (!b->compiled.image)
		fail_msg("%s", b->compiled.diags.items[0].text);
}

static void bed_free(struct bed *b)
{
	compiled_free(&b->compiled);
	build_config_free(b->c);
	policy_free(b->p);
}

static struct rule *ingress(struct bed *b, const char *name, const char *peer)
{
	struct rule *r = build_named(b->p, b->group, MOAT_INGRESS, name);

	if (peer)
		build_peer(r, peer);
	return r;
}

/* One opening packet, with reason and rule, "" for none. */
static void expect(struct bed *b, const char *remote, unsigned dport,
		   enum moat_reason reason, const char *rule)
{
	bool v6 = strchr(remote, ':');
	struct probe probe = build_probe(MOAT_INGRESS,
					 v6 ? "fd00:20::1" : "10.20.0.1",
					 remote, IPPROTO_TCP, dport);
	struct answer a, want;

	image_judge(&b->compiled.view, &probe, &a);
	reference_judge(b->p, b->c, &probe, &want);
	assert_string_equal(reason_name(a.reason), reason_name(reason));
	assert_string_equal(a.rule, rule);
	assert_int_equal(a.verdict, want.verdict);
	assert_int_equal(a.reason, want.reason);
	assert_string_equal(a.rule, want.rule);
}

/* attacks.md row 16: 10/8:443 and 10.1/16:80 are a union. */
static void longest_match_is_not_union(void **state)
{
	struct bed b;

	bed_make(&b);
	build_ports(ingress(&b, "wide", "10.0.0.0/8"), IPPROTO_TCP, 443, 443);
	build_ports(ingress(&b, "narrow", "10.1.0.0/16"), IPPROTO_TCP, 80, 80);
	build_ports(ingress(&b, "wide6", "fd00::/8"), IPPROTO_TCP, 443, 443);
	build_ports(ingress(&b, "narrow6", "fd00:1::/32"), IPPROTO_TCP, 80, 80);
	bed_compile(&b);
	expect(&b, "10.1.2.3", 443, MOAT_REASON_SG_ALLOW, "g/wide");
	expect(&b, "10.1.2.3", 80, MOAT_REASON_SG_ALLOW, "g/narrow");
	expect(&b, "10.2.2.3", 443, MOAT_REASON_SG_ALLOW, "g/wide");
	expect(&b, "10.2.2.3", 80, MOAT_REASON_SG_NO_MATCH, "");
	expect(&b, "fd00:1::9", 443, MOAT_REASON_SG_ALLOW, "g/wide6");
	expect(&b, "fd00:1::9", 80, MOAT_REASON_SG_ALLOW, "g/narrow6");
	expect(&b, "fd00:2::9", 80, MOAT_REASON_SG_NO_MATCH, "");
	bed_free(&b);
}

/* Row 5: every pair of narrow and broad, allow and deny, first and second. */
static void narrow_and_broad(void **state)
{
	for (int i = 0; i < 8; i++) {
		bool narrow_first = i & 1, deny_first = i & 2,
		     deny_last = i & 4;
		const char *peers[] = {
			narrow_first ? "10.1.0.0/16" : "10.0.0.0/8",
			narrow_first ? "10.0.0.0/8" : "10.1.0.0/16"
		};
		struct bed b;
		size_t n;

		bed_make(&b);
		build_every(ingress(&b, "all", "0.0.0.0/0"));
		n = build_nacl(b.p, "n");
		b.p->sets[b.p->nacls[n].set].any = true;
		/* Written in the wrong order: the number decides. */
		for (int k = 1; k >= 0; k--) {
			struct rule *r = build_entry(
				&b.p->nacls[n].rules[MOAT_INGRESS], k ? 20 : 10,
				k ? deny_last : deny_first);

			build_peer(r, peers[k]);
			build_ports(r, IPPROTO_TCP, 80, 80);
		}
		bed_compile(&b);
		/* In both: the first. In the broad one alone: that one. */
		expect(&b, "10.1.1.1", 80,
		       deny_first ? MOAT_REASON_NACL_DENY :
				    MOAT_REASON_SG_ALLOW,
		       deny_first ? "n/10" : "g/all");
		if (narrow_first ? deny_last : deny_first)
			expect(&b, "10.2.1.1", 80, MOAT_REASON_NACL_DENY,
			       narrow_first ? "n/20" : "n/10");
		else
			expect(&b, "10.2.1.1", 80, MOAT_REASON_SG_ALLOW,
			       "g/all");
		expect(&b, "10.1.1.1", 81, MOAT_REASON_NACL_DENY, "n/*");
		expect(&b, "11.1.1.1", 80, MOAT_REASON_NACL_DENY, "n/*");
		bed_free(&b);
	}
}

/* Row 8: overlapping, adjacent, single, 0 and 65535. */
static void port_edges(void **state)
{
	static const struct {
		unsigned port;
		const char *rule;
	} want[] = {
		{ 0, "g/first" }, { 1, "" },	     { 99, "" },
		{ 100, "g/low" }, { 149, "g/low" },  { 150, "g/low" },
		{ 200, "g/low" }, { 201, "g/next" }, { 300, "g/next" },
		{ 301, "" },	  { 65534, "" },     { 65535, "g/last" },
	};
	struct bed b;

	bed_make(&b);
	build_ports(ingress(&b, "first", "10.0.0.0/8"), IPPROTO_TCP, 0, 0);
	build_ports(ingress(&b, "low", "10.0.0.0/8"), IPPROTO_TCP, 100, 200);
	build_ports(ingress(&b, "inside", "10.0.0.0/8"), IPPROTO_TCP, 150, 150);
	build_ports(ingress(&b, "next", "10.0.0.0/8"), IPPROTO_TCP, 201, 300);
	build_ports(ingress(&b, "last", "10.0.0.0/8"), IPPROTO_TCP, 65535,
		    65535);
	build_ports(ingress(&b, "udp", "10.0.0.0/8"), IPPROTO_UDP, 0, 65535);
	bed_compile(&b);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		expect(&b, "10.9.9.9", want[i].port,
		       *want[i].rule ? MOAT_REASON_SG_ALLOW :
				       MOAT_REASON_SG_NO_MATCH,
		       want[i].rule);
	bed_free(&b);
}

/* Row 6: an empty set, an empty peer list, an empty service list. */
static void empty_matches_nothing(void **state)
{
	struct bed b;
	size_t empty, n;
	struct rule *r;

	bed_make(&b);
	empty = build_list(b.p, "empty");
	build_peer_set(ingress(&b, "empty-set", NULL), empty);
	build_every(&b.p->groups[0].rules[MOAT_INGRESS].rules[0]);
	build_every(ingress(&b, "no-peer", NULL));
	ingress(&b, "no-service", "0.0.0.0/0");
	n = build_nacl(b.p, "n");
	b.p->sets[b.p->nacls[n].set].any = true;
	r = build_entry(&b.p->nacls[n].rules[MOAT_INGRESS], 1, true);
	build_peer_set(r, empty);
	build_every(r);
	r = build_entry(&b.p->nacls[n].rules[MOAT_INGRESS], 2, false);
	build_peer_any(r);
	build_every(r);
	bed_compile(&b);
	expect(&b, "10.9.9.9", 80, MOAT_REASON_SG_NO_MATCH, "");
	expect(&b, "fd00:9::9", 80, MOAT_REASON_SG_NO_MATCH, "");
	bed_free(&b);
}

/* Unlimited before limited; limited ones in file order make a chain (F7). */
static void limits_make_chains(void **state)
{
	const __u32 *rows, *chain, *limit;
	struct moat_image *h;
	struct rule *r;
	struct bed b;
	char text[64];

	bed_make(&b);
	r = ingress(&b, "z-wide", "10.0.0.0/8");
	build_ports(r, IPPROTO_TCP, 80, 90);
	build_limit(r, 50000, 100);
	r = ingress(&b, "a-narrow", "10.1.0.0/16");
	build_ports(r, IPPROTO_TCP, 85, 95);
	build_limit(r, 7000, 3);
	build_ports(ingress(&b, "exempt", "10.1.1.0/24"), IPPROTO_TCP, 0, 99);
	bed_compile(&b);
	expect(&b, "10.2.0.1", 88, MOAT_REASON_SG_ALLOW, "g/z-wide");
	expect(&b, "10.1.0.1", 88, MOAT_REASON_SG_ALLOW, "g/z-wide");
	expect(&b, "10.1.0.1", 92, MOAT_REASON_SG_ALLOW, "g/a-narrow");
	expect(&b, "10.1.1.1", 88, MOAT_REASON_SG_ALLOW, "g/exempt");
	assert_int_equal(b.compiled.stats.limits, 2);
	assert_int_equal(b.compiled.stats.chains, 3);
	/* The longest of the three chains: wide before narrow. */
	h = &b.compiled.image->header;
	rows = b.compiled.image->part[MOAT_PART_ROWS];
	for (int i = 0; i < 3; i++) {
		chain = rows + rows[h->chains + (unsigned)i];
		if (chain[0] == 2)
			break;
	}
	assert_int_equal(chain[0], 2);
	limit = rows + h->limits + 4 * chain[1];
	assert_string_equal(slot_name(&b.compiled.slots, limit[0] & 0xffff,
				      text, sizeof(text)),
			    "g/z-wide");
	assert_int_equal(limit[1], 50000);
	assert_int_equal(limit[2], 100);
	limit = rows + h->limits + 4 * chain[2];
	assert_string_equal(slot_name(&b.compiled.slots, limit[0] & 0xffff,
				      text, sizeof(text)),
			    "g/a-narrow");
	bed_free(&b);
}

static void flags(void **state)
{
	struct policy *p = build_policy(MODE_AUDIT);
	struct config *c = build_config();
	struct compiled compiled = { 0 };
	size_t a = build_group(p, "a"), b = build_group(p, "b");
	size_t n = build_nacl(p, "n");
	const struct moat_image *h;
	struct moat_addr at = build_addr("10.1.0.1");
	unsigned profile;

	build_member(p, p->groups[a].set, "10.1.0.0/24");
	build_member(p, p->groups[b].set, "10.1.0.0/25");
	build_member(p, p->nacls[n].set, "10.1.0.0/24");
	p->groups[a].mode = MODE_ENFORCE;
	p->groups[a].on_tighten = TIGHTEN_REEVALUATE;
	p->nacls[n].mode = MODE_ENFORCE;
	compiled_make(&compiled, p, c, NULL, 0);
	h = &compiled.image->header;
	assert_int_equal(h->flags, MOAT_IMAGE_AUDIT);
	assert_int_equal(h->profiles, 2);
	profile = image_profile(&compiled.view, &at);
	assert_int_equal(h->profile_flags[profile],
			 MOAT_PROFILE_SG | MOAT_PROFILE_SG_AUDIT |
				 MOAT_PROFILE_NACL | MOAT_PROFILE_REEVALUATE);
	assert_int_equal(h->profile_flags[!profile],
			 MOAT_PROFILE_SG | MOAT_PROFILE_NACL |
				 MOAT_PROFILE_REEVALUATE);
	compiled_free(&compiled);
	p->mode = MODE_ENFORCE;
	c->max_mode_audit = true;
	compiled_make(&compiled, p, c, NULL, 0);
	h = &compiled.image->header;
	assert_int_equal(h->flags, MOAT_IMAGE_AUDIT);
	for (unsigned i = 0; i < h->profiles; i++)
		assert_int_equal(h->profile_flags[i] & ~MOAT_PROFILE_REEVALUATE,
				 MOAT_PROFILE_SG | MOAT_PROFILE_SG_AUDIT |
					 MOAT_PROFILE_NACL |
					 MOAT_PROFILE_NACL_AUDIT);
	compiled_free(&compiled);
	build_config_free(c);
	policy_free(p);
}

/* F36: every member's profile, whoever the host is; the same image then. */
static void profiles_of_all_members(void **state)
{
	struct moat_addr host = build_addr("10.20.0.1"), other;
	struct compiled one = { 0 }, two = { 0 };
	void *first, *second;
	size_t n, m;
	struct bed b;

	bed_make(&b);
	build_every(ingress(&b, "all", "0.0.0.0/0"));
	n = build_group(b.p, "other");
	build_member(b.p, b.p->groups[n].set, "10.30.0.0/16");
	bed_compile(&b);
	assert_true(b.compiled.stats.all_profiles);
	compiled_make(&one, b.p, b.c, &host, 1);
	compiled_make(&two, b.p, b.c, NULL, 0);
	first = compiled_bytes(one.image, &n);
	second = compiled_bytes(two.image, &m);
	assert_int_equal(n, m);
	assert_memory_equal(first, second, n);
	other = build_addr("10.30.1.1");
	assert_int_not_equal(image_profile(&one.view, &other),
			     MOAT_PROFILE_NONE);
	free(first);
	free(second);
	compiled_free(&one);
	compiled_free(&two);
	bed_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(longest_match_is_not_union),
		cmocka_unit_test(narrow_and_broad),
		cmocka_unit_test(port_edges),
		cmocka_unit_test(empty_matches_nothing),
		cmocka_unit_test(limits_make_chains),
		cmocka_unit_test(flags),
		cmocka_unit_test(profiles_of_all_members),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
