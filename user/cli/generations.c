// SPDX-License-Identifier: BSD-2-Clause
/* moat confirm, rollback, reload, history, show: generations of the policy. */
#include <string.h>

#include "base/cleanup.h"
#include "cli/commands.h"
#include "cli/wait.h"

#define GENERATION_MAX 0xffffff

/* Adds the generation of the first word, if there is one. 0 or CTL_USAGE. */
static int add_generation(const struct args *args, json_t *request)
{
	long long generation;

	if (!args->nwords)
		return 0;
	if (!parse_number(args->words[0], GENERATION_MAX, &generation))
		return usage_error(args->command->name,
				   "\"%s\" is no "
				   "generation",
				   args->words[0]);
	json_object_set_new(request, "generation", json_integer(generation));
	return 0;
}

static int run_confirm(struct cli *cli, const struct args *args)
{
	_cleanup_json_ json_t *request = json_pack("{s:s}", "cmd", "confirm");
	_cleanup_json_ json_t *reply = NULL;
	int code = add_generation(args, request);

	if (!code)
		code = call_agent(cli, false, json_incref(request), &reply);
	if (!reply)
		return code;
	if (!code)
		writer_text(&cli->out, "generation %lld is confirmed",
			    (long long)json_integer_value(
				    json_object_get(reply, "generation")));
	call_strip(reply);
	writer_value(&cli->out, reply);
	return code;
}

const struct command cmd_confirm = {
	.name = "confirm",
	.heading = HEADING_POLICY,
	.words = "[GENERATION]",
	.summary = "keep the policy that waits for its confirmation",
	.examples = "  moat confirm\n  moat confirm 8\n",
	.max_words = 1,
	.run = run_confirm,
};

static const struct option rollback_options[] = {
	{ "confirm", "TIME", "undone unless confirmed within TIME" },
};

static int run_rollback(struct cli *cli, const struct args *args)
{
	_cleanup_json_ json_t *request = json_pack("{s:s}", "cmd", "rollback");
	_cleanup_json_ json_t *reply = NULL;
	long long confirm = 0;
	int code = add_generation(args, request);

	if (!code)
		code = args_seconds(args, "confirm", &confirm);
	if (code)
		return code;
	if (confirm)
		json_object_set_new(request, "confirm_seconds",
				    json_integer(confirm));
	code = call_agent(cli, false, json_incref(request), &reply);
	return push_finish(cli, code, reply);
}

const struct command cmd_rollback = {
	.name = "rollback",
	.heading = HEADING_POLICY,
	.words = "[GENERATION]",
	.summary = "back to the policy before, or to a generation",
	.details =
		"Puts an earlier policy in force, under a new generation number. While a\n"
		"push waits for its confirmation, that push is undone.",
	.examples = "  moat rollback\n  moat rollback 5 --confirm 60s\n",
	.options = rollback_options,
	.noptions = ARRAY_SIZE(rollback_options),
	.max_words = 1,
	.run = run_rollback,
};

static int run_reload(struct cli *cli, const struct args *args)
{
	_cleanup_json_ json_t *reply = NULL;
	int code = call_agent(cli, false, json_pack("{s:s}", "cmd", "reload"),
			      &reply);

	return push_finish(cli, code, reply);
}

const struct command cmd_reload = {
	.name = "reload",
	.heading = HEADING_POLICY,
	.words = "",
	.summary = "push the policy file of the agent's configuration",
	.details =
		"What `systemctl reload moatd` runs. A broken file changes nothing and\n"
		"the reload fails.",
	.examples = "  moat reload\n",
	.run = run_reload,
};

static const struct column history_columns[] = {
	{ "generation", "generation" },
	{ "time", "time" },
	{ "policy", "policy" },
	{ "revision", "revision" },
	{ "uid", "uid" },
	{ "message", "message" },
};

static bool gather(const json_t *part, void *entries)
{
	json_array_extend(entries, json_object_get(part, "entries"));
	return true;
}

static int run_history(struct cli *cli, const struct args *args)
{
	CLEANUP(ctl_client)
	struct ctl_client *client = call_connect(cli, true);
	_cleanup_json_ json_t *reply = NULL, *entries = json_array();
	int code;

	if (!client)
		return CTL_UNREACHABLE;
	code = call_parts(cli, client, json_pack("{s:s}", "cmd", "history"),
			  &(struct call_parts){ gather, entries }, &reply);
	if (code)
		return code;
	writer_value(&cli->out, entries);
	writer_table(&cli->out, entries, history_columns,
		     ARRAY_SIZE(history_columns));
	return CTL_OK;
}

const struct command cmd_history = {
	.name = "history",
	.heading = HEADING_POLICY,
	.words = "",
	.summary = "the policies that were confirmed, newest first",
	.examples = "  moat history\n  moat history -o json\n",
	.run = run_history,
};

/* As it was pushed. Canonical form is one line; people get it with breaks. */
static void show_document(struct cli *cli, const json_t *document)
{
	const char *text = json_string_value(document);
	_cleanup_json_ json_t *value = json_loads(text ? text : "", 0, NULL);
	_cleanup_free_ char *pretty = value ? json_dumps(value,
							 JSON_INDENT(2)) :
					      NULL;

	writer_raw(&cli->out, pretty ? pretty : text ? text : "");
	writer_raw(&cli->out, "\n");
}

static int run_show(struct cli *cli, const struct args *args)
{
	_cleanup_json_ json_t *request = json_pack("{s:s}", "cmd", "show");
	_cleanup_json_ json_t *reply = NULL;
	int code = add_generation(args, request);

	if (!code)
		code = call_agent(cli, true, json_incref(request), &reply);
	if (code)
		return code;
	show_document(cli, json_object_get(reply, "document"));
	call_strip(reply);
	writer_value(&cli->out, reply);
	return CTL_OK;
}

const struct command cmd_show = {
	.name = "show",
	.heading = HEADING_POLICY,
	.words = "[GENERATION]",
	.summary = "the policy in force as one document, or an earlier one",
	.details =
		"A policy that was one file is shown as it was written; one that was merged\n"
		"from several is JSON, which is YAML: `moat push` takes it.",
	.examples = "  moat show\n  moat show 5 > before.yaml\n"
		    "  moat show -o json\n",
	.max_words = 1,
	.run = run_show,
};
