/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of compile_warn(). */
#ifndef MOAT_WARNINGS_H
#define MOAT_WARNINGS_H

#include "policy/diag.h"
#include "policy/facts.h"

/* Does outer allow all that inner does, limits aside? */
bool rule_within(struct facts *f, const struct rule_facts *inner,
		 struct rule_facts *outer);
/* Rules of a list that another one of it makes redundant. */
void warn_redundant(struct facts *f, const char *group, struct list_facts *list,
		    struct diags *diags);
/* NACL rules that no packet reaches. */
void warn_unmatched(struct facts *f, struct diags *diags);

#endif
