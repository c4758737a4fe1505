/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads that run programs of one instance at once, each on its own CPU. The
 * trace is one record for all of them: here only actions and counters tell. */
#ifndef MOAT_TEST_RACE_H
#define MOAT_TEST_RACE_H

#include "bpf/harness.h"

/* The calling thread stays on the n-th CPU that the process may use. Skips
 * the test where there is only one. */
void race_pin(unsigned n);
void race_need_cpus(void);
/* The frame times runs in a row, without a way out of the kernel; the last
 * action. */
int race_run(struct harness *h, enum attach_hook hook, const struct packet *p,
	     unsigned times);
/* Packets counted on the harness's interface by what became of them. */
struct race_counts {
	__u64 passed, dropped, would_drop;
};
struct race_counts race_counts(struct harness *h);

#endif
