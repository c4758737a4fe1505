/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * /metrics/flows: counters of flows folded over source ports, at most so many
 * series. What gets none of its own, and what a series had counted when it
 * was given up, adds to src="other",dst="other": the sum over all series is
 * exact and never falls.
 */
#ifndef MOAT_FLOW_SERIES_H
#define MOAT_FLOW_SERIES_H

#include <stdint.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "kern/flows.h"
#include "moat/counters.h"

#define FLOW_SERIES_IDLE_MS (5ull * 60 * 1000)

struct flow_series;

/* Name of a rule counter slot into buf, which is returned. */
typedef char *(*flow_rule_fn)(unsigned int slot, char *buf, size_t len,
			      void *arg);

/* max: of /metrics/flows, other/other not counted; 0: all is other. */
struct flow_series *flow_series_new(size_t max, flow_rule_fn rule, void *arg);
void flow_series_free(struct flow_series *s);
DEFINE_CLEANUP(flow_series, flow_series_free)

/* Adds what a flow gained (flow_delta_see()). now_ms: any clock that only
 * rises. */
void flow_series_add(struct flow_series *s, const struct flow_record *r,
		     const struct moat_count gained[2], uint64_t now_ms);
/* Gives up series that gained nothing for FLOW_SERIES_IDLE_MS. */
void flow_series_age(struct flow_series *s, uint64_t now_ms);

/*
 * Appends the page. src is the side that opened the flow, dst_port the port
 * it opened (0 where the protocol has none), direction that of the packets
 * counted. 0 or -ENOMEM.
 */
int flow_series_format(const struct flow_series *s, struct buf *out);

/* Verdict of a flow: allow, or would-drop in audit; of the denied table also
 * drop. */
enum moat_verdict flow_verdict(const struct flow_record *r);
/* Port of the service that was opened, host order, 0 for none. */
unsigned int flow_service_port(const struct flow_record *r);

#endif
