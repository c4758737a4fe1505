/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of the printer share; for print*.c alone. */
#ifndef MOAT_PRINT_H
#define MOAT_PRINT_H

#include "policy/model.h"

/* jansson.h says the same. */
typedef struct json_t json_t;

struct printer {
	const struct policy *policy;
	json_t *services;      /* own services made up for rules */
	json_t *service_names; /* the same by content */
	bool failed;	       /* out of memory */
};

/* Adds a value that json takes over; a NULL value is a failure. */
void print_set(struct printer *p, json_t *object, const char *key,
	       json_t *value);
void print_append(struct printer *p, json_t *array, json_t *value);

/* Sets protocol, ports, icmp or service so that they mean these matches. */
void print_services(struct printer *p, json_t *object,
		    const struct service_match *m, size_t count);
json_t *print_protocol(int proto);
json_t *print_icmp(int type, int code);

#endif
