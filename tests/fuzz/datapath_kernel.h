/* SPDX-License-Identifier: BSD-2-Clause */
/* The loaded programs under BPF_PROG_TEST_RUN, with the same policy. */
#ifndef MOAT_FUZZ_DATAPATH_KERNEL_H
#define MOAT_FUZZ_DATAPATH_KERNEL_H

#include <stdbool.h>

#include "fuzz/world.h"
#include "kern/run.h"

/* False, with *ret_why: not here, for want of privileges. */
bool datapath_kernel_open(const struct world *w, const char **ret_why);
void datapath_kernel_close(void);
/* Flows, fragments and budgets go; the agent lives. */
void datapath_kernel_clear(void);
/* False: TEST_RUN takes no such packet. */
bool datapath_kernel_run(const struct run_packet *p, struct run_result *ret);
/* 0 and the flow, or -ENOENT. */
int datapath_kernel_flow(const char *table, const struct moat_flow_key *key,
			 struct moat_flow *ret);

#endif
