// SPDX-License-Identifier: BSD-2-Clause
/*
 * Jiffies against boot time (F35). HZ is the resolution of the coarse clock,
 * one tick (posix_get_coarse_res, kernel/time/posix-timers.c), and two pairs
 * of (jiffies, boot time) must agree with it.
 */
#include <errno.h>
#include <time.h>

#include <bpf/bpf.h>

#include "kern/private.h"

#define NS_PER_S 1000000000ull

/* As written by moat_clock, bpf/maps.h. */
struct pair {
	__u64 jiffies;
	__u64 boot_ns;
};

__u32 clocks_hz(void)
{
	struct timespec tick;

	if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) || tick.tv_sec ||
	    !tick.tv_nsec)
		return 0;
	return (NS_PER_S + tick.tv_nsec / 2) / tick.tv_nsec;
}

static __u64 boot_ns_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static int read_pair(const struct clocks *c, struct pair *ret)
{
	char frame[64] = {};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame,
		    .data_size_in = sizeof(frame));
	__u32 zero = 0;
	int err = bpf_prog_test_run_opts(c->prog_fd, &opts);

	return err ? err : bpf_map_lookup_elem(c->map_fd, &zero, ret);
}

/*
 * HZ by the two pairs lies within one tick of hz. Scheduling between the two
 * reads of one pair moves the boundary, so only the gross answer counts.
 */
static bool agrees(const struct pair *a, const struct pair *b, __u32 hz)
{
	__u64 ticks = b->jiffies - a->jiffies;
	__u64 ns = b->boot_ns - a->boot_ns;
	__u64 least = ticks ? (ticks - 1) * NS_PER_S / hz : 0;
	__u64 most = (ticks + 2) * NS_PER_S / hz;

	return ns >= least - least / 10 && ns <= most + most / 10;
}

int clocks_open(struct clocks *c)
{
	struct timespec pause = { .tv_nsec = 50000000 };
	struct pair first, second;
	int err = load_clock(&c->load, &c->prog_fd, &c->map_fd);

	if (err)
		return err;
	c->hz = clocks_hz();
	err = c->hz ? read_pair(c, &first) : -ERANGE;
	for (int tries = 0; !err; tries++) {
		nanosleep(&pause, NULL);
		err = read_pair(c, &second);
		if (err || agrees(&first, &second, c->hz))
			break;
		/* Suspended or starved in between; a wrong HZ stays wrong. */
		if (tries == 4)
			err = -ERANGE;
		first = second;
	}
	if (err) {
		clocks_close(c);
		return err;
	}
	c->jiffies = second.jiffies;
	c->boot_ns = second.boot_ns;
	return 0;
}

void clocks_close(struct clocks *c)
{
	load_free(c->load);
	*c = (struct clocks){ .prog_fd = -1, .map_fd = -1 };
}

int datapath_recalibrate(struct datapath *dp)
{
	struct pair now;
	int err = read_pair(&dp->clocks, &now);

	if (err)
		return err;
	dp->clocks.jiffies = now.jiffies;
	dp->clocks.boot_ns = now.boot_ns;
	return 0;
}

/*
 * Asks the kernel rather than reckoning from the last pair: after a suspend
 * the reckoned value runs ahead, and expiry would take live flows for dead.
 */
__u64 datapath_jiffies(struct datapath *dp)
{
	const struct clocks *c = &dp->clocks;
	struct pair now;

	if (!read_pair(c, &now))
		return now.jiffies;
	return c->jiffies +
	       (__u64)((unsigned __int128)(boot_ns_now() - c->boot_ns) * c->hz /
		       NS_PER_S);
}

__u64 datapath_boot_ns(struct datapath *dp, __u64 jiffies)
{
	const struct clocks *c = &dp->clocks;
	__s64 ticks = (__s64)(jiffies - c->jiffies);

	return c->boot_ns + (__u64)((__int128)ticks * (__s64)NS_PER_S / c->hz);
}

__u32 datapath_epoch_seconds(struct datapath *dp)
{
	__u32 hz = dp->clocks.hz;
	__u64 epoch = (__u32)(-300 * (int)hz) - (__u64)hz;

	return (datapath_jiffies(dp) - epoch) / hz;
}
