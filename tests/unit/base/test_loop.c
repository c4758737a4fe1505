// SPDX-License-Identifier: BSD-2-Clause
/* base/loop: files, timers, signals; removal from inside callbacks. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/loop.h"

struct world {
	struct loop *loop;
	int pipe[2][2];
	int fired, signals, timer;
	bool remove_other;
};

static uint64_t (*real_clock)(void);
static uint64_t fake_now;
static uint64_t fake_clock(void)
{
	return fake_now;
}

static int set_up(void **state)
{
	static struct world w;

	w = (struct world){ .loop = loop_new() };
	assert_non_null(w.loop);
	assert_int_equal(pipe(w.pipe[0]), 0);
	assert_int_equal(pipe(w.pipe[1]), 0);
	real_clock = clock_boot_ns;
	*state = &w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	clock_boot_ns = real_clock;
	loop_free(w->loop);
	for (int i = 0; i < 4; i++)
		close(w->pipe[i / 2][i % 2]);
	return 0;
}

static void readable(int fd, uint32_t events, void *arg)
{
	struct world *w = arg;
	char c;

	assert_true(events & EPOLLIN);
	assert_int_equal(read(fd, &c, 1), 1);
	w->fired++;
	if (w->remove_other)
		loop_remove_fd(w->loop, fd == w->pipe[0][0] ? w->pipe[1][0] :
							      w->pipe[0][0]);
}

static void files(void **state)
{
	struct world *w = *state;
	int fd = w->pipe[0][0];

	assert_int_equal(loop_add_fd(w->loop, fd, EPOLLIN, readable, w), 0);
	assert_int_equal(loop_add_fd(w->loop, fd, EPOLLIN, readable, w),
			 -EEXIST);
	assert_int_equal(loop_add_fd(w->loop, -1, EPOLLIN, readable, w),
			 -EBADF);
	assert_int_equal(loop_run_once(w->loop, 0), 0);
	assert_int_equal(w->fired, 0);
	assert_int_equal(write(w->pipe[0][1], "ab", 2), 2);
	assert_int_equal(loop_run_once(w->loop, 1000), 0);
	assert_int_equal(w->fired, 1);
	assert_int_equal(loop_change_fd(w->loop, fd, 0), 0);
	assert_int_equal(loop_run_once(w->loop, 0), 0);
	assert_int_equal(w->fired, 1);
	loop_remove_fd(w->loop, fd);
	assert_int_equal(loop_change_fd(w->loop, fd, EPOLLIN), -ENOENT);
}

/* Both are ready in one batch; the first callback removes the second. */
static void removal_in_callback(void **state)
{
	struct world *w = *state;

	w->remove_other = true;
	for (int i = 0; i < 2; i++) {
		loop_add_fd(w->loop, w->pipe[i][0], EPOLLIN, readable, w);
		assert_int_equal(write(w->pipe[i][1], "x", 1), 1);
	}
	assert_int_equal(loop_run_once(w->loop, 1000), 0);
	assert_int_equal(w->fired, 1);
	assert_int_equal(loop_run_once(w->loop, 0), 0);
	assert_int_equal(w->fired, 1);
}

static void count(void *arg)
{
	((struct world *)arg)->fired++;
}

static void remove_self(void *arg)
{
	struct world *w = arg;

	w->fired++;
	loop_remove_timer(w->loop, w->timer);
}

static void timers(void **state)
{
	struct world *w = *state;
	int id;

	clock_boot_ns = fake_clock;
	fake_now = 1000;
	id = loop_add_timer(w->loop, 10, 5, count, w);
	assert_true(id > 0);
	loop_run_once(w->loop, 0);
	assert_int_equal(w->fired, 0);
	fake_now += 10 * 1000000;
	loop_run_once(w->loop, 0);
	assert_int_equal(w->fired, 1);
	fake_now += 5 * 1000000;
	loop_run_once(w->loop, 0);
	assert_int_equal(w->fired, 2);
	fake_now += 1000ull * 1000000; /* late: once, not 200 times */
	loop_run_once(w->loop, 0);
	loop_run_once(w->loop, 0);
	assert_int_equal(w->fired, 3);
	loop_remove_timer(w->loop, id);
	fake_now += 1000ull * 1000000;
	loop_run_once(w->loop, 0);
	assert_int_equal(w->fired, 3);
}

static void once_and_self_removal(void **state)
{
	struct world *w = *state;

	clock_boot_ns = fake_clock;
	fake_now = 0;
	assert_true(loop_add_timer(w->loop, 1, 0, count, w) > 0);
	w->timer = loop_add_timer(w->loop, 1, 1, remove_self, w);
	for (int i = 0; i < 5; i++) {
		fake_now += 1000000;
		loop_run_once(w->loop, 0);
	}
	assert_int_equal(w->fired, 2);
}

static void on_signal(int number, void *arg)
{
	struct world *w = arg;

	assert_int_equal(number, SIGUSR1);
	w->signals++;
	loop_stop(w->loop);
}

static void signals(void **state)
{
	struct world *w = *state;
	sigset_t mask;

	assert_int_equal(loop_add_signal(w->loop, SIGUSR1, on_signal, w), 0);
	assert_int_equal(loop_add_signal(w->loop, SIGUSR2, on_signal, w), 0);
	assert_int_equal(loop_add_signal(w->loop, 0, on_signal, w), -EINVAL);
	raise(SIGUSR1);
	assert_int_equal(w->signals, 0);
	assert_int_equal(loop_run(w->loop), 0);
	assert_int_equal(w->signals, 1);
	sigprocmask(SIG_BLOCK, NULL, &mask);
	assert_true(sigismember(&mask, SIGUSR1));
	loop_free(w->loop);
	sigprocmask(SIG_BLOCK, NULL, &mask);
	assert_false(sigismember(&mask, SIGUSR1));
	w->loop = loop_new();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(files),   T(removal_in_callback),
		T(timers),  T(once_and_self_removal),
		T(signals),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
