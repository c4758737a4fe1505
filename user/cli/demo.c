// SPDX-License-Identifier: BSD-2-Clause
/*
 * moat demo: runs demo.sh in mount, network and process namespaces of its
 * own, so that the kernel removes all of it when the script ends, however it
 * ends.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "cli/commands.h"
#include "cli/embed.h"

static const struct option options[] = {
	{ "xdp", NULL, "with XDP on the hosts' veth, and a port scan" },
};

static pid_t child;

/* The script is the first process of its namespace: with it all the others
 * end, and with the last of them namespaces, mounts and pins. */
static void stop(int number)
{
	kill(child, SIGKILL);
}

/* The agent beside this program, as in the build tree and in /usr/local. */
static int set_programs(void)
{
	_cleanup_(buf_free) struct buf path = {};
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n < 0)
		return -errno;
	self[n] = '\0';
	setenv("MOAT", self, 1);
	slash = strrchr(self, '/');
	*slash = '\0';
	if (buf_printf(&path, "%s/moatd", self))
		return -ENOMEM;
	if (access(path.data, X_OK)) {
		buf_reset(&path);
		if (buf_printf(&path, "%s/../sbin/moatd", self))
			return -ENOMEM;
	}
	setenv("MOATD", access(path.data, X_OK) ? "moatd" : path.data, 1);
	return 0;
}

static void run_script(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("proc", "/proc", "proc", 0, NULL)) {
		talk("can't set up the demo's mounts: %s", strerror(errno));
		_exit(CTL_USAGE);
	}
	execlp("bash", "bash", "-c", embed_demo, "moat-demo", NULL);
	talk("bash: %s", strerror(errno));
	_exit(CTL_USAGE);
}

static int wait_script(void)
{
	struct sigaction action = { .sa_handler = stop };
	int status;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return CTL_USAGE;
	if (WIFEXITED(status) && WEXITSTATUS(status) <= CTL_NO)
		return WEXITSTATUS(status);
	talk("the demo was interrupted");
	return CTL_USAGE;
}

static int run(struct cli *cli, const struct args *args)
{
	if (cli->out.format == WRITER_JSON)
		return usage_error("demo",
				   "the demo is for people: no -o json");
	if (geteuid()) {
		talk("the demo makes network namespaces: it needs root");
		return CTL_USAGE;
	}
	if (set_programs())
		return CTL_USAGE;
	setenv("MOAT_DEMO_POLICY", embed_policy, 1);
	setenv("MOAT_DEMO_XDP", args_has(args, "xdp") ? "1" : "", 1);
	setenv("MOAT_DEMO_COLOR", cli->out.color ? "1" : "", 1);
	if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID)) {
		talk("can't make namespaces: %s", strerror(errno));
		return CTL_USAGE;
	}
	child = fork();
	if (!child)
		run_script();
	return child < 0 ? CTL_USAGE : wait_script();
}

const struct command cmd_demo = {
	.name = "demo",
	.heading = HEADING_HELP,
	.words = "",
	.summary = "five hosts in namespaces, real traffic, in a minute",
	.details =
		"Needs root, iproute2, socat, iperf3, netcat, ping and curl. Makes\n"
		"namespaces of its own and touches nothing else of this machine. Exit\n"
		"code 0 only if every packet went as the policy says.",
	.examples = "  moat demo\n  moat demo --xdp\n",
	.options = options,
	.noptions = ARRAY_SIZE(options),
	.run = run,
};
