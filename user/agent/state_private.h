/* SPDX-License-Identifier: BSD-2-Clause */
/* Between state.c (records) and members.c (their journal). */
#ifndef MOAT_STATE_PRIVATE_H
#define MOAT_STATE_PRIVATE_H

#include "agent/state.h"
#include "agent/statefile.h"

struct state {
	int dir;
	int history;
	char machine[64];
	/* The record saved last, as it was written: it is written twice more
	 * when it is promoted, and wording it costs as much as that. */
	const struct record *worded;
	uint32_t worded_generation;
	struct statefile_body words;
	/* The journal of members read or written last. */
	json_t *journal;
	uint32_t journal_base;
	size_t journal_end; /* in its file; 0: to be written anew */
};

void history_name(uint32_t generation, const char *suffix, char *ret,
		  size_t len);

#endif
