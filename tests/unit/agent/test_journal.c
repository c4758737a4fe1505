// SPDX-License-Identifier: BSD-2-Clause
/*
 * The journal of member changes: what was added is there, what a crash cut
 * short is not, and any other damage is told.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/journal.h"
#include "agent/statefile.h"
#include "base/buf.h"
#include "base/cleanup.h"

static char folder[64];
static int dir = -1;

static int setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/moat-journal-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	char command[96];

	(void)state;
	close(dir);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command) ? -1 : 0;
}

static json_t *entry_of(int i)
{
	return json_pack("{s:i, s:s}", "generation", i, "message", "why");
}

/* Entries 0 to n - 1 in the file, the first few by writing it all. */
static size_t fill(int n, int written)
{
	json_t *list = json_array();
	size_t end = 0;

	for (int i = 0; i < written; i++)
		json_array_append_new(list, entry_of(i));
	assert_int_equal(journal_write(dir, "j", list, &end), 0);
	json_decref(list);
	for (int i = written; i < n; i++) {
		json_t *entry = entry_of(i);

		assert_int_equal(journal_append(dir, "j", entry, &end), 0);
		json_decref(entry);
	}
	return end;
}

static void assert_holds(int n, bool can_go_on)
{
	json_t *list = NULL, *entry;
	size_t end = 1, i;

	assert_int_equal(journal_read(dir, "j", &list, &end), 0);
	assert_int_equal(json_array_size(list), n);
	json_array_foreach(list, i, entry)
		assert_int_equal(json_integer_value(
					 json_object_get(entry, "generation")),
				 i);
	assert_int_equal(end != 0, can_go_on);
	json_decref(list);
}

static void assert_damaged(void)
{
	json_t *list = NULL;
	size_t end;

	assert_int_equal(journal_read(dir, "j", &list, &end), -EBADMSG);
	assert_null(list);
}

static void load(struct buf *b)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/j", folder);
	assert_int_equal(buf_read_file(b, path, 1 << 20), 0);
}

static void store(const char *data, size_t len)
{
	int fd = openat(dir, "j", O_WRONLY | O_TRUNC | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

static void round_trip(void **state)
{
	json_t *list = NULL;
	size_t end;

	(void)state;
	assert_int_equal(journal_read(dir, "j", &list, &end), -ENOENT);
	fill(0, 0);
	assert_holds(0, true);
	end = fill(20, 3);
	assert_holds(20, true);
	assert_int_equal(journal_read(dir, "j", &list, &end), 0);
	assert_int_equal(end, fill(20, 20));
	json_decref(list);
}

/* The length is that of the zeros written beforehand, to the last entry. */
static void no_room(void **state)
{
	json_t *entry = entry_of(7);
	size_t end = fill(1, 0), was;
	struct buf b = {}, after = {};
	int r;

	(void)state;
	load(&b);
	do {
		was = end;
		r = journal_append(dir, "j", entry, &end);
	} while (!r);
	assert_int_equal(r, -ENOSPC);
	assert_int_equal(end, was);
	load(&after);
	assert_int_equal(after.len, b.len);
	assert_true(end <= b.len && b.len - end < 256);
	json_decref(entry);
	buf_free(&b);
	buf_free(&after);
}

/* The last entry's bytes that never reached the disk: its tail, its head, or
 * the file's end. Going on means to write it all. */
static void torn(void **state)
{
	size_t from = fill(4, 2), to = fill(5, 2);
	struct buf b = {};

	(void)state;
	load(&b);
	for (size_t at = from + 1; at < to; at++) {
		_cleanup_free_ char *copy = malloc(b.len);

		memcpy(copy, b.data, b.len);
		memset(copy + at, 0, to - at);
		store(copy, b.len);
		assert_holds(4, false);
		store(copy, at);
		assert_holds(4, false);
		memcpy(copy, b.data, b.len);
		memset(copy + from, 0, at - from);
		store(copy, b.len);
		assert_holds(4, false);
	}
	store(b.data, to);
	assert_holds(5, true);
	buf_free(&b);
}

/* A byte of an entry that was whole once; zeros in one that is not last. */
static void damage(void **state)
{
	size_t before = fill(3, 0), from = fill(4, 0), to = fill(5, 0);
	struct buf b = {};

	(void)state;
	load(&b);
	for (size_t at = 0; at < to - 1; at++) {
		b.data[at] ^= 1;
		store(b.data, b.len);
		assert_damaged();
		b.data[at] ^= 1;
	}
	memset(b.data + before, 0, from - before - 1);
	store(b.data, b.len);
	assert_damaged();
	buf_free(&b);
}

/* One JSON file with all of them, as it was. */
static void earlier_format(void **state)
{
	json_t *file = json_pack("{s:[o, o]}", "entries", entry_of(0),
				 entry_of(1));

	(void)state;
	assert_int_equal(statefile_write(dir, "j", file), 0);
	json_decref(file);
	assert_holds(2, false);
	file = json_pack("{s:i}", "entries", 1);
	assert_int_equal(statefile_write(dir, "j", file), 0);
	json_decref(file);
	assert_damaged();
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(round_trip), TEST(no_room),	TEST(torn),
		TEST(damage),	  TEST(earlier_format),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
