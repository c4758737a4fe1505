// SPDX-License-Identifier: BSD-2-Clause
/* cli/changes: policies compared by meaning. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "cli/changes.h"

static json_t *parse(const char *text)
{
	json_t *value = json_loads(text, 0, NULL);

	assert_non_null(value);
	return value;
}

/* One line a change: "+ kind where", "- ...", "~ ...". */
static char *changes(const char *before, const char *after)
{
	json_t *a = parse(before), *b = parse(after);
	json_t *list = policy_changes(a, b), *change;
	char *text = calloc(1, 4096);
	size_t i;

	json_array_foreach(list, i, change) {
		const char *what = json_string_value(
			json_object_get(change, "change"));

		snprintf(text + strlen(text), 4096 - strlen(text), "%c %s %s\n",
			 *what == 'a' ? '+' :
			 *what == 'r' ? '-' :
					'~',
			 json_string_value(json_object_get(change, "kind")),
			 json_string_value(json_object_get(change, "where")));
	}
	json_decref(a);
	json_decref(b);
	json_decref(list);
	return text;
}

#define GROUP(members, ingress) \
	"{\"security_groups\":{\"g\":{\"members\":" members \
	",\"ingress\":" ingress "}}}"
#define SSH "{\"name\":\"ssh\",\"from\":[\"a\"],\"service\":\"ssh\"}"
#define SSH_B "{\"name\":\"ssh\",\"from\":[\"b\"],\"service\":\"ssh\"}"
#define WEB "{\"name\":\"web\",\"from\":[\"a\"],\"service\":\"http\"}"

static void table(void **state)
{
	static const struct {
		const char *before, *after, *want;
	} rows[] = {
		{ GROUP("[]", "[" SSH "]"), GROUP("[]", "[" SSH "]"), "" },
		{ GROUP("[]", "[" SSH "]"), GROUP("[]", "[" SSH_B "]"),
		  "~ rule g/ssh ingress\n" },
		{ GROUP("[]", "[" SSH "]"), GROUP("[]", "[" WEB "," SSH "]"),
		  "+ rule g/web ingress\n" },
		{ GROUP("[]", "[" SSH "," WEB "]"), GROUP("[]", "[" WEB "]"),
		  "- rule g/ssh ingress\n" },
		{ GROUP("[]", "[" SSH "," WEB "]"),
		  GROUP("[]", "[" WEB "," SSH "]"), "~ order g ingress\n" },
		{ GROUP("[\"10.0.0.1\",\"10.0.0.2\"]", "[]"),
		  GROUP("[\"10.0.0.2\",\"10.0.0.3\"]", "[]"),
		  "- members g\n+ members g\n" },
		{ GROUP("[\"1.1.1.1\",\"2.2.2.2\"]", "[]"),
		  GROUP("[\"2.2.2.2\",\"1.1.1.1\"]", "[]"), "" },
		/* Absent egress opens everything: not the same as none. */
		{ "{\"security_groups\":{\"g\":{}}}",
		  "{\"security_groups\":{\"g\":{\"egress\":[]}}}",
		  "+ order g egress\n" },
		{ "{\"security_groups\":{\"g\":{\"mode\":\"audit\"}}}",
		  "{\"security_groups\":{\"g\":{}}}", "- mode g\n" },
		{ "{}", GROUP("[]", "[]"), "+ group g\n" },
		{ "{\"mode\":\"audit\"}", "{\"mode\":\"enforce\"}",
		  "~ mode policy\n" },
		{ "{\"prefix_lists\":{\"l\":[\"10.0.0.0/8\"],\"m\":[]}}",
		  "{\"prefix_lists\":{\"l\":[\"10.0.0.0/9\"]}}",
		  "- address l\n+ address l\n- prefix list m\n" },
		{ "{\"network_acls\":{\"n\":{\"ingress\":[{\"rule\":100,"
		  "\"action\":\"deny\"}]}}}",
		  "{\"network_acls\":{\"n\":{\"ingress\":[{\"rule\":100,"
		  "\"action\":\"allow\"}]}}}",
		  "~ rule n/100 ingress\n" },
		/* A revision that is a hash follows from the rest. */
		{ "{\"revision\":\"0123456789ab\"}",
		  "{\"revision\":\"ab0123456789\"}", "" },
		{ "{\"revision\":\"0123456789ab\"}", "{\"revision\":\"v2\"}",
		  "~ revision policy\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *got = changes(rows[i].before,
						   rows[i].after);

		assert_string_equal(got, rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(table) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
