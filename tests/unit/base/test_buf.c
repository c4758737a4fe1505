// SPDX-License-Identifier: BSD-2-Clause
/* base/buf: growth, failure, reading files. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"

static void append(void **state)
{
	struct buf b = {};

	assert_string_equal(buf_text(&b), "");
	assert_int_equal(buf_puts(&b, ""), 0);
	assert_string_equal(buf_text(&b), "");
	assert_int_equal(buf_puts(&b, "one "), 0);
	assert_int_equal(buf_printf(&b, "%d %s", 2, "three"), 0);
	assert_string_equal(buf_text(&b), "one 2 three");
	assert_int_equal(b.len, 11);
	for (int i = 0; i < 10000; i++)
		assert_int_equal(buf_add(&b, "x", 1), 0);
	assert_int_equal(b.len, 10011);
	assert_int_equal(strlen(b.data), 10011);
	buf_reset(&b);
	assert_string_equal(buf_text(&b), "");
	assert_true(b.cap > 10011);
	buf_free(&b);
	assert_null(b.data);
}

static void consume(void **state)
{
	struct buf b = {};

	buf_consume(&b, 5);
	buf_puts(&b, "line one\nline two");
	buf_consume(&b, 9);
	assert_string_equal(buf_text(&b), "line two");
	buf_consume(&b, 0);
	assert_int_equal(b.len, 8);
	buf_consume(&b, 100);
	assert_string_equal(buf_text(&b), "");
	buf_free(&b);
}

static void take(void **state)
{
	struct buf b = {};
	char *text = buf_take(&b);

	assert_string_equal(text, "");
	free(text);
	buf_puts(&b, "mine");
	text = buf_take(&b);
	assert_string_equal(text, "mine");
	assert_null(b.data);
	assert_int_equal(b.len, 0);
	free(text);
}

static void overflow(void **state)
{
	struct buf b = {};

	buf_puts(&b, "kept");
	assert_int_equal(buf_add(&b, "", SIZE_MAX), -ENOMEM);
	assert_int_equal(buf_add(&b, "", SIZE_MAX - 4), -ENOMEM);
	assert_string_equal(buf_text(&b), "kept");
	buf_free(&b);
}

static void files(void **state)
{
	char path[] = "/tmp/moat-test-buf-XXXXXX";
	int fd = mkstemp(path);
	char block[40000];
	struct buf b = {};

	assert_true(fd >= 0);
	memset(block, 'a', sizeof(block));
	assert_int_equal(write(fd, block, sizeof(block)), sizeof(block));
	close(fd);
	buf_puts(&b, "kept ");
	assert_int_equal(buf_read_file(&b, path, 39999), -EFBIG);
	assert_string_equal(buf_text(&b), "kept ");
	assert_int_equal(buf_read_file(&b, path, 40000), 0);
	assert_int_equal(b.len, 40005);
	assert_memory_equal(b.data + 5, block, sizeof(block));
	assert_int_equal(buf_read_file(&b, "/nonexistent", 10), -ENOENT);
	assert_int_equal(buf_read_file(&b, "/", 10), -EISDIR);
	assert_int_equal(b.len, 40005);
	assert_int_equal(buf_read_fd(&b, -1, 10), -EBADF);
	unlink(path);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(append), cmocka_unit_test(consume),
		cmocka_unit_test(take),	  cmocka_unit_test(overflow),
		cmocka_unit_test(files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
