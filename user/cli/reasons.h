/* SPDX-License-Identifier: BSD-2-Clause */
/* What each reason means and what to do about it, for people. */
#ifndef MOAT_REASONS_H
#define MOAT_REASONS_H

#include "moat/reason.h"

/* One sentence; never NULL. */
const char *reason_help(enum moat_reason r);

#endif
