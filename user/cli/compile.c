// SPDX-License-Identifier: BSD-2-Clause
/* moat compile: what the policy takes in the kernel of a host. */
#include "compile/compile.h"

#include "base/cleanup.h"
#include "cli/call.h"
#include "cli/commands.h"
#include "cli/load.h"

static const struct option options[] = {
	{ "host", "ADDR,...", "own addresses of the host (needed)" },
	{ "config", "FILE", "agent configuration (built-in defaults)" },
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

static int compile(struct cli *cli, struct loaded *l)
{
	_cleanup_(slots_free) struct slots slots = {};
	_cleanup_json_ json_t *value = NULL;
	struct compile_stats stats = {};
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
	writer_value(&cli->out, value);
	writer_facts(&cli->out, value, facts, ARRAY_SIZE(facts));
	writer_text(&cli->out, "%s", "");
	writer_table(&cli->out, json_object_get(value, "arrays"), part_columns,
		     ARRAY_SIZE(part_columns));
	writer_text(&cli->out, "%s", "");
	writer_text(&cli->out,
		    "The kernel holds %d such images: in force, "
		    "previous, being written, shadow.",
		    MOAT_SLOTS);
	return CTL_OK;
}

static int run(struct cli *cli, const struct args *args)
{
	_cleanup_(loaded_free) struct loaded l = {};
	int code;

	if (!args_has(args, "host"))
		return usage_error("compile", "compile needs --host with the "
					      "addresses of a host");
	code = load_hosts(&l, args_get(args, "host"), "compile");
	if (!code)
		code = load_config(&l, args_get(args, "config"));
	if (!code)
		code = load_or_say(&l, args->words, args->nwords);
	return code ? code : compile(cli, &l);
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
