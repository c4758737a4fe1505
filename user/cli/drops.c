// SPDX-License-Identifier: BSD-2-Clause
/* moat drops: what was dropped or would have been, and why. */
#include <string.h>

#include "base/cleanup.h"
#include "cli/call.h"
#include "cli/commands.h"
#include "cli/flow_rows.h"
#include "cli/reasons.h"
#include "policy/probe.h"

static const struct column columns[] = {
	{ "interface", "interface" },
	{ "direction", "direction" },
	{ "verdict", "verdict", COLUMN_VERDICT },
	{ "reason", "reason" },
	{ "packets", "packets" },
	{ "bytes", "bytes", COLUMN_BYTES },
};

static const struct column recent_columns[] = {
	{ "proto", "protocol" },
	{ "local", "local" },
	{ "remote", "remote" },
	{ "dir", "dir" },
	{ "verdict", "verdict", COLUMN_VERDICT },
	{ "reason", "reason" },
	{ "rule", "rule" },
	{ "packets", "packets" },
	{ "s ago", "age" },
};

static const struct column legend_columns[] = {
	{ "reason", "reason" },
	{ "means", "means" },
};

static json_t *recent_rows(const json_t *recent)
{
	json_t *rows = json_array(), *flow;
	size_t i;

	json_array_foreach((json_t *)recent, i, flow) {
		json_t *row = flow_row(flow);

		json_object_set(row, "reason", json_object_get(flow, "reason"));
		json_object_set(row, "rule", json_object_get(flow, "rule"));
		json_object_set(row, "age",
				json_object_get(flow, "age_seconds"));
		json_array_append_new(rows, row);
	}
	return rows;
}

/* What the reasons of the rows mean, each once. */
static json_t *legend(const json_t *drops)
{
	_cleanup_json_ json_t *seen = json_object();
	json_t *rows = json_array(), *drop;
	size_t i;

	json_array_foreach((json_t *)drops, i, drop) {
		const char *reason = json_string_value(
			json_object_get(drop, "reason"));
		int number = reason ? reason_from_name(reason) : -1;

		if (number < 0 || json_object_get(seen, reason))
			continue;
		json_object_set_new(seen, reason, json_true());
		json_array_append_new(
			rows, json_pack("{s:s,s:s}", "reason", reason, "means",
					reason_help((enum moat_reason)number)));
	}
	return rows;
}

static void show(struct cli *cli, const json_t *reply)
{
	const json_t *drops = json_object_get(reply, "drops");
	const json_t *recent = json_object_get(reply, "recent");
	_cleanup_json_ json_t *rows = recent_rows(recent);
	_cleanup_json_ json_t *means = legend(drops);

	if (!json_array_size(drops)) {
		writer_text(&cli->out, "nothing was dropped");
		return;
	}
	writer_table(&cli->out, drops, columns, ARRAY_SIZE(columns));
	writer_text(&cli->out, "%s", "");
	writer_table(&cli->out, means, legend_columns,
		     ARRAY_SIZE(legend_columns));
	if (!json_array_size(rows))
		return;
	writer_text(&cli->out, "%s", "");
	writer_text(&cli->out, "most recent openings");
	writer_table(&cli->out, rows, recent_columns,
		     ARRAY_SIZE(recent_columns));
}

static int run(struct cli *cli, const struct args *args)
{
	_cleanup_json_ json_t *reply = NULL;
	int code = call_agent(cli, true, json_pack("{s:s}", "cmd", "drops"),
			      &reply);

	if (code)
		return code;
	call_strip(reply);
	writer_value(&cli->out, reply);
	if (cli->out.format == WRITER_TABLE)
		show(cli, reply);
	return CTL_OK;
}

const struct command cmd_drops = {
	.name = "drops",
	.heading = HEADING_LOOK,
	.words = "",
	.summary = "what was dropped, or would have been, and why",
	.examples = "  moat drops\n"
		    "  moat drops -o json | jq '.recent[].remote'\n",
	.run = run,
};
