/* SPDX-License-Identifier: BSD-2-Clause */
/* Every command; each is defined in the file of its name. */
#ifndef MOAT_COMMANDS_H
#define MOAT_COMMANDS_H

#include "cli/cli.h"

/* clang-format off */
#define COMMANDS(X) \
	X(check) X(compile) X(explain) X(path) X(diff) X(push) X(confirm) \
	X(rollback) X(reload) X(history) X(show) X(status) X(rules) X(drops) X(flows) \
	X(member) X(doctor) X(demo) X(metrics) X(schema) X(version) \
	X(completion) X(help)
/* clang-format on */

#define X(name) extern const struct command cmd_##name;
COMMANDS(X)
#undef X

#endif
