// SPDX-License-Identifier: BSD-2-Clause
/*
 * Members join and leave a compiled policy in place: after every change the
 * image says what the reference says of the changed policy (G11), and a change
 * taken back leaves the sets as they were.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>

#include "compile/update.h"
#include "policy/members.h"
#include "reference/reference.h"
#include "support/random.h"

#define POLICIES 60
#define CHANGES 12
#define PROBES 60

struct world {
	struct rng rng;
	struct policy *p;
	struct config *c;
	struct slots slots;
	struct live *live;
	unsigned in_place, anew;
};

static void compile(struct world *w)
{
	struct diags diags = {};
	struct compile_stats stats;
	struct compile_input in = { .policy = w->p,
				    .config = w->c,
				    .slots = &w->slots };

	live_free(w->live);
	w->live = live_compile(&in, &stats, &diags);
	diags_free(&diags);
}

static void ask(struct world *w, const struct probe *probe)
{
	struct image *image = live_image(w->live);
	struct image_view view = { .header = &image->header,
				   .slots = &w->slots,
				   .config = w->c };
	struct answer got, want;

	for (int i = 0; i < MOAT_PART_COUNT; i++)
		view.part[i] = image->part[i];
	image_judge(&view, probe, &got);
	reference_judge(w->p, w->c, probe, &want);
	assert_int_equal(got.verdict, want.verdict);
	assert_int_equal(got.reason, want.reason);
	assert_string_equal(got.rule, want.rule);
}

static void compare(struct world *w, const struct cidr *near)
{
	struct image *image = live_image(w->live);
	struct palette palette;

	assert_int_equal(image_verify(&image->header,
				      (const void *const *)image->part,
				      image->header.used),
			 0);
	palette_make(w->p, w->c, &palette);
	for (int i = 0; i < PROBES; i++) {
		struct probe probe = random_probe(&w->rng, &palette);

		ask(w, &probe);
		/* And where the change was, at either end. */
		if (probe.family != near->family)
			continue;
		if (i & 1)
			probe.remote = random_near(&w->rng, near);
		else
			probe.local = random_near(&w->rng, near);
		ask(w, &probe);
	}
	palette_free(&palette);
}

static struct cidr some_cidr(struct world *w)
{
	const struct addr_set *set =
		&w->p->sets[rng_below(&w->rng, (unsigned)w->p->nsets)];
	struct cidr c = random_cidr(&w->rng, rng_percent(&w->rng, 70) ? 4 : 6);

	if (set->ncidrs && rng_percent(&w->rng, 70))
		c = set->cidrs[rng_below(&w->rng, (unsigned)set->ncidrs)];
	if (rng_percent(&w->rng, 50)) {
		c.addr = random_near(&w->rng, &c);
		c.length = c.family == 4 ? 32 : 128;
	}
	if (!c.length)
		c.length = 1;
	return c;
}

/* What a compilation from scratch refuses (two NACLs) is taken back. */
static void change(struct world *w)
{
	struct member_change m = {
		.remove = rng_percent(&w->rng, 40),
		.group =
			w->p->groups[rng_below(&w->rng, (unsigned)w->p->ngroups)]
				.name,
		.cidr = some_cidr(w),
	};
	struct members_undo undo = {};
	int r = members_apply(w->p, &m, &undo);

	assert_true(r == 0 || r == 1);
	if (r) {
		r = live_update(w->live, &m.cidr, NULL, 0);
		assert_true(!r || r == -ENOTSUP);
		w->in_place += !r;
		w->anew += !!r;
	}
	if (r)
		compile(w);
	if (w->live) {
		members_keep(&undo);
	} else {
		members_take_back(w->p, &undo);
		compile(w);
	}
	assert_non_null(w->live);
	compare(w, &m.cidr);
}

static void as_the_reference(void **state)
{
	unsigned in_place = 0, anew = 0;

	for (int i = 0; i < POLICIES; i++) {
		struct world w = { .rng = { 1000 + (uint64_t)i } };

		w.p = random_policy(&w.rng);
		w.c = random_config(&w.rng);
		if (w.p->ngroups)
			compile(&w);
		for (int k = 0; w.live && k < CHANGES; k++)
			change(&w);
		in_place += w.in_place;
		anew += w.anew;
		live_free(w.live);
		slots_free(&w.slots);
		policy_free(w.p);
		config_free(w.c);
	}
	/* It is the in-place way that is tested here. */
	assert_true(in_place > 100);
	assert_true(anew > 0);
}

/* Bases are read where the sets are now, so taking back must bring the same. */
static void taken_back(void **state)
{
	struct policy *p = build_policy(MODE_ENFORCE);
	struct members_undo undo = {};
	struct member_change m = { .group = (char *)"g" };
	const struct addr_set *set;

	build_group(p, "g");
	build_member(p, p->groups[0].set, "10.0.0.0/24");
	set = &p->sets[p->groups[0].set];
	assert_int_equal(cidr_parse("10.0.0.7", &m.cidr), 0);
	assert_int_equal(members_apply(p, &m, &undo), 0);
	m.remove = true;
	assert_int_equal(members_apply(p, &m, &undo), 1);
	assert_int_equal(set->ncidrs, 8);
	assert_int_equal(members_apply(p, &m, &undo), 0);
	m.remove = false;
	assert_int_equal(members_apply(p, &m, &undo), 1);
	assert_int_equal(set->ncidrs, 9);
	assert_int_equal(cidr_parse("10.0.0.0/24", &m.cidr), 0);
	assert_int_equal(members_apply(p, &m, &undo), 0);
	m.group = (char *)"h";
	assert_int_equal(members_apply(p, &m, &undo), -ENOENT);
	members_take_back(p, &undo);
	assert_int_equal(set->ncidrs, 1);
	policy_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_the_reference),
		cmocka_unit_test(taken_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
