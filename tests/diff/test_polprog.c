// SPDX-License-Identifier: BSD-2-Clause
/*
 * The single-tier cases of Calico's policy program as ordered rules of a
 * NACL, as with `unassigned: allow`: a negation becomes a deny before the
 * allow. A NACL sees the remote address and the destination port, so a case
 * about the source is asked of the mirrored packet; each packet is judged in
 * both directions.
 *
 * Two things never get as far as rules here, so they are renamed on both
 * sides: IPv6 addresses have their first byte changed by a fixed XOR (it keeps
 * every prefix relation) since multicast and loopback sources are dropped
 * before; protocol 253 over IPv6 is an extension header of RFC 4727 and
 * becomes 252, and ICMP over IPv6 becomes ICMPv6.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance.h"
#include "engines.h"
#include "support/build.h"

#define CASES 77
#define PACKETS 483
#define SHIFT 0xd0

struct mapping {
	const json_t *sets;
	bool v6;
	bool source; /* the rules speak of the source */
	struct policy *p;
	struct ruleset rules;
};

static bool is_v6(const char *s)
{
	return strchr(s, ':') != NULL;
}

static struct moat_addr map_addr(const char *s)
{
	struct moat_addr a;
	__be32 four;

	if (!is_v6(s)) {
		assert_int_equal(inet_pton(AF_INET, s, &four), 1);
		return addr_from_v4(ntohl(four));
	}
	assert_int_equal(inet_pton(AF_INET6, s, a.b), 1);
	a.b[0] ^= SHIFT;
	return a;
}

static struct cidr map_cidr(const char *s)
{
	char addr[64];
	const char *slash = strchr(s, '/');
	struct cidr c = { .family = is_v6(s) ? 6 : 4 };

	assert_non_null(slash);
	snprintf(addr, sizeof(addr), "%.*s", (int)(slash - s), s);
	c.addr = map_addr(addr);
	c.length = (__u8)atoi(slash + 1);
	for (int bit = addr_mapped_length(&c); bit < 128; bit++)
		c.addr.b[bit / 8] &= (__u8) ~(0x80 >> (bit % 8));
	return c;
}

static int map_proto(const json_t *value, bool v6)
{
	int proto = json_is_integer(value) ?
			    (int)json_integer_value(value) :
			    proto_parse(json_string_value(value));

	assert_true(proto >= 0);
	if (v6 && proto == 253)
		return 252;
	return v6 && proto == IPPROTO_ICMP ? IPPROTO_ICMPV6 : proto;
}

static struct rule *add(struct mapping *m, bool deny)
{
	return build_entry(&m->rules, 10 * (int)(m->rules.count + 1), deny);
}

static const json_t *field(const struct mapping *m, const json_t *rule,
			   const char * not, const char *rest)
{
	char key[64];

	snprintf(key, sizeof(key), "%s%s%s", not, m->source ? "Src" : "Dst",
		 rest);
	return json_object_get(rule, key);
}

static void peers(const struct mapping *m, struct rule *r, const json_t *cidrs)
{
	const json_t *item;
	size_t i;

	if (!cidrs) {
		build_peer_any(r);
		return;
	}
	json_array_foreach(cidrs, i, item)
		build_peer_cidr(r, map_cidr(json_string_value(item)));
}

/* IP sets of addresses, by name, as one rule's peers. An empty set matches
 * nothing: no rule at all (false). */
static bool set_peers(const struct mapping *m, struct rule *r,
		      const json_t *names)
{
	size_t i;
	const json_t *name;

	json_array_foreach(names, i, name)
		if (json_array_size(
			    json_object_get(m->sets, json_string_value(name))))
			peers(m, r,
			      json_object_get(m->sets,
					      json_string_value(name)));
	return r->npeers > 0;
}

static void ports(const struct mapping *m, struct rule *r, int proto,
		  const json_t *ranges)
{
	const json_t *range;
	size_t i;

	if (!ranges) {
		build_proto(r, proto);
		return;
	}
	json_array_foreach(ranges, i, range) {
		unsigned first = (unsigned)json_integer_value(
			json_array_get(range, 0));
		unsigned last = (unsigned)json_integer_value(
			json_array_get(range, 1));

		if (proto >= 0) {
			build_ports(r, proto, first, last);
			continue;
		}
		build_ports(r, IPPROTO_TCP, first, last);
		build_ports(r, IPPROTO_UDP, first, last);
		build_ports(r, IPPROTO_SCTP, first, last);
	}
}

static void icmp(struct rule *r, const json_t *match, const char * not )
{
	char key[32];
	const json_t *pair;

	snprintf(key, sizeof(key), "%sIcmpType", not );
	if (json_object_get(match, key)) {
		build_icmp(r, IPPROTO_ICMP,
			   (int)json_integer_value(json_object_get(match, key)),
			   -1);
		return;
	}
	snprintf(key, sizeof(key), "%sIcmpTypeCode", not );
	pair = json_object_get(match, key);
	assert_non_null(pair);
	build_icmp(r, IPPROTO_ICMP,
		   (int)json_integer_value(json_object_get(pair, "Type")),
		   (int)json_integer_value(json_object_get(pair, "Code")));
}

/* Members "ADDRESS/LENGTH,PROTOCOL:PORT": a rule for each. */
static void named_ports(struct mapping *m, const json_t *names)
{
	const json_t *name, *item;
	size_t i, k;

	json_array_foreach(names, i, name) {
		json_array_foreach(json_object_get(m->sets,
						   json_string_value(name)),
				   k, item) {
			char cidr[64], proto[8];
			unsigned port;
			struct rule *r = add(m, false);

			assert_int_equal(sscanf(json_string_value(item),
						"%63[^,],%7[^:]:%u", cidr,
						proto, &port),
					 3);
			build_peer_cidr(r, map_cidr(cidr));
			build_ports(r, proto_parse(proto), port, port);
		}
	}
}

/* What the rule excludes, as denies in front of it. */
static void add_exclusions(struct mapping *m, const json_t *rule, int proto)
{
	const json_t *nets = field(m, rule, "Not", "Net");
	const json_t *sets = field(m, rule, "Not", "IpSetIds");
	const json_t *ranges = field(m, rule, "Not", "Ports");
	const json_t *not_proto = json_object_get(rule, "NotProtocol");
	const json_t *not_icmp = json_object_get(rule, "NotIcmp");
	struct rule *r;

	if (nets) {
		r = add(m, true);
		peers(m, r, nets);
		build_proto(r, proto);
	}
	if (sets) {
		r = add(m, true);
		build_proto(r, proto);
		set_peers(m, r, sets);
	}
	if (ranges) {
		r = add(m, true);
		build_peer_any(r);
		ports(m, r, proto, ranges);
	}
	if (not_proto) {
		r = add(m, true);
		build_peer_any(r);
		build_proto(r, map_proto(not_proto, m->v6));
	}
	if (not_icmp) {
		r = add(m, true);
		build_peer_any(r);
		icmp(r, not_icmp, "Not");
	}
}

static void map_allow(struct mapping *m, const json_t *rule)
{
	const json_t *name = json_object_get(rule, "Protocol");
	const json_t *named = field(m, rule, "", "NamedPortIpSetIds");
	const json_t *sets = field(m, rule, "", "IpSetIds");
	const json_t *ranges = field(m, rule, "", "Ports");
	const json_t *types = json_object_get(rule, "Icmp");
	int proto = name ? map_proto(name, m->v6) : -1;
	struct rule *r;

	add_exclusions(m, rule, proto);
	if (named) {
		named_ports(m, named);
		if (!ranges)
			return;
	}
	r = add(m, false);
	if (sets)
		set_peers(m, r, sets);
	else
		peers(m, r, field(m, rule, "", "Net"));
	if (types)
		icmp(r, types, "");
	else
		ports(m, r, proto, ranges);
}

static bool speaks_of_source(const json_t *rule)
{
	const char *key;
	json_t *value;
	bool source = false;

	json_object_foreach((json_t *)rule, key, value)
		if (!strncmp(key, "Src", 3) || !strncmp(key, "NotSrc", 6))
			source = true;
	return source;
}

static void map_rules(struct mapping *m, const json_t *tier)
{
	const json_t *policy, *rule;
	size_t i, k;

	json_array_foreach(json_object_get(tier, "policies"), i, policy) {
		json_array_foreach(json_object_get(policy, "rules"), k, rule) {
			const char *action = json_string_value(
				json_object_get(rule, "Action"));

			m->source = speaks_of_source(rule);
			if (!strcmp(action, "Allow")) {
				map_allow(m, rule);
			} else if (!strcmp(action, "Deny")) {
				struct rule *r = add(m, true);

				assert_int_equal(json_object_size(rule), 1);
				build_peer_any(r);
				build_every(r);
			} else {
				/* No tier behind it: on to the final deny. */
				assert_string_equal(action, "Pass");
			}
		}
	}
}

/* One NACL that applies to everybody, the same rules in both directions. */
static void map_policy(struct mapping *m, const json_t *line)
{
	const json_t *tiers = json_object_get(json_object_get(line, "policy"),
					      "tiers");
	struct nacl *n;

	m->p = build_policy(MODE_ENFORCE);
	build_nacl(m->p, "polprog");
	n = &m->p->nacls[0];
	m->p->sets[n->set].any = true;
	for (int d = 0; d < 2; d++) {
		m->rules = (struct ruleset){ 0 };
		map_rules(m, json_array_get(tiers, 0));
		n->rules[d] = m->rules;
	}
}

struct run {
	size_t cases, packets, judgements, left_out, wrong;
};

static int value(const json_t *packet, const char *key)
{
	return (int)json_integer_value(json_object_get(packet, key));
}

static struct probe map_packet(const struct mapping *m, const json_t *packet)
{
	const char *source = json_string_value(json_object_get(packet, "src"));
	const char *to = json_string_value(json_object_get(packet, "dst"));
	bool v6 = is_v6(source);

	return (struct probe){
		.family = v6 ? 6 : 4,
		.remote = map_addr(m->source ? source : to),
		.local = map_addr(m->source ? to : source),
		.proto = map_proto(json_object_get(packet, "proto"), v6),
		.dport = (uint16_t)value(packet, m->source ? "sport" : "dport"),
		.sport = (uint16_t)value(packet, m->source ? "dport" : "sport"),
		.type = (uint8_t)value(packet, "icmp_type"),
		.code = (uint8_t)value(packet, "icmp_code"),
	};
}

static void check_packet(struct run *run, const struct engines *e,
			 const struct mapping *m, const json_t *packet,
			 enum moat_verdict expect)
{
	struct probe p = map_packet(m, packet);

	run->packets++;
	for (int i = 0; i < 2 * ENGINE_COUNT; i++) {
		enum moat_reason reason = expect == MOAT_ALLOW ?
						  MOAT_REASON_NACL_ALLOW :
						  MOAT_REASON_NACL_DENY;
		char what[160], said[200];
		struct answer a;

		p.direction = i / ENGINE_COUNT;
		/* From itself: not a packet that can come in. */
		if (p.direction == MOAT_INGRESS &&
		    addr_equal(&p.local, &p.remote)) {
			run->left_out++;
			continue;
		}
		engines_judge(e, i % ENGINE_COUNT, &p, &a);
		run->judgements++;
		if (a.verdict == expect && a.reason == reason)
			continue;
		run->wrong++;
		print_error("%s: %s: %s\n", engine_names[i % ENGINE_COUNT],
			    probe_print(&p, what, sizeof(what)),
			    answer_print(&a, said, sizeof(said)));
	}
}

static bool is_ours(const json_t *line)
{
	const char *group = json_string_value(json_object_get(line, "group"));
	const json_t *tiers = json_object_get(json_object_get(line, "policy"),
					      "tiers");

	return !strcmp(group, "polProgramTests") && json_array_size(tiers) == 1;
}

static bool check_case(const json_t *line, void *arg)
{
	struct run *run = arg;
	struct mapping m = { .sets = json_object_get(line, "ip_sets"),
			     .v6 = json_is_true(
				     json_object_get(line, "ipv6")) };
	struct config *config;
	const json_t *packet;
	struct engines e;
	size_t i, wrong = run->wrong;

	if (!is_ours(line))
		return true;
	map_policy(&m, line);
	config = build_config();
	config->unassigned_allow = true;
	assert_true(engines_open(&e, m.p, config, NULL, 0));
	json_array_foreach(json_object_get(line, "allowed"), i, packet)
		check_packet(run, &e, &m, packet, MOAT_ALLOW);
	json_array_foreach(json_object_get(line, "dropped"), i, packet)
		check_packet(run, &e, &m, packet, MOAT_DROP);
	assert_int_equal(json_array_size(json_object_get(line, "unmatched")),
			 0);
	if (run->wrong != wrong)
		print_error("in case: %s\n",
			    json_string_value(json_object_get(line, "name")));
	engines_close(&e);
	policy_free(m.p);
	build_config_free(config);
	run->cases++;
	return true;
}

static const char file[] = "calico-polprog/polprog-cases.jsonl";

static void single_tier_cases(void **state)
{
	struct run run = { 0 };

	assert_true(conformance_each(file, check_case, &run));
	print_message("%s: %zu cases, %zu packets, %zu judgements, %zu wrong\n",
		      file, run.cases, run.packets, run.judgements, run.wrong);
	assert_int_equal(run.wrong, 0);
	assert_int_equal(run.cases, CASES);
	assert_int_equal(run.packets, PACKETS);
	assert_int_equal(run.judgements + run.left_out,
			 run.packets * 2 * ENGINE_COUNT);
	assert_true(run.left_out < run.packets / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(single_tier_cases),
	};

	conformance_need(file);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
