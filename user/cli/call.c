// SPDX-License-Identifier: BSD-2-Clause
/* Calls to the agent, with their errors said. */
#include "cli/call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/load.h"

/* Only where the user named no socket: then that one and no other is meant. */
static int connect_read_socket(struct ctl_client **ret)
{
	static const char path[] = "/run/moat/read.sock";

	return ctl_connect(path, CALL_TIMEOUT_MS, ret);
}

static int try_connect(const struct cli *cli, bool look,
		       struct ctl_client **ret)
{
	int err = ctl_connect(cli->socket, CALL_TIMEOUT_MS, ret);

	if (err == -EACCES && look && !cli->socket_given &&
	    !connect_read_socket(ret))
		return 0;
	return err;
}

struct ctl_client *call_connect_quiet(const struct cli *cli, bool look)
{
	struct ctl_client *client = NULL;

	return try_connect(cli, look, &client) ? NULL : client;
}

struct ctl_client *call_connect(const struct cli *cli, bool look)
{
	struct ctl_client *client = NULL;
	char text[256];
	int err = try_connect(cli, look, &client);

	if (!err)
		return client;
	talk("%s", ctl_explain_error(err, cli->socket, text, sizeof(text)));
	return NULL;
}

static int call_failed(const struct cli *cli, int err)
{
	char text[256];

	talk("%s", ctl_explain_error(err, cli->socket, text, sizeof(text)));
	return err == -EMSGSIZE || err == -ENOMEM ? CTL_USAGE : CTL_UNREACHABLE;
}

static void say_refusal(const json_t *reply, const char *error)
{
	const char *diags = json_string_value(
		json_object_get(reply, "diagnostics"));

	if (diags)
		fputs(diags, stderr);
	if (error && *error)
		talk("%s", error);
}

int call_on(struct cli *cli, struct ctl_client *client, json_t *request,
	    json_t **ret_reply)
{
	return call_parts(cli, client, request, &(struct call_parts){},
			  ret_reply);
}

int call_parts(struct cli *cli, struct ctl_client *client, json_t *request,
	       const struct call_parts *parts, json_t **ret_reply)
{
	_cleanup_json_ json_t *sent = request;
	const char *error = "";
	json_t *reply = NULL;
	int err, code;

	if (!sent)
		return call_failed(cli, -ENOMEM);
	progress_begin("waiting for the agent");
	err = ctl_call(client, sent, parts->fn, parts->arg, &reply);
	progress_end();
	if (err)
		return call_failed(cli, err);
	code = ctl_reply_code(reply, &error);
	if (!json_is_true(json_object_get(reply, "ok")))
		say_refusal(reply, error);
	*ret_reply = reply;
	return code;
}

int call_agent(struct cli *cli, bool look, json_t *request, json_t **ret_reply)
{
	CLEANUP(ctl_client) struct ctl_client *client = call_connect(cli, look);

	if (!client) {
		json_decref(request);
		return CTL_UNREACHABLE;
	}
	return call_on(cli, client, request, ret_reply);
}

void call_strip(json_t *reply)
{
	json_object_del(reply, "ok");
	json_object_del(reply, "code");
}
