// SPDX-License-Identifier: BSD-2-Clause
/* Answers to who comes ahead of ours, and their pauses. */
#include "agent/ahead.h"

#include <stdio.h>
#include <string.h>

#define NS_PER_S 1000000000ull

static bool behind(const struct hook_state *h)
{
	return h->ours && !h->first;
}

/* Whoever loads his program anew has a new number each time. */
static bool same(const struct ahead *s, const struct hook_state *h)
{
	return h->foreign_name[0] ? strcmp(s->name, h->foreign_name) == 0 :
				    s->prog_id == h->foreign_prog_id;
}

bool ahead_see(struct ahead *s, const struct hook_state *h, uint64_t now_ns)
{
	bool over = false;

	if (behind(h)) {
		s->told = s->told && same(s, h);
		s->seen_ns = now_ns;
		s->prog_id = h->foreign_prog_id;
		memcpy(s->name, h->foreign_name, sizeof(s->name));
	} else if (s->times && now_ns - s->seen_ns > AHEAD_QUIET * NS_PER_S) {
		over = s->told;
		*s = (struct ahead){};
	}
	return over;
}

static unsigned int pause_after(unsigned int times)
{
	unsigned int pause = AHEAD_PAUSE;

	while (--times && pause < AHEAD_PAUSE_MAX)
		pause *= 2;
	return pause < AHEAD_PAUSE_MAX ? pause : AHEAD_PAUSE_MAX;
}

unsigned int ahead_wait(const struct ahead *s, uint64_t now_ns)
{
	uint64_t until;

	if (!s->times)
		return 0;
	until = s->tried_ns + pause_after(s->times) * NS_PER_S;
	return now_ns >= until ?
		       0 :
		       (unsigned int)((until - now_ns + NS_PER_S - 1) /
				      NS_PER_S);
}

void ahead_tried(struct ahead *s, uint64_t now_ns)
{
	s->times++;
	s->tried_ns = s->seen_ns = now_ns;
}

bool ahead_contested(const struct ahead *s)
{
	return s->times >= AHEAD_CONTESTED;
}

char *ahead_who(const struct ahead *s, char buf[AHEAD_TEXT])
{
	if (!s->prog_id)
		snprintf(buf, AHEAD_TEXT, "a filter");
	else if (s->name[0])
		snprintf(buf, AHEAD_TEXT, "program %u (%s)", s->prog_id,
			 s->name);
	else
		snprintf(buf, AHEAD_TEXT, "program %u", s->prog_id);
	return buf;
}
