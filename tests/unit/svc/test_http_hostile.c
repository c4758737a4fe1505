// SPDX-License-Identifier: BSD-2-Clause
/*
 * The metrics endpoint and its clients of ill will. Whatever they do, another
 * is served at once, and afterwards memory and descriptors are as before.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "support/http_child.h"

#define LIFE_MS 500
#define CROWD 300

static struct http_child child;
static size_t fds_before;

static int page(const char *path, struct buf *out, void *arg)
{
	static unsigned int made;
	int i;

	if (strcmp(path, "/metrics") == 0)
		return buf_printf(out, "moat_made %u\n", ++made);
	if (strcmp(path, "/dear") == 0) {
		usleep(50000);
		return buf_printf(out, "moat_made %u\n", ++made);
	}
	if (strcmp(path, "/big") != 0)
		return -ENOENT;
	for (i = 0; i < 1 << 17; i++)
		buf_puts(out, "0123456789abcdef0123456789abcde\n");
	return 0;
}

static int start(void **state)
{
	const struct http_settings t = { .listen = "127.0.0.1:0",
					 .life_ms = LIFE_MS,
					 .page = page };

	http_child_start(&child, &t);
	fds_before = http_child_fds(&child);
	return 0;
}

static int stop(void **state)
{
	return http_child_stop(&child);
}

static void pause_ms(unsigned int ms)
{
	const struct timespec t = { ms / 1000, (ms % 1000) * 1000000l };

	nanosleep(&t, NULL);
}

/* A page, soon, to a client of its own. */
static void served(const char *path)
{
	uint64_t before = clock_boot_ns();
	char request[100], answer[4096];

	snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n",
		 path);
	assert_true(http_child_ask(&child, request, strlen(request), answer,
				   sizeof(answer)) > 0);
	assert_non_null(strstr(answer, "200 OK"));
	assert_non_null(strstr(answer, "moat_made"));
	/* Not only once those who say nothing were let go. */
	assert_true(clock_boot_ns() - before < 9000000000ull);
}

static void back_to_baseline(void)
{
	int i;

	for (i = 0; i < 600 && http_child_fds(&child) > fds_before; i++)
		pause_ms(50);
	assert_int_equal(http_child_fds(&child), fds_before);
	served("/metrics");
}

/* The status that an answer begins with; 0: hung up without one. */
static int status_of(const char *bytes, size_t len)
{
	static char answer[1 << 16];
	size_t n = http_child_ask(&child, bytes, len, answer, sizeof(answer));

	if (n < 12 || strncmp(answer, "HTTP/1.", 7) != 0)
		return 0;
	return atoi(answer + 9);
}

static void odd_requests(void **state)
{
#define REQUEST(text) text, sizeof(text) - 1
	static const struct {
		const char *bytes;
		size_t len;
		int status;
	} cases[] = {
		{ REQUEST("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), 200 },
		{ REQUEST("GET /metrics HTTP/1.0\r\n\r\n"), 200 },
		{ REQUEST("GET /../metrics HTTP/1.1\r\nHost: x\r\n\r\n"), 404 },
		{ REQUEST("GET /metrics/../../etc/passwd HTTP/1.1\r\nHost: x"
			  "\r\n\r\n"),
		  404 },
		{ REQUEST("GET //metrics HTTP/1.1\r\nHost: x\r\n\r\n"), 404 },
		{ REQUEST("GET /metrics/ HTTP/1.1\r\nHost: x\r\n\r\n"), 404 },
		{ REQUEST("GET /%2e%2e/metrics HTTP/1.1\r\nHost: x\r\n\r\n"),
		  404 },
		{ REQUEST("GET /%6detrics HTTP/1.1\r\nHost: x\r\n\r\n"), 404 },
		{ REQUEST("GET /metrics%00 HTTP/1.1\r\nHost: x\r\n\r\n"), 404 },
		{ REQUEST("GET /metrics%0a%0dX:y HTTP/1.1\r\nHost: x\r\n\r\n"),
		  404 },
		{ REQUEST("GET metrics HTTP/1.1\r\nHost: x\r\n\r\n"), 404 },
		{ REQUEST("GET * HTTP/1.1\r\nHost: x\r\n\r\n"), 404 },
		{ REQUEST("GET http://x/metrics HTTP/1.1\r\nHost: x\r\n\r\n"),
		  404 },
		{ REQUEST("DELETE /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), 405 },
		{ REQUEST("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length:"
			  " 99999999999\r\n\r\nab"),
		  405 },
		{ REQUEST("GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length:"
			  " 5\r\n\r\nabcde"),
		  200 },
		{ REQUEST("TRACE / HTTP/1.1\r\nHost: x\r\n\r\n"), 405 },
		{ REQUEST("CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n"), 405 },
		{ REQUEST("GET /metrics HTTP/1.1\r\n\r\n"), 400 },
		{ REQUEST("GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length:"
			  " -1\r\n\r\n"),
		  400 },
		{ REQUEST("GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length:"
			  " 99999999999999999999999\r\n\r\n"),
		  413 },
		{ REQUEST("\r\n\r\n\r\n\r\n"), 0 },
		{ REQUEST("\0\0\0\0"), 0 },
		{ REQUEST("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), 0 },
		{ REQUEST("GET /met"), 0 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		int status = status_of(cases[i].bytes, cases[i].len);

		if (status != cases[i].status)
			fail_msg("%s: %d", cases[i].bytes, status);
	}
	back_to_baseline();
}

/* A line, a name, a header or headers without end: refused, or hung up. */
static void oversized(void **state)
{
	static const char *const heads[] = {
		"",
		"GET /",
		"GET /metrics HTTP/1.1\r\nHost: x\r\nX: ",
		"GET /metrics HTTP/1.1\r\nHost: ",
		"GET /metrics?",
	};
	const size_t len = 4u << 20;
	char *bytes = malloc(len);
	size_t i, rss;
	int status;

	assert_non_null(bytes);
	served("/metrics");
	rss = http_child_rss(&child);
	for (i = 0; i < ARRAY_SIZE(heads); i++) {
		memset(bytes, 'a', len);
		memcpy(bytes, heads[i], strlen(heads[i]));
		status = status_of(bytes, len);
		assert_true(status == 0 || (status >= 400 && status < 500));
	}
	memcpy(bytes, "GET /metrics HTTP/1.1\r\nHost: x\r\n", 32);
	for (i = 32; i + 8 <= len; i += 8)
		memcpy(bytes + i, "a: bcd\r\n", 8);
	status = status_of(bytes, len);
	assert_true(status == 0 || (status >= 400 && status < 500));
	free(bytes);
	assert_true(http_child_rss(&child) < rss + 8192);
	back_to_baseline();
}

/* One answer a connection, so that no connection is worth holding. */
static void pipelined(void **state)
{
	static const char one[] = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
	static char bytes[sizeof(one) * 200], answer[1 << 16];
	const char *p;
	int i, n = 0;

	for (i = 0; i < 200; i++)
		strcat(bytes, one);
	http_child_ask(&child, bytes, strlen(bytes), answer, sizeof(answer));
	for (p = strstr(answer, "200 OK"); p; p = strstr(p + 1, "200 OK"))
		n++;
	assert_true(n <= 1);
	back_to_baseline();
}

/* A byte now and then keeps no connection open beyond its life. */
static void dribble(void **state)
{
	uint64_t begin = clock_boot_ns();
	int fds[40], i, alive = 40;
	char byte;

	for (i = 0; i < 40; i++)
		fds[i] = http_child_dial(&child, i % 2 ? NULL : "127.0.0.2");
	while (alive && clock_boot_ns() - begin < 8000000000ull) {
		served("/metrics");
		alive = 0;
		for (i = 0; i < 40; i++) {
			(void)!send(fds[i], "G", 1, MSG_NOSIGNAL);
			alive += recv(fds[i], &byte, 1, MSG_DONTWAIT) < 0 &&
				 errno == EAGAIN;
		}
		pause_ms(100);
	}
	assert_int_equal(alive, 0);
	assert_true(clock_boot_ns() - begin > LIFE_MS * 1000000ull / 2);
	for (i = 0; i < 40; i++)
		close(fds[i]);
	back_to_baseline();
}

/* Hundreds that only connect, from two addresses: the newest are kept, the
 * oldest of the larger crowd go, and a scraper is served all along. */
static void crowd(void **state)
{
	int fds[CROWD], i;
	size_t rss;

	served("/metrics");
	rss = http_child_rss(&child);
	for (i = 0; i < CROWD; i++) {
		fds[i] = http_child_dial(&child, i % 3 ? "127.0.0.3" : NULL);
		if (i % 25 == 0)
			served("/metrics");
		assert_true(http_child_fds(&child) < fds_before + 70);
	}
	served("/metrics");
	assert_true(http_child_rss(&child) < rss + 8192);
	for (i = 0; i < CROWD; i++)
		close(fds[i]);
	back_to_baseline();
}

/* One address that fills every place takes none of another's: the first
 * connection of 127.0.0.9 outlives those of the crowd. */
static void crowd_costs_the_crowd(void **state)
{
	static const char request[] = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
	int early = http_child_dial(&child, "127.0.0.9"), fds[100], i;
	char answer[1000];

	pause_ms(50);
	for (i = 0; i < 100; i++)
		fds[i] = http_child_dial(&child, NULL);
	pause_ms(50);
	assert_int_equal(send(early, request, strlen(request), MSG_NOSIGNAL),
			 strlen(request));
	assert_true(read(early, answer, sizeof(answer)) > 0);
	assert_memory_equal(answer, "HTTP/1.1 200", 12);
	close(early);
	for (i = 0; i < 100; i++)
		close(fds[i]);
	back_to_baseline();
}

/* Large pages that nobody fetches: all share one copy. */
static void pages_not_fetched(void **state)
{
	static const char request[] = "GET /big HTTP/1.1\r\nHost: x\r\n\r\n";
	int fds[32], i, small = 4096;
	size_t rss;

	served("/metrics");
	rss = http_child_rss(&child);
	for (i = 0; i < 32; i++) {
		fds[i] = http_child_dial(&child, NULL);
		setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &small,
			   sizeof(small));
		(void)!send(fds[i], request, strlen(request), MSG_NOSIGNAL);
	}
	pause_ms(300);
	served("/metrics");
	/* 32 of 4 MiB each would be 128 MiB. */
	assert_true(http_child_rss(&child) < rss + (96 << 10));
	for (i = 0; i < 32; i++)
		close(fds[i]);
	back_to_baseline();
}

/* Making pages has a fifth of the time: with 50 ms a page, some 4 a second
 * after the first burst, whoever asks; all are answered. */
static void dear_pages(void **state)
{
	uint64_t begin = clock_boot_ns();
	char answer[1000];
	unsigned int made = 0, i;
	double seconds;

	for (i = 0; i < 200; i++) {
		static const char request[] =
			"GET /dear HTTP/1.1\r\nHost: x\r\n\r\n";
		const char *text;

		http_child_ask(&child, request, strlen(request), answer,
			       sizeof(answer));
		text = strstr(answer, "moat_made ");
		assert_non_null(text);
		made = atoi(text + 10);
	}
	seconds = (double)(clock_boot_ns() - begin) / 1e9;
	assert_true(made >= 2 && made <= 6 + seconds * 4);
	back_to_baseline();
}

static uint64_t cpu_ns(void)
{
	struct timespec t;
	clockid_t clock;

	assert_int_equal(clock_getcpuclockid(child.pid, &clock), 0);
	assert_int_equal(clock_gettime(clock, &t), 0);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* No descriptor is left for who connects: it waits for one, and the agent does
 * not ask for it without a pause. */
static void no_descriptors(void **state)
{
	static const char request[] = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
	struct rlimit before, none;
	char answer[1000];
	uint64_t cpu;
	int fd;

	back_to_baseline();
	assert_int_equal(prlimit(child.pid, RLIMIT_NOFILE, NULL, &before), 0);
	none = (struct rlimit){ 0, before.rlim_max };
	assert_int_equal(prlimit(child.pid, RLIMIT_NOFILE, &none, NULL), 0);
	fd = http_child_dial(&child, NULL);
	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL),
			 strlen(request));
	cpu = cpu_ns();
	pause_ms(1500);
	assert_true(cpu_ns() - cpu < 300000000);
	assert_int_equal(prlimit(child.pid, RLIMIT_NOFILE, &before, NULL), 0);
	assert_true(read(fd, answer, sizeof(answer)) > 0);
	assert_memory_equal(answer, "HTTP/1.1 200", 12);
	close(fd);
	back_to_baseline();
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(odd_requests),
		TEST(oversized),
		TEST(pipelined),
		TEST(dribble),
		TEST(crowd),
		TEST(crowd_costs_the_crowd),
		TEST(pages_not_fetched),
		TEST(dear_pages),
		TEST(no_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
