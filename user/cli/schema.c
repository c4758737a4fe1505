// SPDX-License-Identifier: BSD-2-Clause
/* moat schema: the JSON Schema of policies, and the built-in services. */
#include "base/cleanup.h"
#include "cli/call.h"
#include "cli/commands.h"
#include "cli/embed.h"
#include "policy/reader.h"

static const struct option options[] = {
	{ "services", NULL, "the names that `service` takes" },
};

static const struct column columns[] = {
	{ "service", "service" },
	{ "means", "means" },
};

static void show_services(struct cli *cli)
{
	const struct service_entry *table;
	size_t n = service_table(&table);
	_cleanup_json_ json_t *rows = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(rows, json_pack("{s:s,s:s}", "service",
						      table[i].name, "means",
						      table[i].text));
	writer_value(&cli->out, rows);
	writer_table(&cli->out, rows, columns, ARRAY_SIZE(columns));
}

static int run(struct cli *cli, const struct args *args)
{
	if (args_has(args, "services"))
		show_services(cli);
	else
		fputs(embed_schema, stdout);
	return CTL_OK;
}

const struct command cmd_schema = {
	.name = "schema",
	.heading = HEADING_HELP,
	.words = "",
	.summary = "JSON Schema of policies; --services: the built-in names",
	.examples = "  moat schema > policy.schema.json\n"
		    "  moat schema --services\n",
	.options = options,
	.noptions = ARRAY_SIZE(options),
	.run = run,
};
