// SPDX-License-Identifier: BSD-2-Clause
#include "support/state_folder.h"

#include <stdio.h>
#include <stdlib.h>

static char folder[64];

char *state_at(const char *name)
{
	static char path[160];

	/* Two levels that are not there: state_open() makes them. */
	snprintf(path, sizeof(path), "%s/a/b%s%s", folder, *name ? "/" : "",
		 name);
	return path;
}

int state_folder_open(void **state)
{
	struct state *s = NULL;

	snprintf(folder, sizeof(folder), "/tmp/moat-state-XXXXXX");
	if (!mkdtemp(folder) || state_open(state_at(""), &s))
		return -1;
	*state = s;
	return 0;
}

int state_folder_remove(void **state)
{
	char command[96];

	state_close(*state);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command) ? -1 : 0;
}
