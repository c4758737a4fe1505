/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of the /metrics page that have files of their own. */
#ifndef MOAT_METRICS_PARTS_H
#define MOAT_METRICS_PARTS_H

#include "svc/metrics.h"
#include "svc/metrics_text.h"

/* metrics_packets.c; packets, or bytes. */
void metrics_packets(struct metrics_out *o, const struct metrics_snapshot *s,
		     bool bytes);
void metrics_rules(struct metrics_out *o, const struct metrics_snapshot *s);
void metrics_peers(struct metrics_out *o, const struct metrics_snapshot *s,
		   bool bytes);
/* metrics_flows.c */
void metrics_flow_tables(struct metrics_out *o,
			 const struct metrics_snapshot *s);
void metrics_upkeep(struct metrics_out *o, const struct metrics_upkeep *u);

#endif
