// SPDX-License-Identifier: BSD-2-Clause
#include "bench/agent_box.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/buf.h"
#include "bench/bar.h"
#include "bpf/place.h"
#include "moat/base.h"
#include "svc/ctl_client.h"

#define PORT 9849
#define START_SECONDS 60
#define CALL_MS 120000

static struct agent_box *running;

static void clean(void)
{
	char line[128];

	if (!running)
		return;
	if (running->pid > 0) {
		kill(running->pid, SIGKILL);
		waitpid(running->pid, NULL, 0);
	}
	snprintf(line, sizeof(line), "rm -rf %s", running->dir);
	if (system(line))
		fprintf(stderr, "%s: not removed\n", running->dir);
	place_leave(NULL);
}

static void on_signal(int number)
{
	exit(128 + number);
}

void box_new(struct agent_box *b)
{
	char dir[] = "/tmp/moat-bench-XXXXXX";

	*b = (struct agent_box){};
	snprintf(b->bpffs, sizeof(b->bpffs), "%s/agent", place_enter());
	if (!mkdtemp(dir))
		bench_fail("%s: %s", dir, strerror(errno));
	snprintf(b->dir, sizeof(b->dir), "%s", dir);
	running = b;
	atexit(clean);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
}

const char *box_path(const struct agent_box *b, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", b->dir, name);
	return path;
}

static void write_config(const struct agent_box *b, const char *more)
{
	FILE *f = fopen(box_path(b, "moatd.yaml"), "w");

	if (!f)
		bench_fail("%s: %s", b->dir, strerror(errno));
	fprintf(f,
		"version: 1\n"
		"control: {socket: %s/run/c.sock, "
		"read_socket: %s/run/r.sock, group: root}\n"
		"metrics: {listen: \"127.0.0.1:%d\"}\n"
		"state: %s/state\nbpffs: %s\npolicy: %s/policy.yaml\n%s",
		b->dir, b->dir, PORT, b->dir, b->bpffs, b->dir, more);
	if (fclose(f))
		bench_fail("%s: %s", b->dir, strerror(errno));
}

static void run_agent(const struct agent_box *b)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!freopen(box_path(b, "moatd.log"), "a", stderr) ||
	    !freopen("/dev/null", "r", stdin))
		_exit(127);
	dup2(STDERR_FILENO, STDOUT_FILENO);
	execl(MOAT_SOURCE_DIR "/.output/moatd", "moatd", "--config",
	      box_path(b, "moatd.yaml"), NULL);
	_exit(127);
}

struct ctl_client *box_connect(const struct agent_box *b)
{
	struct ctl_client *c = NULL;

	ctl_connect(box_path(b, "run/c.sock"), CALL_MS, &c);
	return c;
}

void box_start(struct agent_box *b, const char *config)
{
	double end = bench_clock() + START_SECONDS * 1e9;
	struct ctl_client *c;

	write_config(b, config);
	b->pid = fork();
	if (b->pid < 0)
		bench_fail("fork: %s", strerror(errno));
	if (!b->pid)
		run_agent(b);
	while (!(c = box_connect(b)) && bench_clock() < end &&
	       !waitpid(b->pid, NULL, WNOHANG))
		usleep(20000);
	if (!c) {
		char line[160];

		snprintf(line, sizeof(line), "tail -n 20 %s >&2",
			 box_path(b, "moatd.log"));
		bench_fail("moatd does not answer (%d)", system(line));
	}
	ctl_close(c);
	json_decref(box_call(b, "{\"cmd\":\"version\"}"));
}

void box_stop(struct agent_box *b)
{
	kill(b->pid, SIGTERM);
	waitpid(b->pid, NULL, 0);
	b->pid = 0;
}

json_t *box_call(struct agent_box *b, const char *request)
{
	json_t *rq = json_loads(request, 0, NULL), *reply = NULL;
	struct ctl_client *c = box_connect(b);
	const char *error = "";
	int err = rq && c ? ctl_call(c, rq, NULL, NULL, &reply) : -EINVAL;

	ctl_close(c);
	json_decref(rq);
	if (err)
		bench_fail("%s: %s", request, strerror(-err));
	if (!json_is_true(json_object_get(reply, "ok"))) {
		ctl_reply_code(reply, &error);
		bench_fail("%s: %s", request, error);
	}
	return reply;
}

static int connect_http(void)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(PORT),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
		bench_fail("metrics: %s", strerror(errno));
	return fd;
}

struct box_page box_scrape(const char *path)
{
	double from = bench_clock();
	struct box_page page = {};
	struct buf all = {};
	char line[160];
	const char *body;
	int fd = connect_http();
	int n = snprintf(line, sizeof(line),
			 "GET %s HTTP/1.1\r\nHost: moat\r\n"
			 "Connection: close\r\n\r\n",
			 path);

	if (write(fd, line, n) != n || buf_read_fd(&all, fd, 1u << 30))
		bench_fail("metrics: %s", strerror(errno));
	close(fd);
	page.ms = (bench_clock() - from) / 1e6;
	body = strstr(buf_text(&all), "\r\n\r\n");
	if (!body || !strstr(buf_text(&all), " 200 OK"))
		bench_fail("metrics: no page");
	page.text = strdup(body + 4);
	page.bytes = strlen(page.text);
	buf_free(&all);
	return page;
}

double box_metric(const char *series)
{
	struct box_page page = box_scrape("/metrics");
	size_t len = strlen(series);
	const char *at = page.text;
	double value = -1;

	while (at && strncmp(at, series, len)) {
		at = strchr(at, '\n');
		at = at ? at + 1 : NULL;
	}
	if (at)
		at = strchr(at, ' ');
	if (at)
		value = strtod(at, NULL);
	free(page.text);
	return value;
}

static double number_in(pid_t pid, const char *file, const char *format)
{
	unsigned long long n = 0;
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, format, &n) == 1)
			break;
	if (f)
		fclose(f);
	return (double)n;
}

double box_cpu_ns(const struct agent_box *b)
{
	return number_in(b->pid, "schedstat", "%llu");
}

double box_resident(const struct agent_box *b)
{
	return number_in(b->pid, "status", "VmRSS: %llu kB") * 1024;
}

int box_map(const struct agent_box *b, const char *map)
{
	char path[192];
	int fd;

	snprintf(path, sizeof(path), "%s/v%d/maps/%s", b->bpffs,
		 MOAT_ABI_VERSION, map);
	fd = bpf_obj_get(path);
	if (fd < 0)
		bench_fail("%s: %s", path, strerror(errno));
	return fd;
}
