// SPDX-License-Identifier: BSD-2-Clause
/*
 * A second load of a hook's program: one program can't be on a tcx hook twice,
 * and going ahead of another takes both places for a moment. The verifier takes
 * a good part of a second, so one load serves all devices and is kept while it
 * is of use. Where packets are run one by one there is no first load.
 */
#include "base/clock.h"
#include "kern/private.h"

#define KEPT_NS 60000000000u

int twin_take(struct datapath *dp, enum attach_hook hook, int *ret_prog)
{
	struct twin *t = &dp->twin[hook];
	int err = t->load ? 0 : datapath_load_again(dp, hook, &t->load);

	if (err)
		return err;
	t->used_ns = clock_boot_ns();
	*ret_prog = load_prog_fd(t->load, hook);
	return 0;
}

void twins_free(struct datapath *dp, bool all)
{
	for (int i = 0; i < ATTACH_HOOK_COUNT; i++) {
		struct twin *t = &dp->twin[i];

		if (!all && clock_boot_ns() - t->used_ns < KEPT_NS)
			continue;
		load_free(t->load);
		*t = (struct twin){};
	}
}

void attach_rest(struct datapath *dp)
{
	twins_free(dp, false);
}
