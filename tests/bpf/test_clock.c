// SPDX-License-Identifier: BSD-2-Clause
/* Jiffies, boot time and the epoch of deadlines (F35). */
#include "bpf/harness.h"

#include <time.h>
#include <unistd.h>

#define NS 1000000000ull

static __u64 boot_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec * NS + t.tv_nsec;
}

static int open_one(void **state)
{
	*state = harness_open(NULL);
	return 0;
}

static int close_one(void **state)
{
	harness_close(*state);
	return 0;
}

static void hz_is_the_kernels(void **state)
{
	struct datapath *dp = ((struct harness *)*state)->dp;
	__u32 hz = datapath_facts()->hz;
	__u64 before = boot_ns(), j1 = datapath_jiffies(dp);
	__u64 after = boot_ns(), j2, before2, after2;

	assert_in_range(hz, 24, 1200);
	usleep(400000);
	before2 = boot_ns();
	j2 = datapath_jiffies(dp);
	after2 = boot_ns();
	/* The ticks between lie in what the outer and inner spans allow. */
	assert_true((j2 - j1 + 2) * NS / hz >= before2 - after);
	assert_true((j2 - j1 - 2) * NS / hz <= after2 - before);
}

static void jiffies_become_boot_time(void **state)
{
	struct datapath *dp = ((struct harness *)*state)->dp;
	__u32 hz = datapath_facts()->hz;
	__u64 slack = 3 * NS / hz;

	for (int round = 0; round < 2; round++) {
		__u64 before = boot_ns();
		__u64 j = datapath_jiffies(dp);
		__u64 at = datapath_boot_ns(dp, j), after = boot_ns();

		assert_true(at + slack >= before && at <= after + slack);
		assert_int_equal(datapath_boot_ns(dp, j + hz) - at, NS);
		assert_int_equal(at - datapath_boot_ns(dp, j - 3600ull * hz),
				 3600 * NS);
		usleep(200000);
		assert_int_equal(datapath_recalibrate(dp), 0);
	}
}

static void epoch_counts_seconds(void **state)
{
	struct datapath *dp = ((struct harness *)*state)->dp;
	__u32 first = datapath_epoch_seconds(dp), second;

	/* 0 in the control word means that there is no deadline. */
	assert_true(first > 0);
	usleep(1100000);
	second = datapath_epoch_seconds(dp);
	assert_true(second >= first + 1);
	assert_true(second <= first + 30);
}

/* Two instances, as before and after a restart, must agree on the epoch. */
static void epoch_outlives_the_agent(void **state)
{
	struct harness *other = harness_open(NULL);
	__u32 before = datapath_epoch_seconds(((struct harness *)*state)->dp);
	__u32 theirs = datapath_epoch_seconds(other->dp);
	__u32 after = datapath_epoch_seconds(((struct harness *)*state)->dp);

	harness_close(other);
	assert_in_range(theirs, before, after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hz_is_the_kernels),
		cmocka_unit_test(jiffies_become_boot_time),
		cmocka_unit_test(epoch_counts_seconds),
		cmocka_unit_test(epoch_outlives_the_agent),
	};

	return cmocka_run_group_tests(tests, open_one, close_one);
}
