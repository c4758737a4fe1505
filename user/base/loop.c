// SPDX-License-Identifier: BSD-2-Clause
/* epoll loop with file, timer and signal sources; one thread. */
#include "base/loop.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define NS_PER_MS 1000000u

struct fd_source {
	int fd; /* -1: removed, freed when no callback runs */
	loop_fd_fn fn;
	void *arg;
	struct fd_source *next;
};

struct timer {
	int id;	      /* 0: removed, freed when no callback runs */
	uint64_t due; /* clock_boot_ns */
	uint64_t period;
	loop_fn fn;
	void *arg;
	struct timer *next;
};

struct loop {
	int epoll;
	int signal_fd; /* -1 until the first signal is asked for */
	bool stopped;
	int last_timer;
	sigset_t signals; /* delivered here */
	sigset_t blocked; /* by us, to be unblocked at the end */
	struct {
		loop_signal_fn fn;
		void *arg;
	} handler[_NSIG];
	struct fd_source *files;
	struct timer *timers;
};

struct loop *loop_new(void)
{
	_cleanup_free_ struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return NULL;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0)
		return NULL;
	loop->signal_fd = -1;
	sigemptyset(&loop->signals);
	sigemptyset(&loop->blocked);
	return TAKE_PTR(loop);
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	while (loop->files) {
		struct fd_source *next = loop->files->next;

		free(loop->files);
		loop->files = next;
	}
	while (loop->timers) {
		struct timer *next = loop->timers->next;

		free(loop->timers);
		loop->timers = next;
	}
	closep(&loop->signal_fd);
	close(loop->epoll);
	sigprocmask(SIG_UNBLOCK, &loop->blocked, NULL);
	free(loop);
}

static struct fd_source *find_fd(struct loop *loop, int fd)
{
	struct fd_source *s = loop->files;

	while (s && s->fd != fd)
		s = s->next;
	return s;
}

int loop_add_fd(struct loop *loop, int fd, uint32_t events, loop_fd_fn fn,
		void *arg)
{
	_cleanup_free_ struct fd_source *s = calloc(1, sizeof(*s));
	struct epoll_event ev = { .events = events, .data.ptr = s };

	if (!s)
		return -ENOMEM;
	if (fd < 0)
		return -EBADF;
	if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &ev))
		return -errno;
	*s = (struct fd_source){ fd, fn, arg, loop->files };
	loop->files = TAKE_PTR(s);
	return 0;
}

int loop_change_fd(struct loop *loop, int fd, uint32_t events)
{
	struct fd_source *s = fd < 0 ? NULL : find_fd(loop, fd);
	struct epoll_event ev = { .events = events, .data.ptr = s };

	if (!s)
		return -ENOENT;
	return epoll_ctl(loop->epoll, EPOLL_CTL_MOD, fd, &ev) ? -errno : 0;
}

void loop_remove_fd(struct loop *loop, int fd)
{
	struct fd_source *s = fd < 0 ? NULL : find_fd(loop, fd);

	if (!s)
		return;
	epoll_ctl(loop->epoll, EPOLL_CTL_DEL, fd, NULL);
	s->fd = -1;
}

int loop_add_timer(struct loop *loop, uint64_t first_ms, uint64_t period_ms,
		   loop_fn fn, void *arg)
{
	struct timer *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	loop->last_timer = loop->last_timer == INT_MAX ? 1 :
							 loop->last_timer + 1;
	t->id = loop->last_timer;
	t->due = clock_boot_ns() + first_ms * NS_PER_MS;
	t->period = period_ms * NS_PER_MS;
	t->fn = fn;
	t->arg = arg;
	t->next = loop->timers;
	loop->timers = t;
	return t->id;
}

void loop_remove_timer(struct loop *loop, int id)
{
	if (id <= 0)
		return;
	for (struct timer *t = loop->timers; t; t = t->next)
		if (t->id == id)
			t->id = 0;
}

static void signal_ready(int fd, uint32_t events, void *arg)
{
	struct loop *loop = arg;
	struct signalfd_siginfo info;

	while (read(fd, &info, sizeof(info)) == sizeof(info)) {
		int number = (int)info.ssi_signo;

		if (number > 0 && number < _NSIG && loop->handler[number].fn)
			loop->handler[number].fn(number,
						 loop->handler[number].arg);
	}
}

int loop_add_signal(struct loop *loop, int signal, loop_signal_fn fn, void *arg)
{
	bool first = loop->signal_fd < 0;
	sigset_t one, before;
	int fd, err;

	if (signal <= 0 || signal >= _NSIG)
		return -EINVAL;
	sigemptyset(&one);
	sigaddset(&one, signal);
	sigaddset(&loop->signals, signal);
	fd = signalfd(loop->signal_fd, &loop->signals,
		      SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	loop->signal_fd = fd;
	err = first ? loop_add_fd(loop, fd, EPOLLIN, signal_ready, loop) : 0;
	if (err)
		return err;
	if (sigprocmask(SIG_BLOCK, &one, &before))
		return -errno;
	if (!sigismember(&before, signal))
		sigaddset(&loop->blocked, signal);
	loop->handler[signal].fn = fn;
	loop->handler[signal].arg = arg;
	return 0;
}

/* Frees what callbacks removed; only while none runs. */
static void sweep(struct loop *loop)
{
	struct fd_source **s = &loop->files;
	struct timer **t = &loop->timers;

	while (*s) {
		struct fd_source *gone = *s;

		if (gone->fd >= 0) {
			s = &gone->next;
			continue;
		}
		*s = gone->next;
		free(gone);
	}
	while (*t) {
		struct timer *gone = *t;

		if (gone->id) {
			t = &gone->next;
			continue;
		}
		*t = gone->next;
		free(gone);
	}
}

/* Milliseconds until the next timer, rounded up, at most limit (-1: none). */
static int wait_ms(const struct loop *loop, int limit)
{
	uint64_t now = clock_boot_ns(), due = UINT64_MAX, ms;

	for (const struct timer *t = loop->timers; t; t = t->next)
		if (t->id && t->due < due)
			due = t->due;
	if (due == UINT64_MAX)
		return limit;
	ms = due <= now ? 0 : (due - now + NS_PER_MS - 1) / NS_PER_MS;
	if (ms > INT_MAX)
		ms = INT_MAX;
	return limit >= 0 && (uint64_t)limit < ms ? limit : (int)ms;
}

static void run_timers(struct loop *loop)
{
	uint64_t now = clock_boot_ns();

	for (struct timer *t = loop->timers; t && !loop->stopped; t = t->next) {
		loop_fn fn = t->fn;
		void *arg = t->arg;

		if (!t->id || t->due > now)
			continue;
		if (!t->period)
			t->id = 0;
		else if (now - t->due >= t->period)
			t->due = now + t->period; /* late: no burst */
		else
			t->due += t->period;
		fn(arg);
	}
}

int loop_run_once(struct loop *loop, int timeout_ms)
{
	struct epoll_event events[64];
	int n;

	sweep(loop);
	n = epoll_wait(loop->epoll, events, ARRAY_SIZE(events),
		       wait_ms(loop, timeout_ms));
	if (n < 0 && errno != EINTR)
		return -errno;
	for (int i = 0; i < n && !loop->stopped; i++) {
		struct fd_source *s = events[i].data.ptr;

		if (s->fd >= 0)
			s->fn(s->fd, events[i].events, s->arg);
	}
	if (!loop->stopped)
		run_timers(loop);
	sweep(loop);
	return 0;
}

int loop_run(struct loop *loop)
{
	int err = 0;

	loop->stopped = false;
	while (!loop->stopped && !err)
		err = loop_run_once(loop, -1);
	return err;
}

void loop_stop(struct loop *loop)
{
	loop->stopped = true;
}
