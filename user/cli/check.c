// SPDX-License-Identifier: BSD-2-Clause
/* moat check: is the policy valid, and what deserves a second look. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/commands.h"
#include "cli/load.h"
#include "compile/compile.h"

#define PORT_RANGE_FILE "/proc/sys/net/ipv4/ip_local_port_range"

static const struct option options[] = {
	{ "host", "ADDR,...", "judge as a host with these addresses" },
	{ "strict", NULL, "warnings are errors" },
	{ "ephemeral", "A-B", "source ports of the hosts (32768-60999)" },
	{ "live", NULL, "take this host's source ports" },
	{ "config", "FILE", "agent configuration (built-in defaults)" },
};

static bool parse_range(const char *text, int *ret_first, int *ret_last)
{
	int first, last, end = 0;

	if (sscanf(text, "%d%*[-\t ]%d%n", &first, &last, &end) != 2 ||
	    (text[end] && text[end] != '\n') || first < 1 || last < first ||
	    last > 65535)
		return false;
	*ret_first = first;
	*ret_last = last;
	return true;
}

static int read_ephemeral(const struct args *args, struct loaded *l)
{
	const char *text = args_get(args, "ephemeral");
	_cleanup_(buf_free) struct buf live = {};

	if (!text && !args_has(args, "live"))
		return 0;
	if (!text) {
		if (buf_read_file(&live, PORT_RANGE_FILE, 256)) {
			talk("can't read " PORT_RANGE_FILE);
			return CTL_USAGE;
		}
		text = buf_text(&live);
	}
	if (parse_range(text, &l->ephemeral_first, &l->ephemeral_last))
		return 0;
	return usage_error("check", "\"%s\" is no range of ports", text);
}

/* Groups and NACL of each --host address. */
static json_t *describe_hosts(const struct loaded *l)
{
	json_t *list = json_array();

	for (size_t i = 0; i < l->nhosts; i++) {
		int nacl = policy_nacl_of(l->policy, &l->hosts[i]);
		json_t *groups = json_array();
		char text[ADDR_TEXT];
		size_t index[64], n;

		n = policy_groups_of(l->policy, &l->hosts[i], index,
				     ARRAY_SIZE(index));
		for (size_t g = 0; g < n && g < ARRAY_SIZE(index); g++)
			json_array_append_new(
				groups,
				json_string(l->policy->groups[index[g]].name));
		json_array_append_new(
			list,
			json_pack("{s:s,s:o,s:s?,s:b}", "address",
				  addr_print(&l->hosts[i], text), "groups",
				  groups, "nacl",
				  nacl < 0 ? NULL : l->policy->nacls[nacl].name,
				  "assigned", n > 0));
	}
	return list;
}

static size_t count_rules(const struct policy *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->ngroups; i++)
		n += p->groups[i].rules[0].count + p->groups[i].rules[1].count;
	for (size_t i = 0; i < p->nnacls; i++)
		n += p->nacls[i].rules[0].count + p->nacls[i].rules[1].count;
	return n;
}

static size_t count_cidrs(const struct policy *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->nsets; i++)
		n += p->sets[i].ncidrs;
	return n;
}

static json_t *result(const struct loaded *l)
{
	const struct policy *p = l->policy;
	json_t *value = json_pack("{s:b,s:i,s:i,s:o}", "valid", !load_failed(l),
				  "errors", l->diags.errors, "warnings",
				  l->diags.warnings, "diagnostics",
				  load_diags_json(l));

	if (!p)
		return value;
	json_object_update_new(
		value,
		json_pack("{s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:o}", "policy",
			  p->name, "revision", p->revision, "mode",
			  p->mode == MODE_AUDIT ? "audit" : "enforce", "groups",
			  (json_int_t)p->ngroups, "nacls",
			  (json_int_t)p->nnacls, "rules",
			  (json_int_t)count_rules(p), "cidrs",
			  (json_int_t)count_cidrs(p), "tests",
			  (json_int_t)p->ntests, "hosts", describe_hosts(l)));
	return value;
}

static const struct column host_columns[] = {
	{ "address", "address" },
	{ "assigned", "assigned", COLUMN_STATE },
	{ "groups", "groups" },
	{ "network ACL", "nacl" },
};

static void show(struct cli *cli, const struct loaded *l, const json_t *value)
{
	const struct policy *p = l->policy;

	if (load_failed(l))
		writer_text(&cli->out, "invalid: %d error%s, %d warning%s%s",
			    l->diags.errors, l->diags.errors == 1 ? "" : "s",
			    l->diags.warnings,
			    l->diags.warnings == 1 ? "" : "s",
			    l->diags.errors ? "" : " (--strict)");
	else
		writer_text(&cli->out,
			    "valid: policy %s, revision %s, mode "
			    "%s: %zu group%s, %zu network ACL%s, %zu rules, "
			    "%zu CIDRs, %zu tests passed; %d warning%s",
			    p->name, p->revision,
			    p->mode == MODE_AUDIT ? "audit" : "enforce",
			    p->ngroups, p->ngroups == 1 ? "" : "s", p->nnacls,
			    p->nnacls == 1 ? "" : "s", count_rules(p),
			    count_cidrs(p), p->ntests, l->diags.warnings,
			    l->diags.warnings == 1 ? "" : "s");
	if (p && l->nhosts)
		writer_table(&cli->out, json_object_get(value, "hosts"),
			     host_columns, ARRAY_SIZE(host_columns));
}

static int run(struct cli *cli, const struct args *args)
{
	_cleanup_(loaded_free) struct loaded l = { .strict = args_has(
							   args, "strict") };
	json_t *value;
	int code;

	code = load_config(&l, args_get(args, "config"));
	if (!code)
		code = load_hosts(&l, args_get(args, "host"), "check");
	if (!code)
		code = read_ephemeral(args, &l);
	if (!code)
		code = load_policy(&l, args->words, args->nwords);
	if (code)
		return code;
	load_check(&l);
	if (cli->out.format == WRITER_TABLE)
		load_show(&l);
	value = result(&l);
	writer_value(&cli->out, value);
	show(cli, &l, value);
	json_decref(value);
	return load_failed(&l) ? CTL_NO : CTL_OK;
}

const struct command cmd_check = {
	.name = "check",
	.heading = HEADING_POLICY,
	.words = "FILE...",
	.summary = "is the policy valid; its tests, its never, warnings",
	.details =
		"Reads the files, merges them into one policy and reports every error\n"
		"and warning with file, line and column. Needs no agent and no root.",
	.examples = "  moat check policy.yaml\n"
		    "  moat check base.yaml platform.yaml tenants/*.yaml\n"
		    "  moat check --strict --host 10.20.0.1,fd00:20::1 "
		    "policy.yaml\n",
	.options = options,
	.noptions = ARRAY_SIZE(options),
	.min_words = 1,
	.max_words = WORDS_MAX,
	.run = run,
};
