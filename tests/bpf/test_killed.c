// SPDX-License-Identifier: BSD-2-Clause
/*
 * The agent is killed at bpf calls all along its way: first start, restart,
 * growing, pushing (F26, G2, G4). Whatever it left behind, the hooks keep
 * what they had, and the next start finds one whole policy and goes on.
 */
#include "bpf/harness.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bpf/handmade.h"
#include "bpf/place.h"
#include "kern/private.h"

#define KILLS 10
#define CALLS_MAX 4000

static struct datapath *open_at(const char *dir)
{
	struct datapath_settings s;
	struct datapath *dp = NULL;
	const char *why = "";

	harness_settings(&s);
	s.pin_dir = dir;
	if (datapath_open(&s, &dp, &why)) {
		fprintf(stderr, "%s\n", why);
		return NULL;
	}
	return dp;
}

/* ---- the one that is killed: PROGRAM DIR IFINDEX MARK ---- */

#define STEP(n, ok) \
	do { \
		if (!(ok)) \
			return n; \
	} while (0)

static int worker(const char *dir, __u32 ifindex, const char *mark)
{
	__u32 want[MOAT_PART_COUNT] = { [MOAT_PART_ROWS] = MOAT_PART_MIN * 2 };
	struct image *image = handmade_image(64);
	struct hook_state hook[ATTACH_HOOK_COUNT];
	struct datapath *dp = open_at(dir);
	__u32 generation;
	FILE *f;

	STEP(1, dp);
	STEP(2, !store_push(dp, image, 0, &generation));
	STEP(3, !attach_tc(dp, ifindex, hook));
	datapath_close(dp);
	f = fopen(mark, "w");
	STEP(4, f && !fclose(f));
	dp = open_at(dir);
	STEP(5, dp);
	STEP(6, !attach_tc(dp, ifindex, hook));
	STEP(7, !datapath_grow(dp, want, 3000));
	STEP(8, !store_push(dp, image, 0, &generation));
	datapath_close(dp);
	image_free(image);
	return 0;
}

/* ---- what the kernel is asked in a whole run ---- */

struct calls {
	size_t count;	      /* bpf calls in all */
	size_t chosen[KILLS]; /* numbers of those to be killed at, from 1 */
	size_t nchosen;
};

static bool interesting(const char *line)
{
	return strstr(line, "BPF_LINK_CREATE") ||
	       strstr(line, "BPF_LINK_UPDATE") || strstr(line, "BPF_OBJ_PIN") ||
	       strstr(line, "BPF_OBJ_GET,");
}

/* Calls that leave something behind, spread evenly over the run. */
static void choose(const char *path, struct calls *ret)
{
	static size_t at[CALLS_MAX];
	char line[1024];
	size_t n = 0;
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (!strstr(line, "bpf("))
			continue;
		ret->count++;
		if (interesting(line) && n < CALLS_MAX)
			at[n++] = ret->count;
	}
	fclose(f);
	assert_true(n > KILLS);
	for (size_t i = 0; i < KILLS; i++)
		ret->chosen[ret->nchosen++] = at[i * (n - 1) / (KILLS - 1)];
}

static int run_worker(const char *options, const char *dir, __u32 ifindex,
		      const char *mark)
{
	char line[1024], self[256];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int status;

	assert_true(n > 0);
	self[n] = '\0';
	snprintf(line, sizeof(line),
		 "exec strace -qq -e trace=bpf %s %s %s %u %s", options, self,
		 dir, ifindex, mark);
	status = system(line);
	assert_int_not_equal(status, -1);
	/* strace ends as its tracee did; the shell was replaced by it. */
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) :
				     WEXITSTATUS(status);
}

static __u32 on_ingress(__u32 ifindex)
{
	struct hook_programs h;

	assert_int_equal(tcx_list(ifindex, ATTACH_TC_INGRESS, &h), 0);
	return h.count;
}

static void assert_whole(struct datapath *dp, bool must)
{
	struct store_state s;

	store_state(dp, &s);
	if (!s.generation && !must)
		return;
	assert_true(s.sealed);
	assert_false(s.expired);
	assert_int_equal(store_verify(dp), 0);
}

/* What a start after the kill finds and does. */
static void recover(const char *dir, __u32 ifindex, bool marked)
{
	struct hook_state hook[ATTACH_HOOK_COUNT];
	struct image *image = handmade_image(64);
	__u32 before = on_ingress(ifindex), last, generation;
	struct datapath *dp;

	/* Once attached, never open and never doubled. */
	assert_true(before <= 1);
	if (marked)
		assert_int_equal(before, 1);
	dp = open_at(dir);
	assert_non_null(dp);
	assert_int_equal(on_ingress(ifindex), before);
	assert_whole(dp, marked);
	last = store_last_generation(dp);
	assert_int_equal(attach_tc(dp, ifindex, hook), 0);
	assert_int_equal(on_ingress(ifindex), 1);
	for (int i = ATTACH_TC_INGRESS; i <= ATTACH_TC_EGRESS; i++)
		assert_true(hook[i].ours && hook[i].first);
	assert_int_equal(store_push(dp, image, 0, &generation), 0);
	assert_true(generation > last);
	assert_whole(dp, true);
	image_free(image);
	datapath_close(dp);
}

static void killed_anywhere(void **state)
{
	char dir[128], mark[128], log[128], options[256];
	struct calls calls = {};
	size_t marked = 0;
	__u32 ifindex;

	if (!datapath_facts()->tcx || system("command -v strace >/dev/null"))
		skip();
	snprintf(mark, sizeof(mark), "%s-mark", place_enter());
	snprintf(log, sizeof(log), "%s-log", place_enter());
	ifindex = place_veth("ka", "kb");
	snprintf(dir, sizeof(dir), "%s/count", place_enter());
	snprintf(options, sizeof(options), "-o %s", log);
	assert_int_equal(run_worker(options, dir, ifindex, mark), 0);
	choose(log, &calls);
	assert_int_equal(detach_all(dir), 0);
	for (size_t i = 0; i < calls.nchosen; i++) {
		snprintf(dir, sizeof(dir), "%s/kill%zu", place_enter(), i);
		snprintf(options, sizeof(options),
			 "-o /dev/null "
			 "-e inject=bpf:signal=KILL:when=%zu",
			 calls.chosen[i]);
		unlink(mark);
		assert_int_equal(run_worker(options, dir, ifindex, mark), 137);
		marked += !access(mark, F_OK);
		recover(dir, ifindex, !access(mark, F_OK));
		assert_int_equal(detach_all(dir), 0);
		assert_int_equal(on_ingress(ifindex), 0);
	}
	unlink(mark);
	unlink(log);
	/* Some before, some after the first attach. */
	assert_true(marked > 3 && marked < calls.nchosen - 2);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_anywhere),
	};

	if (argc == 4)
		return worker(argv[1], strtoul(argv[2], NULL, 10), argv[3]);
	return cmocka_run_group_tests(tests, NULL, place_leave);
}
