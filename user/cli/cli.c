// SPDX-License-Identifier: BSD-2-Clause
/* From argv to a command and its exit code. */
#include "cli/cli.h"

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

void talk(const char *fmt, ...)
{
	va_list ap;

	fputs("moat: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < ncommands; i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return NULL;
}

static int check_words(const struct args *a)
{
	const struct command *c = a->command;

	if (a->nwords < c->min_words)
		return usage_error(c->name, "%s needs more: %s", c->name,
				   c->words);
	if (a->nwords > c->max_words)
		return usage_error(c->name, "%s takes less: \"%s\" is too much",
				   c->name, a->words[c->max_words]);
	return 0;
}

/* What is no text could not be sent to the agent, and a filter that is not sent
 * would match everything. */
static int check_texts(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		json_t *text = json_string(argv[i]);

		if (!text)
			return usage_error(NULL, "argument %d is not UTF-8", i);
		json_decref(text);
	}
	return 0;
}

static int run(struct cli *cli, const struct args *args)
{
	int code;

	if (cli->help && args->command) {
		help_command(args->command);
		return CTL_OK;
	}
	if (cli->help || !args->command) {
		help_all();
		return cli->help ? CTL_OK : CTL_USAGE;
	}
	code = check_words(args);
	return code ? code : args->command->run(cli, args);
}

int cli_main(int argc, char **argv)
{
	_cleanup_free_ const char **words = calloc((size_t)argc + 1,
						   sizeof(*words));
	struct cli cli = { .socket = CLI_SOCKET };
	struct args args = { .words = words };
	int code;

	if (!words)
		return CTL_USAGE;
	code = check_texts(argc, argv);
	if (!code)
		code = args_parse(&cli, argc, argv, &args);
	if (!code)
		code = run(&cli, &args);
	/* A full disk behind stdout must not look like success. */
	if (fflush(stdout) || ferror(stdout)) {
		talk("can't write the output");
		return CTL_USAGE;
	}
	return code;
}
