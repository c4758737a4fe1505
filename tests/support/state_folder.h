/* SPDX-License-Identifier: BSD-2-Clause */
/* A state directory of each test's own, open while the test runs. */
#ifndef MOAT_TEST_STATE_FOLDER_H
#define MOAT_TEST_STATE_FOLDER_H

#include "agent/state.h"

/* setup and teardown of a test; *state is its struct state. NULL there at the
 * end: the test has closed it. */
int state_folder_open(void **state);
int state_folder_remove(void **state);
#define state_test(name) \
	cmocka_unit_test_setup_teardown(name, state_folder_open, \
					state_folder_remove)

/* The path of a file in it, "" for itself; valid until the next call. */
char *state_at(const char *name);

#endif
