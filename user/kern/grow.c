// SPDX-License-Identifier: BSD-2-Clause
/*
 * Larger image arrays (F17): a second set is filled with the policy in force
 * under the same generation, every attachment is moved to programs that read
 * it, and only then does anybody push to it. Whatever runs in between judges
 * by the same policy.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "kern/private.h"
#include "kern/stats.h"
#include "kern/store.h"

bool datapath_fits(const struct datapath *dp,
		   const __u32 part_bytes[MOAT_PART_COUNT], __u32 rule_slots)
{
	for (int i = 0; i < MOAT_PART_COUNT; i++)
		if (part_bytes[i] > dp->store.part_bytes[i])
			return false;
	return rule_slots <= dp->store.rule_slots;
}

/* All maps but the set's own. */
static int find_shared(void *arg, const char *map)
{
	int fd;

	if (map_in_set(map))
		return -ENOENT;
	fd = load_map_fd(arg, map);
	if (fd < 0)
		return fd;
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? -errno : fd;
}

static int load_larger(struct datapath *dp,
		       const __u32 part_bytes[MOAT_PART_COUNT],
		       __u32 rule_slots, struct load **ret)
{
	struct load_spec spec = {
		.settings = &dp->settings,
		.rule_slots = rule_slots > dp->store.rule_slots ?
				      rule_slots :
				      dp->store.rule_slots,
		.hz = dp->clocks.hz,
		.find = find_shared,
		.arg = dp->load,
		.hooks = LOAD_ALL_HOOKS,
	};

	for (int i = 0; i < MOAT_PART_COUNT; i++) {
		if (part_bytes[i] > MOAT_PART_MAX)
			return -E2BIG;
		spec.part_bytes[i] = part_bytes[i] > dp->store.part_bytes[i] ?
					     part_bytes[i] :
					     dp->store.part_bytes[i];
	}
	return load_open(&spec, ret);
}

/* Per-CPU rule counters, element by element; *sums get what was copied. */
static int copy_rules(const struct load *from, const struct load *to,
		      struct moat_rule_count *sums, __u32 slots)
{
	size_t size = sizeof(struct moat_rule_counters) * possible_cpus();
	_cleanup_free_ struct moat_rule_counters *values = malloc(size);
	int in = load_map_fd(from, "rules"), out = load_map_fd(to, "rules");

	if (!values)
		return -ENOMEM;
	for (__u32 i = 0; i < slots / MOAT_RULES_PER_ELEMENT; i++) {
		if (bpf_map_lookup_elem(in, &i, values) ||
		    bpf_map_update_elem(out, &i, values, BPF_ANY))
			return -errno;
		for (unsigned cpu = 0; cpu < possible_cpus(); cpu++)
			rules_add(sums + (size_t)i * MOAT_RULES_PER_ELEMENT,
				  values[cpu].rule, MOAT_RULES_PER_ELEMENT, 1);
	}
	return 0;
}

/*
 * What the old programs counted after the copy is kept here and added to
 * every reading: a per-CPU slot in use can't be added to from outside. The
 * agent takes it over, onto its disk (stats_carried()).
 */
static void carry_rest(struct datapath *dp, const struct load *old,
		       const struct moat_rule_count *copied, __u32 slots)
{
	struct moat_rule_count *c = calloc(slots, sizeof(*c));

	/* On failure a few packets less in the counters, no more. */
	if (!c || rules_read(old, c, slots)) {
		free(c);
		return;
	}
	rules_add(c, copied, slots, -1);
	if (dp->carry)
		rules_add(c, dp->carry, dp->ncarry, 1);
	free(dp->carry);
	dp->carry = c;
	dp->ncarry = slots;
}

/* The links go over; on failure they are put back. */
static int move_over(struct datapath *dp, struct load *larger)
{
	unsigned set = dp->pins.set + 1;
	int err = pins_add_maps(&dp->pins, load_object(larger), set);

	if (!err)
		err = links_move(dp, larger);
	if (!err)
		err = pins_replace_programs(&dp->pins, larger);
	if (err) {
		links_move(dp, dp->load);
		pins_replace_programs(&dp->pins, dp->load);
		set = dp->pins.set;
	}
	if (pins_enabled(&dp->pins))
		pins_use_set(&dp->pins, set);
	return err;
}

int datapath_grow(struct datapath *dp, const __u32 part_bytes[MOAT_PART_COUNT],
		  __u32 rule_slots)
{
	CLEANUP(load) struct load *other = NULL;
	_cleanup_free_ struct moat_rule_count *copied = NULL;
	struct store store = {};
	__u32 slots = dp->store.rule_slots;
	int err;

	why_begin();
	copied = calloc(slots, sizeof(*copied));
	if (!copied)
		return -ENOMEM;
	err = load_larger(dp, part_bytes, rule_slots, &other);
	if (!err)
		err = store_open(&store, other);
	if (err)
		return err;
	store_copy(&dp->store, &store);
	err = copy_rules(dp->load, other, copied, slots);
	if (!err)
		err = move_over(dp, other);
	if (err) {
		store_close(&store);
		return err;
	}
	grace_wait();
	carry_rest(dp, dp->load, copied, slots);
	store_close(&dp->store);
	dp->store = store;
	struct load *old = dp->load;

	twins_free(dp, true);
	dp->load = other;
	other = old; /* freed on return; its maps go with it */
	return 0;
}
