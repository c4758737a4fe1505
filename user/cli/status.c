// SPDX-License-Identifier: BSD-2-Clause
/* moat status: is this host enforcing, what, and where not. */
#include <string.h>

#include "base/cleanup.h"
#include "cli/call.h"
#include "cli/commands.h"

static const struct option options[] = {
	{ "require", "COND,...", "enforce, generation=N, age=TIME: 1 if not so" },
};

static const struct column facts[] = {
	{ "enforcing", "enforcing", COLUMN_STATE },
	{ "degraded", "degraded" },
	{ "policy", "policy" },
	{ "revision", "revision" },
	{ "mode", "mode" },
	{ "generation", "generation" },
	{ "since", "time" },
	{ "unconfirmed until", "pending.deadline" },
	{ "file differs", "policy_file_differs" },
};

static const struct column interface_columns[] = {
	{ "interface", "name" },
	{ "selected", "selected" },
	{ "enforcing", "enforcing", COLUMN_STATE },
	{ "tc in", "tc_ingress" },
	{ "tc out", "tc_egress" },
	{ "xdp", "xdp" },
	{ "why", "why" },
};

static const struct column address_columns[] = {
	{ "address", "address" },
	{ "interface", "interface" },
	{ "groups", "groups" },
	{ "network ACL", "nacl" },
	{ "as", "as" },
};

static void show(struct cli *cli, const json_t *reply)
{
	writer_facts(&cli->out, reply, facts, ARRAY_SIZE(facts));
	writer_text(&cli->out, "%s", "");
	writer_table(&cli->out, json_object_get(reply, "interfaces"),
		     interface_columns, ARRAY_SIZE(interface_columns));
	writer_text(&cli->out, "%s", "");
	writer_table(&cli->out, json_object_get(reply, "addresses"),
		     address_columns, ARRAY_SIZE(address_columns));
}

static int unmet(const char *fmt, const char *what)
{
	talk(fmt, what);
	return CTL_NO;
}

/* One condition: CTL_OK, CTL_NO or CTL_USAGE, the last two said. */
static int check_condition(const json_t *reply, const char *text)
{
	const char *mode = json_string_value(json_object_get(reply, "mode"));
	const json_t *age = json_object_get(reply, "age_seconds");
	long long number;

	if (!strcmp(text, "enforce")) {
		if (!json_is_true(json_object_get(reply, "enforcing")))
			return unmet("not enforcing%s", "");
		return mode && !strcmp(mode, "enforce") ? CTL_OK :
			unmet("mode is %s", mode ? mode : "none");
	}
	if (!strncmp(text, "generation=", 11) &&
	    parse_number(text + 11, 0xffffff, &number))
		return json_integer_value(json_object_get(
			reply, "generation")) == number ? CTL_OK :
			unmet("another generation than %s is in force",
			      text + 11);
	if (!strncmp(text, "age=", 4) && parse_seconds(text + 4, &number))
		return json_is_integer(age) &&
		       json_integer_value(age) <= number ? CTL_OK :
			unmet("the policy in force is older than %s",
			      text + 4);
	return usage_error("status", "--require takes enforce, generation=N "
			   "and age=TIME, not \"%s\"", text);
}

static int check_conditions(const json_t *reply, const char *text)
{
	_cleanup_free_ char *copy = text ? strdup(text) : NULL;
	char *rest = copy, *one;
	int worst = CTL_OK, code;

	while ((one = strsep(&rest, ","))) {
		code = check_condition(reply, one);
		if (code > worst)
			worst = code;
	}
	return worst;
}

static int run(struct cli *cli, const struct args *args)
{
	const char *require = args_get(args, "require");
	_cleanup_json_ json_t *reply = NULL;
	int code, required;

	code = call_agent(cli, true, json_pack("{s:s}", "cmd", "status"),
			  &reply);
	if (!reply || !json_is_true(json_object_get(reply, "ok")))
		return code;
	required = check_conditions(reply, require);
	call_strip(reply);
	writer_value(&cli->out, reply);
	if (cli->out.format == WRITER_TABLE)
		show(cli, reply);
	return required > code ? required : code;
}

const struct command cmd_status = {
	.name = "status",
	.heading = HEADING_LOOK,
	.words = "",
	.summary = "is this host enforcing, what, and where not",
	.details =
	"Exit code 1 when it is not as it should be: no policy, an interface\n"
	"without our programs, a damaged table, a condition that is not met.",
	.examples = "  moat status\n"
		    "  moat status --require enforce,generation=7,age=1h\n"
		    "  moat status -o json | jq .interfaces\n",
	.options = options,
	.noptions = ARRAY_SIZE(options),
	.run = run,
};
