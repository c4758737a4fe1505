// SPDX-License-Identifier: BSD-2-Clause
/*
 * The policy reader: any bytes as a policy. What reads is compiled, printed
 * and read back, and the image is held against the reference on packets that
 * meet the policy's own edges.
 */
#include "fuzz/fuzz.h"

#include <string.h>

#include "diff/engines.h"
#include "policy/reader.h"
#include "reference/reference.h"
#include "support/random.h"

#define PROBES 24

/* A list's file holds two networks and its own name. */
static int read_list(const char *document, const char *path, struct buf *ret,
		     void *arg)
{
	static const char text[] = "10.9.0.0/16\n# note\n2001:db8:9::/48\n";
	int err = buf_add(ret, text, strlen(text));

	return err ? err : buf_add(ret, path, strlen(path));
}

static struct policy *read_text(const char *text, size_t len,
				struct diags *diags)
{
	static const struct reader_options options = { .read_list = read_list };
	const struct document doc = { "policy.yaml", text, len };

	return policy_read(&doc, 1, &options, diags);
}

/* parse(print(model)) is the model, as far as printing tells. */
static void check_printed(const struct policy *p)
{
	struct buf once = { 0 }, twice = { 0 };
	struct diags diags = { 0 };
	struct policy *again;

	must(policy_print(p, &once) == 0);
	again = read_text(buf_text(&once), once.len, &diags);
	must(again != NULL);
	must(policy_print(again, &twice) == 0);
	must(once.len == twice.len &&
	     memcmp(once.data, twice.data, once.len) == 0);
	policy_free(again);
	diags_free(&diags);
	buf_free(&once);
	buf_free(&twice);
}

/* Any packet gets one answer from image and reference. */
static void check_answers(const struct policy *p, struct config *c,
			  uint64_t seed)
{
	struct rng rng = { .state = seed };
	struct palette palette;
	struct engines e;
	char line[256];

	if (!engines_open(&e, p, c, NULL, 0))
		return; /* a limit, by its name */
	must(image_verify(&e.image->header, (const void *const *)e.image->part,
			  e.image->header.used) == 0);
	palette_make(p, c, &palette);
	for (int i = 0; i < PROBES; i++) {
		struct probe probe = random_probe(&rng, &palette);
		struct answer want, got;

		engines_judge(&e, ENGINE_REFERENCE, &probe, &want);
		engines_judge(&e, ENGINE_IMAGE, &probe, &got);
		if (answers_equal(&want, &got))
			continue;
		fprintf(stderr, "%s\n",
			probe_print(&probe, line, sizeof(line)));
		fprintf(stderr, "reference: %s\n",
			answer_print(&want, line, sizeof(line)));
		fprintf(stderr, "image: %s\n",
			answer_print(&got, line, sizeof(line)));
		must(answers_equal(&want, &got));
	}
	palette_free(&palette);
	engines_close(&e);
}

/* What a push does to a policy that could be read. */
static void check_model(struct policy *p, struct diags *diags, uint64_t seed)
{
	static const struct reader_options options = { .read_list = read_list };
	struct config *c = config_default();

	must(c != NULL);
	policy_warn(p, &options, NULL, 0, diags);
	compile_warn(p, diags);
	check_printed(p);
	must(!diags->errors);
	compile_check_overlap(p, diags);
	if (!diags->errors) {
		reference_run_tests(p, c, diags);
		compile_prove_never(p, c, diags);
		check_answers(p, c, seed);
	}
	config_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct diags diags = { 0 };
	struct policy *p = read_text((const char *)data, size, &diags);
	struct buf text = { 0 };

	must(!p == (diags.errors > 0));
	if (p)
		check_model(p, &diags, size);
	must(diags_render(&diags, &text) == 0);
	policy_free(p);
	buf_free(&text);
	diags_free(&diags);
	return 0;
}
