// SPDX-License-Identifier: BSD-2-Clause
/*
 * The control protocol, from either end. The first byte of an input says
 * whose: 's': the rest is sent to a server, the next byte saying in pieces of
 * how many bytes; 'c': it is what a server answers to the client's call.
 */
#include "fuzz/fuzz.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "policy/probe.h"
#include "svc/ctl_client.h"
#include "svc/ctl_listen.h"
#include "svc/ctl_server.h"

#define CONNECTIONS 4
#define PARTS_MAX 1000

static struct {
	struct loop *loop;
	struct ctl_server *server;
	int answering; /* listens; what accepts plays the agent */
	char folder[64], control[96], answers[96];
} it;

/* ---- commands: those that look into a request the way the agent's do ---- */

static json_t *cmd_fields(struct ctl_request *rq)
{
	const char *document = "", *message = "";
	long long seconds = 0, generation = 0;
	bool now = false;

	if (ctl_get_string(rq->json, "document", &document) ||
	    ctl_get_string(rq->json, "message", &message) ||
	    ctl_get_bool(rq->json, "now", &now) ||
	    ctl_get_number(rq->json, "generation", 0, UINT32_MAX,
			   &generation) ||
	    ctl_get_number(rq->json, "confirm_seconds", 1, 86400, &seconds))
		return ctl_error(CTL_USAGE, "wrong type");
	must(seconds >= 0 && seconds <= 86400);
	must(generation >= 0 && generation <= UINT32_MAX);
	return ctl_error(CTL_REFUSED, "%s: %s", message, document);
}

static json_t *cmd_explain(struct ctl_request *rq)
{
	const json_t *probes = json_object_get(rq->json, "probes"), *one;
	json_t *reply = ctl_ok();
	size_t i, good = 0;

	json_array_foreach(probes, i, one) {
		char *line = json_dumps(one, 0), err[160] = "";
		struct probe probe;
		int r = line ? probe_from_json(line, &probe, err, sizeof(err)) :
			       -1;

		must(r || probe.family == 4 || probe.family == 6);
		must(!line || !r == !err[0]);
		good += !r;
		free(line);
	}
	json_object_set_new(reply, "good", json_integer((json_int_t)good));
	return reply;
}

static int parts_next(void *state, json_t **ret)
{
	long long *left = state;

	*ret = *left ? json_pack("{s:I}", "left", (json_int_t)*left) : ctl_ok();
	return *left ? (*left)--, 1 : 0;
}

static json_t *cmd_parts(struct ctl_request *rq)
{
	long long *left = calloc(1, sizeof(*left));

	must(left != NULL);
	if (ctl_get_number(rq->json, "limit", 0, PARTS_MAX, left)) {
		free(left);
		return ctl_error(CTL_USAGE, "limit: a number");
	}
	rq->stream = (struct ctl_stream){ parts_next, free, left };
	return NULL;
}

static const struct ctl_command commands[] = {
	{ "push", false, cmd_fields },
	{ "explain", true, cmd_explain },
	{ "flows", true, cmd_parts },
	{ NULL, false, NULL },
};

/* ---- the two ends ---- */

static void leave(void)
{
	ctl_server_free(it.server);
	loop_free(it.loop);
	close(it.answering);
	unlink(it.answers);
	rmdir(it.folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct ctl_settings settings = {
		.control_path = it.control,
		.group = "no-such-group",
		.commands = commands,
		.max_connections = CONNECTIONS,
	};
	char err[200];

	snprintf(it.folder, sizeof(it.folder), "/tmp/moat-fuzz-XXXXXX");
	must(mkdtemp(it.folder) != NULL);
	snprintf(it.control, sizeof(it.control), "%s/control.sock", it.folder);
	snprintf(it.answers, sizeof(it.answers), "%s/answers.sock", it.folder);
	it.loop = loop_new();
	must(it.loop != NULL);
	must(ctl_server_new(it.loop, &settings, &it.server, err, sizeof(err)) ==
	     0);
	it.answering = ctl_listen(it.answers, getgid(), err, sizeof(err));
	must(it.answering >= 0);
	atexit(leave);
	return 0;
}

static int dial(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(addr.sun_path, path, strlen(path) + 1);
	must(fd >= 0 &&
	     connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	return fd;
}

/* Takes what the server has said so far. False: it hung up. */
static bool hear(int fd, struct ctl_lines *said)
{
	char data[65536];
	ssize_t n;

	while ((n = recv(fd, data, sizeof(data), MSG_DONTWAIT)) > 0)
		must(ctl_lines_add(said, data, (size_t)n) == 0);
	return n < 0 && errno == EAGAIN;
}

/* Each line is an object with unique keys; each reply has its code. */
static void check_said(struct ctl_lines *said)
{
	const char *text;
	char err[160], *line;
	json_t *object;
	int r;

	while ((r = ctl_lines_next(said, &line)) == 1) {
		must(ctl_parse(line, &object, err, sizeof(err)) == 0);
		if (json_object_get(object, "ok"))
			ctl_reply_code(object, &text);
		json_decref(object);
		free(line);
	}
	must(r == 0 && said->start == said->in.len);
}

static void to_server(const uint8_t *data, size_t size)
{
	size_t piece = data[0] ? data[0] : size;
	struct ctl_lines said = { 0 };
	int fd = dial(it.control);

	loop_run_once(it.loop, 0);
	data++;
	size--;
	for (size_t at = 0; at < size; at += piece) {
		size_t n = size - at < piece ? size - at : piece;

		if (send(fd, data + at, n, MSG_NOSIGNAL) != (ssize_t)n)
			break; /* it hung up: too much of something */
		loop_run_once(it.loop, 0);
		hear(fd, &said);
	}
	shutdown(fd, SHUT_WR);
	while (hear(fd, &said))
		loop_run_once(it.loop, 100);
	check_said(&said);
	ctl_lines_free(&said);
	close(fd);
	for (int i = 0; i < 10 && ctl_server_connections(it.server); i++)
		loop_run_once(it.loop, 10);
	must(ctl_server_connections(it.server) == 0);
}

static bool on_part(const json_t *part, void *arg)
{
	must(json_is_object(part) && !json_object_get(part, "ok"));
	return ++*(int *)arg < PARTS_MAX;
}

static void to_client(const uint8_t *data, size_t size)
{
	struct ctl_client *c = NULL;
	json_t *reply = NULL, *request = json_pack("{s:s}", "cmd", "flows");
	const char *text = NULL;
	char said[200];
	int fd, r, parts = 0;

	must(ctl_connect(it.answers, 1000, &c) == 0);
	fd = accept4(it.answering, NULL, NULL, SOCK_CLOEXEC);
	must(fd >= 0);
	must(send(fd, data, size, MSG_NOSIGNAL) == (ssize_t)size);
	shutdown(fd, SHUT_WR);
	r = ctl_call(c, request, on_part, &parts, &reply);
	must(!r == !!reply);
	if (reply) {
		must(ctl_reply_code(reply, &text) <= CTL_ROLLED_BACK && text);
		json_decref(reply);
	} else {
		must(r == -ECONNRESET || r == -EBADMSG || r == -ECANCELED);
		must(*ctl_explain_error(r, it.answers, said, sizeof(said)));
	}
	json_decref(request);
	ctl_close(c);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 1 && data[0] == 's')
		to_server(data + 1, size - 1);
	else if (size > 1 && data[0] == 'c')
		to_client(data + 1, size - 1);
	return 0;
}
