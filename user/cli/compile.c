// SPDX-License-Identifier: BSD-2-Clause
/* moat compile: what the policy takes in the kernel of a host. */
#include "compile/compile.h"
#include "compile/memory.h"

#include "base/cleanup.h"
#include "cli/call.h"
#include "cli/commands.h"
#include "cli/load.h"

static const struct option options[] = {
	{ "host", "ADDR,...", "own addresses of the host (needed)" },
	{ "config", "FILE", "agent configuration (built-in defaults)" },
	{ "cpus", "N", "possible CPUs of the host (this machine's)" },
};

static const struct column facts[] = {
	{ "rules", "rules" },	  { "CIDRs", "cidrs" },
	{ "classes", "classes" }, { "profiles", "profiles" },
	{ "rows", "rows" },	  { "row words", "row_words" },
	{ "cells", "cells" },	  { "chains", "chains" },
	{ "limits", "limits" },	  { "rule counters", "slots" },
};

static const struct column part_columns[] = {
	{ "array", "array" },
	{ "bytes", "bytes", COLUMN_BYTES },
	{ "limit", "limit", COLUMN_BYTES },
};

static const struct column map_columns[] = {
	{ "map", "map" },
	{ "entries", "entries" },
	{ "planned", "planned", COLUMN_BYTES },
};

static json_t *describe_memory(const struct host_plan *p,
			       const struct config *c, unsigned cpus)
{
	json_t *list = json_array();

	for (size_t i = 0; i < p->count; i++)
		json_array_append_new(
			list,
			json_pack("{s:s, s:I, s:I}", "map", p->maps[i].name,
				  "entries", (json_int_t)p->maps[i].entries,
				  "planned", (json_int_t)p->maps[i].bytes));
	return json_pack("{s:I, s:I, s:I, s:o}", "planned",
			 (json_int_t)p->bytes, "limit",
			 (json_int_t)c->tables.memory, "cpus", (json_int_t)cpus,
			 "maps", list);
}

static json_t *describe(const struct compile_stats *s)
{
	static const char *const parts[] = {
#define X(symbol, name) name,
		MOAT_PARTS(X)
#undef X
	};
	json_t *value, *list = json_array();
	size_t total = 0;

	for (size_t i = 0; i < MOAT_PART_COUNT; i++) {
		json_array_append_new(
			list, json_pack("{s:s,s:I,s:I}", "array", parts[i],
					"bytes", (json_int_t)s->bytes[i],
					"limit", (json_int_t)MOAT_PART_MAX));
		total += s->bytes[i];
	}
	json_array_append_new(list,
			      json_pack("{s:s,s:I,s:I}", "array", "in all",
					"bytes", (json_int_t)total, "limit",
					(json_int_t)MOAT_SLOT_MAX));
	value = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "rules",
			  (json_int_t)s->rules, "cidrs", (json_int_t)s->cidrs,
			  "classes", (json_int_t)s->classes, "profiles",
			  (json_int_t)s->profiles, "rows", (json_int_t)s->rows,
			  "row_words", (json_int_t)s->row_words);
	json_object_update_new(value,
			       json_pack("{s:I,s:I,s:I,s:I,s:o,s:I}", "cells",
					 (json_int_t)s->cells, "chains",
					 (json_int_t)s->chains, "limits",
					 (json_int_t)s->limits, "slots",
					 (json_int_t)s->slots, "arrays", list,
					 "bytes", (json_int_t)total));
	return value;
}

static void show(struct cli *cli, const json_t *value,
		 const struct host_plan *plan, const struct config *c)
{
	writer_facts(&cli->out, value, facts, ARRAY_SIZE(facts));
	writer_text(&cli->out, "%s", "");
	writer_table(&cli->out, json_object_get(value, "arrays"), part_columns,
		     ARRAY_SIZE(part_columns));
	writer_text(&cli->out, "%s", "");
	writer_text(&cli->out,
		    "The kernel holds %d such images: in force, "
		    "previous, being written, shadow.",
		    MOAT_SLOTS);
	writer_text(&cli->out, "%s", "");
	writer_table(&cli->out,
		     json_object_get(json_object_get(value, "memory"), "maps"),
		     map_columns, ARRAY_SIZE(map_columns));
	writer_text(&cli->out, "%s", "");
	writer_text(&cli->out,
		    "In all %.1f MiB, of %.1f MiB that tables.memory allows.",
		    (double)plan->bytes / (1 << 20),
		    (double)c->tables.memory / (1 << 20));
}

static int compile(struct cli *cli, struct loaded *l, unsigned cpus)
{
	_cleanup_(slots_free) struct slots slots = {};
	_cleanup_json_ json_t *value = NULL;
	struct compile_stats stats = {};
	struct host_plan plan;
	struct compile_input input = {
		.policy = l->policy,
		.config = l->config,
		.hosts = l->hosts,
		.nhosts = l->nhosts,
		.slots = &slots,
	};
	struct image *image;

	progress_begin("compiling");
	image = image_compile(&input, &stats, &l->diags);
	progress_end();
	load_show(l);
	if (!image)
		return CTL_NO;
	image_free(image);
	value = describe(&stats);
	host_plan(l->config, &stats, cpus, &plan);
	json_object_set_new(value, "memory",
			    describe_memory(&plan, l->config, cpus));
	writer_value(&cli->out, value);
	show(cli, value, &plan, l->config);
	if (plan.fits)
		return CTL_OK;
	talk("compile: tables.memory is too small: an agent would not start");
	return CTL_NO;
}
static int run(struct cli *cli, const struct args *args)
{
	_cleanup_(loaded_free) struct loaded l = {};
	long long cpus = host_cpus();
	const char *given = args_get(args, "cpus");
	int code;

	if (given && (!parse_number(given, 8192, &cpus) || !cpus))
		return usage_error("compile",
				   "--cpus takes a number, not \"%s\"", given);
	if (!args_has(args, "host"))
		return usage_error("compile", "compile needs --host with the "
					      "addresses of a host");
	code = load_hosts(&l, args_get(args, "host"), "compile");
	if (!code)
		code = load_config(&l, args_get(args, "config"));
	if (!code)
		code = load_or_say(&l, args->words, args->nwords);
	return code ? code : compile(cli, &l, (unsigned)cpus);
}

const struct command cmd_compile = {
	.name = "compile",
	.heading = HEADING_POLICY,
	.words = "FILE... --host ADDR,...",
	.summary = "sizes of the policy's tables on a host",
	.examples = "  moat compile policy.yaml --host 10.20.0.1\n"
		    "  moat compile policy.yaml --host 10.20.0.1,fd00:20::1 "
		    "-o json\n",
	.options = options,
	.noptions = ARRAY_SIZE(options),
	.min_words = 1,
	.max_words = WORDS_MAX,
	.run = run,
};
