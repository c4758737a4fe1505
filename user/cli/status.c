// SPDX-License-Identifier: BSD-2-Clause
/* moat status: is this host enforcing, what, and where not. */
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/call.h"
#include "cli/commands.h"

#define MAP_SHOWN (1 << 20) /* bytes of a map that has a line of its own */

static const struct option options[] = {
	{ "require", "COND,...",
	  "enforce, generation=N, age=TIME: 1 if not so" },
};

static const struct column facts[] = {
	{ "state", "state" },
	{ "enforcing", "enforcing", COLUMN_STATE },
	{ "degraded", "degraded" },
	{ "policy", "policy.name" },
	{ "revision", "policy.revision" },
	{ "mode", "policy.mode" },
	{ "mode on this host", "policy.effective_mode" },
	{ "generation", "generation" },
	{ "since", "policy.time" },
	{ "message", "policy.message" },
	{ "unconfirmed until", "pending.deadline" },
	{ "last push failed", "last_push.error" },
	{ "audit suspends", "audit_suspends" },
	{ "not seen", "not_seen" },
};

static const struct column interface_columns[] = {
	{ "interface", "name" },
	{ "kind", "kind" },
	{ "selected", "selected" },
	{ "enforcing", "enforcing", COLUMN_STATE },
	{ "in", "tc_ingress.attach" },
	{ "out", "tc_egress.attach" },
	{ "xdp", "xdp.attach" },
	{ "why", "because" },
};

static const struct column address_columns[] = {
	{ "address", "address" },  { "interface", "interface" },
	{ "judged", "judged" },	   { "groups", "groups" },
	{ "network ACL", "nacl" }, { "as", "follows" },
};

static const struct column table_columns[] = {
	{ "table", "table" },
	{ "entries", "entries" },
	{ "limit", "limit" },
};

static const struct column map_columns[] = {
	{ "map", "map" },
	{ "planned", "planned", COLUMN_BYTES },
	{ "taken", "bytes", COLUMN_BYTES },
};

static const char *text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "";
}

/* Why an interface does not enforce, else why there is no XDP, else why it
 * was selected or not. */
static json_t *interface_rows(const json_t *interfaces)
{
	json_t *rows = json_deep_copy(interfaces), *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		const char *why = text(row, "not_enforcing_why");

		if (!*why)
			why = text(row, "xdp_why");
		if (!*why)
			why = text(row, "why");
		json_object_set_new(row, "because", json_string(why));
	}
	return rows;
}

/* Facts that say nothing are left out. */
static json_t *status_facts(const json_t *reply)
{
	static const char *const lists[] = { "degraded", "audit_suspends",
					     "not_seen" };
	json_t *rows = json_deep_copy(reply);
	json_t *last = json_object_get(rows, "last_push");
	json_t *policy = json_object_get(rows, "policy");

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		if (!json_array_size(json_object_get(rows, lists[i])))
			json_object_del(rows, lists[i]);
	if (!*text(last, "error"))
		json_object_del(rows, "last_push");
	if (!*text(policy, "message"))
		json_object_del(policy, "message");
	if (!strcmp(text(policy, "mode"), text(policy, "effective_mode")))
		json_object_del(policy, "effective_mode");
	return rows;
}

/* Only what went wrong; a table not walked to its end keeps its dead flows. */
static void show_upkeep(struct cli *cli, const json_t *u)
{
	json_int_t failures = json_integer_value(
		json_object_get(u, "failures"));
	json_int_t undeleted = json_integer_value(
		json_object_get(u, "undeleted"));

	if (failures || undeleted)
		writer_text(&cli->out,
			    "\nUpkeep: %lld walks of a flow table "
			    "broken off, %lld expired flows left to a later "
			    "walk.",
			    (long long)failures, (long long)undeleted);
}

/* Small ones are one line together, and all of them the last. */
static json_t *map_rows(const json_t *memory)
{
	json_int_t planned = 0, bytes = 0;
	json_t *rows = json_array(), *map;
	size_t i;

	json_array_foreach(json_object_get(memory, "maps"), i, map) {
		json_int_t one = json_integer_value(
			json_object_get(map, "planned"));

		if (one >= MAP_SHOWN) {
			json_array_append(rows, map);
			continue;
		}
		planned += one;
		bytes += json_integer_value(json_object_get(map, "bytes"));
	}
	json_array_append_new(rows,
			      json_pack("{s:s, s:I, s:I}", "map", "the others",
					"planned", planned, "bytes", bytes));
	json_array_append_new(
		rows, json_pack("{s:s, s:O, s:O}", "map", "in all", "planned",
				json_object_get(memory, "planned"), "bytes",
				json_object_get(memory, "bytes")));
	return rows;
}

static void show_memory(struct cli *cli, const json_t *memory)
{
	_cleanup_json_ json_t *rows = map_rows(memory);

	writer_text(&cli->out, "%s", "");
	writer_table(&cli->out, rows, map_columns, ARRAY_SIZE(map_columns));
}

static void show(struct cli *cli, const json_t *reply)
{
	_cleanup_json_ json_t *object = status_facts(reply);
	_cleanup_json_ json_t *interfaces = interface_rows(
		json_object_get(reply, "interfaces"));

	writer_facts(&cli->out, object, facts, ARRAY_SIZE(facts));
	if (json_is_true(json_object_get(reply, "policy_file_differs")))
		writer_text(&cli->out, "The policy in force is not that of %s.",
			    text(reply, "policy_file"));
	writer_text(&cli->out, "%s", "");
	writer_table(&cli->out, interfaces, interface_columns,
		     ARRAY_SIZE(interface_columns));
	writer_text(&cli->out, "%s", "");
	writer_table(&cli->out, json_object_get(reply, "addresses"),
		     address_columns, ARRAY_SIZE(address_columns));
	writer_text(&cli->out, "%s", "");
	writer_table(&cli->out, json_object_get(reply, "tables"), table_columns,
		     ARRAY_SIZE(table_columns));
	show_memory(cli, json_object_get(reply, "memory"));
	show_upkeep(cli, json_object_get(reply, "upkeep"));
}

/* Seconds since the policy in force was pushed; -1: there is none. */
static int64_t policy_age(const json_t *reply)
{
	const char *time = text(json_object_get(reply, "policy"), "time");
	struct tm tm = {};

	if (!strptime(time, "%Y-%m-%dT%H:%M:%S", &tm))
		return -1;
	return clock_wall_ms() / 1000 - (int64_t)timegm(&tm);
}

static int unmet(const char *fmt, const char *what)
{
	talk(fmt, what);
	return CTL_NO;
}

/* One condition: CTL_OK, CTL_NO or CTL_USAGE, the last two said. */
static int check_condition(const json_t *reply, const char *condition)
{
	const char *state = text(reply, "state");
	long long number;

	if (!strcmp(condition, "enforce"))
		return !strcmp(state, "enforcing") ?
			       CTL_OK :
			       unmet("not enforcing: %s", state);
	if (!strncmp(condition, "generation=", 11) &&
	    parse_number(condition + 11, 0xffffff, &number))
		return json_integer_value(
			       json_object_get(reply, "generation")) == number ?
			       CTL_OK :
			       unmet("another generation than %s is in force",
				     condition + 11);
	if (!strncmp(condition, "age=", 4) &&
	    parse_seconds(condition + 4, &number))
		return policy_age(reply) >= 0 && policy_age(reply) <= number ?
			       CTL_OK :
			       unmet("no policy younger than %s is in force",
				     condition + 4);
	return usage_error("status",
			   "--require takes enforce, generation=N "
			   "and age=TIME, not \"%s\"",
			   condition);
}

static int check_conditions(const json_t *reply, const char *conditions)
{
	_cleanup_free_ char *copy = conditions ? strdup(conditions) : NULL;
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
