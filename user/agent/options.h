/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line of moatd. */
#ifndef MOAT_AGENT_OPTIONS_H
#define MOAT_AGENT_OPTIONS_H

#include <stdbool.h>

enum agent_action {
	AGENT_RUN,
	AGENT_CHECK_CONFIG,
	AGENT_DETACH_ALL,
	AGENT_RETRY_XDP,
	AGENT_EXIT
};

struct agent_options {
	enum agent_action action;
	const char *config; /* path; NULL: the default one, may be absent */
	bool debug;
	int exit_code; /* of AGENT_EXIT */
};

/* Prints help, version and complaints itself. */
void agent_options(int argc, char **argv, struct agent_options *ret);

#define AGENT_CONFIG_PATH "/etc/moat/moatd.yaml"

#endif
