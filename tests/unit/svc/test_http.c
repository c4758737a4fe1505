// SPDX-License-Identifier: BSD-2-Clause
/* The metrics endpoint, asked by curl and by hand; the loop runs in a child. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "svc/http.h"

#define BIG (4u << 20)

static char folder[64];
static pid_t server;
static unsigned int port;

static int page(const char *path, struct buf *out, void *arg)
{
	unsigned int i;

	if (strcmp(path, "/metrics") == 0)
		return buf_puts(out, "moat_up 1\n");
	if (strcmp(path, "/big") == 0) {
		for (i = 0; i < BIG / 16; i++)
			buf_puts(out, "0123456789abcde\n");
		return 0;
	}
	return strcmp(path, "/broken") == 0 ? -EIO : -ENOENT;
}

static int serve(const struct http_settings *settings, int ready)
{
	struct loop *loop = loop_new();
	struct http *h = NULL;
	unsigned int mine;
	char err[200];

	if (!loop || http_new(loop, settings, &h, err, sizeof(err)))
		return 1;
	mine = http_port(h);
	if (write(ready, &mine, sizeof(mine)) != sizeof(mine))
		return 2;
	return loop_run(loop);
}

static void start(struct http_settings settings)
{
	int ready[2];

	settings.page = page;
	assert_int_equal(pipe(ready), 0);
	server = fork();
	if (server == 0)
		_exit(serve(&settings, ready[1]));
	close(ready[1]);
	assert_int_equal(read(ready[0], &port, sizeof(port)), sizeof(port));
	close(ready[0]);
}

static int stop(void **state)
{
	if (server > 0) {
		kill(server, SIGKILL);
		waitpid(server, NULL, 0);
		server = 0;
	}
	return 0;
}

/* What `curl ARGS` prints, at most len bytes. */
static void curl(const char *args, char *ret, size_t len)
{
	char command[512];
	size_t n;
	FILE *f;

	snprintf(command, sizeof(command), "curl -sS --max-time 10 --noproxy "
		 "'*' %s 2>&1", args);
	f = popen(command, "r");
	assert_non_null(f);
	n = fread(ret, 1, len - 1, f);
	ret[n] = 0;
	pclose(f);
}

static void plain_pages(void **state)
{
	char args[200], text[8192];

	start((struct http_settings){.listen = "127.0.0.1:0"});
	snprintf(args, sizeof(args), "http://127.0.0.1:%u/metrics?x=1", port);
	curl(args, text, sizeof(text));
	assert_string_equal(text, "moat_up 1\n");
	snprintf(args, sizeof(args), "-i http://127.0.0.1:%u/metrics", port);
	curl(args, text, sizeof(text));
	assert_non_null(strstr(text, "200 OK"));
	assert_non_null(strstr(text, "text/plain; version=0.0.4"));
	snprintf(args, sizeof(args), "-i http://127.0.0.1:%u/none", port);
	curl(args, text, sizeof(text));
	assert_non_null(strstr(text, "404 Not Found"));
	snprintf(args, sizeof(args), "-i http://127.0.0.1:%u/broken", port);
	curl(args, text, sizeof(text));
	assert_non_null(strstr(text, "500 "));
	snprintf(args, sizeof(args), "-I http://127.0.0.1:%u/metrics", port);
	curl(args, text, sizeof(text));
	assert_non_null(strstr(text, "200 OK"));
	snprintf(args, sizeof(args),
		 "-i -d some=data http://127.0.0.1:%u/metrics", port);
	curl(args, text, sizeof(text));
	assert_non_null(strstr(text, "405 "));
}

static void big_page(void **state)
{
	char args[200], text[200];

	start((struct http_settings){.listen = "[::1]:0"});
	snprintf(args, sizeof(args), "'http://[::1]:%u/big' | wc -c", port);
	curl(args, text, sizeof(text));
	assert_int_equal(atoi(text), BIG);
}

static int dial(void)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)),
			 0);
	return fd;
}

/* Clients that never finish their request, and one that never reads, do not
 * stop another from being served. */
static void slow_clients(void **state)
{
	char args[200], text[200];
	int fds[10], i;

	start((struct http_settings){.listen = "127.0.0.1:0"});
	for (i = 0; i < 10; i++) {
		fds[i] = dial();
		assert_true(write(fds[i], "GET /big HTTP/1.1\r\nHost: x\r\n\r\n",
				  i % 2 ? 10 : 30) > 0);
	}
	snprintf(args, sizeof(args), "http://127.0.0.1:%u/metrics", port);
	curl(args, text, sizeof(text));
	assert_string_equal(text, "moat_up 1\n");
	for (i = 0; i < 10; i++)
		close(fds[i]);
}

static void addresses(void **state)
{
	static const struct {
		const char *listen;
		int err;
	} cases[] = {
		{"127.0.0.1", -EINVAL}, {"localhost:1", -EINVAL},
		{":9849", -EINVAL}, {"127.0.0.1:", -EINVAL},
		{"127.0.0.1:65536", -EINVAL}, {"127.0.0.1:1x", -EINVAL},
		{"[::1:9", -EINVAL}, {"0.0.0.0:0", -EPERM}, {"[::]:0", -EPERM},
		{"192.0.2.1:0", -EPERM},
	};
	struct loop *loop = loop_new();
	struct http *h = NULL;
	char err[200];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct http_settings t = {.listen = cases[i].listen,
					  .page = page};

		assert_int_equal(http_new(loop, &t, &h, err, sizeof(err)),
				 cases[i].err);
		assert_non_null(strstr(err, cases[i].listen));
		assert_null(h);
	}
	loop_free(loop);
}

static void remote_when_told(void **state)
{
	char args[200], text[200];

	start((struct http_settings){.listen = "0.0.0.0:0",
				     .allow_remote = true});
	snprintf(args, sizeof(args), "http://127.0.0.1:%u/metrics", port);
	curl(args, text, sizeof(text));
	assert_string_equal(text, "moat_up 1\n");
}

static int make_keys(void **state)
{
	char command[1024];

	snprintf(folder, sizeof(folder), "/tmp/moat-http-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(command, sizeof(command), "cd %s && for n in ca server "
		 "other; do openssl req -x509 -newkey ec -pkeyopt "
		 "ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=$n "
		 "-addext subjectAltName=IP:127.0.0.1 -keyout $n.key "
		 "-out $n.pem; done >/dev/null 2>&1 && openssl req -newkey ec "
		 "-pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "
		 "/CN=client -keyout client.key -out client.csr >/dev/null "
		 "2>&1 && openssl x509 -req -in client.csr -CA ca.pem -CAkey "
		 "ca.key -CAcreateserial -days 2 -out client.pem >/dev/null "
		 "2>&1", folder);
	return system(command) ? -1 : 0;
}

static int drop_keys(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command) ? -1 : stop(state);
}

static void tls(void **state)
{
	char args[400], text[400], cert[100], key[100], ca[100];

	snprintf(cert, sizeof(cert), "%s/server.pem", folder);
	snprintf(key, sizeof(key), "%s/server.key", folder);
	snprintf(ca, sizeof(ca), "%s/ca.pem", folder);
	start((struct http_settings){.listen = "0.0.0.0:0", .tls_cert = cert,
				     .tls_key = key, .tls_client_ca = ca});
	snprintf(args, sizeof(args), "--cacert %s --cert %s/client.pem --key "
		 "%s/client.key https://127.0.0.1:%u/metrics", cert, folder,
		 folder, port);
	curl(args, text, sizeof(text));
	assert_string_equal(text, "moat_up 1\n");
	/* No certificate, and one of another CA. */
	snprintf(args, sizeof(args), "--cacert %s https://127.0.0.1:%u/metrics",
		 cert, port);
	curl(args, text, sizeof(text));
	assert_non_null(strstr(text, "no client certificate"));
	snprintf(args, sizeof(args), "--cacert %s --cert %s/other.pem --key "
		 "%s/other.key https://127.0.0.1:%u/metrics", cert, folder,
		 folder, port);
	curl(args, text, sizeof(text));
	assert_null(strstr(text, "moat_up"));
	/* Plain HTTP gets nothing. */
	snprintf(args, sizeof(args), "http://127.0.0.1:%u/metrics", port);
	curl(args, text, sizeof(text));
	assert_null(strstr(text, "moat_up"));
}

static void tls_without_key(void **state)
{
	struct http_settings t = {.listen = "127.0.0.1:0",
				  .tls_cert = "/nonexistent.pem",
				  .tls_key = "/nonexistent.key"};
	struct loop *loop = loop_new();
	struct http *h = NULL;
	char err[200];

	assert_int_equal(http_new(loop, &t, &h, err, sizeof(err)), -ENOENT);
	assert_non_null(strstr(err, "/nonexistent.pem"));
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(plain_pages, stop),
		cmocka_unit_test_teardown(big_page, stop),
		cmocka_unit_test_teardown(slow_clients, stop),
		cmocka_unit_test_teardown(remote_when_told, stop),
		cmocka_unit_test(addresses),
		cmocka_unit_test_setup_teardown(tls, make_keys, drop_keys),
		cmocka_unit_test(tls_without_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
