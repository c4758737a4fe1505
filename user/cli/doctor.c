// SPDX-License-Identifier: BSD-2-Clause
/* moat doctor: what stands in the way, and how to mend it. */
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/call.h"
#include "cli/commands.h"

#define BPFFS "/sys/fs/bpf"
#define BPFFS_MAGIC 0xcafe4a11
#define OLDEST_MAJOR 5
#define OLDEST_MINOR 10

static const struct column columns[] = {
	{ "check", "name" },
	{ "level", "state", COLUMN_STATE },
	{ "finding", "text" },
	{ "what to do", "fix" },
};

static void add(json_t *checks, const char *name, const char *level,
		const char *text, const char *fix)
{
	json_array_append_new(checks, json_pack("{s:s,s:s,s:s,s:s}", "name",
						name, "level", level, "text",
						text, "fix", fix));
}

static void check_kernel(json_t *checks)
{
	struct utsname name;
	int major = 0, minor = 0;
	bool old;

	uname(&name);
	old = sscanf(name.release, "%d.%d", &major, &minor) != 2 ||
	      major < OLDEST_MAJOR ||
	      (major == OLDEST_MAJOR && minor < OLDEST_MINOR);
	add(checks, "kernel", old ? "bad" : "ok", name.release,
	    old ? "moat needs Linux 5.10 or later" : "");
}

static void check_bpffs(json_t *checks)
{
	struct statfs fs;
	bool there = !statfs(BPFFS, &fs) &&
		     (unsigned int)fs.f_type == BPFFS_MAGIC;

	add(checks, "bpffs", there ? "ok" : "bad",
	    there ? "mounted at " BPFFS : "no BPF file system at " BPFFS,
	    there ? "" : "mount -t bpf bpf " BPFFS);
}

/* What can be said without an agent. */
static json_t *local_checks(const struct cli *cli)
{
	json_t *checks = json_array();

	add(checks, "agent", "bad", "moatd does not answer",
	    geteuid() ? "start it as root: systemctl start moatd; or join "
			"its group: usermod -aG moat USER" :
			"start it: systemctl start moatd, and see its log: "
			"journalctl -u moatd");
	check_kernel(checks);
	check_bpffs(checks);
	return checks;
}

/* Levels in the words that have colours. */
static json_t *with_states(const json_t *checks)
{
	json_t *rows = json_deep_copy(checks), *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		const char *level = json_string_value(
			json_object_get(row, "level"));

		if (level && !strcmp(level, "bad"))
			level = "failed";
		json_object_set_new(row, "state",
				    json_string(level ? level : "-"));
	}
	return rows;
}

static void show(struct cli *cli, const json_t *checks)
{
	_cleanup_json_ json_t *rows = with_states(checks);

	writer_table(&cli->out, rows, columns, ARRAY_SIZE(columns));
}

static int run(struct cli *cli, const struct args *args)
{
	_cleanup_json_ json_t *reply = NULL, *checks = NULL;
	int code = call_agent(cli, true, json_pack("{s:s}", "cmd", "doctor"),
			      &reply);

	checks = json_incref(json_object_get(reply, "checks"));
	if (!checks)
		checks = local_checks(cli);
	writer_value(&cli->out, checks);
	show(cli, checks);
	return code;
}

const struct command cmd_doctor = {
	.name = "doctor",
	.heading = HEADING_HELP,
	.words = "",
	.summary = "what stands in the way on this host, and how to mend it",
	.examples =
		"  moat doctor\n"
		"  moat doctor -o json | jq '.[] | select(.level == \"bad\")'\n",
	.run = run,
};
