// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/place.h"

#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/moat-place-XXXXXX";
static int entered;

const char *place_enter(void)
{
	if (entered)
		return folder;
	assert_int_equal(unshare(CLONE_NEWNET | CLONE_NEWNS), 0);
	assert_int_equal(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL),
			 0);
	assert_non_null(mkdtemp(folder));
	assert_int_equal(mount("bpf", folder, "bpf", 0, "mode=0700"), 0);
	entered = 1;
	place_run("ip link set lo up");
	return folder;
}

int place_leave(void **state)
{
	if (entered) {
		umount2(folder, MNT_DETACH);
		rmdir(folder);
	}
	return 0;
}

void place_run(const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (system(line))
		fail_msg("%s: failed", line);
}

__u32 place_ifindex(const char *name)
{
	__u32 n = if_nametoindex(name);

	assert_true(n > 0);
	return n;
}

__u32 place_veth(const char *a, const char *b)
{
	place_run("ip link add %s type veth peer name %s", a, b);
	place_run("ip link set %s up && ip link set %s up", a, b);
	return place_ifindex(a);
}

pid_t place_child(void)
{
	int ready[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) || write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

void place_child_end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
