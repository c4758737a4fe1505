/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's own TCP table (tcp_conntracks[] of nf_conntrack_proto_tcp.c),
 * and where moat differs from it.
 */
#ifndef MOAT_TEST_TCP_TABLE_H
#define MOAT_TEST_TCP_TABLE_H

#include <jansson.h>
#include <stdbool.h>

enum tcp_state { NO, SS, SR, ES, FW, CW, LA, TW, CL, S2, IV, IG, STATES };
enum tcp_flags { F_SYN, F_SYNACK, F_FIN, F_ACK, F_RST, F_NONE, FLAGS };
enum tcp_side { OPENER, OTHER }; /* table: ORIGINAL, REPLY */

extern const char *const tcp_state_names[STATES];
extern const char *const tcp_flag_names[FLAGS];

struct tcp_difference {
	int state, side, flags;
	const char *why;
	bool after_fin; /* only of a flow that has seen one */
	bool met;
};

/* Fails the test for names that are not there. */
void tcp_table_read(const json_t *json);

/*
 * One segment: false if the kernel calls it invalid, *state as it was. Without
 * a flow the opener alone may begin one: the other side meets the policy.
 */
bool tcp_table_step(enum tcp_state *state, enum tcp_side side,
		    enum tcp_flags flags);

/* NULL: moat does as the table says. */
struct tcp_difference *tcp_difference_of(enum tcp_state state,
					 enum tcp_side side,
					 enum tcp_flags flags);
/* Fails the test if one of them was never met. */
void tcp_differences_all_met(void);

#endif
