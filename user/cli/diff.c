// SPDX-License-Identifier: BSD-2-Clause
/* moat diff: files against the policy in force. */
#include <string.h>

#include "base/cleanup.h"
#include "cli/call.h"
#include "cli/changes.h"
#include "cli/commands.h"
#include "cli/load.h"

static json_t *canonical(const struct policy *p)
{
	_cleanup_(buf_free) struct buf text = {};

	if (policy_print(p, &text))
		return NULL;
	return json_loads(buf_text(&text), 0, NULL);
}

/* The policy in force through the same reader, so that equal policies are
 * equal documents. NULL with *ret_code. */
static json_t *fetch(struct cli *cli, int *ret_code, json_int_t *ret_generation)
{
	_cleanup_(loaded_free) struct loaded l = {};
	_cleanup_json_ json_t *reply = NULL;
	const char *text;

	*ret_code = call_agent(cli, true, json_pack("{s:s}", "cmd", "show"),
			       &reply);
	if (*ret_code)
		return NULL;
	*ret_generation = json_integer_value(
		json_object_get(reply, "generation"));
	text = json_string_value(json_object_get(reply, "document"));
	load_text(&l, "policy in force", text ? text : "");
	if (l.policy)
		return canonical(l.policy);
	load_show(&l);
	*ret_code = CTL_USAGE;
	return NULL;
}

static const struct column columns[] = {
	{ "change", "change" }, { "what", "kind" },   { "where", "where" },
	{ "before", "before" }, { "after", "after" },
};

static int compare(struct cli *cli, const struct loaded *l)
{
	_cleanup_json_ json_t *before = NULL, *after = NULL, *changes = NULL;
	_cleanup_json_ json_t *value = NULL;
	json_int_t generation = 0;
	bool differs;
	int code;

	before = fetch(cli, &code, &generation);
	if (code)
		return code;
	after = canonical(l->policy);
	if (!before || !after) {
		talk("out of memory");
		return CTL_USAGE;
	}
	changes = policy_changes(before, after);
	differs = json_array_size(changes) > 0;
	value = json_pack("{s:b,s:I,s:O}", "differs", differs, "generation",
			  generation, "changes", changes);
	writer_value(&cli->out, value);
	if (differs)
		writer_table(&cli->out, changes, columns, ARRAY_SIZE(columns));
	else
		writer_text(&cli->out, "no difference to generation %lld",
			    (long long)generation);
	return differs ? CTL_NO : CTL_OK;
}

static int run(struct cli *cli, const struct args *args)
{
	_cleanup_(loaded_free) struct loaded l = {};
	int code = load_or_say(&l, args->words, args->nwords);

	return code ? code : compare(cli, &l);
}

const struct command cmd_diff = {
	.name = "diff",
	.heading = HEADING_POLICY,
	.words = "FILE...",
	.summary = "what a push would change in the policy in force",
	.details =
		"Compares by meaning: rules by group and name, members and lists by\n"
		"address. Comments and layout make no difference. Exit code 0: the same\n"
		"policy, 1: it differs.",
	.examples = "  moat diff policy.yaml\n"
		    "  moat diff base.yaml tenants/*.yaml -o json\n",
	.min_words = 1,
	.max_words = WORDS_MAX,
	.run = run,
};
