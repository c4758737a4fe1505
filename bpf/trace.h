/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The record of what a run decided, for explain and tests: knobs.trace. */
#ifndef MOAT_TRACE_H
#define MOAT_TRACE_H

#include "maps.h"

/* said: all but runs. */
static __always_inline void trace_write(struct moat_trace *said)
{
	__u32 zero = 0;
	struct moat_trace *t = bpf_map_lookup_elem(&trace, &zero);

	if (!t)
		return;
	said->runs = t->runs + 1;
	*t = *said;
}

#endif
