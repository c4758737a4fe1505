// SPDX-License-Identifier: BSD-2-Clause
/* moat explain: why a packet passes or not. */
#include "cli/explain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "cli/commands.h"
#include "cli/probe_args.h"
#include "cli/reasons.h"

#define BATCH_SLICE 4096 /* packets judged at once */
#define LINE_MAX_BYTES 65536

static const struct option options[] = {
	{ "live", NULL, "the policy in force instead of a file" },
	{ "sport", "N", "source port of the packet (40000)" },
	{ "icmp", "T/C", "ICMP type and code (echo request)" },
	{ "flags", "SYN,...", "TCP flags (an opening packet)" },
	{ "engine", "ENGINE",
	  "reference, image or kernel; the agent runs "
	  "the last" },
	{ "batch", "FILE", "packets as JSON lines, - for standard input" },
	{ "config", "FILE", "agent configuration (built-in defaults)" },
};

static int parse_engine(const char *text, struct explain *e)
{
	e->engine = e->live ? ENGINE_KERNEL : ENGINE_REFERENCE;
	for (size_t i = 0; text && i < ARRAY_SIZE(engine_names); i++) {
		if (strcmp(text, engine_names[i]))
			continue;
		e->engine = (enum engine)i;
		return 0;
	}
	return !text ? 0 :
		       usage_error("explain",
				   "--engine is reference, "
				   "image or kernel, not \"%s\"",
				   text);
}

static int parse_packet(const struct args *args, const char *const *word,
			struct probe *probe)
{
	long long sport = -1;
	int err;

	if (!strcmp(word[0], "ingress"))
		probe->direction = MOAT_INGRESS;
	else if (!strcmp(word[0], "egress"))
		probe->direction = MOAT_EGRESS;
	else
		return usage_error("explain",
				   "the direction is ingress or "
				   "egress, not \"%s\"",
				   word[0]);
	err = probe_addresses("explain", word[1], word[2], probe);
	if (!err)
		err = probe_service("explain", word[3], probe);
	if (!err)
		err = args_number(args, "sport", 65535, &sport);
	if (!err && sport >= 0)
		probe->sport = (uint16_t)sport;
	if (!err && args_has(args, "icmp"))
		err = probe_icmp("explain", args_get(args, "icmp"), probe);
	if (!err && args_has(args, "flags"))
		err = probe_flags("explain", args_get(args, "flags"), probe);
	return err;
}

static json_t *probe_json(const struct probe *probe)
{
	static const struct {
		uint8_t bit;
		char letter;
	} flags[] = { { MOAT_TCP_FLAG_FIN, 'F' }, { MOAT_TCP_FLAG_SYN, 'S' },
		      { MOAT_TCP_FLAG_RST, 'R' }, { MOAT_TCP_FLAG_PSH, 'P' },
		      { MOAT_TCP_FLAG_ACK, 'A' }, { MOAT_TCP_FLAG_URG, 'U' } };
	char local[ADDR_TEXT], remote[ADDR_TEXT], letters[8] = "";
	size_t n = 0;
	json_t *object;

	object = json_pack(
		"{s:s,s:s,s:s,s:i,s:i,s:i,s:i,s:i}", "dir",
		probe->direction == MOAT_INGRESS ? "ingress" : "egress",
		"local", addr_print(&probe->local, local), "remote",
		addr_print(&probe->remote, remote), "proto", probe->proto,
		"sport", probe->sport, "dport", probe->dport, "icmp_type",
		probe->type, "icmp_code", probe->code);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (probe->flags & flags[i].bit)
			letters[n++] = flags[i].letter;
	if (probe->flags_given)
		json_object_set_new(object, "flags", json_string(letters));
	return object;
}

static const struct column answer_facts[] = {
	{ "verdict", "verdict", COLUMN_VERDICT },
	{ "reason", "reason" },
	{ "why", "why" },
	{ "layer", "layer" },
	{ "rule", "rule" },
	{ "generation", "generation" },
	{ "engine", "engine" },
};

static int show_answer(struct explain *e, json_t *answer)
{
	const char *verdict = json_string_value(
		json_object_get(answer, "verdict"));
	const char *reason = json_string_value(
		json_object_get(answer, "reason"));
	int number = reason ? reason_from_name(reason) : -EINVAL;

	if (!verdict) {
		talk("%s", json_string_value(json_object_get(answer, "error")));
		return CTL_USAGE;
	}
	json_object_set_new(answer, "engine",
			    json_string(engine_names[e->engine]));
	json_object_set_new(answer, "why",
			    json_string(reason_help(
				    number < 0 ? MOAT_REASON_COUNT :
						 (enum moat_reason)number)));
	writer_value(&e->cli->out, answer);
	writer_facts(&e->cli->out, answer, answer_facts,
		     ARRAY_SIZE(answer_facts));
	return strcmp(verdict, "allow") ? CTL_NO : CTL_OK;
}

static int explain_one(struct explain *e, const struct probe *probe)
{
	_cleanup_json_ json_t *probes = json_array();
	_cleanup_json_ json_t *answers = NULL;
	int code;

	json_array_append_new(probes, probe_json(probe));
	e->replies = !probe->flags_given;
	code = explain_judge(e, probes, &answers);
	return code ? code : show_answer(e, json_array_get(answers, 0));
}

/* A line that is no JSON object goes through as null, to be answered in its
 * place. */
static int read_slice(FILE *in, json_t *probes)
{
	char line[LINE_MAX_BYTES];

	while (json_array_size(probes) < BATCH_SLICE &&
	       fgets(line, sizeof(line), in)) {
		json_t *probe = json_loads(line, JSON_REJECT_DUPLICATES, NULL);

		if (line[strspn(line, " \t\r\n")])
			json_array_append_new(probes,
					      probe ? probe : json_null());
	}
	return ferror(in) ? -EIO : 0;
}

static int print_slice(const json_t *answers)
{
	const json_t *answer;
	int code = CTL_OK;
	size_t i;

	json_array_foreach((json_t *)answers, i, answer) {
		if (json_object_get(answer, "error"))
			code = CTL_USAGE;
		if (json_dumpf(answer, stdout, JSON_COMPACT) ||
		    putchar('\n') == EOF)
			return CTL_USAGE;
	}
	return code;
}

static int explain_batch(struct explain *e, const char *path)
{
	_cleanup_fclose_ FILE *file = strcmp(path, "-") ? fopen(path, "re") :
							  NULL;
	FILE *in = file ? file : stdin;
	int code = CTL_OK, some;

	if (!file && strcmp(path, "-")) {
		talk("%s: %s", path, strerror(errno));
		return CTL_USAGE;
	}
	for (;;) {
		_cleanup_json_ json_t *probes = json_array();
		_cleanup_json_ json_t *answers = NULL;

		if (read_slice(in, probes)) {
			talk("%s: can't be read", path);
			return CTL_USAGE;
		}
		if (!json_array_size(probes))
			return code;
		some = explain_judge(e, probes, &answers);
		if (some)
			return some;
		some = print_slice(answers);
		if (some)
			code = some;
	}
}

static int check_words(const struct args *args, bool live, bool batch)
{
	size_t want = (live ? 0 : 1) + (batch ? 0 : 4);

	if (args->nwords == want)
		return 0;
	return usage_error(
		"explain", "%s takes %s%s", live ? "explain --live" : "explain",
		live ? "" : "FILE ",
		batch ? "and --batch" : "DIRECTION LOCAL REMOTE PROTO[/DPORT]");
}

static int run_opened(struct explain *e, const struct args *args,
		      const struct probe *probe)
{
	int code = explain_open(e);

	if (code)
		return code;
	if (args_has(args, "batch"))
		return explain_batch(e, args_get(args, "batch"));
	return explain_one(e, probe);
}

static int run(struct cli *cli, const struct args *args)
{
	_cleanup_(explain_close) struct explain e = {
		.cli = cli, .live = args_has(args, "live")
	};
	bool batch = args_has(args, "batch");
	struct probe probe = {};
	int code = check_words(args, e.live, batch);

	if (!code)
		code = parse_engine(args_get(args, "engine"), &e);
	if (!code && e.live && args_has(args, "config"))
		code = usage_error("explain",
				   "--live judges as the agent is configured: "
				   "without --config");
	if (!code && !batch)
		code = parse_packet(args, args->words + !e.live, &probe);
	if (!code)
		code = load_config(&e.files, args_get(args, "config"));
	if (!code && !e.live)
		code = load_or_say(&e.files, args->words, 1);
	if (!code && !batch) {
		e.files.hosts = calloc(1, sizeof(*e.files.hosts));
		if (!e.files.hosts)
			return CTL_USAGE;
		e.files.hosts[e.files.nhosts++] = probe.local;
	}
	return code ? code : run_opened(&e, args, &probe);
}

const struct command cmd_explain = {
	.name = "explain",
	.heading = HEADING_POLICY,
	.words = "FILE|--live DIRECTION LOCAL REMOTE PROTO[/DPORT]",
	.literals = "ingress egress",
	.summary = "why a packet passes or does not",
	.details =
		"Judges one packet that belongs to no flow, and the replies to it where\n"
		"it may open one. LOCAL is the host's own address, whatever the\n"
		"direction. Exit code 0: allowed; 1: dropped, or would be under audit.",
	.examples =
		"  moat explain policy.yaml ingress 10.20.0.1 10.0.5.10 tcp/22\n"
		"  moat explain --live egress 10.20.0.1 10.40.0.5 tcp/2049 "
		"--sport 870\n"
		"  moat explain policy.yaml ingress fd00:20::1 fd00:20::2 icmpv6\n"
		"  moat explain policy.yaml --batch packets.jsonl --engine image\n",
	.options = options,
	.noptions = ARRAY_SIZE(options),
	.min_words = 0,
	.max_words = 5,
	.run = run,
};
