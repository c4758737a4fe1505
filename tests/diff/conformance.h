/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Data that others wrote: $MOAT_CONFORMANCE, or ../shared/conformance beside
 * the project. Read where it lies, never copied.
 */
#ifndef MOAT_TEST_CONFORMANCE_H
#define MOAT_TEST_CONFORMANCE_H

#include <jansson.h>
#include <stdbool.h>

/* Exits with 77 (skipped), saying what is missing, if file is not there. */
void conformance_need(const char *file);
/* Calls fn for each line of a file of JSON lines; false ends with false. A
 * line that is no JSON: false. */
bool conformance_each(const char *file,
		      bool (*fn)(const json_t *line, void *arg), void *arg);
/* One document; free with json_decref(). NULL: not readable. */
json_t *conformance_load(const char *file);

#endif
