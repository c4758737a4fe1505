// SPDX-License-Identifier: BSD-2-Clause
/*
 * Both ends of the control sockets in one process: the server's loop runs in
 * a child, so that the blocking client is tested as the CLI uses it.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "svc/ctl_client.h"
#include "svc/ctl_server.h"

#define PATIENCE_MS 60000 /* of everybody that is not to be cut off */

struct fixture {
	char folder[64], control[128], read[128];
	unsigned int request_ms;
	pid_t server;
};

static json_t *cmd_echo(struct ctl_request *rq)
{
	json_t *answer = ctl_ok();

	json_object_set(answer, "request", (json_t *)rq->json);
	json_object_set_new(answer, "uid", json_integer(rq->peer->uid));
	json_object_set_new(answer, "read_only",
			    json_boolean(rq->peer->read_only));
	return answer;
}

static int count_next(void *state, json_t **ret)
{
	int *left = state;

	if (*left > 0) {
		*ret = json_pack("{s:i, s:s%}", "left", (*left)--, "fill",
				 "................................", 32);
		return 1;
	}
	*ret = ctl_ok();
	return 0;
}

static json_t *cmd_count(struct ctl_request *rq)
{
	int *left = malloc(sizeof(*left));
	long long to = 0;

	if (!left || ctl_get_number(rq->json, "to", 0, 1000000, &to)) {
		free(left);
		return ctl_error(CTL_USAGE, "to: a number");
	}
	*left = (int)to;
	rq->stream = (struct ctl_stream){ count_next, free, left };
	return NULL;
}

static json_t *cmd_huge(struct ctl_request *rq)
{
	_cleanup_free_ char *text = malloc(CTL_MESSAGE_MAX);
	json_t *answer = ctl_ok();

	memset(text, 'x', CTL_MESSAGE_MAX);
	json_object_set_new(answer, "text",
			    json_stringn(text, CTL_MESSAGE_MAX));
	return answer;
}

static const struct ctl_command commands[] = {
	{ "echo", true, cmd_echo }, { "count", true, cmd_count },
	{ "huge", true, cmd_huge }, { "change", false, cmd_echo },
	{ NULL, false, NULL },
};

static void on_term(int sig, void *arg)
{
	loop_stop(arg);
}

static int serve(const struct fixture *f, int ready)
{
	struct ctl_settings settings = {
		.control_path = f->control,
		.read_path = f->read,
		.group = "no-such-group",
		.commands = commands,
		.max_connections = 4,
		.request_ms = f->request_ms,
		.idle_ms = PATIENCE_MS,
	};
	struct loop *loop = loop_new();
	struct ctl_server *server = NULL;
	char err[200];

	if (!loop || loop_add_signal(loop, SIGTERM, on_term, loop) ||
	    ctl_server_new(loop, &settings, &server, err, sizeof(err)))
		return 1;
	if (ctl_server_group_known(server) || write(ready, "x", 1) != 1 ||
	    loop_run(loop) < 0)
		return 2;
	ctl_server_free(server);
	loop_free(loop);
	return 0;
}

/* Of the test: a server that cuts off soon? */
static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int ready[2];
	char byte;

	if (!f || pipe(ready) < 0)
		return -1;
	f->request_ms = *state ? 300 : PATIENCE_MS;
	snprintf(f->folder, sizeof(f->folder), "/tmp/moat-ctl-XXXXXX");
	if (!mkdtemp(f->folder))
		return -1;
	snprintf(f->control, sizeof(f->control), "%s/run/control.sock",
		 f->folder);
	snprintf(f->read, sizeof(f->read), "%s/run/read.sock", f->folder);
	umask(0); /* the worst that we can be started with */
	f->server = fork();
	if (f->server == 0)
		_exit(serve(f, ready[1]));
	close(ready[1]);
	*state = f;
	return read(ready[0], &byte, 1) == 1 ? close(ready[0]) : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char path[160];
	int status;

	kill(f->server, SIGTERM);
	if (waitpid(f->server, &status, 0) != f->server || status)
		return -1;
	/* Both sockets were unlinked, so the folder goes. */
	snprintf(path, sizeof(path), "%s/run", f->folder);
	status = rmdir(path) < 0 || rmdir(f->folder) < 0 ? -1 : 0;
	free(f);
	return status;
}

static struct ctl_client *dial(const char *path)
{
	struct ctl_client *c = NULL;

	assert_int_equal(ctl_connect(path, PATIENCE_MS, &c), 0);
	return c;
}

static void modes(void **state)
{
	const struct fixture *f = *state;
	char path[160];
	struct stat st;

	snprintf(path, sizeof(path), "%s/run", f->folder);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(stat(f->control, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(st.st_uid, geteuid());
	assert_int_equal(stat(f->read, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
}

static void call_and_answer(void **state)
{
	const struct fixture *f = *state;
	CLEANUP(ctl_client) struct ctl_client *c = dial(f->control);
	json_t *request = json_pack("{s:s, s:i}", "cmd", "echo", "n", 42);
	const char *error;
	json_t *reply;
	int i;

	for (i = 0; i < 20; i++) {
		reply = NULL;
		assert_int_equal(ctl_call(c, request, NULL, NULL, &reply), 0);
		assert_int_equal(ctl_reply_code(reply, &error), CTL_OK);
		assert_true(
			json_equal(json_object_get(reply, "request"), request));
		assert_int_equal(
			json_integer_value(json_object_get(reply, "uid")),
			getuid());
		json_decref(reply);
	}
	json_decref(request);
}

static enum ctl_code code_of(const char *path, const char *cmd)
{
	CLEANUP(ctl_client) struct ctl_client *c = dial(path);
	json_t *request = json_pack("{s:s}", "cmd", cmd);
	enum ctl_code code;
	const char *error;
	json_t *reply = NULL;

	assert_int_equal(ctl_call(c, request, NULL, NULL, &reply), 0);
	code = ctl_reply_code(reply, &error);
	json_decref(reply);
	json_decref(request);
	return code;
}

static void read_socket_only_looks(void **state)
{
	const struct fixture *f = *state;

	assert_int_equal(code_of(f->control, "change"), CTL_OK);
	assert_int_equal(code_of(f->read, "echo"), CTL_OK);
	assert_int_equal(code_of(f->read, "change"), CTL_UNREACHABLE);
	assert_int_equal(code_of(f->read, "nonsense"), CTL_USAGE);
	assert_int_equal(code_of(f->control, "nonsense"), CTL_USAGE);
}

struct counted {
	int parts, stop_after;
};

static bool count_part(const json_t *part, void *arg)
{
	struct counted *n = arg;

	n->parts++;
	return n->parts != n->stop_after;
}

static void streams(void **state)
{
	const struct fixture *f = *state;
	CLEANUP(ctl_client) struct ctl_client *c = dial(f->read);
	json_t *request = json_pack("{s:s, s:i}", "cmd", "count", "to", 50000);
	struct counted n = { 0 };
	json_t *reply = NULL;

	assert_int_equal(ctl_call(c, request, count_part, &n, &reply), 0);
	assert_int_equal(n.parts, 50000);
	assert_true(json_is_true(json_object_get(reply, "ok")));
	json_decref(reply);
	n = (struct counted){ .stop_after = 10 };
	assert_int_equal(ctl_call(c, request, count_part, &n, &reply),
			 -ECANCELED);
	assert_int_equal(n.parts, 10);
	json_decref(request);
}

static void reply_too_long(void **state)
{
	const struct fixture *f = *state;

	assert_int_equal(code_of(f->read, "huge"), CTL_USAGE);
}

static int dial_raw(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)),
			 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

/* Sends raw bytes, says that no more will come, and reads to the end. */
static void converse(const char *path, const char *send_text, char *ret,
		     size_t len)
{
	_cleanup_close_ int fd = dial_raw(path);
	size_t have = 0;
	ssize_t n;

	assert_int_equal(write(fd, send_text, strlen(send_text)),
			 strlen(send_text));
	shutdown(fd, SHUT_WR);
	while ((n = read(fd, ret + have, len - 1 - have)) > 0)
		have += n;
	assert_int_equal(n, 0);
	ret[have] = 0;
}

static size_t count_of(const char *text, const char *what)
{
	size_t n = 0;

	for (text = strstr(text, what); text; text = strstr(text + 1, what))
		n++;
	return n;
}

static void pipelined_and_half_closed(void **state)
{
	const struct fixture *f = *state;
	static char text[65536], answer[1 << 20];
	int i;

	text[0] = 0;
	for (i = 0; i < 500; i++)
		strcat(text, "{\"cmd\":\"echo\"}\n\n");
	strcat(text, "{\"cmd\":\"count\",\"to\":3}\n{\"cmd\":\"echo\"");
	converse(f->control, text, answer, sizeof(answer));
	/* 500 echoes and the end of the count; an unfinished line is none. */
	assert_int_equal(count_of(answer, "\"ok\":true"), 501);
	assert_int_equal(count_of(answer, "\"left\":"), 3);
}

static void nonsense_is_answered(void **state)
{
	const struct fixture *f = *state;
	char answer[4096];

	converse(f->control, "GET / HTTP/1.1\r\n", answer, sizeof(answer));
	assert_non_null(strstr(answer, "not a request"));
	converse(f->control, "{\"cmd\":7}\n[]\n{\"cmd\":\"echo\"}\n", answer,
		 sizeof(answer));
	assert_int_equal(count_of(answer, "\"ok\":false"), 2);
	assert_int_equal(count_of(answer, "\"ok\":true"), 1);
}

static void oversized_is_refused(void **state)
{
	const struct fixture *f = *state;
	_cleanup_close_ int fd = dial_raw(f->control);
	_cleanup_free_ char *data = malloc(1 << 20);
	char answer[200];
	ssize_t n;
	int i;

	memset(data, ' ', 1 << 20);
	for (i = 0; i < 17; i++)
		if (send(fd, data, 1 << 20, MSG_NOSIGNAL) < 0)
			break;
	n = read(fd, answer, sizeof(answer) - 1);
	/* Either the answer or, had more been on its way, a reset. */
	if (n > 0) {
		answer[n] = 0;
		assert_non_null(strstr(answer, "above 16 MiB"));
	}
	assert_int_equal(code_of(f->control, "echo"), CTL_OK);
}

/* A half request is cut off after request_ms; others are served meanwhile. */
static void slow_sender_is_cut_off(void **state)
{
	const struct fixture *f = *state;
	_cleanup_close_ int fd = dial_raw(f->control);
	char byte;

	assert_int_equal(write(fd, "{", 1), 1);
	assert_int_equal(code_of(f->control, "echo"), CTL_OK);
	assert_int_equal(read(fd, &byte, 1), 0);
}

static void slow_reader_is_cut_off(void **state)
{
	const struct fixture *f = *state;
	_cleanup_close_ int fd = dial_raw(f->read);
	const char request[] = "{\"cmd\":\"count\",\"to\":1000000}\n";
	struct pollfd gone = { .fd = fd };
	char data[65536];
	ssize_t n, have = 0;

	assert_int_equal(write(fd, request, strlen(request)), strlen(request));
	assert_int_equal(code_of(f->read, "echo"), CTL_OK);
	assert_int_equal(poll(&gone, 1, PATIENCE_MS), 1);
	/* What lay in the socket, then the end: far from the million. */
	while ((n = read(fd, data, sizeof(data))) > 0)
		have += n;
	assert_true((n == 0 || errno == ECONNRESET) && have < 16 << 20);
}

/* At the limit, root's own places included, the one that has waited longest
 * goes; one more is always served. */
static void connections_are_capped(void **state)
{
	const struct fixture *f = *state;
	int max = getuid() == 0 ? 12 : 4, fds[12], i;
	char answer[200] = "", byte;

	for (i = 0; i < max; i++)
		fds[i] = dial_raw(f->control);
	for (i = 0; i < 3; i++)
		assert_int_equal(code_of(f->control, "echo"), CTL_OK);
	assert_true(read(fds[0], answer, sizeof(answer) - 1) > 0);
	assert_non_null(strstr(answer, "too many connections"));
	assert_int_equal(read(fds[0], &byte, 1), 0);
	assert_true(recv(fds[max - 1], &byte, 1, MSG_DONTWAIT) < 0);
	/* The other socket has a limit of its own. */
	assert_int_equal(code_of(f->read, "echo"), CTL_OK);
	for (i = 0; i < max; i++)
		close(fds[i]);
}

/* Replies that are being sent are not cut off for newcomers. */
static void busy_ones_stay(void **state)
{
	static const char request[] = "{\"cmd\":\"count\",\"to\":1000000}\n";
	const struct fixture *f = *state;
	int max = getuid() == 0 ? 12 : 4, fds[12], extra, i;
	char answer[200] = "", byte;

	/* The first byte of a reply says that it is under way. */
	for (i = 0; i < max; i++) {
		fds[i] = dial_raw(f->control);
		assert_true(write(fds[i], request, strlen(request)) > 0);
		assert_int_equal(read(fds[i], &byte, 1), 1);
	}
	extra = dial_raw(f->control);
	assert_true(read(extra, answer, sizeof(answer) - 1) > 0);
	close(extra);
	assert_non_null(strstr(answer, "too many connections"));
	for (i = 0; i < max; i++) {
		assert_int_equal(read(fds[i], &byte, 1), 1);
		close(fds[i]);
	}
}

static void second_server_is_refused(void **state)
{
	const struct fixture *f = *state;
	struct ctl_settings settings = { .control_path = f->control,
					 .group = "root",
					 .commands = commands };
	struct loop *loop = loop_new();
	struct ctl_server *server = NULL;
	char err[200];

	assert_int_equal(ctl_server_new(loop, &settings, &server, err,
					sizeof(err)),
			 -EADDRINUSE);
	assert_non_null(strstr(err, "another agent"));
	assert_null(server);
	loop_free(loop);
	assert_int_equal(code_of(f->control, "echo"), CTL_OK);
}

static void client_without_permission(void **state)
{
	const struct fixture *f = *state;
	struct ctl_client *c = NULL;
	int status;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	chmod(f->folder, 0755);
	pid = fork();
	if (pid == 0)
		_exit(setgid(65534) || setuid(65534) ?
			      99 :
			      -ctl_connect(f->control, PATIENCE_MS, &c));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, W_EXITCODE(EACCES, 0));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
#define HASTY(fn) \
	cmocka_unit_test_prestate_setup_teardown(fn, setup, teardown, "hasty")
	const struct CMUnitTest tests[] = {
		TEST(modes),
		TEST(call_and_answer),
		TEST(read_socket_only_looks),
		TEST(streams),
		TEST(reply_too_long),
		TEST(pipelined_and_half_closed),
		TEST(nonsense_is_answered),
		TEST(oversized_is_refused),
		HASTY(slow_sender_is_cut_off),
		HASTY(slow_reader_is_cut_off),
		TEST(connections_are_capped),
		TEST(busy_ones_stay),
		TEST(second_server_is_refused),
		TEST(client_without_permission),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
