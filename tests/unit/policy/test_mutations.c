// SPDX-License-Identifier: BSD-2-Clause
/*
 * unknown or duplicate key, wrong type, empty list, inverted range,
 * unknown reference: whole file rejected, with file, line and column. Every
 * place of every shipped policy where one of these can be put in gets it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <glob.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "policy/reader.h"

#define KEYWORDS \
	"version|name|mode|on_tighten|prefix_lists|security_groups|" \
	"network_acls|members|ingress|egress|from|to|protocol|ports|icmp|" \
	"service|limit|new_connections|burst|per|applies_to|rule|action|" \
	"tests|never|src|dst|dport|sport|expect|description|owner|file|services"
#define LISTS "(from|to|ports|protocol|service|applies_to): "

/* Group 2 of the match is replaced; & stands for what it was. */
static const struct {
	const char *what, *regex, *replacement;
} mutations[] = {
	{ "misspelt key", "(^|[{, ])(" KEYWORDS "):", "&z" },
	{ "key in capitals", "(^|[{, ])(n)ame:", "N" },
	{ "key twice", "([{])((" KEYWORDS "): )", "&1, &" },
	{ "top-level key twice", "(^)(mode: )", "mode: audit\n&" },
	{ "mapping in a list", "(^|[{, ])(" LISTS "\\[)", "&{zz: 1}, " },
	{ "list in a list",
	  "(^|[{, ])((members|"
	  "from|to): \\[)",
	  "&[10.0.0.0/8], " },
	{ "list for a scalar",
	  "(mode|action|expect|name|src|dst): ([a-z0-9.]+)", "[&]" },
	{ "text for a number", "(rule|dport|sport|burst|version): ([0-9]+)",
	  "n&" },
	{ "empty list", LISTS "(\\[[^]]+\\])", "[]" },
	{ "no value",
	  "(members|from|to|ports|protocol|service|mode|name): ([^],}\n]+|\\[[^]]+\\])",
	  "~" },
	{ "host bits", "(\\.)(0)/(8|9|1[0-9]|2[0-4])", "1" },
	{ "prefix too long", "(\\.[0-9]+/)([0-9]+)", "&99" },
	{ "port too high", "(port: |ports: \\[)([0-9]+)", "7&0000" },
	{ "inverted range", "([ [])([0-9]+-[0-9]+)", "65535-1" },
	{ "unknown peer", "(from: \\[|to: \\[|from: |to: )([a-z][a-z0-9-]+)",
	  "&-zz" },
	{ "unknown service", "(service: )([a-z][a-z0-9-]+)", "&-zz" },
	{ "unknown protocol", "(protocol: )([a-z]+)", "&-zz" },
	{ "anchor", "(from: |to: |members: |ports: )(\\[)", "\\&a &" },
	{ "tag", "(from: |to: |members: |ports: )(\\[)", "!!seq &" },
	{ "second document", "(^)(security_groups:)", "---\n&" },
};

static int read_list(const char *document, const char *path, struct buf *ret,
		     void *arg)
{
	char name[512];

	snprintf(name, sizeof(name), MOAT_SOURCE_DIR "/policies/%s", path);
	return buf_read_file(ret, name, 1 << 20);
}

static struct policy *read_text(const struct buf *text, struct diags *diags)
{
	static const struct reader_options options = { .read_list = read_list };
	const struct document doc = { "p.yaml", buf_text(text), text->len };

	return policy_read(&doc, 1, &options, diags);
}

/* Words in comments are not part of the policy. */
static void strip_comments(const struct buf *in, struct buf *out)
{
	const char *line = buf_text(in);

	while (*line) {
		size_t len = strcspn(line, "\n"), keep = len;

		for (size_t i = 0; i < len; i++)
			if (line[i] == '#' && (!i || line[i - 1] == ' ')) {
				keep = i;
				break;
			}
		buf_add(out, line, keep);
		buf_puts(out, "\n");
		line += len + (line[len] == '\n');
	}
}

static void add_replacement(struct buf *out, const char *replacement,
			    const char *was, size_t len)
{
	for (const char *p = replacement; *p; p++) {
		if (*p == '&')
			buf_add(out, was, len);
		else
			buf_add(out, *p == '\\' ? ++p : p, 1);
	}
}

static void assert_refused(const struct buf *text, size_t number, size_t at)
{
	struct diags diags = { 0 };
	struct policy *p = read_text(text, &diags);
	bool placed = false;

	for (size_t i = 0; i < diags.count; i++)
		placed = placed || (diags.items[i].pos.line > 0 &&
				    diags.items[i].pos.column > 0);
	if (p || !diags.errors || !placed)
		print_error("%s: %.80s\n", mutations[number].what,
			    buf_text(text) + (at > 40 ? at - 40 : 0));
	assert_null(p);
	assert_true(diags.errors > 0);
	assert_true(placed);
	diags_free(&diags);
}

/* The number of places where the mutation could be made. */
static size_t mutate(const struct buf *text, size_t number)
{
	const char *start = buf_text(text), *at = start;
	regmatch_t m[3];
	regex_t regex;
	size_t count = 0;

	assert_int_equal(regcomp(&regex, mutations[number].regex,
				 REG_EXTENDED | REG_NEWLINE),
			 0);
	for (int flags = 0; !regexec(&regex, at, 3, m, flags);
	     at += m[2].rm_eo, flags = at[-1] == '\n' ? 0 : REG_NOTBOL) {
		struct buf mutant = { 0 };
		const char *was = at + m[2].rm_so;
		size_t len = (size_t)(m[2].rm_eo - m[2].rm_so);

		buf_add(&mutant, start, (size_t)(was - start));
		add_replacement(&mutant, mutations[number].replacement, was,
				len);
		buf_puts(&mutant, was + len);
		assert_refused(&mutant, number, (size_t)(was - start));
		buf_free(&mutant);
		count++;
	}
	regfree(&regex);
	return count;
}

static void mutated_policies(void **state)
{
	size_t total = 0, by_kind[ARRAY_SIZE(mutations)] = { 0 };
	glob_t files;

	assert_int_equal(
		glob(MOAT_SOURCE_DIR "/policies/*.yaml", 0, NULL, &files), 0);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		struct buf file = { 0 }, text = { 0 };
		struct diags diags = { 0 };

		assert_int_equal(
			buf_read_file(&file, files.gl_pathv[i], 1 << 20), 0);
		strip_comments(&file, &text);
		struct policy *p = read_text(&text, &diags);
		/* Some are parts of several files. */
		for (size_t k = 0; p && k < ARRAY_SIZE(mutations); k++)
			by_kind[k] += mutate(&text, k);
		policy_free(p);
		diags_free(&diags);
		buf_free(&file);
		buf_free(&text);
	}
	globfree(&files);
	for (size_t k = 0; k < ARRAY_SIZE(mutations); k++) {
		if (!by_kind[k])
			fail_msg("no place for: %s", mutations[k].what);
		total += by_kind[k];
	}
	assert_true(total >= 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mutated_policies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
