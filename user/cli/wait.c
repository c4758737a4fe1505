// SPDX-License-Identifier: BSD-2-Clause
/* The wait for a push to be confirmed. */
#include "cli/wait.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define TICK_MS 250
#define GRACE_SECONDS 2 /* for an agent that is slow to answer */

struct wait {
	struct cli *cli;
	json_int_t generation;
	uint64_t end;	  /* clock_boot_ns of the deadline */
	bool ask;	  /* a person sits at the terminal */
	json_int_t shown; /* seconds on the screen */
};

static void leave(int number)
{
	static const char text[] =
		"\nmoat: the deadline goes on: `moat "
		"confirm` keeps the policy, else it is rolled back\n";
	ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)n;
	signal(number, SIG_DFL);
	raise(number);
}

static int finish(const struct wait *w, int code, const char *text)
{
	if (w->ask)
		fputc('\n', stderr);
	talk("generation %lld %s", (long long)w->generation, text);
	return code;
}

/* The agent's word on it; -1: none. */
static int ask_state(const struct wait *w)
{
	CLEANUP(ctl_client)
	struct ctl_client *client = call_connect_quiet(w->cli, true);
	_cleanup_json_ json_t *request = json_pack(
		"{s:s,s:I}", "cmd", "pending", "generation", w->generation);
	_cleanup_json_ json_t *reply = NULL;
	const char *state;

	if (!client)
		return -1;
	ctl_set_timeout(client, 2000);
	if (ctl_call(client, request, NULL, NULL, &reply))
		return -1;
	state = json_string_value(json_object_get(reply, "state"));
	if (!state || !strcmp(state, "pending"))
		return -1;
	if (!strcmp(state, "confirmed"))
		return finish(w, CTL_OK, "is confirmed");
	return finish(w, CTL_ROLLED_BACK,
		      "was not confirmed: the policy "
		      "before it is in force");
}

static int answer(const struct wait *w, const char *command)
{
	json_t *request = json_pack("{s:s}", "cmd", command);
	_cleanup_json_ json_t *reply = NULL;
	int code;

	if (!strcmp(command, "confirm"))
		json_object_set_new(request, "generation",
				    json_integer(w->generation));
	code = call_agent(w->cli, false, request, &reply);
	if (code)
		return code;
	if (!strcmp(command, "confirm"))
		return finish(w, CTL_OK, "is confirmed");
	return finish(w, CTL_ROLLED_BACK,
		      "was undone: the policy before it "
		      "is in force");
}

/* A line typed at the terminal; -1: nothing of use. */
static int read_answer(struct wait *w)
{
	char line[64];
	ssize_t n = read(STDIN_FILENO, line, sizeof(line));

	if (n <= 0) {
		w->ask = false;
		return -1;
	}
	if (line[0] == 'y' || line[0] == 'Y')
		return answer(w, "confirm");
	if (line[0] == 'n' || line[0] == 'N')
		return answer(w, "rollback");
	w->shown = -1;
	return -1;
}

static void show_question(struct wait *w, uint64_t now)
{
	json_int_t left = w->end > now ?
				  (json_int_t)((w->end - now) / 1000000000u) +
					  1 :
				  0;

	if (!w->ask || left == w->shown)
		return;
	w->shown = left;
	fprintf(stderr,
		"\rmoat: %lld s left: does everything still work? "
		"keep it? [y/n] ",
		(long long)left);
}

static int wait_loop(struct wait *w)
{
	uint64_t give_up = w->end + GRACE_SECONDS * 1000000000ull;
	uint64_t next = 0, now;
	int code = -1;

	while (code < 0 && (now = clock_boot_ns()) < give_up) {
		struct pollfd in = { .fd = w->ask ? STDIN_FILENO : -1,
				     .events = POLLIN };

		show_question(w, now);
		if (poll(&in, 1, TICK_MS) > 0)
			code = read_answer(w);
		if (code < 0 && now >= next) {
			code = ask_state(w);
			next = now + 500000000u;
		}
	}
	if (code >= 0)
		return code;
	return finish(w, CTL_ROLLED_BACK,
		      "is past its deadline and the agent "
		      "does not answer: the kernel judges by the policy before "
		      "it");
}

int wait_confirmed(struct cli *cli, json_int_t generation, json_int_t seconds)
{
	struct sigaction action = { .sa_handler = leave };
	struct wait w = {
		.cli = cli,
		.generation = generation,
		.end = clock_boot_ns() + (uint64_t)seconds * 1000000000u,
		.ask = isatty(STDIN_FILENO) && isatty(STDERR_FILENO),
		.shown = -1,
	};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (!w.ask)
		talk("generation %lld waits %lld s for `moat confirm`",
		     (long long)generation, (long long)seconds);
	return wait_loop(&w);
}
