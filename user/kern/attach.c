// SPDX-License-Identifier: BSD-2-Clause
/* The public side of attaching: which kind, which hooks, what is left. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kern/private.h"

void hook_why(struct hook_state *state, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(state->why, sizeof(state->why), fmt, ap);
	va_end(ap);
}

static bool uses_tcx(const struct datapath *dp)
{
	return datapath_facts()->tcx && !dp->settings.clsact;
}

static int query_tc(struct datapath *dp, __u32 ifindex, enum attach_hook hook,
		    struct hook_state *ret)
{
	return uses_tcx(dp) ? tcx_query(dp, ifindex, hook, ret) :
			      clsact_query(dp, ifindex, hook, ret);
}

int attach_tc(struct datapath *dp, __u32 ifindex,
	      struct hook_state ret[ATTACH_HOOK_COUNT])
{
	return attach_tc_staying(dp, ifindex, 0, ret);
}

int attach_tc_staying(struct datapath *dp, __u32 ifindex, unsigned stay,
		      struct hook_state ret[ATTACH_HOOK_COUNT])
{
	int (*attach)(struct datapath *, __u32, enum attach_hook,
		      struct hook_state *) = uses_tcx(dp) ? tcx_attach :
							    clsact_attach;
	int (*ahead)(struct datapath *, __u32,
		     enum attach_hook) = uses_tcx(dp) ? tcx_go_ahead :
							clsact_go_ahead;
	int err = 0;

	why_begin();
	/* Both directions are tried: half a wall is reported as such. */
	for (int hook = ATTACH_TC_INGRESS; hook <= ATTACH_TC_EGRESS; hook++) {
		struct hook_state state = {};
		int one = attach(dp, ifindex, hook, &state);
		bool behind = !one && state.ours && !state.first;

		if (behind && !(stay & 1u << hook)) {
			one = ahead(dp, ifindex, hook);
			if (!one)
				one = query_tc(dp, ifindex, hook, &state);
			state.tried_ahead = true;
		}
		if (one && !state.why[0])
			hook_why(&state, "%s", strerror(-one));
		ret[hook] = state;
		if (!err)
			err = one;
	}
	return err;
}

int attach_query(struct datapath *dp, __u32 ifindex,
		 struct hook_state ret[ATTACH_HOOK_COUNT])
{
	struct hook_state s[ATTACH_HOOK_COUNT] = {};
	int err = 0;

	why_begin();
	for (int hook = ATTACH_TC_INGRESS; hook <= ATTACH_TC_EGRESS && !err;
	     hook++)
		err = query_tc(dp, ifindex, hook, &s[hook]);
	if (!err)
		err = xdp_query_hook(dp, ifindex, &s[ATTACH_XDP]);
	if (err)
		return err;
	memcpy(ret, s, sizeof(s));
	return 0;
}

int detach_interface(struct datapath *dp, __u32 ifindex)
{
	for (int hook = 0; hook < ATTACH_HOOK_COUNT; hook++) {
		struct own_link *l = links_find(dp, ifindex, hook);

		if (l)
			links_drop(dp, l);
	}
	return 0;
}

int detach_xdp(struct datapath *dp, __u32 ifindex)
{
	struct own_link *l = links_find(dp, ifindex, ATTACH_XDP);

	if (!l)
		return -ENOENT;
	links_drop(dp, l);
	return 0;
}

/* A link whose device was deleted says interface 0. */
static void drop_gone(struct datapath *dp)
{
	for (size_t i = dp->links.count; i--;) {
		struct own_link *l = &dp->links.items[i];
		__u32 id, prog, ifindex = 1;

		if (l->fd >= 0 && !link_ids(l->fd, &id, &prog, &ifindex) &&
		    !ifindex)
			links_drop(dp, l);
	}
}

size_t attach_list(struct datapath *dp, __u32 *ret, size_t max)
{
	size_t n = 0;

	drop_gone(dp);
	for (size_t i = 0; i < dp->links.count; i++) {
		size_t k = 0;

		while (k < n && ret[k] != dp->links.items[i].ifindex)
			k++;
		if (k == n && n < max)
			ret[n++] = dp->links.items[i].ifindex;
	}
	return n;
}

/* No object is loaded: links and filters carry all that is needed. */
int detach_all(const char *pin_dir)
{
	struct datapath dp = { .pins.lock_fd = -1 };
	int err;

	why_begin();
	if (access(pin_dir, F_OK))
		return errno == ENOENT ? 0 : -errno;
	err = pins_open(&dp.pins, pin_dir);
	if (!err)
		err = links_load(&dp);
	if (!err) {
		while (dp.links.count)
			links_drop(&dp, &dp.links.items[dp.links.count - 1]);
		err = pins_remove_all(&dp.pins);
	}
	links_close(&dp);
	pins_close(&dp.pins);
	return err;
}
