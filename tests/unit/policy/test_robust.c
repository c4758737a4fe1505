// SPDX-License-Identifier: BSD-2-Clause
/*
 * Damaged documents: bits flipped, parts cut, doubled, moved and mixed, words
 * of the language put in. Nothing crashes; what is refused has an error; what
 * is read can be printed and read again. 10,000 documents with a fixed seed,
 * or for MOAT_FUZZ_SECONDS with seeds from MOAT_FUZZ_SEED on.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "policy/config.h"
#include "policy/reader.h"
#include "support/random.h"

static const char *const words[] = {
	"[",	     "]",
	"{",	     "}",
	": ",	     "- ",
	"\n",	     "  ",
	"*",	     "&a ",
	"!t ",	     "'",
	"\"",	     "#",
	",",	     "any",
	"self",	     "~",
	"null",	     "10.0.0.0/8",
	"fd00::",    "::/0",
	"65535",     "70000",
	"0",	     "-1",
	"1-2",	     "tcp",
	"icmp",	     "icmpv6",
	"ping",	     "\\0",
	"\t",	     "\r",
	"|\n",	     "? ",
	"\xff",	     "\xc2\x85",
	"---\n",     "echo-request",
	"{type: 1}", "network_acls",
	"file",	     "1/hour",
};

/* The documents to start from. */
struct corpus {
	struct buf *texts;
	size_t count;
};

static struct corpus load(void)
{
	struct corpus c = { 0 };
	glob_t files;

	assert_int_equal(
		glob(MOAT_SOURCE_DIR "/policies/*.yaml", 0, NULL, &files), 0);
	assert_int_equal(glob(MOAT_SOURCE_DIR "/tests/invalid/*/*.yaml",
			      GLOB_APPEND, NULL, &files),
			 0);
	c.texts = calloc(files.gl_pathc, sizeof(*c.texts));
	assert_non_null(c.texts);
	for (; c.count < files.gl_pathc; c.count++)
		assert_int_equal(buf_read_file(&c.texts[c.count],
					       files.gl_pathv[c.count],
					       1 << 20),
				 0);
	globfree(&files);
	return c;
}

/* Replaces len bytes at a place by others. */
static void splice(struct buf *b, size_t at, size_t len, const char *with,
		   size_t with_len)
{
	struct buf out = { 0 };

	buf_add(&out, b->data, at);
	buf_add(&out, with, with_len);
	buf_add(&out, b->data + at + len, b->len - at - len);
	buf_free(b);
	*b = out;
}

static void damage(struct rng *r, const struct corpus *c, struct buf *b)
{
	size_t at = rng_below(r, (unsigned)b->len);
	size_t len = rng_below(r, rng_percent(r, 75) ? 8 : 200);
	const struct buf *other = &c->texts[rng_below(r, (unsigned)c->count)];
	size_t from = rng_below(r, (unsigned)other->len);
	const char *word = RNG_PICK(r, words);
	size_t copied = other->len - from < 300 ? other->len - from : 300;

	len = len < b->len - at ? len : b->len - at;
	switch (rng_below(r, 5)) {
	case 0:
		b->data[at] ^= (char)(1 << rng_below(r, 8));
		break;
	case 1:
		splice(b, at, len, "", 0);
		break;
	case 2:
		splice(b, at, rng_percent(r, 50) ? len : 0, word, strlen(word));
		break;
	case 3:
		splice(b, at, 0, other->data + from, copied);
		break;
	default:
		splice(b, at, len, other->data + from,
		       len < copied ? len : copied);
	}
}

static int read_list(const char *document, const char *path, struct buf *ret,
		     void *arg)
{
	return strlen(path) % 4 ? buf_puts(ret, "10.0.0.0/8\nx\n") : -ENOENT;
}

static void read_back(const struct policy *p)
{
	struct buf first = { 0 }, second = { 0 };
	struct diags diags = { 0 };

	assert_int_equal(policy_print(p, &first), 0);
	const struct document doc = { "p", first.data, first.len };
	struct policy *back = policy_read(&doc, 1, NULL, &diags);
	if (!back)
		print_error("%s\n%s\n", diags.items[0].text, first.data);
	assert_non_null(back);
	assert_int_equal(policy_print(back, &second), 0);
	assert_string_equal(first.data, second.data);
	policy_free(back);
	diags_free(&diags);
	buf_free(&first);
	buf_free(&second);
}

/* True if the text is a policy or a configuration. */
static bool read_both(const struct buf *text)
{
	const struct reader_options options = { .read_list = read_list };
	const struct document doc = { "x/p.yaml", buf_text(text), text->len };
	struct diags diags = { 0 };
	struct buf said = { 0 };
	struct policy *p = policy_read(&doc, 1, &options, &diags);

	assert_int_equal(p != NULL, !diags.errors);
	assert_int_equal(diags_render(&diags, &said), 0);
	assert_int_equal(p != NULL, !said.len);
	if (p)
		read_back(p);
	diags_free(&diags);

	struct config *c = config_read("c", buf_text(text), text->len, &diags);
	assert_int_equal(c != NULL, !diags.errors);
	bool read = p || c;
	policy_free(p);
	config_free(c);
	diags_free(&diags);
	buf_free(&said);
	return read;
}

static void damaged_documents(void **state)
{
	const char *seconds = getenv("MOAT_FUZZ_SECONDS");
	const char *seed = getenv("MOAT_FUZZ_SEED");
	time_t end = time(NULL) + (seconds ? atoi(seconds) : 0);
	struct corpus c = load();
	struct rng r = { seed ? (uint64_t)atoll(seed) : 1 };
	int runs = 0, read = 0;

	for (; runs < 10000 || time(NULL) < end; runs++) {
		struct buf text = { 0 };
		const struct buf *start =
			&c.texts[rng_below(&r, (unsigned)c.count)];
		unsigned times = 1 + rng_below(&r, 6);

		buf_add(&text, start->data, start->len);
		while (times-- && text.len)
			damage(&r, &c, &text);
		read += read_both(&text);
		buf_free(&text);
	}
	/* Otherwise the damage is such that nothing was tested. */
	assert_true(read > runs / 200 && read < runs / 2);
	for (size_t i = 0; i < c.count; i++)
		buf_free(&c.texts[i]);
	free(c.texts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(damaged_documents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
