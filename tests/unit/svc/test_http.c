// SPDX-License-Identifier: BSD-2-Clause
/* The metrics endpoint and its clients of good will; TLS. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "support/http_child.h"

#define BIG (4u << 20)

static char folder[64];
static struct http_child child;

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

static void start(struct http_settings settings)
{
	settings.page = page;
	http_child_start(&child, &settings);
}

static int stop(void **state)
{
	return http_child_stop(&child);
}

static void plain_pages(void **state)
{
	char text[8192];

	start((struct http_settings){ .listen = "127.0.0.1:0" });
	http_child_curl(text, sizeof(text), "'http://127.0.0.1:%u/metrics?x=1'",
			child.port);
	assert_string_equal(text, "moat_up 1\n");
	http_child_curl(text, sizeof(text), "-i http://127.0.0.1:%u/metrics",
			child.port);
	assert_non_null(strstr(text, "200 OK"));
	assert_non_null(strstr(text, "text/plain; version=0.0.4"));
	http_child_curl(text, sizeof(text), "-i http://127.0.0.1:%u/none",
			child.port);
	assert_non_null(strstr(text, "404 Not Found"));
	http_child_curl(text, sizeof(text), "-i http://127.0.0.1:%u/broken",
			child.port);
	assert_non_null(strstr(text, "500 "));
	http_child_curl(text, sizeof(text), "-I http://127.0.0.1:%u/metrics",
			child.port);
	assert_non_null(strstr(text, "200 OK"));
	http_child_curl(text, sizeof(text),
			"-i -d some=data http://127.0.0.1:%u/metrics",
			child.port);
	assert_non_null(strstr(text, "405 "));
}

static void big_page(void **state)
{
	char text[200];

	start((struct http_settings){ .listen = "[::1]:0" });
	http_child_curl(text, sizeof(text), "'http://[::1]:%u/big' | wc -c",
			child.port);
	assert_int_equal(atoi(text), BIG);
}

static void addresses(void **state)
{
	static const struct {
		const char *listen;
		int err;
	} cases[] = {
		{ "127.0.0.1", -EINVAL },	{ "localhost:1", -EINVAL },
		{ ":9849", -EINVAL },		{ "127.0.0.1:", -EINVAL },
		{ "127.0.0.1:65536", -EINVAL }, { "127.0.0.1:1x", -EINVAL },
		{ "[::1:9", -EINVAL },		{ "0.0.0.0:0", -EPERM },
		{ "[::]:0", -EPERM },		{ "192.0.2.1:0", -EPERM },
	};
	struct loop *loop = loop_new();
	struct http *h = NULL;
	char err[200];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct http_settings t = { .listen = cases[i].listen,
					   .page = page };

		assert_int_equal(http_new(loop, &t, &h, err, sizeof(err)),
				 cases[i].err);
		assert_non_null(strstr(err, cases[i].listen));
		assert_null(h);
	}
	loop_free(loop);
}

static void remote_when_told(void **state)
{
	char text[200];

	start((struct http_settings){ .listen = "0.0.0.0:0",
				      .allow_remote = true });
	http_child_curl(text, sizeof(text), "http://127.0.0.1:%u/metrics",
			child.port);
	assert_string_equal(text, "moat_up 1\n");
}

/* ---- TLS ---- */

static int shell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int shell(const char *fmt, ...)
{
	char command[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	return system(command);
}

static int make_keys(void **state)
{
	snprintf(folder, sizeof(folder), "/tmp/moat-http-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	return shell("cd %s && for n in ca first second other; do openssl "
		     "req -x509 -newkey ec -pkeyopt "
		     "ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "
		     "/CN=$n -addext subjectAltName=IP:127.0.0.1 -keyout "
		     "$n.key -out $n.pem; done >/dev/null 2>&1 && openssl req "
		     "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
		     "-subj /CN=client -keyout client.key -out client.csr "
		     ">/dev/null 2>&1 && openssl x509 -req -in client.csr -CA "
		     "ca.pem -CAkey ca.key -CAcreateserial -days 2 -out "
		     "client.pem >/dev/null 2>&1 && cp first.pem server.pem && "
		     "cp first.key server.key",
		     folder) ?
		       -1 :
		       0;
}

static int drop_keys(void **state)
{
	return shell("rm -rf %s", folder) ? -1 : stop(state);
}

static char cert[100], key[100], ca[100];

static void start_tls(bool with_ca)
{
	snprintf(cert, sizeof(cert), "%s/server.pem", folder);
	snprintf(key, sizeof(key), "%s/server.key", folder);
	snprintf(ca, sizeof(ca), "%s/ca.pem", folder);
	start((struct http_settings){ .listen = "0.0.0.0:0",
				      .tls_cert = cert,
				      .tls_key = key,
				      .tls_client_ca = with_ca ? ca : NULL });
}

static void tls_clients(void **state)
{
	char text[400];

	start_tls(true);
	http_child_curl(text, sizeof(text),
			"--cacert %s --cert %s/client.pem "
			"--key %s/client.key https://127.0.0.1:%u/metrics",
			cert, folder, folder, child.port);
	assert_string_equal(text, "moat_up 1\n");
	/* No certificate, and one of another CA. */
	http_child_curl(text, sizeof(text),
			"--cacert %s "
			"https://127.0.0.1:%u/metrics",
			cert, child.port);
	assert_non_null(strstr(text, "no client certificate"));
	http_child_curl(text, sizeof(text),
			"--cacert %s --cert %s/other.pem "
			"--key %s/other.key https://127.0.0.1:%u/metrics",
			cert, folder, folder, child.port);
	assert_null(strstr(text, "moat_up"));
	/* Plain HTTP gets nothing. */
	http_child_curl(text, sizeof(text), "http://127.0.0.1:%u/metrics",
			child.port);
	assert_null(strstr(text, "moat_up"));
}

/* The version is asked for by name, with all that openssl can still do. */
static bool speaks(const char *version)
{
	return shell("openssl s_client -connect 127.0.0.1:%u %s -cipher "
		     "'ALL:@SECLEVEL=0' </dev/null 2>&1 | grep -q "
		     "'^    Cipher    : [A-Z]\\|^New, TLSv1.3'",
		     child.port, version) == 0;
}

static void tls_versions(void **state)
{
	start_tls(false);
	assert_true(speaks("-tls1_3"));
	assert_true(speaks("-tls1_2"));
	assert_false(speaks("-tls1_1"));
	assert_false(speaks("-tls1"));
}

static bool served_with(const char *name)
{
	char text[400];

	http_child_curl(text, sizeof(text),
			"--cacert %s/%s.pem "
			"https://127.0.0.1:%u/metrics",
			folder, name, child.port);
	return strcmp(text, "moat_up 1\n") == 0;
}

static bool soon_served_with(const char *name)
{
	int i;

	for (i = 0; i < 400 && !served_with(name); i++)
		usleep(50000);
	return i < 400;
}

static void tls_reload(void **state)
{
	size_t fds;
	int i;

	start_tls(false);
	fds = http_child_fds(&child);
	assert_true(served_with("first"));
	/* Halves that do not fit: the old pair stays. */
	assert_int_equal(shell("cp %s/second.pem %s", folder, cert), 0);
	kill(child.pid, SIGHUP);
	usleep(200000);
	assert_true(served_with("first"));
	assert_int_equal(shell("cp %s/second.key %s", folder, key), 0);
	kill(child.pid, SIGHUP);
	assert_true(soon_served_with("second"));
	assert_false(served_with("first"));
	/* A key that everyone may read is none. */
	assert_int_equal(shell("cd %s && cp other.pem server.pem && cp "
			       "other.key server.key && chmod 644 server.key",
			       folder),
			 0);
	kill(child.pid, SIGHUP);
	usleep(200000);
	assert_true(served_with("second"));
	/* The same again changes nothing, a hundred times. */
	assert_int_equal(shell("cd %s && cp second.pem server.pem && cp "
			       "second.key server.key && chmod 600 server.key "
			       "&& for i in $(seq 100); do kill -HUP %d; done",
			       folder, child.pid),
			 0);
	assert_true(soon_served_with("second"));
	/* The server need not have hung up yet. */
	for (i = 0; i < 400 && http_child_fds(&child) != fds; i++)
		usleep(50000);
	assert_int_equal(http_child_fds(&child), fds);
}

static void tls_without_key(void **state)
{
	struct http_settings t = { .listen = "127.0.0.1:0",
				   .tls_cert = "/nonexistent.pem",
				   .tls_key = "/nonexistent.key" };
	struct loop *loop = loop_new();
	struct http *h = NULL;
	char err[200];

	assert_int_equal(http_new(loop, &t, &h, err, sizeof(err)), -ENOENT);
	assert_non_null(strstr(err, "/nonexistent.pem"));
	loop_free(loop);
}

static void key_open_to_everyone(void **state)
{
	struct http_settings t = { .listen = "127.0.0.1:0",
				   .tls_cert = cert,
				   .tls_key = key };
	struct loop *loop = loop_new();
	struct http *h = NULL;
	char err[200];

	snprintf(cert, sizeof(cert), "%s/server.pem", folder);
	snprintf(key, sizeof(key), "%s/server.key", folder);
	chmod(key, 0644);
	assert_int_equal(http_new(loop, &t, &h, err, sizeof(err)), -EACCES);
	assert_non_null(strstr(err, "chmod 600"));
	chmod(key, 0640);
	assert_int_equal(http_new(loop, &t, &h, err, sizeof(err)), 0);
	http_free(h);
	loop_free(loop);
}

int main(void)
{
#define TLS(fn) cmocka_unit_test_setup_teardown(fn, make_keys, drop_keys)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(plain_pages, stop),
		cmocka_unit_test_teardown(big_page, stop),
		cmocka_unit_test_teardown(remote_when_told, stop),
		cmocka_unit_test(addresses),
		TLS(tls_clients),
		TLS(tls_versions),
		TLS(tls_reload),
		TLS(key_open_to_everyone),
		cmocka_unit_test(tls_without_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
