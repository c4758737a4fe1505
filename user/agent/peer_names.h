/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Group and named peer of a flow, found for a million flows: an index of the
 * policy in force, made when it is first asked after a change.
 */
#ifndef MOAT_PEER_NAMES_H
#define MOAT_PEER_NAMES_H

#include <stdbool.h>

#include "kern/flows.h"

struct agent;
struct peer_names;

struct peer_names *peer_names_new(void);
void peer_names_free(struct peer_names *n);
/*
 * Names that live as long as the policy. False: the flow belongs to no group,
 * or memory is short.
 */
bool peer_names_of(struct peer_names *n, const struct agent *a,
		   const struct flow_record *r, const char **ret_group,
		   const char **ret_peer);

#endif
