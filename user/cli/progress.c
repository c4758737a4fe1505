// SPDX-License-Identifier: BSD-2-Clause
/* A sign of life while something takes more than two seconds. */
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "cli/load.h"

static char line[120];
static size_t length;
static volatile sig_atomic_t shown;

static void show(int number)
{
	ssize_t n = shown ? write(STDERR_FILENO, ".", 1) :
			    write(STDERR_FILENO, line, length);

	(void)n;
	shown = 1;
}

void progress_begin(const char *what)
{
	struct sigaction action = { .sa_handler = show,
				    .sa_flags = SA_RESTART };
	struct itimerval every = { .it_interval.tv_sec = 2,
				   .it_value.tv_sec = 2 };
	int n;

	if (!isatty(STDERR_FILENO))
		return;
	n = snprintf(line, sizeof(line), "moat: still %s ", what);
	length = n < (int)sizeof(line) ? (size_t)n : sizeof(line) - 1;
	shown = 0;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
}

void progress_end(void)
{
	struct itimerval never = {};

	setitimer(ITIMER_REAL, &never, NULL);
	if (shown)
		fputc('\n', stderr);
	shown = 0;
}
