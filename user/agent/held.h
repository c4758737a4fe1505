/* SPDX-License-Identifier: BSD-2-Clause */
/* A policy the agent holds: its model beside what is kept on disk. */
#ifndef MOAT_HELD_H
#define MOAT_HELD_H

#include "agent/state.h"
#include "compile/compile.h"
#include "policy/config.h"
#include "policy/model.h"

struct held {
	struct record *record;
	struct policy *policy;
	struct compile_stats stats; /* of its last compilation */
};
void held_free(struct held *h);
DEFINE_CLEANUP(held, held_free)

/*
 * Reads a document as pushed, lays changes of members over it (NULL: none) and
 * checks all that needs no host: errors of the reader, addresses under two
 * NACLs, tests, never. Takes no path from it.
 * NULL with errors in *diags; *ret is not touched then. The record has
 * document, sha256, policy and revision; the rest is the caller's.
 */
int held_read(const char *document, const struct member_list *members,
	      const struct config *config, struct diags *diags,
	      struct held **ret);
/* The same for a record that was checked when it was pushed: reads only. */
int held_restore(struct record *record, struct diags *diags, struct held **ret);

/* The mode that results: enforce only if policy, host and push say so. */
bool held_audit(const struct held *h, const struct config *config);

#endif
