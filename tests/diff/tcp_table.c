// SPDX-License-Identifier: BSD-2-Clause
/* The kernel's TCP table and the differences to it: see tcp_table.h. */
#include "tcp_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/cleanup.h"

const char *const tcp_state_names[STATES] = {
	"sNO", "sSS", "sSR", "sES", "sFW", "sCW",
	"sLA", "sTW", "sCL", "sS2", "sIV", "sIG",
};
const char *const tcp_flag_names[FLAGS] = {
	"syn", "synack", "fin", "ack", "rst", "none",
};
static enum tcp_state table[2][FLAGS][STATES];

static enum tcp_state state_of(const char *name)
{
	for (int i = 0; i < STATES; i++)
		if (!strcmp(tcp_state_names[i], name))
			return i;
	fail_msg("no state: %s", name);
	return NO;
}

void tcp_table_read(const json_t *json)
{
	static const char *const sides[2] = { "ORIGINAL", "REPLY" };

	for (int s = 0; s < 2; s++) {
		for (int f = 0; f < FLAGS; f++) {
			const json_t *row = json_object_get(
				json_object_get(json, sides[s]),
				tcp_flag_names[f]);

			for (int k = 0; k <= S2; k++) {
				const char *next = json_string_value(
					json_object_get(row,
							tcp_state_names[k]));

				assert_non_null(next);
				table[s][f][k] = state_of(next);
			}
		}
	}
}

bool tcp_table_step(enum tcp_state *state, enum tcp_side side,
		    enum tcp_flags flags)
{
	enum tcp_state next = *state == NO && side == OTHER ?
				      IV :
				      table[side][flags][*state];

	if (next == IV)
		return false;
	if (next != IG)
		*state = next;
	return true;
}

#define ANY -1
static struct tcp_difference differences[] = {
	{ NO, OPENER, F_ACK,
	  "F9: picked up in its middle, a flow is half-open until the other side answers" },
	{ SS, OPENER, F_ACK,
	  "half-open flows let segments of both sides pass and gain nothing by it" },
	{ SS, OPENER, F_FIN, "as above" },
	{ SS, OTHER, F_FIN, "as above" },
	{ SS, OTHER, F_SYN,
	  "3.7: an opening is judged by the rules of its own direction" },
	{ TW, OTHER, F_SYN, "as above" },
	{ SR, OPENER, F_SYNACK,
	  "only the side that was sent a SYN answers one" },
	{ SR, OTHER, F_FIN,
	  "established first: a FIN before the third segment is remembered, not followed" },
	{ SR, OPENER, F_ACK, "as above", .after_fin = true },
	{ ES, OPENER, F_SYNACK,
	  "established flows: no window, no harm; the stack decides" },
	{ FW, ANY, F_SYNACK, "as above" },
	{ CW, ANY, F_SYNACK, "as above" },
	{ FW, ANY, F_FIN, "closing needs a FIN of both sides, not two of one" },
	{ CW, ANY, F_FIN, "as above" },
	{ LA, OPENER, F_SYN,
	  "F32: an allowed SYN over a closing flow starts a new one" },
	{ LA, ANY, F_RST, "a closing flow ends by its own timeout" },
	{ TW, ANY, F_RST, "as above" },
	{ LA, OPENER, F_SYNACK, "as above" },
	{ TW, OPENER, F_SYNACK, "as above" },
	{ CL, OPENER, F_SYN,
	  "3.5: RST leaves an established flow ten seconds; a SYN changes nothing" },
	{ CL, ANY, F_ACK, "3.5: data revives a flow that was reset" },
	{ CL, ANY, F_FIN, "as above" },
	{ CL, OPENER, F_SYNACK, "as above" },
	{ CL, OTHER, F_SYNACK,
	  "half-open flows can be answered after a RST: they live no longer for it" },
};

struct tcp_difference *tcp_difference_of(enum tcp_state state,
					 enum tcp_side side,
					 enum tcp_flags flags)
{
	for (size_t i = 0; i < ARRAY_SIZE(differences); i++) {
		struct tcp_difference *d = &differences[i];

		if (d->state == (int)state && d->flags == (int)flags &&
		    (d->side == ANY || d->side == (int)side))
			return d;
	}
	return NULL;
}

void tcp_differences_all_met(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(differences); i++)
		if (!differences[i].met)
			fail_msg("no difference any more: %s %s",
				 tcp_state_names[differences[i].state],
				 tcp_flag_names[differences[i].flags]);
}
