/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loaded programs as an engine: a private instance of the datapath, the
 * compiled image pushed into it, packets built from probes and run by
 * BPF_PROG_TEST_RUN with tracing.
 */
#ifndef MOAT_TEST_KERNEL_ENGINE_H
#define MOAT_TEST_KERNEL_ENGINE_H

#include "engines.h"

struct kernel_engine;

/* NULL: could not be loaded; why goes to stderr. */
struct kernel_engine *kernel_engine_open(const struct config *c);
void kernel_engine_close(struct kernel_engine *k);
struct datapath *kernel_engine_datapath(struct kernel_engine *k);
/* Makes the image of e the one in force; flows of the last are forgotten. */
bool kernel_engine_load(struct kernel_engine *k, const struct engines *e);
/* The one own address, and the endpoint of multicast. */
bool kernel_engine_local(struct kernel_engine *k, const struct moat_addr *local,
			 int family);
/* False: this probe can't be asked of the kernel now (its tuple was used
 * before). Any failure aborts. */
bool kernel_engine_judge(struct kernel_engine *k, const struct probe *probe,
			 struct answer *ret);
/* Whether XDP drops it as it comes in; only then *ret says why. */
bool kernel_engine_xdp_drops(struct kernel_engine *k, const struct probe *probe,
			     struct answer *ret);
/* Another packet of the flow that the last one opened. */
void kernel_engine_follow(struct kernel_engine *k, const struct probe *probe,
			  struct answer *ret);

#endif
