// SPDX-License-Identifier: BSD-2-Clause
/*
 * tests/invalid: every document is refused, with exactly the diagnostics of
 * the .err file beside it. MOAT_WRITE_ERR=1 writes the .err files instead;
 * read what it wrote before you commit it.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "policy/config.h"
#include "policy/reader.h"

#define FOLDER MOAT_SOURCE_DIR "/tests/invalid/"

/* Lists stand beside the policies; names in messages have no folder. */
static int read_list(const char *document, const char *path, struct buf *ret,
		     void *arg)
{
	char name[512];

	snprintf(name, sizeof(name), FOLDER "policy/%s", path);
	return buf_read_file(ret, name, 1 << 20);
}

/* True if the policy was refused. */
static bool refuse_policy(const char *name, const struct buf *text,
			  struct diags *diags)
{
	const struct reader_options options = { .read_list = read_list };
	const struct document doc = { name, buf_text(text), text->len };
	struct policy *p = policy_read(&doc, 1, &options, diags);
	bool refused = !p && diags->errors > 0;

	policy_free(p);
	return refused;
}

static bool refuse_config(const char *name, const struct buf *text,
			  struct diags *diags)
{
	struct config *c = config_read(name, buf_text(text), text->len, diags);
	bool refused = !c && diags->errors > 0;

	config_free(c);
	return refused;
}

typedef bool (*refuse_fn)(const char *name, const struct buf *text,
			  struct diags *diags);

static void write_file(const char *path, const struct buf *text)
{
	_cleanup_fclose_ FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(buf_text(text), 1, text->len, f), text->len);
}

/* False, having said why, if the document got other words than expected. */
static bool check_file(const char *path, refuse_fn refuse)
{
	struct buf text = { 0 }, expected = { 0 }, said = { 0 };
	struct diags diags = { 0 };
	char err[512];
	bool ok;

	snprintf(err, sizeof(err), "%.*s.err", (int)strlen(path) - 5, path);
	assert_int_equal(buf_read_file(&text, path, 1 << 20), 0);
	ok = refuse(strrchr(path, '/') + 1, &text, &diags);
	assert_int_equal(diags_render(&diags, &said), 0);
	if (!ok)
		print_error("%s is accepted\n", path);
	if (getenv("MOAT_WRITE_ERR")) {
		write_file(err, &said);
	} else if (buf_read_file(&expected, err, 1 << 20) ||
		   strcmp(buf_text(&expected), buf_text(&said)) != 0) {
		print_error("%s: expected:\n%sgot:\n%s", path,
			    buf_text(&expected), buf_text(&said));
		ok = false;
	}
	buf_free(&text);
	buf_free(&expected);
	buf_free(&said);
	diags_free(&diags);
	return ok;
}

static void check_folder(const char *pattern, refuse_fn refuse, size_t least)
{
	size_t bad = 0;
	glob_t files;

	assert_int_equal(glob(pattern, 0, NULL, &files), 0);
	assert_true(files.gl_pathc >= least);
	for (size_t i = 0; i < files.gl_pathc; i++)
		bad += !check_file(files.gl_pathv[i], refuse);
	globfree(&files);
	assert_int_equal(bad, 0);
}

static void invalid_policies(void **state)
{
	check_folder(FOLDER "policy/*.yaml", refuse_policy, 150);
}

static void invalid_configurations(void **state)
{
	check_folder(FOLDER "config/*.yaml", refuse_config, 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(invalid_policies),
		cmocka_unit_test(invalid_configurations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
