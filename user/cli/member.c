// SPDX-License-Identifier: BSD-2-Clause
/* moat member: an address joins or leaves a group, without a push. */
#include <errno.h>
#include <string.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "cli/call.h"
#include "cli/commands.h"

static const struct option options[] = {
	{ "allow-unassigned", NULL,
	  "even if a local address is left in no group" },
	{ "message", "TEXT", "why, for the history" },
};

static int check_address(const char *text)
{
	char network[ADDR_TEXT];
	struct cidr cidr;
	int err = cidr_parse(text, &cidr);

	if (err == -EDOM)
		return usage_error("member",
				   "%s has host bits set; the "
				   "network is %s",
				   text, cidr_print(&cidr, false, network));
	if (err || !cidr.length)
		return usage_error("member",
				   "\"%s\" is no address or CIDR of "
				   "members",
				   text);
	return 0;
}

static json_t *request(const struct args *args)
{
	const char *message = args_get(args, "message");
	json_t *list = json_array();

	for (size_t i = 2; i < args->nwords; i++)
		json_array_append_new(list, json_string(args->words[i]));
	return json_pack("{s:s,s:s,s:s,s:o,s:s,s:b}", "cmd", "member", "op",
			 args->words[0], "group", args->words[1], "addresses",
			 list, "message", message ? message : "",
			 "allow_unassigned",
			 args_has(args, "allow-unassigned"));
}

static void show(struct cli *cli, const json_t *reply, bool removed)
{
	json_t *changes = json_object_get(reply, "changes"), *one;
	const char *group = json_string_value(json_object_get(reply, "group"));
	long long generation = json_integer_value(
		json_object_get(reply, "generation"));
	size_t i;

	if (!json_array_size(changes))
		writer_text(&cli->out,
			    "nothing changed: generation %lld has "
			    "it so",
			    generation);
	json_array_foreach(changes, i, one)
		writer_text(&cli->out, "%s %s %s",
			    json_string_value(json_array_get(one, 2)),
			    removed ? "left" : "joined", group);
	if (json_array_size(changes))
		writer_text(
			&cli->out,
			"generation %lld is in force (%.1f ms); "
			"put it into the policy's file, a push replaces it",
			generation,
			json_real_value(json_object_get(reply, "in_force_ms")));
	if (removed && json_array_size(changes))
		writer_text(&cli->out,
			    "live flows of a group go on by state "
			    "unless it says on_tighten: reevaluate; moat flows "
			    "kill ends them");
}

static int run(struct cli *cli, const struct args *args)
{
	_cleanup_json_ json_t *reply = NULL;
	bool removed = !strcmp(args->words[0], "remove");
	int code = 0;

	if (!removed && strcmp(args->words[0], "add"))
		return usage_error("member", "add or remove, not \"%s\"",
				   args->words[0]);
	for (size_t i = 2; !code && i < args->nwords; i++)
		code = check_address(args->words[i]);
	if (code)
		return code;
	code = call_agent(cli, false, request(args), &reply);
	if (!reply)
		return code;
	if (!code)
		show(cli, reply, removed);
	call_strip(reply);
	writer_value(&cli->out, reply);
	return code;
}

const struct command cmd_member = {
	.name = "member",
	.heading = HEADING_ACT,
	.words = "add|remove GROUP ADDRESS...",
	.summary = "an address joins or leaves a group, without a push",
	.details =
		"A change laid over the policy in force: at once, confirmed, all addresses or\n"
		"none, with a generation of its own that `moat history` shows and `moat\n"
		"rollback` goes back from. It outlives the agent and the host's boot, and ends\n"
		"with the next push, whose document says who is a member. CIDRs may be added\n"
		"and removed too, a part of a wider one as well. Refused (exit code 4) for an\n"
		"unknown group, where the policy's tests or never forbid it, and while a push\n"
		"waits for its confirmation.",
	.examples =
		"  moat member add trainers 10.20.1.17\n"
		"  moat member remove trainers 10.20.1.17 fd00:20::17\n"
		"  moat member add tenants 10.50.4.0/24 --message \"ticket 812\"\n",
	.options = options,
	.noptions = ARRAY_SIZE(options),
	.min_words = 3,
	.max_words = WORDS_MAX,
	.run = run,
};
