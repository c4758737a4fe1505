// SPDX-License-Identifier: BSD-2-Clause
/* moat push: a policy to the agent, to be confirmed or at once. */
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/commands.h"
#include "cli/load.h"
#include "cli/wait.h"
#include "moat/base.h"

#define CONFIRM_DEFAULT 60
#define CONFIRM_MAX 86400
#define PUSH_TIMEOUT_MS 120000

static const struct option options[] = {
	{ "confirm", "TIME", "undone unless confirmed within TIME" },
	{ "now", NULL, "confirmed at once" },
	{ "audit", NULL, "count what would be dropped, drop nothing" },
	{ "dry-run", NULL, "ask what it would change, change nothing" },
	{ "refuse-cuts", NULL, "refuse if live flows would end" },
	{ "allow-unassigned", NULL, "even if a local address is in no group" },
	{ "message", "TEXT", "why, for the history" },
	{ "strict", NULL, "warnings are errors" },
};

static int check_options(const struct args *args)
{
	int ways = args_has(args, "confirm") + args_has(args, "now") +
		   args_has(args, "dry-run");

	if (ways > 1)
		return usage_error("push", "--confirm, --now and --dry-run "
					   "exclude each other");
	if (!ways && !(isatty(STDIN_FILENO) && isatty(STDERR_FILENO)))
		return usage_error("push",
				   "not on a terminal: say --confirm "
				   "60s (then `moat confirm`) or --now");
	return 0;
}

#define AS_WRITTEN_MAX (MOAT_MAX_DOCUMENT / 2)

/*
 * One file that needs no other goes as it is written: its checksum is the
 * file's, its comments stay in the history, the agent's lines are its lines.
 * Else, and where it is no UTF-8 or near the limit, the canonical form.
 */
static json_t *document_of(const struct loaded *l)
{
	const struct source *file = l->diags.files;
	_cleanup_(buf_free) struct buf canonical = {};
	json_t *text = NULL;

	if (l->diags.nfiles == 1 && file->len <= AS_WRITTEN_MAX)
		text = json_stringn(file->text, file->len);
	if (text || policy_print(l->policy, &canonical))
		return text;
	return json_stringn(buf_text(&canonical), canonical.len);
}

/* NULL: out of memory. */
static json_t *request(const struct args *args, const struct loaded *l,
		       long long confirm)
{
	const char *message = args_get(args, "message");
	json_t *value, *document = document_of(l);

	if (!document)
		return NULL;
	value = json_pack("{s:s,s:o,s:s,s:b,s:b,s:b,s:b}", "cmd", "push",
			  "document", document, "message",
			  message ? message : "", "audit",
			  args_has(args, "audit"), "dry_run",
			  args_has(args, "dry-run"), "refuse_cuts",
			  args_has(args, "refuse-cuts"), "allow_unassigned",
			  args_has(args, "allow-unassigned"));
	if (args_has(args, "now"))
		json_object_set_new(value, "now", json_true());
	else if (!args_has(args, "dry-run"))
		json_object_set_new(value, "confirm_seconds",
				    json_integer(confirm));
	return value;
}

/* What `moat check` would say beside errors, which there are none of. */
static void warn(struct loaded *l)
{
	load_warn(l);
	load_show(l);
}

static int send_push(struct cli *cli, const struct args *args, struct loaded *l,
		     long long confirm)
{
	CLEANUP(ctl_client)
	struct ctl_client *client = call_connect(cli, false);
	_cleanup_json_ json_t *reply = NULL;
	int code;

	if (!client)
		return CTL_UNREACHABLE;
	ctl_set_timeout(client, PUSH_TIMEOUT_MS);
	code = call_on(cli, client, request(args, l, confirm), &reply);
	/* Nobody waits for warnings but the reader of them. */
	if (!l->strict && !code)
		warn(l);
	if (args_has(args, "dry-run") && reply)
		json_object_set_new(reply, "dry_run", json_true());
	return push_finish(cli, code, reply);
}

static int refuse(struct cli *cli, const struct loaded *l)
{
	_cleanup_json_ json_t *value = json_pack("{s:b,s:s,s:i}", "changed", 0,
						 "error",
						 "the policy is invalid",
						 "errors", l->diags.errors);

	writer_value(&cli->out, value);
	talk("the policy is invalid: nothing was pushed");
	return CTL_NO;
}

static int run(struct cli *cli, const struct args *args)
{
	_cleanup_(loaded_free) struct loaded l = { .strict = args_has(
							   args, "strict") };
	long long confirm = CONFIRM_DEFAULT;
	int code = check_options(args);

	if (!code)
		code = args_seconds(args, "confirm", &confirm);
	if (!code && (confirm < 1 || confirm > CONFIRM_MAX))
		code = usage_error("push", "--confirm takes 1s to 1d");
	if (!code)
		code = load_config(&l, NULL);
	if (!code)
		code = load_policy(&l, args->words, args->nwords);
	if (code)
		return code;
	if (l.strict)
		load_check(&l);
	else
		load_check_errors(&l);
	if (l.strict || load_failed(&l))
		load_show(&l);
	return load_failed(&l) ? refuse(cli, &l) :
				 send_push(cli, args, &l, confirm);
}

const struct command cmd_push = {
	.name = "push",
	.heading = HEADING_POLICY,
	.words = "FILE...|-",
	.summary = "put a policy in force, undone unless confirmed",
	.details =
		"Checks the policy, sends it to the agent and, with --confirm, waits for\n"
		"`moat confirm` elsewhere or \"y\" here. On a terminal --confirm 60s is the\n"
		"default; else one of --confirm, --now and --dry-run is needed. Past the\n"
		"deadline the kernel itself returns to the policy before (exit code 5).\n"
		"Ctrl-C leaves the deadline running.",
	.examples =
		"  moat push policy.yaml\n"
		"  moat push --audit --confirm 5m policy.yaml\n"
		"  moat push --now --message \"open the exporters\" policy.yaml\n"
		"  moat push --dry-run base.yaml tenants/*.yaml\n",
	.options = options,
	.noptions = ARRAY_SIZE(options),
	.min_words = 1,
	.max_words = WORDS_MAX,
	.run = run,
};
