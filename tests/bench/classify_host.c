// SPDX-License-Identifier: BSD-2-Clause
/* See classify_host.h. */
#include "bench/classify_host.h"

#include "base/cleanup.h"
#include "bench/bar.h"
#include "support/build.h"

void classify_host_open(const struct policy *p, size_t embryonic, bool trace,
			struct classify_host *ret)
{
	struct moat_addr hosts[] = { build_addr(COST_LOCAL4),
				     build_addr(COST_LOCAL6) };
	struct classify_host host = { .config = build_config() };
	struct datapath_settings s;
	double start = bench_clock();

	compiled_make(&host.compiled, p, host.config, hosts, ARRAY_SIZE(hosts));
	host.compile_ms = (bench_clock() - start) / 1e6;
	if (!host.compiled.image)
		bench_fail("%s", host.compiled.diags.items[0].text);
	harness_settings(&s);
	s.trace = trace;
	for (int i = 0; i < MOAT_PART_COUNT; i++)
		s.part_bytes[i] = host.compiled.image->header.used[i];
	s.rule_slots = host.compiled.image->header.nslots;
	s.table_entries[MOAT_TABLE_EMBRYONIC_IN] = embryonic;
	s.table_entries[MOAT_TABLE_EMBRYONIC_OUT] = embryonic;
	host.h = harness_open(&s);
	harness_own(host.h, COST_LOCAL4, NULL);
	harness_own(host.h, COST_LOCAL6, NULL);
	harness_push(host.h, host.compiled.image);
	*ret = host;
}

void classify_host_close(struct classify_host *host)
{
	harness_close(host->h);
	compiled_free(&host->compiled);
	build_config_free(host->config);
}
