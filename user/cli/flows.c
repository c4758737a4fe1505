// SPDX-License-Identifier: BSD-2-Clause
/* moat flows: the live flows, and moat flows kill. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/call.h"
#include "cli/commands.h"
#include "cli/flow_rows.h"
#include "cli/load.h"

#define TABLE_ROWS 1000 /* flows of a table unless --limit says more */
#define FLOWS_TIMEOUT_MS 120000

static const struct option options[] = {
	{ "peer", "CIDR", "remote address" },
	{ "local", "CIDR", "own address" },
	{ "port", "N", "service port: destination of the opening" },
	{ "protocol", "P", "tcp, udp, icmp, icmpv6, sctp, ... or a number" },
	{ "rule", "RULE", "GROUP or GROUP/NAME of the credited rule" },
	{ "verdict", "V", "allow, drop or would-drop" },
	{ "table", "NAME", "flows, udp, other, denied, ..." },
	{ "limit", "N", "at most N flows, 0 for all (tables: 1000)" },
	{ "follow", NULL, "go on with new flows until interrupted" },
};

/* "ADDR:PORT", "[ADDR]:PORT" or a CIDR, as a push proposes it. */
static int add_word(const char *word, json_t *request)
{
	const char *colon = strrchr(word, ':');
	_cleanup_free_ char *peer = NULL;
	struct cidr cidr;
	long long port;

	if (!cidr_parse(word, &cidr)) {
		json_object_set_new(request, "peer", json_string(word));
		return 0;
	}
	if (!colon || !parse_number(colon + 1, 65535, &port))
		return usage_error("flows", "\"%s\" is no PEER[:PORT]", word);
	peer = word[0] == '[' && colon - word > 1 && colon[-1] == ']' ?
		       strndup(word + 1, colon - word - 2) :
		       strndup(word, colon - word);
	if (!peer || cidr_parse(peer, &cidr))
		return usage_error("flows", "\"%s\" is no PEER[:PORT]", word);
	if (json_object_get(request, "port"))
		return usage_error("flows", "--port or PEER:PORT, not both");
	json_object_set_new(request, "peer", json_string(peer));
	json_object_set_new(request, "port", json_integer(port));
	return 0;
}

static int add_cidr(const struct args *args, const char *key, json_t *request)
{
	const char *text = args_get(args, key);
	struct cidr cidr;

	if (!text)
		return 0;
	if (cidr_parse(text, &cidr))
		return usage_error("flows",
				   "--%s: \"%s\" is no address or "
				   "CIDR",
				   key, text);
	json_object_set_new(request, key, json_string(text));
	return 0;
}

static int add_filter(const struct args *args, json_t *request)
{
	static const char *const texts[] = { "rule", "verdict", "table",
					     "protocol" };
	const char *protocol = args_get(args, "protocol");
	long long port = -1;
	int code = add_cidr(args, "peer", request);

	if (!code)
		code = add_cidr(args, "local", request);
	if (!code)
		code = args_number(args, "port", 65535, &port);
	if (!code && protocol && proto_parse(protocol) < 0)
		code = usage_error("flows", "\"%s\" is no protocol", protocol);
	if (code)
		return code;
	if (port >= 0)
		json_object_set_new(request, "port", json_integer(port));
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (args_has(args, texts[i]))
			json_object_set_new(
				request, texts[i],
				json_string(args_get(args, texts[i])));
	return 0;
}

struct listing {
	struct cli *cli;
	json_t *rows;	/* table: gathered */
	json_t *seen;	/* --follow: flows of this round */
	json_t *before; /* and of the last one */
	int64_t now;	/* seconds since 1970 */
};

static char *flow_key(const json_t *flow)
{
	static const char *const keys[] = { "table",  "protocol",
					    "local",  "local_port",
					    "remote", "remote_port" };
	_cleanup_json_ json_t *parts = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		json_array_append_new(
			parts, json_incref(json_object_get(flow, keys[i])));
	return json_dumps(parts, JSON_COMPACT);
}

/* With --follow: has it been shown in an earlier round? */
static bool is_new(struct listing *l, const json_t *flow)
{
	_cleanup_free_ char *key = l->seen ? flow_key(flow) : NULL;

	if (!key)
		return true;
	json_object_set_new(l->seen, key, json_true());
	return !json_object_get(l->before, key);
}

static bool take_part(const json_t *part, void *arg)
{
	struct listing *l = arg;
	json_t *flow;
	size_t i;

	json_array_foreach(json_object_get(part, "flows"), i, flow) {
		if (!is_new(l, flow))
			continue;
		if (l->cli->vpc)
			flow_print_vpc(stdout, flow, l->now);
		else if (l->cli->out.format == WRITER_JSON)
			writer_line(&l->cli->out, flow);
		else
			json_array_append_new(l->rows, flow_row(flow));
	}
	return !ferror(stdout);
}

/* One round; returns an exit code. */
static int list_once(struct listing *l, json_t *request)
{
	CLEANUP(ctl_client)
	struct ctl_client *client = call_connect(l->cli, true);
	_cleanup_json_ json_t *reply = NULL;
	const char *error = "";
	char text[256];
	int err, code;

	if (!client)
		return CTL_UNREACHABLE;
	l->now = clock_wall_ms() / 1000;
	ctl_set_timeout(client, FLOWS_TIMEOUT_MS);
	/* Lines on a terminal are sign enough. */
	if (l->rows || !isatty(STDOUT_FILENO))
		progress_begin("reading flows");
	err = ctl_call(client, request, take_part, l, &reply);
	progress_end();
	if (err == -ECANCELED)
		return CTL_USAGE;
	if (err) {
		talk("%s", ctl_explain_error(err, l->cli->socket, text,
					     sizeof(text)));
		return CTL_UNREACHABLE;
	}
	code = ctl_reply_code(reply, &error);
	if (code && error && *error)
		talk("%s", error);
	return code;
}

static int list(struct cli *cli, const struct args *args, json_t *request)
{
	bool table = !cli->vpc && cli->out.format == WRITER_TABLE;
	struct listing l = { .cli = cli, .rows = json_array() };
	long long limit = table ? TABLE_ROWS : 0;
	int code = args_number(args, "limit", 100000000, &limit);

	json_object_set_new(request, "limit", json_integer(limit));
	if (!code)
		code = list_once(&l, request);
	if (!code && table) {
		writer_table(&cli->out, l.rows, flow_columns, nflow_columns);
		if (limit && json_array_size(l.rows) >= (size_t)limit)
			talk("only %lld flows are shown: see --limit", limit);
	}
	json_decref(l.rows);
	return code;
}

static int follow(struct cli *cli, json_t *request)
{
	struct listing l = { .cli = cli, .before = json_object() };
	bool first = true;
	int code = CTL_OK;

	while (!code) {
		l.rows = json_array();
		l.seen = json_object();
		code = list_once(&l, request);
		if (!cli->vpc && (first || json_array_size(l.rows)))
			writer_table(&cli->out, l.rows, flow_columns,
				     nflow_columns);
		fflush(stdout);
		first = false;
		json_decref(l.before);
		json_decref(l.rows);
		l.before = l.seen;
		if (!code)
			sleep(1);
	}
	json_decref(l.before);
	return code;
}

static int kill_flows(struct cli *cli, json_t *request)
{
	_cleanup_json_ json_t *reply = NULL;
	json_int_t killed;
	int code;

	if (json_object_size(request) < 2)
		return usage_error("flows", "flows kill needs a filter: "
					    "PEER:PORT or one of its options");
	json_object_set_new(request, "cmd", json_string("kill"));
	code = call_agent(cli, false, json_incref(request), &reply);
	if (code)
		return code;
	call_strip(reply);
	writer_value(&cli->out, reply);
	killed = json_integer_value(json_object_get(reply, "killed"));
	writer_text(&cli->out, "%lld flow%s ended", (long long)killed,
		    killed == 1 ? "" : "s");
	return CTL_OK;
}

/* What would have no effect is refused: it was meant to narrow. */
static int check_filter(const struct args *args, bool kill)
{
	if (args->nwords > kill + 1ul)
		return usage_error("flows", "one PEER[:PORT], not \"%s\" too",
				   args->words[kill + 1]);
	if (args->nwords > kill && args_has(args, "peer"))
		return usage_error("flows", "--peer or PEER[:PORT], not both");
	if (kill && (args_has(args, "limit") || args_has(args, "follow")))
		return usage_error("flows",
				   "flows kill ends all flows of its "
				   "filter: without --limit and --follow");
	if (args_has(args, "follow") && args_has(args, "limit"))
		return usage_error("flows", "--follow or --limit, not both");
	return 0;
}

static int run(struct cli *cli, const struct args *args)
{
	_cleanup_json_ json_t *request = json_pack("{s:s}", "cmd", "flows");
	bool kill = args->nwords && !strcmp(args->words[0], "kill");
	int code = check_filter(args, kill);

	if (!code)
		code = add_filter(args, request);
	if (!code && args->nwords > kill)
		code = add_word(args->words[kill], request);
	if (code)
		return code;
	if (kill)
		return kill_flows(cli, request);
	return args_has(args, "follow") ? follow(cli, request) :
					  list(cli, args, request);
}

const struct command cmd_flows = {
	.name = "flows",
	.heading = HEADING_LOOK,
	.words = "[kill] [PEER[:PORT]]",
	.summary = "live flows; `flows kill` ends those of a filter",
	.details =
		"With -o json one object a line, with -o vpc the flows as AWS flow log\n"
		"version 2 lines, so far. All filters must match.",
	.examples = "  moat flows --peer 10.40.0.0/24 --port 2049\n"
		    "  moat flows --verdict would-drop -o json | jq .rule\n"
		    "  moat flows --follow --rule trainers/ranks\n"
		    "  moat flows kill 203.0.113.7:22\n",
	.options = options,
	.noptions = ARRAY_SIZE(options),
	.max_words = 2,
	.run = run,
};
