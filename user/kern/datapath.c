// SPDX-License-Identifier: BSD-2-Clause
/* Opening and closing an instance; fresh programs over maps that live on. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "kern/private.h"

DEFINE_CLEANUP(datapath, datapath_close)

int datapath_map_fd(const struct datapath *dp, const char *map)
{
	return load_map_fd(dp->load, map);
}

/* Pins first: what was handed over may be a step behind. But a set of a higher
 * number was made while other pins than these were seen. */
static int find_former(void *arg, const char *map)
{
	const struct datapath *dp = arg;
	int fd = -ENOENT;

	if (!map_in_set(map) || dp->pins.set >= kept_set(&dp->settings))
		fd = pins_map(&dp->pins, map);
	return fd == -ENOENT ? kept_map(&dp->settings, map) : fd;
}

static int find_loaded(void *arg, const char *map)
{
	int fd = load_map_fd(arg, map);

	if (fd < 0)
		return fd;
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? -errno : fd;
}

int datapath_load_again(struct datapath *dp, enum attach_hook hook,
			struct load **ret)
{
	struct load_spec spec = {
		.settings = &dp->settings,
		.hz = dp->clocks.hz,
		.find = find_loaded,
		.arg = dp->load,
		.hooks = hook == ATTACH_HOOK_COUNT ? LOAD_ALL_HOOKS :
						     1u << hook,
	};

	why_begin();
	return load_open(&spec, ret);
}

static int open_programs(struct datapath *dp)
{
	struct load_spec spec = {
		.settings = &dp->settings,
		.rule_slots = dp->settings.rule_slots,
		.hz = dp->clocks.hz,
		.find = find_former,
		.arg = dp,
		.hooks = dp->settings.one_by_one ? 0 : LOAD_ALL_HOOKS,
	};

	memcpy(spec.part_bytes, dp->settings.part_bytes,
	       sizeof(spec.part_bytes));
	return load_open(&spec, &dp->load);
}

static int pin_everything(struct datapath *dp)
{
	struct bpf_object *obj = load_object(dp->load);
	unsigned kept = kept_set(&dp->settings);
	unsigned set = dp->pins.set > kept ? dp->pins.set : kept ? kept : 1;
	int err = pins_add_maps(&dp->pins, obj, set);

	if (err || !pins_enabled(&dp->pins))
		return err;
	err = pins_use_set(&dp->pins, set);
	return err ? err : pins_replace_programs(&dp->pins, dp->load);
}

static int read_ifaces(struct datapath *dp)
{
	int fd = datapath_map_fd(dp, "ifaces");

	for (__u32 i = 0; i < MOAT_IFACES; i++)
		if (bpf_map_lookup_elem(fd, &i, &dp->ifaces[i]))
			return -errno;
	return 0;
}

/* Each step with the words for its failure. */
static int open_steps(struct datapath *dp, const char **ret_why)
{
	const char *root = dp->settings.pin_dir ? dp->settings.pin_dir : "";
	int err = pins_open(&dp->pins, dp->settings.pin_dir);

	if (err == -EBUSY)
		*ret_why = why_set("%s: in use by another agent", root);
	else if (err == -EMEDIUMTYPE)
		*ret_why = why_set("%s: not on a BPF file system; mount one: "
				   "mount -t bpf bpf /sys/fs/bpf",
				   root);
	else if (err)
		*ret_why = why_set("%s: %s", root, strerror(-err));
	if (err)
		return err == -EMEDIUMTYPE ? -EINVAL : err;
	err = clocks_open(&dp->clocks);
	if (err) {
		*ret_why = why_set("loading the clock program: %s%s",
				   strerror(-err),
				   err == -EPERM ?
					   " (needs CAP_BPF, CAP_NET_ADMIN and "
					   "CAP_PERFMON)" :
					   "");
		return err;
	}
	err = open_programs(dp);
	if (err == -ENOSPC)
		*ret_why = why_set(
			"maps need more than the configured %llu "
			"bytes (tables.memory)",
			(unsigned long long)dp->settings.memory_limit);
	else if (err == -EPROTO)
		*ret_why = why_set("%s: pinned maps of another layout; "
				   "moatd --detach-all removes them",
				   root);
	else if (err)
		*ret_why = why_set("loading the programs: %s", strerror(-err));
	return err;
}

static int open_state(struct datapath *dp, const char **ret_why)
{
	int err = store_open(&dp->store, dp->load);

	if (!err)
		err = leases_open(&dp->leases, dp->load);
	if (!err)
		err = read_ifaces(dp);
	if (!err)
		err = pin_everything(dp);
	if (!err)
		err = links_load(dp);
	if (!err)
		err = kept_links(dp);
	if (err > 0)
		err = links_repair(dp);
	err = err < 0 ? err : 0;
	if (err)
		*ret_why = why_set("mapping and pinning: %s", strerror(-err));
	return err;
}

int datapath_open(const struct datapath_settings *s, struct datapath **ret,
		  const char **ret_why)
{
	CLEANUP(datapath) struct datapath *dp = calloc(1, sizeof(*dp));
	int err;

	why_begin();
	if (!dp) {
		*ret_why = why_set("%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	dp->settings = *s;
	dp->pins.lock_fd = -1;
	err = open_steps(dp, ret_why);
	if (!err)
		err = open_state(dp, ret_why);
	if (err)
		return err;
	/* The caller's string need not outlive this call. */
	dp->settings.pin_dir = pins_enabled(&dp->pins) ? dp->pins.root : NULL;
	dp->settings.kept = NULL;
	dp->settings.nkept = 0;
	*ret = TAKE_PTR(dp);
	return 0;
}

__u32 datapath_maps_id(const struct datapath *dp)
{
	return kept_id(datapath_map_fd(dp, "totals"));
}

int datapath_repair_pins(struct datapath *dp)
{
	int maps, links;

	if (!pins_enabled(&dp->pins))
		return 0;
	maps = pins_repair(&dp->pins, dp->load);
	if (maps < 0)
		return maps;
	links = links_repair(dp);
	return links < 0 ? links : maps + links;
}

void datapath_close(struct datapath *dp)
{
	if (!dp)
		return;
	links_close(dp);
	leases_close(&dp->leases);
	store_close(&dp->store);
	twins_free(dp, true);
	load_free(dp->load);
	clocks_close(&dp->clocks);
	pins_close(&dp->pins);
	free(dp->carry);
	free(dp);
}
