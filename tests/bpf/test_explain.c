// SPDX-License-Identifier: BSD-2-Clause
/*
 * The programs that explain loads: one for the hook that is asked of, kept for
 * the next request, gone when none came for a minute. Its answers, and what
 * becomes of them after a push, are tested by e2e/test_agent_explain.sh.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/explainer.h"
#include "base/clock.h"

#define SECOND 1000000000ull

static uint64_t now_ns = 1000 * SECOND;

static uint64_t fake_boot_ns(void)
{
	return now_ns;
}

/* Descriptors of programs that this process holds. */
static int programs(void)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;
	int n = 0;

	assert_non_null(d);
	while ((e = readdir(d))) {
		char to[64] = "";

		if (readlinkat(dirfd(d), e->d_name, to, sizeof(to) - 1) > 0)
			n += strcmp(to, "anon_inode:bpf-prog") == 0;
	}
	closedir(d);
	return n;
}

static void explain(struct agent *a, const char *dir, const char *engine)
{
	struct ctl_request rq = { .arg = a };
	const char *verdict;
	json_t *json = json_pack("{s:s, s:[{s:s, s:s, s:s, s:s, s:i}]}",
				 "engine", engine, "probes", "dir", dir,
				 "local", "10.1.0.1", "remote", "10.1.0.2",
				 "proto", "tcp", "dport", 80);
	json_t *reply;

	assert_non_null(json);
	rq.json = json;
	reply = agent_explain(&rq);
	assert_non_null(reply);
	verdict = json_string_value(json_object_get(
		json_array_get(json_object_get(reply, "answers"), 0),
		"verdict"));
	assert_non_null(verdict);
	/* What is built in for the time before the first policy. */
	assert_string_equal(verdict, "allow");
	json_decref(reply);
	json_decref(json);
}

static void kept_for_a_minute(void **state)
{
	struct agent a = { .config = config_default(),
			   .built_in = BUILT_IN_FIRST };
	int before = programs(), clock_alone;

	assert_non_null(a.config);
	explain(&a, "ingress", "image");
	explain(&a, "ingress", "reference");
	assert_int_equal(programs(), before);
	assert_null(a.explainer);

	explain(&a, "ingress", "kernel");
	/* The clock's program, and the one of the hook. */
	assert_int_equal(programs(), before + 2);
	clock_alone = before + 1;
	for (int i = 0; i < 3; i++)
		explain(&a, "ingress", "kernel");
	assert_int_equal(programs(), clock_alone + 1);
	explain(&a, "egress", "kernel");
	assert_int_equal(programs(), clock_alone + 2);

	now_ns += EXPLAINER_SECONDS * SECOND;
	agent_rest_explain(&a);
	explain(&a, "ingress", "kernel");
	now_ns += EXPLAINER_SECONDS * SECOND;
	agent_rest_explain(&a);
	assert_int_equal(programs(), clock_alone + 2);
	now_ns++;
	agent_rest_explain(&a);
	assert_int_equal(programs(), before);
	assert_null(a.explainer);
	agent_rest_explain(&a);

	explain(&a, "egress", "kernel");
	assert_int_equal(programs(), clock_alone + 1);
	agent_end_explain(&a);
	assert_int_equal(programs(), before);
	config_free(a.config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kept_for_a_minute),
	};

	clock_boot_ns = fake_boot_ns;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
