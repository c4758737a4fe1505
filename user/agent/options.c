// SPDX-License-Identifier: BSD-2-Clause
/* getopt_long and the text of --help. */
#include "agent/options.h"

#include <getopt.h>
#include <stdio.h>

static const char help[] =
	"moatd: enforces a moat policy on this host\n"
	"\n"
	"usage: moatd [--config FILE]                run in the foreground\n"
	"       moatd --check-config [--config FILE] read the configuration, exit\n"
	"       moatd --detach-all [--config FILE]   take everything of this\n"
	"                                            configuration's out of the kernel\n"
	"       moatd --retry-xdp [--config FILE]    attach XDP again, though the host\n"
	"                                            went down after it twice\n"
	"\n"
	"  -c, --config FILE   configuration, else " AGENT_CONFIG_PATH ",\n"
	"                      else the built-in defaults\n"
	"      --check-config  exit 0 if it is right, 1 if not\n"
	"      --detach-all    programs, maps and pins; running flows go on unjudged\n"
	"      --retry-xdp     forget the record that holds XDP off\n"
	"  -d, --debug         say more\n"
	"  -h, --help          this text\n"
	"  -V, --version       version\n"
	"\n"
	"Stopping or killing moatd undoes nothing: what is attached goes on judging.\n"
	"SIGHUP pushes the configured policy file. See moatd(8).\n"
	"\n"
	"examples:\n"
	"  moatd --check-config --config ./moatd.yaml\n"
	"  nsenter --net=/run/netns/blue moatd --config /etc/moat/blue.yaml\n"
	"  systemctl stop moatd && moatd --detach-all\n";

enum { OPT_CHECK = 256, OPT_DETACH, OPT_RETRY };

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "check-config", no_argument, NULL, OPT_CHECK },
	{ "detach-all", no_argument, NULL, OPT_DETACH },
	{ "retry-xdp", no_argument, NULL, OPT_RETRY },
	{ "debug", no_argument, NULL, 'd' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

static void leave(struct agent_options *o, int code)
{
	o->action = AGENT_EXIT;
	o->exit_code = code;
}

void agent_options(int argc, char **argv, struct agent_options *ret)
{
	int c;

	*ret = (struct agent_options){ .action = AGENT_RUN };
	optind = 0;
	while ((c = getopt_long(argc, argv, "c:dhV", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			ret->config = optarg;
			break;
		case OPT_CHECK:
			ret->action = AGENT_CHECK_CONFIG;
			break;
		case OPT_DETACH:
			ret->action = AGENT_DETACH_ALL;
			break;
		case OPT_RETRY:
			ret->action = AGENT_RETRY_XDP;
			break;
		case 'd':
			ret->debug = true;
			break;
		case 'h':
			fputs(help, stdout);
			leave(ret, 0);
			return;
		case 'V':
			puts("moatd " MOAT_VERSION);
			leave(ret, 0);
			return;
		default:
			fputs("moatd --help shows the options\n", stderr);
			leave(ret, 2);
			return;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "moatd: unexpected argument %s\n",
			argv[optind]);
		leave(ret, 2);
	}
}
