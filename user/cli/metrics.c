// SPDX-License-Identifier: BSD-2-Clause
/* moat metrics: what a scrape would get. */
#include "base/cleanup.h"
#include "cli/call.h"
#include "cli/commands.h"

static int run(struct cli *cli, const struct args *args)
{
	_cleanup_json_ json_t *reply = NULL;
	int code = call_agent(cli, true, json_pack("{s:s}", "cmd", "metrics"),
			      &reply);
	const char *text = json_string_value(json_object_get(reply, "text"));

	if (code)
		return code;
	call_strip(reply);
	writer_raw(&cli->out, text ? text : "");
	writer_value(&cli->out, reply);
	return CTL_OK;
}

const struct command cmd_metrics = {
	.name = "metrics",
	.heading = HEADING_HELP,
	.words = "",
	.summary = "the counters in the form of a scrape",
	.examples = "  moat metrics | grep moat_rule_packets_total\n",
	.run = run,
};
