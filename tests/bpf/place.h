/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A place of the test program's own: network and mount namespaces that end
 * with it, and a bpffs. Nothing is left behind even after a crash, but for an
 * empty folder in /tmp.
 */
#ifndef MOAT_TEST_PLACE_H
#define MOAT_TEST_PLACE_H

#include <linux/types.h>
#include <sys/types.h>

/* Enters it, once per program; the path of the bpffs. */
const char *place_enter(void);
/* Leaves no folder behind; for the group's teardown. */
int place_leave(void **state);
/* Runs a command line; a failure ends the test. */
void place_run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A veth pair A, B, both up; ifindex of A. */
__u32 place_veth(const char *a, const char *b);
__u32 place_ifindex(const char *name);
/* A process that sits in a network namespace of its own. */
pid_t place_child(void);
void place_child_end(pid_t pid);

#endif
