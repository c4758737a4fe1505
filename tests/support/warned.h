/* SPDX-License-Identifier: BSD-2-Clause */
/* Warnings of a policy given as text, for tests. */
#ifndef MOAT_TEST_WARNED_H
#define MOAT_TEST_WARNED_H

#include "policy/reader.h"

typedef void (*warned_fn)(const struct policy *p, struct diags *diags,
			  const void *arg);

/*
 * Reads HEAD (version, name, mode: enforce) and text, which must be valid,
 * calls fn and compares all diagnostics, each as "LINE:COLUMN what it says"
 * on its own line, in the order of the file. Lines count from text's first.
 */
void assert_warned(const char *text, warned_fn fn, const void *arg,
		   const char *expected);

/* Reads a policy that must be valid; free with policy_free(). */
struct policy *read_valid(const char *text);

#endif
