/* SPDX-License-Identifier: BSD-2-Clause */
/* After a push: what to show, and the wait for its confirmation. */
#ifndef MOAT_WAIT_H
#define MOAT_WAIT_H

#include "cli/call.h"

/* Shows the reply of a push or rollback, then waits where it has a deadline.
 * Returns the exit code; code is that of the call. */
int push_finish(struct cli *cli, int code, json_t *reply);

/*
 * Until generation is confirmed, rolled back, or its deadline has passed; on
 * a terminal "y" confirms and "n" undoes. Returns the exit code. A signal
 * ends the program and leaves the deadline running.
 */
int wait_confirmed(struct cli *cli, json_int_t generation, json_int_t seconds);

#endif
