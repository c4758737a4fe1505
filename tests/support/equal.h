/* SPDX-License-Identifier: BSD-2-Clause */
/* Two models that say the same; places and made-up names don't count. */
#ifndef MOAT_TEST_EQUAL_H
#define MOAT_TEST_EQUAL_H

#include "policy/model.h"

/* NULL if they are equal, else words for the first difference. */
const char *policy_difference(const struct policy *a, const struct policy *b);

#endif
