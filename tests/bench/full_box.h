/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An agent with much to look after: a policy of many rules, made at random,
 * and a flow table filled by hand. Failures end the benchmark.
 */
#ifndef MOAT_BENCH_FULL_BOX_H
#define MOAT_BENCH_FULL_BOX_H

#include "bench/agent_box.h"
#include "bench/many_flows.h"

struct full_box {
	size_t flows;		     /* places of the flow table */
	size_t groups, rules, cidrs; /* of the policy */
};

void full_box_start(struct agent_box *b, const struct full_box *want);
/* All but a sixty-fourth of the places, for an hour; returns when the agent
 * has walked over them. */
struct many_flows full_box_fill(const struct agent_box *b,
				const struct full_box *want);

#endif
