// SPDX-License-Identifier: BSD-2-Clause
/* moat path: both ends of a connection, and its replies. */
#include <string.h>

#include "base/cleanup.h"
#include "cli/call.h"
#include "cli/commands.h"
#include "cli/load.h"
#include "cli/probe_args.h"
#include "reference/reference.h"

static const struct option options[] = {
	{ "live", NULL, "the policy in force instead of a file" },
	{ "icmp", "T/C", "ICMP type and code (echo request)" },
	{ "config", "FILE", "agent configuration (built-in defaults)" },
};

/* ADDR, ADDR4:PORT or [ADDR6]:PORT. Cuts text; *ret_port -1: none. */
static int split_port(char *text, char **ret_addr, long long *ret_port)
{
	char *colon = strrchr(text, ':');

	*ret_addr = text;
	*ret_port = -1;
	if (text[0] == '[') {
		char *close = strchr(text, ']');

		if (!close || (close[1] && close[1] != ':'))
			return -1;
		*close = '\0';
		*ret_addr = text + 1;
		return !close[1] || parse_number(close + 2, 65535, ret_port) ?
			       0 :
			       -1;
	}
	/* More than one colon is an IPv6 address without a port. */
	if (!colon || colon != strchr(text, ':'))
		return 0;
	*colon = '\0';
	return parse_number(colon + 1, 65535, ret_port) ? 0 : -1;
}

static int parse_packet(const struct args *args, const char *const *word,
			struct probe *probe)
{
	_cleanup_free_ char *copy = strdup(word[0]);
	long long port;
	char *addr;
	int err;

	if (!copy)
		return CTL_USAGE;
	if (split_port(copy, &addr, &port))
		return usage_error("path",
				   "\"%s\" is no ADDRESS[:PORT]; IPv6 "
				   "as [ADDRESS]:PORT",
				   word[0]);
	probe->direction = MOAT_EGRESS;
	err = probe_addresses("path", addr, word[1], probe);
	if (!err)
		err = probe_service("path", word[2], probe);
	if (!err && port >= 0)
		probe->sport = (uint16_t)port;
	if (!err && args_has(args, "icmp"))
		err = probe_icmp("path", args_get(args, "icmp"), probe);
	return err;
}

static int load_live(struct cli *cli, struct loaded *l)
{
	_cleanup_json_ json_t *reply = NULL;
	int code = call_agent(cli, true, json_pack("{s:s}", "cmd", "show"),
			      &reply);
	const char *text = json_string_value(
		json_object_get(reply, "document"));

	if (code)
		return code;
	load_text(l, "policy in force", text ? text : "");
	if (!l->policy)
		load_show(l);
	return l->policy ? CTL_OK : CTL_USAGE;
}

static const struct column columns[] = {
	{ "leg", "leg" },
	{ "verdict", "verdict", COLUMN_VERDICT },
	{ "reason", "reason" },
	{ "rule", "rule" },
};

static json_t *leg_json(const struct path_leg *leg)
{
	const struct answer *a = &leg->answer;

	if (!leg->judged)
		return json_pack("{s:s,s:b,s:n,s:s}", "leg", leg->name,
				 "judged", 0, "verdict", "reason",
				 "another host's business");
	return json_pack("{s:s,s:b,s:s,s:s,s:s,s:s?}", "leg", leg->name,
			 "judged", 1, "verdict", verdict_name(a->verdict),
			 "reason", reason_name(a->reason), "layer",
			 reason_layer(a->reason), "rule",
			 a->rule[0] ? a->rule : NULL);
}

static int judge(struct cli *cli, const struct loaded *l,
		 const struct probe *probe)
{
	struct path_leg legs[4] = {};
	bool ok = reference_path(l->policy, l->config, probe, legs);
	_cleanup_json_ json_t *list = json_array();
	_cleanup_json_ json_t *value = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(legs); i++)
		if (legs[i].name)
			json_array_append_new(list, leg_json(&legs[i]));
	value = json_pack("{s:s,s:O}", "verdict", ok ? "allow" : "drop", "legs",
			  list);
	writer_value(&cli->out, value);
	writer_table(&cli->out, list, columns, ARRAY_SIZE(columns));
	return ok ? CTL_OK : CTL_NO;
}

static int run(struct cli *cli, const struct args *args)
{
	_cleanup_(loaded_free) struct loaded l = {};
	bool live = args_has(args, "live");
	struct probe probe = {};
	int code;

	if (args->nwords != (live ? 3 : 4))
		return usage_error("path",
				   "path takes %sSRC[:PORT] DST "
				   "PROTO[/DPORT]",
				   live ? "" : "FILE ");
	code = parse_packet(args, args->words + !live, &probe);
	if (!code)
		code = load_config(&l, args_get(args, "config"));
	if (!code)
		code = live ? load_live(cli, &l) :
			      load_or_say(&l, args->words, 1);
	return code ? code : judge(cli, &l, &probe);
}

const struct command cmd_path = {
	.name = "path",
	.heading = HEADING_POLICY,
	.words = "FILE|--live SRC[:PORT] DST PROTO[/DPORT]",
	.summary = "can SRC talk to DST: both ends and the replies",
	.details =
		"Judges the opening packet at its sender and its receiver, and the\n"
		"replies through the network ACLs of both. A leg of an address in no\n"
		"group and under no network ACL is another host's business.",
	.examples = "  moat path policy.yaml 10.20.0.1 10.40.0.5 tcp/2049\n"
		    "  moat path policy.yaml 10.20.0.1:870 10.40.0.5 tcp/2049\n"
		    "  moat path --live [fd00:20::1]:50000 fd00:40::5 tcp/443\n",
	.options = options,
	.noptions = ARRAY_SIZE(options),
	.min_words = 3,
	.max_words = 4,
	.run = run,
};
