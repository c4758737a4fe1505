/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What flows counted since they were last seen. The kernel's counters live in
 * the entries and go with them, by expiry, by a move to another table or by
 * eviction; sums that must never fall are made of these differences.
 */
#ifndef MOAT_FLOW_DELTA_H
#define MOAT_FLOW_DELTA_H

#include "base/cleanup.h"
#include "kern/flows.h"
#include "moat/counters.h"

struct flow_delta;

struct flow_delta *flow_delta_new(void); /* NULL: -ENOMEM */
void flow_delta_free(struct flow_delta *d);
DEFINE_CLEANUP(flow_delta, flow_delta_free)

/*
 * A flow as a walk finds it, or as it is about to be deleted: what its
 * counters gained, by direction. A flow found in two tables, while it moves,
 * is counted once. 0, or -ENOMEM with *ret all zero.
 */
int flow_delta_see(struct flow_delta *d, const struct flow_record *r,
		   struct moat_count ret[2]);
/* Fetches what flow_delta_see() of that flow will need into the cache. */
void flow_delta_ahead(const struct flow_delta *d, enum moat_table table,
		      const struct moat_flow_key *key,
		      const struct moat_flow *flow);
/* A walk over all tables is complete. */
void flow_delta_next_scan(struct flow_delta *d);
/* Forgets, looking at no more than max places, flows that the last two walks
 * did not find. */
void flow_delta_sweep(struct flow_delta *d, size_t max);

#endif
