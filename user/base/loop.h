/* SPDX-License-Identifier: BSD-2-Clause */
/* epoll loop with file, timer and signal sources; one thread. */
#ifndef MOAT_LOOP_H
#define MOAT_LOOP_H

#include <stdint.h>

struct loop;

/* events: EPOLLIN, EPOLLOUT, …; a callback may remove any source. */
typedef void (*loop_fd_fn)(int fd, uint32_t events, void *arg);
typedef void (*loop_fn)(void *arg);
typedef void (*loop_signal_fn)(int signal, void *arg);

struct loop *loop_new(void); /* NULL: errno */
void loop_free(struct loop *loop);
/* The loop never owns fd. 0 or -errno. */
int loop_add_fd(struct loop *loop, int fd, uint32_t events, loop_fd_fn fn,
		void *arg);
int loop_change_fd(struct loop *loop, int fd, uint32_t events);
void loop_remove_fd(struct loop *loop, int fd);
/*
 * A timer that first fires after first_ms and then every period_ms (0: once).
 * Returns an id > 0 for loop_remove_timer, or -errno.
 */
int loop_add_timer(struct loop *loop, uint64_t first_ms, uint64_t period_ms,
		   loop_fn fn, void *arg);
void loop_remove_timer(struct loop *loop, int id);
/* Blocks the signal and delivers it here. 0 or -errno. */
int loop_add_signal(struct loop *loop, int signal, loop_signal_fn fn,
		    void *arg);
/* Runs until loop_stop(). 0 or -errno. loop_run_once waits at most timeout_ms
 * and handles what is ready. */
int loop_run(struct loop *loop);
int loop_run_once(struct loop *loop, int timeout_ms);
void loop_stop(struct loop *loop);

#endif
