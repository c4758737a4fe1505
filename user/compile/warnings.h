/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of compile_warn(). */
#ifndef MOAT_WARNINGS_H
#define MOAT_WARNINGS_H

#include "policy/diag.h"
#include "policy/facts.h"

/* NACL rules that no packet reaches. */
void warn_unmatched(struct facts *f, struct diags *diags);

#endif
