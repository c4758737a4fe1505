// SPDX-License-Identifier: BSD-2-Clause
/*
 * The whole CLI as a function, under the sanitizers: exit codes of every
 * command that needs no agent, and of all others where none answers.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/commands.h"

#define POLICY MOAT_SOURCE_DIR "/policies/training-cluster.yaml"
#define ARGV_MAX 16

static int saved[2];

/* What the CLI prints is for other tests; here it would hide theirs. */
static int silence(void **state)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	fflush(NULL);
	for (int i = 0; i < 2; i++) {
		saved[i] = dup(i + 1);
		dup2(null, i + 1);
	}
	close(null);
	return 0;
}

static int restore(void **state)
{
	fflush(NULL);
	for (int i = 0; i < 2; i++) {
		dup2(saved[i], i + 1);
		close(saved[i]);
	}
	return 0;
}

struct row {
	int code;
	const char *line; /* words, separated by one space */
};

static void run_rows(const struct row *rows, size_t count)
{
	int code, wrong = 0;

	for (size_t i = 0; i < count; i++) {
		_cleanup_free_ char *copy = strdup(rows[i].line);
		char *argv[ARGV_MAX] = { (char *)"moat" }, *rest = copy;
		int argc = 1;

		while (rest && *rest && argc < ARGV_MAX - 1)
			argv[argc++] = strsep(&rest, " ");
		code = cli_main(argc, argv);
		if (code != rows[i].code)
			dprintf(saved[1], "moat %s: %d, not %d\n", rows[i].line,
				code, rows[i].code);
		wrong += code != rows[i].code;
	}
	assert_int_equal(wrong, 0);
}

static void files(void **state)
{
	static const struct row rows[] = {
		{ 0, "check " POLICY },
		{ 0, "check " POLICY " --host 10.20.0.1,fd00:20::1 -o json" },
		{ 0, "-ojson check --ephemeral 32768-60999 " POLICY },
		{ 0, "check --live " POLICY },
		{ 1, "check --strict " POLICY },
		{ 1, "check /dev/null" },
		{ 1, "check -o json /dev/null" },
		{ 2, "check /nonexistent" },
		{ 2, "check " POLICY " --host home" },
		{ 2, "check " POLICY " --ephemeral 9-1" },
		{ 2, "check " POLICY " --config /nonexistent" },
		{ 2, "check " POLICY " --config " POLICY },
		{ 0, "compile --host 10.20.0.1 " POLICY },
		{ 0, "compile --host=10.20.0.1 " POLICY " --output=json" },
		{ 2, "compile " POLICY },
		{ 1, "compile --host 10.20.0.1 /dev/null" },
		{ 0, "path " POLICY " 10.20.0.1:870 10.40.0.5 tcp/2049" },
		{ 0, "path " POLICY " [fd00:20::1]:99 fd00:20::2 tcp/29500" },
		{ 1, "path " POLICY " 10.20.0.1 10.20.0.2 tcp/22 -o json" },
		{ 0, "path " POLICY " 10.20.0.1 10.20.0.2 icmp --icmp 8/0" },
		{ 2, "path " POLICY " [10.20.0.1 10.20.0.2 tcp/22" },
		{ 2, "path " POLICY " 10.20.0.1:x 10.20.0.2 tcp/22" },
		{ 2, "path " POLICY " 10.20.0.1" },
		{ 0, "schema" },
		{ 0, "schema --services" },
		{ 0, "schema --services -o json" },
		{ 0, "completion bash" },
		{ 2, "completion fish" },
		{ 0, "help" },
		{ 0, "--help" },
		{ 0, "-h push" },
		{ 0, "help flows" },
		{ 2, "help me" },
		{ 2, "" },
		{ 0, "version --socket /nonexistent -o json" },
		{ 2, "-- check" },
		{ 2, "-x" },
		{ 2, "--output" },
		{ 2, "check --help=yes" },
		{ 2, "--now push" },
	};

	run_rows(rows, ARRAY_SIZE(rows));
}

#define IN "explain " POLICY " ingress 10.20.0.1 10.0.5.10 "
static void explain(void **state)
{
	static const struct row rows[] = {
		{ 0, IN "tcp/22" },
		{ 0, IN "tcp/22 --engine image" },
		{ 0, IN "tcp/22 --engine reference --sport 1000 -o json" },
		{ 1, IN "tcp/23 --flags ACK,FIN" },
		{ 1, IN "tcp/23 --flags SA" },
		{ 1, IN "tcp/23" },
		{ 1, IN "tcp/23 --engine image -o json" },
		{ 0, IN "icmp" },
		{ 1, IN "icmp --icmp 13" },
		{ 1, IN "gre" },
		{ 0, IN "tcp/22 --color always" },
		{ 2, IN "tcp/22 --flags SYN,LOW" },
		{ 2, IN "udp/22 --flags S" },
		{ 2, IN "tcp/22 --icmp 8" },
		{ 2, IN "icmp --icmp 256" },
		{ 2, IN "icmp --icmp 8/x" },
		{ 2, IN "icmp/8" },
		{ 2, IN "tcp/70000" },
		{ 2, IN "tcp" },
		{ 2, IN "quic/443" },
		{ 2, IN "tcp/22 --sport 70000" },
		{ 2, IN "an-overlong-protocol-name/22" },
		{ 2, IN "tcp/22 --batch -" },
		{ 0, "explain " POLICY " --batch /dev/null" },
		{ 2, "explain " POLICY " --batch /nonexistent" },
		{ 3, IN "tcp/22 --engine kernel --socket /nonexistent" },
		{ 2, "explain --live --batch - --config /dev/null" },
		{ 3, "explain --live ingress 10.0.0.1 10.0.0.2 tcp/22 "
		     "--engine image --socket /nonexistent" },
	};

	run_rows(rows, ARRAY_SIZE(rows));
}

#define NO " --socket /nonexistent"
static void without_agent(void **state)
{
	static const struct row rows[] = {
		{ 3, "status" NO },
		{ 3, "rules -o json" NO },
		{ 2, "rules --layer tc" NO },
		{ 3, "drops" NO },
		{ 3, "flows" NO },
		{ 3, "flows --follow" NO },
		{ 3, "flows -o vpc --peer 10.0.0.0/8 --port 22" NO },
		{ 2, "flows --peer 10.0.0.1/8" NO },
		{ 2, "flows --protocol quic" NO },
		{ 2, "flows --port x" NO },
		{ 3, "flows kill 10.0.0.1:22" NO },
		{ 3, "flows kill [fd00::1]:22" NO },
		{ 3, "flows kill fd00::1" NO },
		{ 2, "flows kill here" NO },
		{ 2, "flows 10.0.0.1 10.0.0.2" NO },
		{ 2, "flows kill 10.0.0.1 10.0.0.2" NO },
		{ 2, "flows kill 10.0.0.1 --peer 10.0.0.2" NO },
		{ 2, "flows kill 10.0.0.1:22 --port 80" NO },
		{ 2, "flows kill 10.0.0.1 --limit 1" NO },
		{ 2, "flows kill 10.0.0.1 --follow" NO },
		{ 2, "flows --follow --limit 1" NO },
		{ 2, "flows kill 10.0.0.1 --rule \xff" NO },
		{ 2, "push --now --message caf\xe9 " POLICY NO },
		{ 3, "push --now --message caf\xc3\xa9 " POLICY NO },
		{ 2, "flows kill" NO },
		{ 3, "show" NO },
		{ 3, "show 7" NO },
		{ 2, "show seven" NO },
		{ 3, "history" NO },
		{ 3, "confirm 7" NO },
		{ 2, "confirm 99999999" NO },
		{ 3, "rollback --confirm 1m" NO },
		{ 2, "rollback --confirm 1y" NO },
		{ 3, "reload" NO },
		{ 3, "metrics" NO },
		{ 3, "doctor" NO },
		{ 3, "doctor -o json" NO },
		{ 3, "diff " POLICY NO },
		{ 1, "diff /dev/null" NO },
		{ 3, "push --now " POLICY NO },
		{ 3, "push --dry-run --audit " POLICY NO },
		{ 3, "push --confirm 1h --message x " POLICY NO },
		{ 1, "push --now --strict " POLICY NO },
		{ 2, "push --confirm 2d " POLICY NO },
		{ 2, "push --now --dry-run " POLICY NO },
		{ 3, "path --live 10.0.0.1 10.0.0.2 tcp/22" NO },
		{ 2, "demo -o json" },
	};

	run_rows(rows, ARRAY_SIZE(rows));
}

/* What help, completion and the man page build on. */
static void tables(void **state)
{
	for (size_t i = 0; i < ncommands; i++) {
		const struct command *c = commands[i];

		assert_true(c->noptions <= ARGS_OPTIONS);
		assert_true(c->min_words <= c->max_words);
		assert_true(strlen(c->summary) <= 66);
		assert_non_null(strstr(c->examples, c->name));
		assert_ptr_equal(command_find(c->name), c);
		for (size_t g = 0; g < nglobal_options; g++)
			for (size_t o = 0; o < c->noptions; o++)
				assert_string_not_equal(c->options[o].name,
							global_options[g].name);
	}
	assert_null(command_find("chec"));
}

static void values(void **state)
{
	long long n = -1;

	assert_true(parse_seconds("90s", &n) && n == 90);
	assert_true(parse_seconds("5m", &n) && n == 300);
	assert_true(parse_seconds("2h", &n) && n == 7200);
	assert_true(parse_seconds("1d", &n) && n == 86400);
	assert_false(parse_seconds("5", &n));
	assert_false(parse_seconds("m", &n));
	assert_false(parse_seconds("5mm", &n));
	assert_false(parse_seconds("-5m", &n));
	assert_false(parse_seconds("99999999999999999999s", &n));
	assert_true(parse_number("0", 5, &n) && n == 0);
	assert_false(parse_number("6", 5, &n));
	assert_false(parse_number("", 5, &n));
	assert_false(parse_number("5 ", 5, &n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, silence, restore)
		T(files),
		T(explain),
		T(without_agent),
#undef T
		cmocka_unit_test(tables),
		cmocka_unit_test(values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
