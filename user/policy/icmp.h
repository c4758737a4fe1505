/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of ICMP types and codes, for the reader and the printer. */
#ifndef MOAT_ICMP_H
#define MOAT_ICMP_H

#include <stdbool.h>

#include "policy/model.h"

/* proto: 1 or 58. False where the family has no type of this name. code -1
 * is every code. */
bool icmp_by_name(const char *name, int proto, int *ret_type, int *ret_code);
bool icmp_name_exists(const char *name);
/* The name that means these types in the two families, or NULL. */
const char *icmp_pair_name(const struct service_match *v4,
			   const struct service_match *v6);
/* The known name nearest to text, or NULL. */
const char *icmp_nearest(const char *text);

#endif
