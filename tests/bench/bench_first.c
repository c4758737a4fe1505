// SPDX-License-Identifier: BSD-2-Clause
/*
 * P2: the whole first packet of a connection (parse, miss, classify, insert)
 * under 10,000 rules and 100,000 CIDRs beside that under ten rules. Every run
 * of the entry is the SYN of another tuple; the half-open table is full and
 * evicts, as in the long run.
 */
#include <linux/in.h>
#include <stdio.h>
#include <string.h>

#include "bench/bar.h"
#include "bench/classify_host.h"
#include "bench/classify_mix.h"
#include "bench/cost_tuple.h"

#define PAIRS 15
#define EMBRYONIC 65536
#define REMOTES 0x0a400000u /* cost_key()'s: 4096 from here on */
#define NREMOTES 4096

struct first {
	struct classify_host host;
	struct cost *cost;
	unsigned repeat;
};

static void let_in(struct rule *r, struct cidr from)
{
	build_ports(r, IPPROTO_TCP, COST_PORT, COST_PORT);
	build_peer_cidr(r, from);
}

/* Each of the remote hosts is named by a rule of its own. */
static struct policy *large(void)
{
	size_t rules = bench_quick() ? 200 : 10000, at = 0;
	struct classify_set set;
	struct policy *p;

	classify_set_make(classify_mix_named("v4-70-20-10"), rules, 10 * rules,
			  &set);
	p = set.policy;
	set.policy = NULL;
	while (at < NREMOTES)
		for (size_t g = 0; g < p->ngroups; g++) {
			struct ruleset *in = &p->groups[g].rules[MOAT_INGRESS];

			for (size_t i = 0; i < in->count && at < NREMOTES; i++)
				let_in(&in->rules[i],
				       (struct cidr){
					       addr_from_v4(REMOTES + at++), 4,
					       32 });
		}
	classify_set_free(&set);
	return p;
}

static struct policy *small(void)
{
	struct policy *p = build_policy(MODE_ENFORCE);
	char name[16];

	build_group(p, "own");
	build_member(p, p->groups[0].set, "10.1.0.0/16");
	for (unsigned i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "rule%u", i);
		let_in(build_named(p, 0, MOAT_INGRESS, name),
		       (struct cidr){ addr_from_v4(REMOTES + (i << 20)), 4,
				      12 });
	}
	return p;
}

static void open_first(struct policy *p, struct first *ret)
{
	const struct cost_options o = { 4, MOAT_INGRESS, MOAT_TCP_FLAG_SYN, 0 };

	classify_host_open(p, EMBRYONIC, false, &ret->host);
	ret->cost = cost_open(ret->host.h, &o);
	cost_sequence(ret->cost, 0, COST_TUPLES);
	ret->repeat = bench_quick() ? 1000 : EMBRYONIC;
	/* Fills the table. */
	for (unsigned n = 0; n < 2 * EMBRYONIC; n += ret->repeat)
		cost_run(ret->cost, COST_MOAT, ret->repeat,
			 MOAT_REASON_SG_ALLOW);
	policy_free(p);
}

static double first_ns(struct first *f)
{
	return cost_run(f->cost, COST_MOAT, f->repeat, MOAT_REASON_SG_ALLOW);
}

static double empty_ns(struct first *f)
{
	return cost_run(f->cost, COST_EMPTY, f->repeat, MOAT_REASON_SG_ALLOW);
}

int main(void)
{
	double parse[PAIRS];
	struct first many = { 0 }, few = { 0 };
	struct bar *b;

	cost_pin();
	open_first(large(), &many);
	open_first(small(), &few);
	b = bar_new("P2-first", "first packet, 10,000 rules / 10 rules", 1.3,
		    false);
	for (int i = 0; i < PAIRS; i++) {
		double empty = empty_ns(&few), less = first_ns(&few);
		double more = first_ns(&many);

		bar_pair(b, more - empty, less - empty);
		parse[i] = cost_run(few.cost, COST_PARSE_LONG, few.repeat,
				    MOAT_REASON_SG_ALLOW) -
			   empty;
	}
	bar_figure_ours(b, "rules_10000_ns");
	bar_figure_theirs(b, "rules_10_ns");
	bar_figure(b, "parse_ns", bench_median(parse, PAIRS));
	bars_write();
	cost_close(many.cost);
	cost_close(few.cost);
	classify_host_close(&many.host);
	classify_host_close(&few.host);
	return 0;
}
