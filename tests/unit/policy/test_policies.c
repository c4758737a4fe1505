// SPDX-License-Identifier: BSD-2-Clause
/*
 * Every policy of policies/: read without an error, warned of as its README
 * says and of nothing else, compiled for each host that its tests name, its
 * tests judged by the reference and by the image engine, its never: proved.
 */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "compile/compile.h"
#include "policy/reader.h"
#include "reference/reference.h"
#include "support/build.h"
#include "support/compiled.h"

#define FOLDER MOAT_SOURCE_DIR "/policies/"
#define MAX_FILE (1 << 20)

/* A file that the README lets stand on its own, or one with its base. */
static const struct shipped {
	const char *files[2];
	size_t tests, nevers; /* at least */
	const char *warnings; /* the texts, one a line */
} shipped[] = {
	{ { "training-cluster.yaml" },
	  35,
	  4,
	  "members of group base: 10.20.0.0/22 is wider than /24 and holds the "
	  "first addresses of subnets, which are routers' and resolvers'\n"
	  "members of group trainers: 10.20.0.0/22 is wider than /24 and holds "
	  "the first addresses of subnets, which are routers' and resolvers'\n" },
	{ { "inference.yaml" }, 25, 4, "" },
	{ { "multi-tenant.yaml" }, 25, 5, "" },
	{ { "notebook.yaml" }, 25, 4, "" },
	{ { "kubernetes-node.yaml" }, 25, 4, "" },
	{ { "perimeter-nacl.yaml" }, 25, 4, "" },
	{ { "lockdown.yaml" },
	  20,
	  2,
	  "members of group locked: 10.20.0.0/14 (and 2 more) is wider than "
	  "/24 and holds the first addresses of subnets, which are routers' "
	  "and resolvers'\n"
	  "egress of locked, over 2^100 addresses (10.20.0.0/14 and 2 more "
	  "ranges), reaches no port 53: names don't resolve\n"
	  "egress of locked, over 2^100 addresses (10.20.0.0/14 and 2 more "
	  "ranges), reaches no port 123: clocks drift\n"
	  "egress of locked, over 2^100 addresses (10.20.0.0/14 and 2 more "
	  "ranges), reaches no 169.254.169.254: no instance metadata\n" },
	{ { "base.yaml" }, 10, 1, "" },
	{ { "base.yaml", "role-storage.yaml" }, 20, 3, "" },
};

static int read_list(const char *document, const char *path, struct buf *ret,
		     void *arg)
{
	char full[512];

	snprintf(full, sizeof(full), FOLDER "%s", path);
	return buf_read_file(ret, full, MAX_FILE);
}

struct loaded {
	struct policy *policy;
	struct diags diags;
	struct config *config;
};

static void load(const struct shipped *s, struct loaded *ret)
{
	const struct reader_options options = { .read_list = read_list };
	struct buf text[2] = { 0 }, said = { 0 };
	struct document docs[2];
	size_t n = 0;

	*ret = (struct loaded){ 0 };
	for (; n < 2 && s->files[n]; n++) {
		char path[512];

		snprintf(path, sizeof(path), FOLDER "%s", s->files[n]);
		assert_int_equal(buf_read_file(&text[n], path, MAX_FILE), 0);
		docs[n] = (struct document){ s->files[n], text[n].data,
					     text[n].len };
	}
	ret->policy = policy_read(docs, n, &options, &ret->diags);
	assert_int_equal(diags_render(&ret->diags, &said), 0);
	assert_string_equal(buf_text(&said), "");
	assert_non_null(ret->policy);
	ret->config = build_config();
	buf_free(&text[0]);
	buf_free(&text[1]);
	buf_free(&said);
}

static void unload(struct loaded *l)
{
	policy_free(l->policy);
	diags_free(&l->diags);
	build_config_free(l->config);
}

/* Calls fn for each shipped policy. */
static void each(void (*fn)(const struct shipped *s, struct loaded *l))
{
	for (size_t i = 0; i < ARRAY_SIZE(shipped); i++) {
		struct loaded l;

		load(&shipped[i], &l);
		fn(&shipped[i], &l);
		unload(&l);
	}
}

static void assert_silent(struct diags *diags)
{
	_cleanup_(buf_free) struct buf said = { 0 };

	assert_int_equal(diags_render(diags, &said), 0);
	assert_string_equal(buf_text(&said), "");
}

static void check_content(const struct shipped *s, struct loaded *l)
{
	size_t allow = 0, v6 = 0;

	for (size_t i = 0; i < l->policy->ntests; i++) {
		allow += l->policy->tests[i].expect_allow;
		v6 += l->policy->tests[i].family == 6;
	}
	assert_true(l->policy->ntests >= s->tests);
	assert_true(l->policy->nnevers >= s->nevers);
	/* Both answers and both families are asked for. */
	assert_true(allow >= 3 && allow < l->policy->ntests);
	assert_true(v6 >= 2 && v6 < l->policy->ntests);
}

static void content(void **state)
{
	each(check_content);
}

/* A file that nobody listed above would never be looked at. */
static void no_file_is_forgotten(void **state)
{
	DIR *dir = opendir(FOLDER);
	struct dirent *e;
	size_t found = 0;

	assert_non_null(dir);
	while ((e = readdir(dir))) {
		const char *dot = strrchr(e->d_name, '.');
		bool listed = false;

		if (!dot || strcmp(dot, ".yaml"))
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(shipped); i++)
			for (size_t k = 0; k < 2 && shipped[i].files[k]; k++)
				listed |= !strcmp(shipped[i].files[k],
						  e->d_name);
		if (!listed)
			print_message("%s is not in the list\n", e->d_name);
		assert_true(listed);
		found++;
	}
	closedir(dir);
	assert_int_equal(found, 9);
}

static void check_warnings(const struct shipped *s, struct loaded *l)
{
	_cleanup_(buf_free) struct buf texts = { 0 };

	policy_warn(l->policy, NULL, NULL, 0, &l->diags);
	compile_warn(l->policy, &l->diags);
	assert_int_equal(l->diags.errors, 0);
	for (size_t i = 0; i < l->diags.count; i++)
		buf_printf(&texts, "%s\n", l->diags.items[i].text);
	assert_string_equal(buf_text(&texts), s->warnings);
}

static void warnings_stand_as_documented(void **state)
{
	each(check_warnings);
}

static void check_reference(const struct shipped *s, struct loaded *l)
{
	reference_run_tests(l->policy, l->config, &l->diags);
	assert_silent(&l->diags);
}

static void tests_by_the_reference(void **state)
{
	each(check_reference);
}

static void check_never(const struct shipped *s, struct loaded *l)
{
	compile_check_overlap(l->policy, &l->diags);
	compile_prove_never(l->policy, l->config, &l->diags);
	assert_silent(&l->diags);
}

static void never_is_proved(void **state)
{
	each(check_never);
}

static bool is_hosts(const struct policy *p, const struct moat_addr *a)
{
	size_t group;

	return policy_groups_of(p, a, &group, 1) > 0;
}

static struct probe probe_of(const struct policy_test *t, int direction)
{
	bool in = direction == MOAT_INGRESS;
	struct probe probe = {
		.direction = direction,
		.family = t->family,
		.local = in ? t->dst : t->src,
		.remote = in ? t->src : t->dst,
		.proto = t->proto,
		.sport = t->sport,
		.dport = t->dport,
	};

	if (t->proto == 1 || t->proto == 58) {
		probe.type = t->proto == 1 ? 8 : 128;
		if (t->type >= 0)
			probe.type = (uint8_t)t->type;
		probe.code = t->code > 0 ? (uint8_t)t->code : 0;
	}
	return probe;
}

/* One end: an image compiled for that host alone, against the reference. */
static bool end_allows(const struct loaded *l, const struct policy_test *t,
		       int direction, struct slots *slots)
{
	struct probe probe = probe_of(t, direction);
	const struct compile_input in = { .policy = l->policy,
					  .config = l->config,
					  .hosts = &probe.local,
					  .nhosts = 1,
					  .slots = slots };
	struct compile_stats stats;
	struct diags diags = { 0 };
	struct image *image = image_compile(&in, &stats, &diags);
	struct answer got, want;

	assert_silent(&diags);
	assert_non_null(image);
	assert_true(stats.all_profiles);
	struct image_view view = { .header = &image->header,
				   .slots = slots,
				   .config = l->config };
	for (int i = 0; i < MOAT_PART_COUNT; i++)
		view.part[i] = image->part[i];
	image_judge(&view, &probe, &got);
	reference_judge(l->policy, l->config, &probe, &want);
	assert_int_equal(got.verdict, want.verdict);
	assert_int_equal(got.reason, want.reason);
	assert_string_equal(got.rule, want.rule);
	image_free(image);
	return got.verdict == MOAT_ALLOW;
}

static void check_engine(const struct shipped *s, struct loaded *l)
{
	struct slots slots = { 0 };

	for (size_t i = 0; i < l->policy->ntests; i++) {
		const struct policy_test *t = &l->policy->tests[i];
		bool sender = is_hosts(l->policy, &t->src);
		bool receiver = is_hosts(l->policy, &t->dst);
		bool allowed = true;

		/* A test about strangers alone would say nothing. */
		assert_true(sender || receiver);
		if (sender)
			allowed &= end_allows(l, t, MOAT_EGRESS, &slots);
		if (receiver)
			allowed &= end_allows(l, t, MOAT_INGRESS, &slots);
		if (allowed != t->expect_allow)
			print_message("%s: test at line %d\n", s->files[0],
				      t->pos.line);
		assert_int_equal(allowed, t->expect_allow);
	}
	slots_free(&slots);
}

static void tests_by_the_image_engine(void **state)
{
	each(check_engine);
}

/* What the CLI pushes reads back to the same text. */
static void check_printed(const struct shipped *s, struct loaded *l)
{
	_cleanup_(buf_free) struct buf first = { 0 };
	_cleanup_(buf_free) struct buf second = { 0 };

	assert_int_equal(policy_print(l->policy, &first), 0);
	const struct document doc = { "pushed", first.data, first.len };
	struct policy *again = policy_read(&doc, 1, NULL, &l->diags);
	assert_silent(&l->diags);
	assert_non_null(again);
	assert_int_equal(policy_print(again, &second), 0);
	assert_string_equal(buf_text(&first), buf_text(&second));
	policy_free(again);
}

static void printed_and_read_back(void **state)
{
	each(check_printed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(content),
		cmocka_unit_test(no_file_is_forgotten),
		cmocka_unit_test(warnings_stand_as_documented),
		cmocka_unit_test(tests_by_the_reference),
		cmocka_unit_test(never_is_proved),
		cmocka_unit_test(tests_by_the_image_engine),
		cmocka_unit_test(printed_and_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
