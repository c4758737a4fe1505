/* SPDX-License-Identifier: BSD-2-Clause */
/* Time behind pointers that tests replace. */
#ifndef MOAT_CLOCK_H
#define MOAT_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* Nanoseconds of CLOCK_BOOTTIME, which goes on during suspend. */
extern uint64_t (*clock_boot_ns)(void);
/* Seconds and milliseconds since 1970. */
extern int64_t (*clock_wall_ms)(void);
/* RFC 3339 in UTC with milliseconds, into buf of at least 32 bytes. */
char *clock_rfc3339(int64_t wall_ms, char *buf, size_t len);

#endif
