// SPDX-License-Identifier: BSD-2-Clause
/* What this kernel can do, asked of it once. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kern/private.h"

#define F_XDP_HAS_FRAGS (1u << 5) /* linux/bpf.h, 5.18 */
#define HELPER_XDP_LOAD_BYTES 189 /* BPF_FUNC_xdp_load_bytes */

static bool loads_frags(void)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K,
		  .dst_reg = 0,
		  .imm = 2 /* XDP_PASS */ },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .prog_flags = F_XDP_HAS_FRAGS);
	_cleanup_close_ int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "moat_probe",
					       "GPL", insns, ARRAY_SIZE(insns),
					       &opts);

	return fd >= 0;
}

static bool before_5_11(const char *release)
{
	unsigned major = 0, minor = 0;

	return sscanf(release, "%u.%u", &major, &minor) == 2 &&
	       (major < 5 || (major == 5 && minor < 11));
}

const struct kernel_facts *datapath_facts(void)
{
	static struct kernel_facts facts;
	static bool known;
	struct hook_programs hook;
	struct rlimit memlock;
	struct utsname name;

	if (known)
		return &facts;
	why_begin();
	if (!uname(&name))
		snprintf(facts.release, sizeof(facts.release), "%s",
			 name.release);
	/* lo is interface 1 in every namespace. */
	facts.tcx = tcx_list(1, ATTACH_TC_INGRESS, &hook) == 0;
	facts.xdp_frags = loads_frags();
	facts.xdp_load_bytes = libbpf_probe_bpf_helper(BPF_PROG_TYPE_XDP,
						       HELPER_XDP_LOAD_BYTES,
						       NULL) == 1;
	facts.memlock_limited = before_5_11(facts.release) &&
				!getrlimit(RLIMIT_MEMLOCK, &memlock) &&
				memlock.rlim_cur != RLIM_INFINITY;
	facts.hz = clocks_hz();
	known = true;
	return &facts;
}
