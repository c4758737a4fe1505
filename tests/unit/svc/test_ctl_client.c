// SPDX-License-Identifier: BSD-2-Clause
/* What the client says when there is no agent to talk to. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "svc/ctl_client.h"

static void client_errors(void **state)
{
	struct ctl_client *c = NULL;
	char text[200], path[200];

	assert_int_equal(ctl_connect("/nonexistent/s", 100, &c), -ENOENT);
	assert_non_null(
		strstr(ctl_explain_error(-ENOENT, "/s", text, sizeof(text)),
		       "not running"));
	assert_non_null(
		strstr(ctl_explain_error(-EACCES, "/s", text, sizeof(text)),
		       "permission denied"));
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = 0;
	assert_int_equal(ctl_connect(path, 100, &c), -ENAMETOOLONG);
	assert_null(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(client_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
