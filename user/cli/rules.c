// SPDX-License-Identifier: BSD-2-Clause
/* moat rules: what each rule did. */
#include <string.h>

#include "base/cleanup.h"
#include "cli/call.h"
#include "cli/commands.h"

static const struct option options[] = {
	{ "group", "NAME", "rules of one group or network ACL" },
	{ "layer", "LAYER", "sg or nacl" },
};

static const struct column columns[] = {
	{ "rule", "name" },
	{ "direction", "direction" },
	{ "packets", "packets" },
	{ "bytes", "bytes", COLUMN_BYTES },
	{ "opened", "connections" },
	{ "limited", "limited" },
	{ "would drop", "would_drop_packets" },
};

/* Adds what tables show under one title: "group/rule". */
static json_t *named(const json_t *rules)
{
	json_t *rows = json_deep_copy(rules), *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		const char *group = json_string_value(
			json_object_get(row, "group"));
		const char *rule = json_string_value(
			json_object_get(row, "rule"));
		bool gone = json_is_false(json_object_get(row, "in_policy"));

		json_object_set_new(row, "name",
				    json_sprintf("%s/%s%s", group ? group : "?",
						 rule ? rule : "?",
						 gone ? " (gone)" : ""));
	}
	return rows;
}

static int run(struct cli *cli, const struct args *args)
{
	const char *group = args_get(args, "group");
	const char *layer = args_get(args, "layer");
	_cleanup_json_ json_t *reply = NULL, *rows = NULL;
	json_t *rules;
	int code;

	if (layer && strcmp(layer, "sg") && strcmp(layer, "nacl"))
		return usage_error("rules",
				   "--layer is sg or nacl, not "
				   "\"%s\"",
				   layer);
	code = call_agent(cli, true,
			  json_pack("{s:s,s:s*,s:s*}", "cmd", "rules", "group",
				    group, "layer", layer),
			  &reply);
	if (code)
		return code;
	rules = json_object_get(reply, "rules");
	rows = named(rules);
	writer_value(&cli->out, rules);
	writer_table(&cli->out, rows, columns, ARRAY_SIZE(columns));
	return CTL_OK;
}

const struct command cmd_rules = {
	.name = "rules",
	.heading = HEADING_LOOK,
	.words = "",
	.summary = "packets, bytes and connections of each rule",
	.details =
		"A rule that is gone stays listed while flows it opened live.",
	.examples = "  moat rules\n  moat rules --group trainers\n"
		    "  moat rules --layer nacl -o json\n",
	.options = options,
	.noptions = ARRAY_SIZE(options),
	.run = run,
};
