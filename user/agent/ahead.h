/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who comes ahead of our programs, hook by hook (F22). Ours answers by going
 * ahead in turn, which costs the verifier a good part of a second. Somebody who
 * insists on being first, a second moatd say, answers that: without an end, if
 * the answers did not become rare.
 */
#ifndef MOAT_AHEAD_H
#define MOAT_AHEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "kern/attach.h"

#define AHEAD_PAUSE 5 /* seconds after the first answer, then doubled */
#define AHEAD_PAUSE_MAX 300
#define AHEAD_QUIET 600	  /* seconds without, and all is forgotten */
#define AHEAD_CONTESTED 3 /* answers that make it more than an accident */

struct ahead {
	unsigned int times; /* ours has answered, or tried to */
	uint64_t tried_ns;  /* the last time, since boot */
	uint64_t seen_ns;   /* somebody was ahead */
	uint32_t prog_id;   /* whose program, 0: a filter without one */
	char name[HOOK_NAME];
	bool told; /* logged that this one won't stop */
};

/* A look at the hook: who is ahead, if anybody. True: a contest that was told
 * of is over, for there was quiet. */
bool ahead_see(struct ahead *s, const struct hook_state *h, uint64_t now_ns);
/* Seconds until ours may go ahead, 0: now. */
unsigned int ahead_wait(const struct ahead *s, uint64_t now_ns);
void ahead_tried(struct ahead *s, uint64_t now_ns);
bool ahead_contested(const struct ahead *s);
/* "program 7 (name)", into buf; buf. */
#define AHEAD_TEXT (HOOK_NAME + 32)
char *ahead_who(const struct ahead *s, char buf[AHEAD_TEXT]);

#endif
