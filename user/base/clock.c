// SPDX-License-Identifier: BSD-2-Clause
/* Time behind pointers that tests replace. */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static uint64_t real_boot_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int64_t real_wall_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

uint64_t (*clock_boot_ns)(void) = real_boot_ns;
int64_t (*clock_wall_ms)(void) = real_wall_ms;

char *clock_rfc3339(int64_t wall_ms, char *buf, size_t len)
{
	int64_t ms = wall_ms % 1000;
	time_t seconds;
	struct tm tm;
	size_t used;

	if (ms < 0)
		ms += 1000;
	seconds = (wall_ms - ms) / 1000;
	gmtime_r(&seconds, &tm);
	used = strftime(buf, len, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + used, len - used, ".%03dZ", (int)ms);
	return buf;
}
