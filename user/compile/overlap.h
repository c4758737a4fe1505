/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses under two NACLs, found in a space that is already cut. */
#ifndef MOAT_COMPILE_OVERLAP_H
#define MOAT_COMPILE_OVERLAP_H

#include "compile/profiles.h"

/* Adds an error for each pair that overlaps; returns how many. */
int overlap_report(const struct policy *p, const struct space *s,
		   const struct profiles *profiles, struct diags *diags);

#endif
