/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frame of the CLI: one table of commands, each command with a table of
 * its options; help, completion and the parser all read the same tables.
 */
#ifndef MOAT_CLI_H
#define MOAT_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "svc/ctl_proto.h"
#include "svc/writer.h"

#define CLI_SOCKET "/run/moat/control.sock"

struct option {
	const char *name; /* long form without dashes */
	const char *arg;  /* name of its value, NULL: a switch */
	const char *help;
};

#define ARGS_OPTIONS 16

struct command;
struct args {
	const struct command *command;
	const char *value[ARGS_OPTIONS]; /* "" for a switch, NULL: absent */
	const char **words;		 /* what is no option */
	size_t nwords;
};

struct cli {
	struct writer out; /* data, on stdout */
	const char *socket;
	bool socket_given;
	bool vpc; /* -o vpc */
	bool help;
};

enum heading { HEADING_POLICY, HEADING_LOOK, HEADING_ACT, HEADING_HELP };

struct command {
	const char *name;
	enum heading heading;
	const char *words;    /* synopsis of what is no option */
	const char *literals; /* that it takes and words doesn't spell out */
	const char *summary;  /* one line */
	const char *details;  /* for --help, may be NULL */
	const char *examples; /* lines of "moat ..." */
	const struct option *options;
	size_t noptions;
	size_t min_words, max_words;
	/* Returns an exit code, enum ctl_code. */
	int (*run)(struct cli *cli, const struct args *args);
};

#define WORDS_MAX ((size_t)-1)

extern const struct command *const commands[];
extern const size_t ncommands;
const struct command *command_find(const char *name);

/* The whole program: returns the exit code. */
int cli_main(int argc, char **argv);

/* Talk, on stderr, with "moat: " before it and a newline behind. */
void talk(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Says what is wrong with the command line, where to read on; CTL_USAGE. */
int usage_error(const char *command, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Global options and one command's, anywhere; "--" ends them. 0, or
 * CTL_USAGE said. words must hold argc pointers. */
int args_parse(struct cli *cli, int argc, char **argv, struct args *ret);
extern const struct option global_options[];
extern const size_t nglobal_options;

const char *args_get(const struct args *a, const char *option);
bool args_has(const struct args *a, const char *option);
/*
 * Typed values; absent: *ret untouched. 0, or CTL_USAGE said.
 * Durations: a number with s, m, h or d.
 */
int args_number(const struct args *a, const char *option, long long max,
		long long *ret);
int args_seconds(const struct args *a, const char *option, long long *ret);
bool parse_number(const char *text, long long max, long long *ret);
bool parse_seconds(const char *text, long long *ret);

/* help.c: to stdout. */
void help_all(void);
void help_command(const struct command *c);

#endif
