/* SPDX-License-Identifier: BSD-2-Clause */
/* Slots as the compiler hands them out; the rest is in compile.h. */
#ifndef MOAT_COMPILE_SLOT_H
#define MOAT_COMPILE_SLOT_H

#include "compile/compile.h"
#include "compile/plan.h"

/*
 * Gives each rule its slot: the one it has, or the lowest free one. Sorts
 * rules by identity. 0, -ENOMEM, or -ENOSPC: over MOAT_RULE_SLOTS_MAX.
 */
int slots_assign(struct slots *s, struct plan_rule **rules, size_t n);
/* These rules, and no others, are the policy compiled last. */
void slots_settle(struct slots *s, struct plan_rule **rules, size_t n);

#endif
