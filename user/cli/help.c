// SPDX-License-Identifier: BSD-2-Clause
/* moat help, --help and completion, all from the tables. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/commands.h"

static const char *const headings[] = {
	[HEADING_POLICY] = "policy",
	[HEADING_LOOK] = "look",
	[HEADING_ACT] = "act",
	[HEADING_HELP] = "help",
};

static void print_options(const struct option *options, size_t count)
{
	char left[64];

	for (size_t i = 0; i < count; i++) {
		snprintf(left, sizeof(left), "--%s%s%s", options[i].name,
			 options[i].arg ? " " : "",
			 options[i].arg ? options[i].arg : "");
		printf("  %-22s %s\n", left, options[i].help);
	}
}

void help_all(void)
{
	puts("moat: security groups and network ACLs for this host, in eBPF\n\n"
	     "usage: moat [-o table|json] [--color auto|always|never] "
	     "[--socket PATH]\n            COMMAND ...");
	for (size_t h = 0; h < ARRAY_SIZE(headings); h++) {
		bool first = true;

		for (size_t i = 0; i < ncommands; i++) {
			if (commands[i]->heading != h)
				continue;
			if (first)
				printf("\n%s\n", headings[h]);
			first = false;
			printf("  %-11s %s\n", commands[i]->name,
			       commands[i]->summary);
		}
	}
	puts("\n`moat COMMAND --help` has options and examples; moat(1), "
	     "moat-policy(5) and\nmoatd(8) have the rest.\n\n"
	     "exit codes: 0 yes or done, 1 the answer is no, 2 usage or I/O, "
	     "3 agent not\nreachable, 4 agent refused, 5 not confirmed and "
	     "rolled back");
}

void help_command(const struct command *c)
{
	printf("usage: moat %s%s%s%s\n\n%s\n", c->name, *c->words ? " " : "",
	       c->words, c->noptions ? " [OPTION...]" : "", c->summary);
	if (c->details)
		printf("\n%s\n", c->details);
	if (c->noptions)
		puts("\noptions");
	print_options(c->options, c->noptions);
	puts("\noptions of every command");
	print_options(global_options, nglobal_options);
	printf("\nexamples\n%s", c->examples);
}

static int run_help(struct cli *cli, const struct args *args)
{
	const struct command *c;

	if (!args->nwords) {
		help_all();
		return CTL_OK;
	}
	c = command_find(args->words[0]);
	if (!c)
		return usage_error(NULL, "no command \"%s\"", args->words[0]);
	help_command(c);
	return CTL_OK;
}

const struct command cmd_help = {
	.name = "help",
	.heading = HEADING_HELP,
	.words = "[COMMAND]",
	.summary = "this list, or one command's help",
	.examples = "  moat help\n  moat help push\n",
	.max_words = 1,
	.run = run_help,
};

static void complete_names(void)
{
	for (size_t i = 0; i < ncommands; i++)
		printf("%s ", commands[i]->name);
}

/* Of the synopsis, what is to be typed as it stands there: add|remove. */
static void complete_literals(const char *words)
{
	while (*words) {
		size_t len = strcspn(words, " |[]");

		if (len && strspn(words, "abcdefghijklmnopqrstuvwxyz") == len)
			printf("%.*s ", (int)len, words);
		words += len + (words[len] != '\0');
	}
}

static void complete_command(const struct command *c)
{
	printf("\t%s) literals=\"", c->name);
	complete_literals(c->words);
	printf("%s\" words=\"", c->literals ? c->literals : "");
	if (c == &cmd_help)
		complete_names();
	for (size_t i = 0; i < c->noptions; i++)
		printf("--%s ", c->options[i].name);
	for (size_t i = 0; i < nglobal_options; i++)
		printf("%s--%s", i ? " " : "", global_options[i].name);
	puts("\" ;;");
}

/* Options whose values are a few words. */
static const struct {
	const char *option, *words;
} values[] = {
	{ "-o|--output", "table json vpc" },
	{ "--color", "auto always never" },
	{ "--engine", "reference image kernel" },
	{ "--layer", "sg nacl" },
	{ "--verdict", "allow drop would-drop" },
	{ "--protocol", "tcp udp icmp icmpv6 sctp gre esp ah" },
	{ "--require", "enforce generation= age=" },
};

static int run_completion(struct cli *cli, const struct args *args)
{
	if (strcmp(args->words[0], "bash"))
		return usage_error("completion",
				   "only bash is known, not "
				   "\"%s\"",
				   args->words[0]);
	puts("# bash completion of moat: source it, or install it as\n"
	     "# /usr/share/bash-completion/completions/moat\n"
	     "_moat() {\n"
	     "\tlocal current=${COMP_WORDS[COMP_CWORD]} command= words i\n"
	     "\tlocal literals= before=${COMP_WORDS[COMP_CWORD - 1]}\n"
	     "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	     "\t\tcase ${COMP_WORDS[i]} in\n"
	     "\t\t-o|--output|--color|--socket) i=$((i + 1)) ;;\n"
	     "\t\t-*) ;;\n"
	     "\t\t*) command=${COMP_WORDS[i]}; break ;;\n"
	     "\t\tesac\n"
	     "\tdone\n"
	     "\tcase $command in");
	printf("\t'') words=\"");
	complete_names();
	puts("--output --color --socket --help\" ;;");
	for (size_t i = 0; i < ncommands; i++)
		complete_command(commands[i]);
	puts("\t*) words= ;;\n"
	     "\tesac\n"
	     "\tcase $before in");
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		printf("\t%s) words=\"%s\" literals= ;;\n", values[i].option,
		       values[i].words);
	puts("\t*) before= ;;\n"
	     "\tesac\n"
	     "\tif [[ $command && $command != help && $current != -* &&\n"
	     "\t\t! $before ]]; then\n"
	     "\t\t# No literal: a file.\n"
	     "\t\tcompopt -o default 2>/dev/null\n"
	     "\t\tmapfile -t COMPREPLY < "
	     "<(compgen -W \"$literals\" -- \"$current\")\n"
	     "\telse\n"
	     "\t\tmapfile -t COMPREPLY < "
	     "<(compgen -W \"$words\" -- \"$current\")\n"
	     "\tfi\n"
	     "}\n"
	     "complete -F _moat moat");
	return CTL_OK;
}

const struct command cmd_completion = {
	.name = "completion",
	.heading = HEADING_HELP,
	.words = "bash",
	.summary = "completion script for the shell",
	.examples = "  eval \"$(moat completion bash)\"\n"
		    "  moat completion bash > "
		    "/usr/share/bash-completion/completions/moat\n",
	.min_words = 1,
	.max_words = 1,
	.run = run_completion,
};
