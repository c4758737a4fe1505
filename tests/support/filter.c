// SPDX-License-Identifier: BSD-2-Clause
/*
 * Some tests of a program alone: those that fit the pattern in
 * CMOCKA_TEST_FILTER. The library has the filter, but no way to it from
 * outside.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

__attribute__((constructor)) static void set_filter(void)
{
	const char *pattern = getenv("CMOCKA_TEST_FILTER");

	if (pattern)
		cmocka_set_test_filter(pattern);
}
