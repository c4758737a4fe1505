/* SPDX-License-Identifier: BSD-2-Clause */
/* The closed table of services, as matches; reader.h prints it. */
#ifndef MOAT_SERVICES_H
#define MOAT_SERVICES_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/model.h"

/* No service of the table has more. */
#define BUILTIN_MATCHES 8

/* The number of matches, 0 for an unknown name. */
size_t builtin_service(const char *name,
		       struct service_match ret[BUILTIN_MATCHES]);
bool builtin_exists(const char *name);
/* The name of the table nearest to text, or NULL. */
const char *builtin_nearest(const char *text);

#endif
