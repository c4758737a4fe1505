/* SPDX-License-Identifier: BSD-2-Clause */
/* Flow tables full of entries that are known by a number. */
#ifndef MOAT_TEST_NUMBERED_H
#define MOAT_TEST_NUMBERED_H

#include "bpf/harness.h"

/* Tables with room for so many. */
struct harness *numbered_open(__u32 room);
struct moat_flow_key numbered_key(unsigned n);
/* Entry n, expiring this many seconds from now. */
void numbered_put(struct harness *h, enum moat_table table, unsigned n,
		  int seconds);
bool numbered_there(struct harness *h, enum moat_table table, unsigned n);
/* The number of what a walk found; limit: something else, or not below it. */
unsigned numbered_of(const struct flow_record *r, unsigned limit);
/* Slice after slice, to the end. */
void numbered_expire(struct harness *h, struct flow_slice *s);

#endif
