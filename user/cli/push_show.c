// SPDX-License-Identifier: BSD-2-Clause
/* What a push or a rollback did, for people. */
#include <string.h>

#include "cli/wait.h"

static json_int_t number(const json_t *reply, const char *key)
{
	return json_integer_value(json_object_get(reply, key));
}

static const char *text(const json_t *reply, const char *key)
{
	const char *value = json_string_value(json_object_get(reply, key));

	return value ? value : "-";
}

static void show_flows(struct cli *cli, const json_t *reply)
{
	json_t *kill = json_object_get(reply, "kill");
	json_int_t by_state = number(reply, "flows_by_state");
	json_int_t cut = number(reply, "flows_cut");
	json_t *filter;
	size_t i;

	if (cut)
		writer_text(&cli->out, "%lld live flows end with it",
			    (long long)cut);
	if (by_state)
		writer_text(&cli->out,
			    "%lld live flows go on by state alone: "
			    "the new rules would not open them again%s",
			    (long long)by_state,
			    json_array_size(kill) ? "; to end them:" : "");
	json_array_foreach(kill, i, filter)
		writer_text(&cli->out, "  moat flows kill %s",
			    json_string_value(filter));
	if (json_is_false(json_object_get(reply, "flows_complete")))
		writer_text(&cli->out,
			    "there are too many live flows to look "
			    "at all of them: the numbers are lower bounds");
}

static void show_list(struct cli *cli, const json_t *list, const char *what)
{
	json_t *item;
	size_t i;

	json_array_foreach((json_t *)list, i, item)
		writer_text(&cli->out, "%s: %s", what, json_string_value(item));
}

static void show(struct cli *cli, const json_t *reply)
{
	bool changed = json_is_true(json_object_get(reply, "changed"));
	bool dry = json_is_true(json_object_get(reply, "dry_run"));

	show_list(cli, json_object_get(reply, "warnings"), "warning");
	if (dry)
		writer_text(&cli->out,
			    changed ? "a push would change generation %lld" :
				      "generation %lld is this policy already",
			    (long long)number(reply, "generation"));
	else if (!changed)
		writer_text(&cli->out,
			    "nothing changed: generation %lld is "
			    "this policy",
			    (long long)number(reply, "generation"));
	else
		writer_text(&cli->out,
			    "generation %lld is in force: policy "
			    "%s, revision %s, mode %s (%lld ms)",
			    (long long)number(reply, "generation"),
			    text(reply, "policy"), text(reply, "revision"),
			    text(reply, "mode"),
			    (long long)number(reply, "duration_ms"));
	show_list(cli, json_object_get(reply, "unassigned"),
		  "local address in no group, all its traffic is dropped");
	show_flows(cli, reply);
	fflush(stdout);
}

int push_finish(struct cli *cli, int code, json_t *reply)
{
	const char *deadline = json_string_value(
		json_object_get(reply, "deadline"));

	if (!reply)
		return code;
	if (json_is_true(json_object_get(reply, "ok")))
		show(cli, reply);
	if (!code && deadline &&
	    json_is_true(json_object_get(reply, "changed"))) {
		code = wait_confirmed(cli, number(reply, "generation"),
				      number(reply, "confirm_seconds"));
		json_object_set_new(reply, "confirmed",
				    json_boolean(code == CTL_OK));
	}
	call_strip(reply);
	writer_value(&cli->out, reply);
	return code;
}
