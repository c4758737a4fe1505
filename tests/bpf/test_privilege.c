// SPDX-License-Identifier: BSD-2-Clause
/*
 * Three capabilities are enough for everything the agent does, and root
 * without them is not (design section 5). No object is ever looked for by id.
 */
#include "bpf/harness.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bpf/handmade.h"
#include "bpf/place.h"

#define BIT(cap) (1ull << (cap))
#define THREE (BIT(CAP_BPF) | BIT(CAP_NET_ADMIN) | BIT(CAP_PERFMON))

static int keep(__u64 caps)
{
	struct __user_cap_header_struct h = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct d[2] = {
		{ (__u32)caps, (__u32)caps, 0 },
		{ caps >> 32, caps >> 32, 0 },
	};

	return syscall(SYS_capset, &h, d) ? -errno : 0;
}

/* Each step has its own exit status. */
#define STEP(n, ok) \
	do { \
		if (!(ok)) \
			return n; \
	} while (0)

static int open_at(const char *dir, bool clsact, struct datapath **ret)
{
	struct datapath_settings s;
	const char *why;

	harness_settings(&s);
	s.pin_dir = dir;
	s.clsact = clsact;
	return datapath_open(&s, ret, &why);
}

static int life(const char *dir, __u32 ifindex, bool clsact)
{
	__u32 want[MOAT_PART_COUNT] = { [MOAT_PART_ROWS] = MOAT_PART_MIN * 2 };
	struct image *image = handmade_image(64);
	struct hook_state hook[ATTACH_HOOK_COUNT];
	struct moat_totals totals;
	struct map_bytes maps[STATS_MAPS_MAX];
	struct flow_slice s = { .table = MOAT_TABLE_FLOWS, .max = 256 };
	struct own_entry own = {};
	struct datapath *dp;
	__u32 generation;

	STEP(1, !open_at(dir, clsact, &dp));
	STEP(2, !store_push(dp, image, 0, &generation));
	STEP(3, !attach_tc(dp, ifindex, hook));
	STEP(4, clsact || !attach_xdp(dp, ifindex, ATTACH_GENERIC,
				      &hook[ATTACH_XDP]));
	STEP(5, !attach_query(dp, ifindex, hook) &&
			hook[ATTACH_TC_INGRESS].ours &&
			hook[ATTACH_TC_EGRESS].first);
	STEP(6, !datapath_set_own(dp, &own, 1));
	STEP(7, !stats_totals(dp, &totals));
	STEP(8, stats_maps(dp, maps, STATS_MAPS_MAX) > 10 && maps[0].bytes);
	STEP(9, !flows_expire(dp, &s));
	datapath_close(dp);
	STEP(10, !open_at(dir, clsact, &dp));
	STEP(11, !attach_tc(dp, ifindex, hook) && hook[ATTACH_TC_EGRESS].ours);
	STEP(12, !datapath_grow(dp, want, 0));
	STEP(13, !store_push(dp, image, 0, &generation) && generation == 2);
	STEP(14, !detach_interface(dp, ifindex));
	datapath_close(dp);
	STEP(15, !detach_all(dir));
	return 0;
}

static int in_child(__u64 caps, const char *dir, __u32 ifindex, bool clsact)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid)
		_exit(keep(caps) ? 100 : life(dir, ifindex, clsact));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void three_are_enough(void **state)
{
	char dir[128];

	snprintf(dir, sizeof(dir), "%s/three", place_enter());
	assert_int_equal(in_child(THREE, dir, place_veth("pa", "pb"), false),
			 0);
}

static void three_are_enough_for_clsact(void **state)
{
	char dir[128];

	snprintf(dir, sizeof(dir), "%s/clsact", place_enter());
	assert_int_equal(in_child(THREE, dir, place_veth("pc", "pd"), true), 0);
}

/* Fewer fail in the open, before anything is attached or left behind. */
static void fewer_are_not(void **state)
{
	static const __u64 less[] = { 0, THREE & ~BIT(CAP_BPF) };
	char dir[128];
	__u32 ifindex;

	snprintf(dir, sizeof(dir), "%s/less", place_enter());
	ifindex = place_veth("pe", "pf");
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(in_child(less[i], dir, ifindex, false), 1);
	/* The folders are made by whoever gets as far; files are pins. */
	place_run(
		"test ! -e %s || test -z \"$(find %s -path '*/v*/*' -type f)\"",
		dir, dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(three_are_enough),
		cmocka_unit_test(three_are_enough_for_clsact),
		cmocka_unit_test(fewer_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, place_leave);
}
