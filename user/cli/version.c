// SPDX-License-Identifier: BSD-2-Clause
/* moat version: of this program and of the agent. */
#include "base/cleanup.h"
#include "cli/call.h"
#include "cli/commands.h"
#include "moat/base.h"

static json_t *ask_agent(const struct cli *cli)
{
	CLEANUP(ctl_client)
	struct ctl_client *client = call_connect_quiet(cli, true);
	_cleanup_json_ json_t *request = json_pack("{s:s}", "cmd", "version");
	json_t *reply = NULL;

	if (!client)
		return NULL;
	ctl_set_timeout(client, 2000);
	if (ctl_call(client, request, NULL, NULL, &reply))
		return NULL;
	call_strip(reply);
	return reply;
}

static const struct column facts[] = {
	{ "moat", "version" },		{ "abi", "abi" },
	{ "moatd", "agent.version" },	{ "kernel", "agent.kernel" },
	{ "started", "agent.started" },
};

static int run(struct cli *cli, const struct args *args)
{
	_cleanup_json_ json_t *agent = ask_agent(cli);
	_cleanup_json_ json_t *value = json_pack("{s:s,s:i,s:O?}", "version",
						 MOAT_VERSION, "abi",
						 MOAT_ABI_VERSION, "agent",
						 agent);

	writer_value(&cli->out, value);
	writer_facts(&cli->out, value, facts, ARRAY_SIZE(facts));
	return CTL_OK;
}

const struct command cmd_version = {
	.name = "version",
	.heading = HEADING_HELP,
	.words = "",
	.summary = "version of this program and of the agent, if it answers",
	.examples = "  moat version\n  moat version -o json\n",
	.run = run,
};
