// SPDX-License-Identifier: BSD-2-Clause
#include "bench/full_box.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bench/bar.h"
#include "bpf/harness.h"
#include "bpf/place.h"
#include "support/big_policy.h"

#define WALK_SECONDS 240

static void write_rule(FILE *f, struct rng *r, size_t number, size_t cidrs)
{
	unsigned port = 1 + rng_below(r, 60000);

	fprintf(f,
		"      - {name: rule%zu, protocol: tcp, ports: [%u], from: [",
		number, port);
	for (size_t c = number == 0; c < cidrs; c++) {
		struct cidr one = big_cidr(r, 0);
		char text[64];

		fprintf(f, "%s%s", c > (number == 0) ? ", " : "",
			cidr_print(&one, false, text));
	}
	fprintf(f, "]}\n");
}

static void write_policy(const struct agent_box *b, const struct full_box *want)
{
	struct rng r = { .state = 3 };
	FILE *f = fopen(box_path(b, "policy.yaml"), "w");

	if (!f)
		bench_fail("policy: %s", strerror(errno));
	fprintf(f, "version: 1\nname: upkeep\nmode: enforce\n"
		   "security_groups:\n");
	for (size_t g = 0; g < want->groups; g++) {
		fprintf(f,
			"  group%zu:\n    members: [10.20.0.0/16]\n"
			"    ingress:\n",
			g);
		for (size_t i = 0; i < want->rules / want->groups; i++)
			write_rule(f, &r, i, want->cidrs / want->rules);
	}
	if (fclose(f))
		bench_fail("policy: %s", strerror(errno));
}

void full_box_start(struct agent_box *b, const struct full_box *want)
{
	char config[256];

	box_new(b);
	place_veth("bench0", "bench1");
	place_run("ip addr add 10.20.0.1/16 dev bench0");
	write_policy(b, want);
	snprintf(config, sizeof(config),
		 "interfaces: [bench0]\nfailsafe: []\n"
		 "tables: {flows: %zu, memory: 1GiB}\n",
		 want->flows);
	box_start(b, config);
	if (box_metric("moat_policy_last_push_successful ") != 1)
		bench_fail("the policy was not taken");
}

struct many_flows full_box_fill(const struct agent_box *b,
				const struct full_box *want)
{
	double end = bench_clock() + WALK_SECONDS * 1e9;
	struct datapath_settings s;
	struct datapath *dp = NULL;
	const char *why = "";
	struct many_flows m;

	harness_settings(&s);
	if (datapath_open(&s, &dp, &why))
		bench_fail("%s", why);
	m = many_flows_of(dp, want->flows, 3600);
	datapath_close(dp);
	m.slots = want->rules;
	many_flows_put(box_map(b, "flows"), &m, 1);
	while (box_metric("moat_table_entries{table=\"flows\"}") !=
	       (double)m.count)
		if (bench_clock() > end)
			bench_fail("the agent does not see %zu flows", m.count);
		else
			usleep(500000);
	return m;
}
