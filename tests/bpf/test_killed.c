// SPDX-License-Identifier: BSD-2-Clause
/*
 * The agent is killed at system calls all along its way: first start, restart,
 * growing, pushing (F26, G2, G4), with tcx links and with clsact filters.
 * Whatever it left behind, the hooks keep what they had, and the next start
 * finds one whole policy and goes on.
 */
#include "bpf/site.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/bpf.h>

#include "bpf/handmade.h"
#include "bpf/place.h"

#define KILLS_MIN 10
#define KILLS_MAX 15
#define CALLS_MAX 4000

static struct datapath *open_at(const char *dir, bool clsact)
{
	struct datapath_settings s;
	struct datapath *dp = NULL;
	const char *why = "";

	harness_settings(&s);
	s.pin_dir = dir;
	s.clsact = clsact;
	if (datapath_open(&s, &dp, &why)) {
		fprintf(stderr, "%s\n", why);
		return NULL;
	}
	return dp;
}

/* ---- the one that is killed: PROGRAM WAY DIR IFINDEX MARK ---- */

#define STEP(n, ok) \
	do { \
		if (!(ok)) \
			return n; \
	} while (0)

static int worker(bool clsact, const char *dir, __u32 ifindex, const char *mark)
{
	__u32 want[MOAT_PART_COUNT] = { [MOAT_PART_ROWS] = MOAT_PART_MIN * 2 };
	struct image *image = handmade_image(64);
	struct hook_state hook[ATTACH_HOOK_COUNT];
	struct datapath *dp = open_at(dir, clsact);
	__u32 generation;
	FILE *f;

	STEP(1, dp);
	STEP(2, !store_push(dp, image, 0, &generation));
	STEP(3, !attach_tc(dp, ifindex, hook));
	datapath_close(dp);
	f = fopen(mark, "w");
	STEP(4, f && !fclose(f));
	/* Makes the next attach two steps: go ahead, take the old one away. */
	if (clsact)
		foreign_filter(ifindex, 1,
			       foreign_program(BPF_PROG_TYPE_SCHED_CLS, 0));
	dp = open_at(dir, clsact);
	STEP(5, dp);
	STEP(6, !attach_tc(dp, ifindex, hook));
	STEP(7, !datapath_grow(dp, want, 3000));
	STEP(8, !store_push(dp, image, 0, &generation));
	datapath_close(dp);
	image_free(image);
	return 0;
}

/* ---- what the kernel is asked in a whole run ---- */

/* The nth of its name; strace counts each name by itself. */
struct call {
	const char *name;
	size_t n;
};

struct way {
	const char *name;
	bool clsact;
	/* What to be killed at: words of strace's lines. Only what changes
	 * something is acknowledged. */
	const char *words[5];
};

static const struct way ways[] = {
	{ "tcx",
	  false,
	  { "BPF_LINK_CREATE", "BPF_LINK_UPDATE", "BPF_OBJ_PIN",
	    "BPF_OBJ_GET," } },
	{ "clsact", true, { "NLM_F_ACK", "/filters/", "/control\"" } },
};

static bool interesting(const struct way *w, const char *line)
{
	for (const char *const *word = w->words; *word; word++)
		if (strstr(line, *word))
			return true;
	return false;
}

/* Calls that leave something behind, spread evenly over the run; their number
 * is returned. */
static size_t choose(const struct way *w, const char *path,
		     struct call ret[KILLS_MAX])
{
	static struct call at[CALLS_MAX];
	struct call calls[] = { { "bpf", 0 }, { "sendto", 0 } }, *c;
	size_t n = 0, kills;
	char line[4096];
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		c = &calls[!strncmp(line, "sendto(", 7)];
		if (c == calls && strncmp(line, "bpf(", 4) != 0)
			continue;
		c->n++;
		if (interesting(w, line) && n < CALLS_MAX)
			at[n++] = *c;
	}
	fclose(f);
	kills = n < KILLS_MAX ? n : KILLS_MAX;
	assert_true(kills >= KILLS_MIN);
	for (size_t i = 0; i < kills; i++)
		ret[i] = at[i * (n - 1) / (kills - 1)];
	return kills;
}

struct victim {
	const struct way *way;
	__u32 ifindex;
	char name[16]; /* of the interface */
	char dir[128], mark[128], log[128];
};

/* options: strace's. */
static int run_worker(const struct victim *v, const char *options)
{
	char line[1024], self[256];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int status;

	assert_true(n > 0);
	self[n] = '\0';
	snprintf(line, sizeof(line),
		 "exec strace -qq -e trace=bpf,sendto %s %s %s %s %u %s",
		 options, self, v->way->name, v->dir, v->ifindex, v->mark);
	status = system(line);
	assert_int_not_equal(status, -1);
	/* strace ends as its tracee did; the shell was replaced by it. */
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) :
				     WEXITSTATUS(status);
}

/* Programs of ours on a hook. */
static __u32 ours_on(const struct victim *v, enum attach_hook hook)
{
	struct hook_programs h;

	if (v->way->clsact)
		return filters(v->name,
			       hook == ATTACH_TC_INGRESS ? "ingress" : "egress",
			       OWN_FILTER);
	assert_int_equal(tcx_list(v->ifindex, hook, &h), 0);
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
static void recover(const struct victim *v)
{
	struct hook_state state[ATTACH_HOOK_COUNT];
	struct image *image = handmade_image(64);
	__u32 before[ATTACH_HOOK_COUNT], last, generation;
	bool marked = !access(v->mark, F_OK);
	struct datapath *dp;

	for (int i = ATTACH_TC_INGRESS; i <= ATTACH_TC_EGRESS; i++) {
		before[i] = ours_on(v, i);
		/* Once attached, never open; doubled only while a filter of
		 * ours goes ahead of a foreign one. */
		assert_in_range(before[i], marked,
				1 + (v->way->clsact && marked));
	}
	dp = open_at(v->dir, v->way->clsact);
	assert_non_null(dp);
	for (int i = ATTACH_TC_INGRESS; i <= ATTACH_TC_EGRESS; i++) {
		assert_int_equal(ours_on(v, i), before[i]);
		/* Nothing is there that detach_all() would not find. */
		if (before[i])
			assert_non_null(links_find(dp, v->ifindex, i));
	}
	assert_whole(dp, marked);
	last = store_last_generation(dp);
	assert_int_equal(attach_tc(dp, v->ifindex, state), 0);
	for (int i = ATTACH_TC_INGRESS; i <= ATTACH_TC_EGRESS; i++) {
		assert_int_equal(ours_on(v, i), 1);
		assert_true(state[i].ours && state[i].first);
	}
	assert_int_equal(store_push(dp, image, 0, &generation), 0);
	assert_true(generation > last);
	assert_whole(dp, true);
	image_free(image);
	datapath_close(dp);
}

static void victim_new(struct victim *v, size_t number)
{
	char peer[16];

	snprintf(v->name, sizeof(v->name), "ka%zu", number);
	snprintf(peer, sizeof(peer), "kb%zu", number);
	snprintf(v->dir, sizeof(v->dir), "%s/%s%zu", place_enter(),
		 v->way->name, number);
	v->ifindex = place_veth(v->name, peer);
	unlink(v->mark);
}

static void victim_end(const struct victim *v)
{
	assert_int_equal(detach_all(v->dir), 0);
	assert_int_equal(ours_on(v, ATTACH_TC_INGRESS), 0);
	assert_int_equal(ours_on(v, ATTACH_TC_EGRESS), 0);
	place_run("ip link del %s", v->name);
}

static void killed_along(const struct way *way)
{
	struct victim v = { .way = way };
	struct call at[KILLS_MAX];
	char options[256];
	size_t marked = 0, kills;

	if (system("command -v strace >/dev/null"))
		skip();
	snprintf(v.mark, sizeof(v.mark), "%s-mark", place_enter());
	snprintf(v.log, sizeof(v.log), "%s-log", place_enter());
	victim_new(&v, 0);
	snprintf(options, sizeof(options), "-o %s", v.log);
	assert_int_equal(run_worker(&v, options), 0);
	kills = choose(way, v.log, at);
	victim_end(&v);
	for (size_t i = 0; i < kills; i++) {
		victim_new(&v, i + 1);
		snprintf(options, sizeof(options),
			 "-o /dev/null -e inject=%s:signal=KILL:when=%zu",
			 at[i].name, at[i].n);
		assert_int_equal(run_worker(&v, options), 137);
		marked += !access(v.mark, F_OK);
		recover(&v);
		victim_end(&v);
	}
	unlink(v.mark);
	unlink(v.log);
	/* Some before, some after the first attach. */
	assert_true(marked > 3 && marked < kills - 2);
}

static void killed_anywhere(void **state)
{
	need_tcx();
	killed_along(&ways[0]);
}

static void killed_anywhere_clsact(void **state)
{
	killed_along(&ways[1]);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_anywhere),
		cmocka_unit_test(killed_anywhere_clsact),
	};

	if (argc == 5)
		return worker(!strcmp(argv[1], ways[1].name), argv[2],
			      strtoul(argv[3], NULL, 10), argv[4]);
	return cmocka_run_group_tests(tests, NULL, place_leave);
}
