// SPDX-License-Identifier: BSD-2-Clause
/* The command line against the tables of options. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/cli.h"

const struct option global_options[] = {
	{ "output", "FORMAT", "-o: table or json; flows also vpc" },
	{ "color", "WHEN", "auto, always or never" },
	{ "socket", "PATH", "control socket of the agent (" CLI_SOCKET ")" },
	{ "help", NULL, "-h: help for the command" },
};
const size_t nglobal_options = ARRAY_SIZE(global_options);

enum { GLOBAL_OUTPUT, GLOBAL_COLOR, GLOBAL_SOCKET, GLOBAL_HELP };

int usage_error(const char *command, const char *fmt, ...)
{
	va_list ap;

	fputs("moat: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nmoat: see `moat %s%s--help`\n",
		command ? command : "", command ? " " : "");
	return CTL_USAGE;
}

struct parser {
	struct cli *cli;
	struct args *args;
	const char *format, *color;
	int argc, next;
	char **argv;
};

static const char *command_name(const struct parser *p)
{
	return p->args->command ? p->args->command->name : NULL;
}

static int apply_global(struct parser *p, size_t which, const char *value)
{
	switch (which) {
	case GLOBAL_OUTPUT:
		p->format = value;
		break;
	case GLOBAL_COLOR:
		p->color = value;
		break;
	case GLOBAL_SOCKET:
		p->cli->socket = value;
		p->cli->socket_given = true;
		break;
	default:
		p->cli->help = true;
	}
	return 0;
}

static const struct option *lookup(const struct option *table, size_t count,
				   const char *name, size_t len)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(table[i].name) == len &&
		    !memcmp(table[i].name, name, len))
			return &table[i];
	return NULL;
}

/* One option; inline_value is what followed "=", or NULL. */
static int take_option(struct parser *p, const char *name, size_t len,
		       const char *inline_value)
{
	const struct command *c = p->args->command;
	const struct option *o = NULL, *global, *found;
	const char *value = "";

	if (c)
		o = lookup(c->options, c->noptions, name, len);
	global = o ? NULL : lookup(global_options, nglobal_options, name, len);
	found = o ? o : global;
	if (!found && !c)
		return usage_error(NULL,
				   "unknown option --%.*s; options of a "
				   "command stand behind it",
				   (int)len, name);
	if (!found)
		return usage_error(c->name, "%s knows no option --%.*s",
				   c->name, (int)len, name);
	if (!found->arg && inline_value)
		return usage_error(command_name(p), "--%.*s takes no value",
				   (int)len, name);
	if (found->arg) {
		value = inline_value;
		if (!value && p->next < p->argc)
			value = p->argv[p->next++];
		if (!value)
			return usage_error(command_name(p),
					   "--%.*s needs a value: %s", (int)len,
					   name, found->arg);
	}
	if (global)
		return apply_global(p, global - global_options, value);
	p->args->value[o - c->options] = value;
	return 0;
}

static int take_short(struct parser *p, const char *word)
{
	const char *value = word[2] ? word + 2 : NULL;

	if (word[1] == 'h' && !value)
		return take_option(p, "help", 4, NULL);
	if (word[1] == 'o')
		return take_option(p, "output", 6, value);
	return usage_error(command_name(p), "unknown option %s", word);
}

static int take_word(struct parser *p, const char *word)
{
	if (p->args->command) {
		p->args->words[p->args->nwords++] = word;
		return 0;
	}
	p->args->command = command_find(word);
	if (!p->args->command)
		return usage_error(NULL, "no command \"%s\"", word);
	assert(p->args->command->noptions <= ARGS_OPTIONS);
	return 0;
}

static int take_next(struct parser *p, bool *only_words)
{
	const char *word = p->argv[p->next++];
	const char *equals;

	if (*only_words || word[0] != '-' || !word[1])
		return take_word(p, word);
	if (word[1] != '-')
		return take_short(p, word);
	if (!word[2]) {
		*only_words = true;
		return 0;
	}
	word += 2;
	equals = strchr(word, '=');
	return take_option(p, word,
			   equals ? (size_t)(equals - word) : strlen(word),
			   equals ? equals + 1 : NULL);
}

static int finish(struct parser *p)
{
	enum writer_color color = WRITER_COLOR_AUTO;
	enum writer_format format = WRITER_TABLE;

	if (p->color && !strcmp(p->color, "always"))
		color = WRITER_COLOR_ALWAYS;
	else if (p->color && !strcmp(p->color, "never"))
		color = WRITER_COLOR_NEVER;
	else if (p->color && strcmp(p->color, "auto"))
		return usage_error(command_name(p),
				   "--color is auto, always "
				   "or never, not \"%s\"",
				   p->color);
	p->cli->vpc = p->format && !strcmp(p->format, "vpc") &&
		      p->args->command &&
		      !strcmp(p->args->command->name, "flows");
	if (p->format && !strcmp(p->format, "json"))
		format = WRITER_JSON;
	else if (p->format && !p->cli->vpc && strcmp(p->format, "table"))
		return usage_error(
			command_name(p),
			"-o is table or json%s, "
			"not \"%s\"",
			p->args->command && !strcmp(p->args->command->name,
						    "flows") ?
				" or vpc" :
				"",
			p->format);
	writer_init(&p->cli->out, stdout, format, color);
	return 0;
}

int args_parse(struct cli *cli, int argc, char **argv, struct args *ret)
{
	struct parser p = {
		.cli = cli, .args = ret, .argc = argc, .next = 1, .argv = argv
	};
	bool only_words = false;
	int err = 0;

	while (p.next < argc && !err)
		err = take_next(&p, &only_words);
	return err ? err : finish(&p);
}

const char *args_get(const struct args *a, const char *option)
{
	const struct command *c = a->command;
	const struct option *o = lookup(c->options, c->noptions, option,
					strlen(option));

	assert(o);
	return a->value[o - c->options];
}

bool args_has(const struct args *a, const char *option)
{
	return args_get(a, option) != NULL;
}

bool parse_number(const char *text, long long max, long long *ret)
{
	size_t len = strspn(text, "0123456789");
	long long n = 0;

	if (!len || len > 15 || text[len])
		return false;
	for (size_t i = 0; i < len; i++)
		n = n * 10 + (text[i] - '0');
	if (n > max)
		return false;
	*ret = n;
	return true;
}

bool parse_seconds(const char *text, long long *ret)
{
	static const struct {
		char unit;
		long long seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	size_t len = strspn(text, "0123456789");
	char digits[16];
	long long n;

	if (!len || len >= sizeof(digits) || strlen(text) != len + 1)
		return false;
	memcpy(digits, text, len);
	digits[len] = '\0';
	if (!parse_number(digits, 1000000000, &n))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (units[i].unit != text[len])
			continue;
		*ret = n * units[i].seconds;
		return true;
	}
	return false;
}

int args_number(const struct args *a, const char *option, long long max,
		long long *ret)
{
	const char *text = args_get(a, option);

	if (!text || parse_number(text, max, ret))
		return 0;
	return usage_error(a->command->name,
			   "--%s takes a number from 0 to "
			   "%lld, not \"%s\"",
			   option, max, text);
}

int args_seconds(const struct args *a, const char *option, long long *ret)
{
	const char *text = args_get(a, option);

	if (!text || parse_seconds(text, ret))
		return 0;
	return usage_error(a->command->name,
			   "--%s takes a time such as 60s, "
			   "5m, 1h or 2d, not \"%s\"",
			   option, text);
}
