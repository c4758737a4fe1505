/* SPDX-License-Identifier: BSD-2-Clause */
/* An instance of the datapath with a large policy in force. */
#ifndef MOAT_BENCH_CLASSIFY_HOST_H
#define MOAT_BENCH_CLASSIFY_HOST_H

#include "bench/cost.h"
#include "support/compiled.h"

struct classify_host {
	struct config *config;
	struct compiled compiled;
	struct harness *h;
	double compile_ms;
};

/* Compiles for COST_LOCAL4 and COST_LOCAL6 and pushes; arrays as large as the
 * policy needs, half-open tables of these many entries; trace: for
 * run_packet() to tell what it did. */
void classify_host_open(const struct policy *p, size_t embryonic, bool trace,
			struct classify_host *ret);
void classify_host_close(struct classify_host *host);

#endif
