// SPDX-License-Identifier: BSD-2-Clause
/*
 * The programs of bpf/, all of them, as functions of user space under ASan and
 * UBSan. No libc here: bpf/ has types and names of its own.
 */
#include "bpf_shim.h"

#include "moat.bpf.c"
#include "fuzz/bpf_user.h"

void *bpf_user_knobs(void)
{
	return (void *)&knobs;
}

/* By name, for who fills them and who looks into them. */
const struct shim_map *bpf_user_map(enum bpf_user_map which)
{
	static struct shim_map found;

#define X(map) \
	case BPF_USER_##map: \
		found = *SHIM_MAP(&map); \
		break;
	switch (which) {
		BPF_USER_MAPS(X)
	}
#undef X
	return &found;
}
