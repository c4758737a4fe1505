/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls to the agent, with their errors said. */
#ifndef MOAT_CALL_H
#define MOAT_CALL_H

#include "cli/cli.h"
#include "svc/ctl_client.h"

#define CALL_TIMEOUT_MS 30000

/*
 * Connects to the agent. look: the read-only socket beside the control socket
 * will do where the latter is not permitted. NULL after CTL_UNREACHABLE was
 * said; quiet: nothing is said.
 */
struct ctl_client *call_connect(const struct cli *cli, bool look);
struct ctl_client *call_connect_quiet(const struct cli *cli, bool look);

/*
 * One request on a connection; takes the request (NULL: out of memory).
 * Returns the exit code. *ret_reply (new reference) is set if the agent
 * answered, else an error was said. A refusal is said too, with its
 * diagnostics.
 */
int call_on(struct cli *cli, struct ctl_client *client, json_t *request,
	    json_t **ret_reply);
/* The same where the reply has parts: fn as for ctl_call(). */
struct call_parts {
	ctl_part_fn fn;
	void *arg;
};
int call_parts(struct cli *cli, struct ctl_client *client, json_t *request,
	       const struct call_parts *parts, json_t **ret_reply);
/* call_connect() and call_on(). */
int call_agent(struct cli *cli, bool look, json_t *request, json_t **ret_reply);

/* Reply without the protocol's own fields, as `-o json` shows it. */
void call_strip(json_t *reply);

static inline void json_freep(json_t **value)
{
	json_decref(*value);
}
#define _cleanup_json_ _cleanup_(json_freep)

#endif
