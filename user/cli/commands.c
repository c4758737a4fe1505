// SPDX-License-Identifier: BSD-2-Clause
/* The table of commands, in the order of `moat help`. */
#include "cli/commands.h"

#include "base/cleanup.h"

const struct command *const commands[] = {
#define X(name) &cmd_##name,
	COMMANDS(X)
#undef X
};
const size_t ncommands = ARRAY_SIZE(commands);
