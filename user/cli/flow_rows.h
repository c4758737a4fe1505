/* SPDX-License-Identifier: BSD-2-Clause */
/* Flows of the agent as rows of tables and as VPC flow log lines. */
#ifndef MOAT_FLOW_ROWS_H
#define MOAT_FLOW_ROWS_H

#include <stdint.h>

#include "svc/writer.h"

/* The flow as a table shows it: protocol, local, remote, dir, state,
 * verdict, credit, packets, bytes. New reference. */
json_t *flow_row(const json_t *flow);
extern const struct column flow_columns[];
extern const size_t nflow_columns;

/* One line per direction that saw packets (AWS flow log version 2). */
void flow_print_vpc(FILE *out, const json_t *flow, int64_t now_seconds);

#endif
