// SPDX-License-Identifier: BSD-2-Clause
/*
 * Waiting until no program run that began earlier can still be going on: an
 * RCU grace period of the kernel, 5-32 ms.
 */
#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "kern/private.h"

/* An update of a map in map waits for one too (maybe_wait_bpf_programs). */
static int wait_by_map(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts);
	_cleanup_close_ int inner = bpf_map_create(BPF_MAP_TYPE_ARRAY,
						   "moat_inner", 4, 4, 1, NULL);
	_cleanup_close_ int outer = -1;
	__u32 zero = 0;

	if (inner < 0)
		return -errno;
	opts.inner_map_fd = inner;
	outer = bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "moat_grace", 4, 4,
			       1, &opts);
	if (outer < 0 || bpf_map_update_elem(outer, &zero, &inner, BPF_ANY))
		return -errno;
	return 0;
}

int grace_wait(void)
{
	/* EINVAL with nohz_full, ENOSYS or EPERM under a seccomp filter. */
	if (!syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		return 0;
	return wait_by_map();
}
