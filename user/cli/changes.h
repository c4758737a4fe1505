/* SPDX-License-Identifier: BSD-2-Clause */
/* Two canonical policy documents compared by meaning. */
#ifndef MOAT_CHANGES_H
#define MOAT_CHANGES_H

#include <jansson.h>

/*
 * [{change "added"|"removed"|"changed", kind, where, before, after}], new
 * reference: rules by group and name (NACL rules by number), addresses of
 * members and lists one by one. Order of rules and addresses has no meaning
 * but for the order of rules in a direction, reported as kind "order".
 */
json_t *policy_changes(const json_t *before, const json_t *after);

#endif
