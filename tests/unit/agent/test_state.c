// SPDX-License-Identifier: BSD-2-Clause
/* Policies on disk: round trip, damage at every byte, history, leftovers. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/sha256.h"
#include "support/state_folder.h"

static struct record sample(uint32_t generation)
{
	struct record r = { .document = "version: 1\nname: \"x\"\n",
			    .policy = "x",
			    .revision = "r",
			    .message = "why",
			    .time_ms = 1700000000123,
			    .uid = 4294967294u,
			    .audit = true,
			    .generation = generation };

	sha256_text(r.document, strlen(r.document), r.sha256);
	memset(r.made_by, 'b', 64);
	return r;
}

static void assert_same(const struct record *a, const struct record *b)
{
	assert_string_equal(a->document, b->document);
	assert_string_equal(a->policy, b->policy);
	assert_string_equal(a->revision, b->revision);
	assert_string_equal(a->message, b->message);
	assert_string_equal(a->sha256, b->sha256);
	assert_string_equal(a->made_by, b->made_by);
	assert_true(a->time_ms == b->time_ms && a->uid == b->uid &&
		    a->audit == b->audit && a->generation == b->generation);
}

static void nothing_yet(void **state)
{
	struct record *r = NULL;
	bool damaged = true;
	struct stat st;

	assert_int_equal(state_load(*state, STATE_COMMITTED, &r), -ENOENT);
	assert_int_equal(state_load_best(*state, &r, &damaged), -ENOENT);
	assert_false(damaged);
	assert_null(r);
	assert_int_equal(stat(state_at(""), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void round_trip(void **state)
{
	CLEANUP(record) struct record *r = NULL;
	struct record in = sample(7);
	struct stat st;

	assert_int_equal(state_save(*state, STATE_PENDING, &in), 0);
	assert_int_equal(state_load(*state, STATE_PENDING, &r), 0);
	assert_same(r, &in);
	assert_int_equal(stat(state_at("pending.json"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(access(state_at("pending.json.tmp"), F_OK), -1);
}

static void promoting(void **state)
{
	CLEANUP(record) struct record *r = NULL;
	struct record in = sample(7);
	uint32_t list[4];
	bool damaged;

	assert_int_equal(state_save(*state, STATE_PENDING, &in), 0);
	assert_int_equal(state_promote(*state, &in), 0);
	assert_int_equal(access(state_at("pending.json"), F_OK), -1);
	assert_int_equal(state_load_best(*state, &r, &damaged), 0);
	assert_false(damaged);
	assert_same(r, &in);
	assert_int_equal(state_history(*state, list, 4), 1);
	assert_int_equal(list[0], 7);
	assert_int_equal(state_drop_pending(*state), 0);
}

/* Whatever byte is changed or cut off, the file is known to be damaged. */
static void every_byte(void **state)
{
	struct record in = sample(7), *r = NULL;
	struct buf good = {};
	size_t i;

	assert_int_equal(state_save(*state, STATE_COMMITTED, &in), 0);
	assert_int_equal(
		buf_read_file(&good, state_at("committed.json"), 1 << 20), 0);
	for (i = 0; i < good.len; i++) {
		int fd = open(state_at("committed.json"), O_WRONLY);
		char wrong = (char)(good.data[i] ^ 1);

		assert_int_equal(pwrite(fd, &wrong, 1, (off_t)i), 1);
		assert_int_equal(state_load(*state, STATE_COMMITTED, &r),
				 -EBADMSG);
		assert_int_equal(pwrite(fd, &good.data[i], 1, (off_t)i), 1);
		close(fd);
	}
	for (i = good.len; i-- > 0;) {
		assert_int_equal(truncate(state_at("committed.json"), (off_t)i),
				 0);
		assert_int_equal(state_load(*state, STATE_COMMITTED, &r),
				 -EBADMSG);
	}
	assert_null(r);
	buf_free(&good);
}

static void damage(const char *name)
{
	int fd = open(state_at(name), O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "\0", 1, 90), 1);
	close(fd);
}

static void newest_that_holds(void **state)
{
	struct record *r = NULL;
	bool damaged = false;
	uint32_t g;

	for (g = 1; g <= 3; g++) {
		struct record in = sample(g);

		assert_int_equal(state_promote(*state, &in), 0);
	}
	damage("committed.json");
	damage("history/00000003.json");
	assert_int_equal(state_load_best(*state, &r, &damaged), 0);
	assert_true(damaged);
	assert_int_equal(r->generation, 2);
	record_free(r);
	/* A lost file is no damage to what the history holds. */
	unlink(state_at("committed.json"));
	assert_int_equal(state_load_best(*state, &r, &damaged), 0);
	assert_int_equal(r->generation, 2);
	record_free(r);
	r = NULL;
	damage("history/00000001.json");
	damage("history/00000002.json");
	assert_int_equal(state_load_best(*state, &r, &damaged), -EBADMSG);
	assert_true(damaged);
	assert_null(r);
}

static void history_is_bounded(void **state)
{
	CLEANUP(record) struct record *r = NULL;
	uint32_t list[100], g;
	size_t n;

	for (g = 1; g <= 40; g++) {
		struct record in = sample(g);

		assert_int_equal(state_promote(*state, &in), 0);
	}
	close(open(state_at("history/notes.txt"), O_CREAT | O_WRONLY, 0600));
	close(open(state_at("history/9.json"), O_CREAT | O_WRONLY, 0600));
	n = state_history(*state, list, 100);
	assert_int_equal(n, 32);
	assert_int_equal(list[0], 40);
	assert_int_equal(list[31], 9);
	assert_int_equal(state_history(*state, list, 1), 1);
	assert_int_equal(list[0], 40);
	assert_int_equal(state_load_generation(*state, 20, &r), 0);
	assert_int_equal(r->generation, 20);
	assert_int_equal(state_load_generation(*state, 2, &r), -ENOENT);
}

/* A leftover of a crash is no obstacle, a link in its place no way out. */
static void leftovers(void **state)
{
	struct record in = sample(1);

	close(open(state_at("pending.json.tmp"), O_CREAT | O_WRONLY, 0600));
	assert_int_equal(state_save(*state, STATE_PENDING, &in), 0);
	assert_int_equal(
		symlink("/tmp/elsewhere", state_at("committed.json.tmp")), 0);
	assert_int_equal(state_save(*state, STATE_COMMITTED, &in), -ELOOP);
}

static void other_files(void **state)
{
	json_t *in = json_pack("{s:i}", "a", 1), *out = NULL;

	assert_int_equal(state_load_json(*state, "x.json", &out), -ENOENT);
	assert_int_equal(state_save_json(*state, "x.json", in), 0);
	assert_int_equal(state_load_json(*state, "x.json", &out), 0);
	assert_true(json_equal(in, out));
	json_decref(in);
	json_decref(out);
}

/* Open to others, it is closed; a second agent does not get it. */
static void one_agent(void **state)
{
	struct state *second = NULL;
	struct stat st;

	assert_int_equal(state_open(state_at(""), &second), -EBUSY);
	assert_null(second);
	state_close(*state);
	*state = NULL;
	assert_int_equal(chmod(state_at(""), 0777), 0);
	assert_int_equal(chmod(state_at("history"), 0755), 0);
	assert_int_equal(state_open(state_at(""), &second), 0);
	*state = second;
	assert_int_equal(stat(state_at(""), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(state_at("history"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

/* Its owner could plant a policy in it. */
static void of_another_user(void **state)
{
	struct state *second = NULL;

	if (geteuid() != 0)
		skip();
	state_close(*state);
	*state = NULL;
	assert_int_equal(chown(state_at(""), 65534, 65534), 0);
	assert_int_equal(state_open(state_at(""), &second), -EPERM);
	assert_null(second);
	assert_int_equal(chown(state_at(""), 0, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		state_test(nothing_yet),       state_test(round_trip),
		state_test(promoting),	       state_test(every_byte),
		state_test(newest_that_holds), state_test(history_is_bounded),
		state_test(leftovers),	       state_test(other_files),
		state_test(one_agent),	       state_test(of_another_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
