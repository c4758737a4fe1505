/* SPDX-License-Identifier: BSD-2-Clause */
/* Between rows.c (which rules are asked) and row_make.c (what they answer). */
#ifndef MOAT_COMPILE_ROW_PRIVATE_H
#define MOAT_COMPILE_ROW_PRIVATE_H

#include "compile/rows.h"

/* Appends the start and the end of each interval of a rule. 0 or -ENOMEM. */
int row_events(struct rows *r, __u32 rank, __u64 **events, size_t *count,
	       size_t *cap);
void row_sort_events(__u64 *events, size_t n);
/* The row that these rules and those for every address make; interned. */
__u32 row_make(struct rows *r, const __u32 *ranks, size_t n);

#endif
