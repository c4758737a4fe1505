/* SPDX-License-Identifier: BSD-2-Clause */
/* The message for a text that libyaml refuses; for tree.c alone. */
#ifndef MOAT_TREE_ERROR_H
#define MOAT_TREE_ERROR_H

#include "policy/diag.h"

struct yaml_parser_s;

/* Adds the one error of a file whose parser has failed. */
void tree_syntax_error(struct diags *diags, int file,
		       const struct yaml_parser_s *p);

#endif
