// SPDX-License-Identifier: BSD-2-Clause
/* Names of reasons, and the lines of explain --batch. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "policy/probe.h"

static void names(void **state)
{
	assert_string_equal(reason_name(MOAT_REASON_SG_NO_MATCH),
			    "sg-no-match");
	assert_string_equal(reason_layer(MOAT_REASON_SG_NO_MATCH), "sg");
	assert_string_equal(reason_layer(MOAT_REASON_RATE_LIMITED), "limit");
	assert_string_equal(reason_layer(MOAT_REASON_SPOOFED_SOURCE), "spoof");
	assert_string_equal(reason_name(MOAT_REASON_COUNT), "?");
	assert_string_equal(reason_layer(MOAT_REASON_COUNT), "?");
	assert_string_equal(verdict_name(MOAT_WOULD_DROP), "would-drop");
	assert_string_equal(verdict_name(MOAT_VERDICT_COUNT), "?");
	for (int r = 0; r < MOAT_REASON_COUNT; r++)
		assert_int_equal(reason_from_name(reason_name(r)), r);
	assert_int_equal(reason_from_name("?"), -EINVAL);
}

static void a_whole_line(void **state)
{
	struct probe p;
	char err[128] = "", text[ADDR_TEXT];

	assert_int_equal(
		probe_from_json("{\"dir\":\"ingress\",\"local\":\"10.20.0.1\","
				"\"remote\":\"10.0.5.10\",\"proto\":\"tcp\","
				"\"sport\":40000,\"dport\":22,\"icmp_type\":8,"
				"\"icmp_code\":1,\"flags\":\"SA\"}",
				&p, err, sizeof(err)),
		0);
	assert_int_equal(p.direction, MOAT_INGRESS);
	assert_int_equal(p.family, 4);
	assert_string_equal(addr_print(&p.local, text), "10.20.0.1");
	assert_string_equal(addr_print(&p.remote, text), "10.0.5.10");
	assert_int_equal(p.proto, 6);
	assert_int_equal(p.sport, 40000);
	assert_int_equal(p.dport, 22);
	assert_int_equal(p.type, 8);
	assert_int_equal(p.code, 1);
	assert_true(p.flags_given);
	assert_int_equal(p.flags, MOAT_TCP_FLAG_SYN | MOAT_TCP_FLAG_ACK);
}

static void absent_fields(void **state)
{
	struct probe p;
	char err[128] = "";

	assert_int_equal(
		probe_from_json("{\"dir\":\"egress\",\"local\":\"fd00::1\","
				"\"remote\":\"fd00::2\",\"proto\":47}",
				&p, err, sizeof(err)),
		0);
	assert_int_equal(p.direction, MOAT_EGRESS);
	assert_int_equal(p.family, 6);
	assert_int_equal(p.proto, 47);
	assert_int_equal(p.sport, 0);
	assert_int_equal(p.dport, 0);
	assert_int_equal(p.type, 0);
	assert_false(p.flags_given);
}

static void refused_lines(void **state)
{
#define ENDS "\"local\":\"10.0.0.1\",\"remote\":\"10.0.0.2\""
#define LINE "{\"dir\":\"ingress\",\"proto\":\"tcp\"," ENDS
	static const struct {
		const char *line, *said;
	} cases[] = {
		{ "[]", "not a JSON object" },
		{ "{" ENDS ",\"proto\":\"tcp\"}", "\"dir\" is missing" },
		{ "{" ENDS ",\"dir\":\"ingress\"}", "\"proto\" is missing" },
		{ "{" ENDS ",\"dir\":\"in\"}",
		  "dir must be \"ingress\" or \"egress\"" },
		{ "{\"local\":\"10.0.0.1\",\"remote\":\"fd00::1\"}",
		  "local and remote are of two families" },
		{ "{\"local\":\"10.0.0.300\"}", "10.0.0.300 is no address" },
		{ "{\"local\":7}", "a value that is not text is no address" },
		{ LINE ",\"dport\":65536}",
		  "dport must be a number from 0 to 65535" },
		{ LINE ",\"dport\":\"22\"}",
		  "dport must be a number from 0 to 65535" },
		{ LINE ",\"icmp_type\":256}",
		  "icmp_type must be a number from 0 to 255" },
		{ "{\"proto\":\"tpc\"}",
		  "proto must be a name or a number from 0 to 255" },
		{ "{\"proto\":256}",
		  "proto must be a name or a number from 0 to 255" },
		{ LINE ",\"flags\":\"SX\"}",
		  "flags must be letters of FSRPAU" },
		{ LINE ",\"port\":1}", "unknown key \"port\"" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct probe p = { .sport = 77 };
		char err[128] = "";

		assert_int_equal(probe_from_json(cases[i].line, &p, err,
						 sizeof(err)),
				 -EINVAL);
		assert_string_equal(err, cases[i].said);
		assert_int_equal(p.sport, 77);
	}

	struct probe p;
	char err[128] = "";
	assert_int_equal(probe_from_json("{\"dir\":1,\"dir\":2}", &p, err,
					 sizeof(err)),
			 -EINVAL);
	assert_memory_equal(err, "not JSON: ", 10);
}

static void answers(void **state)
{
	struct answer a = { .verdict = MOAT_ALLOW,
			    .reason = MOAT_REASON_SG_ALLOW,
			    .rule = "trainers/ssh",
			    .generation = 7 };
	_cleanup_free_ char *with = answer_to_json(&a);

	assert_string_equal(with,
			    "{\"verdict\":\"allow\",\"reason\":\"sg-allow\","
			    "\"layer\":\"sg\",\"rule\":\"trainers/ssh\","
			    "\"generation\":7}");
	a = (struct answer){ .verdict = MOAT_DROP,
			     .reason = MOAT_REASON_SG_NO_MATCH };

	_cleanup_free_ char *without = answer_to_json(&a);
	assert_string_equal(without,
			    "{\"verdict\":\"drop\",\"reason\":\"sg-no-match\","
			    "\"layer\":\"sg\",\"generation\":0}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(a_whole_line),
		cmocka_unit_test(absent_fields),
		cmocka_unit_test(refused_lines),
		cmocka_unit_test(answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
