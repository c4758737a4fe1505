// SPDX-License-Identifier: BSD-2-Clause
/* Shared sets against plain bitmaps: same members, same id if and only if
 * equal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "compile/active.h"
#include "compile/pset.h"
#include "support/random.h"

#define UNIVERSE 700
#define SETS 60

static void same_members(const struct pset_pool *p, pset s,
			 const bool plain[UNIVERSE])
{
	__u32 at = pset_next(p, s, 0);

	for (__u32 m = 0; m < UNIVERSE; m++) {
		assert_int_equal(pset_has(p, s, m), plain[m]);
		if (!plain[m])
			continue;
		assert_int_equal(at, m);
		at = pset_next(p, s, m + 1);
	}
	assert_int_equal(at, PSET_END);
}

static void random_sets(void **state)
{
	static bool plain[SETS][UNIVERSE];
	struct rng rng = { 4 };
	struct pset_pool p;
	pset s[SETS] = { 0 };

	memset(plain, 0, sizeof(plain));
	assert_int_equal(pset_pool_init(&p, UNIVERSE), 0);
	for (int i = 0; i < 6000; i++) {
		unsigned a = rng_below(&rng, SETS), b = rng_below(&rng, SETS);
		__u32 m = rng_below(&rng, UNIVERSE);

		if (rng_percent(&rng, 10)) {
			s[a] = 0;
			memset(plain[a], 0, sizeof(plain[a]));
		} else if (rng_percent(&rng, 30)) {
			s[a] = pset_union(&p, s[a], s[b]);
			for (int k = 0; k < UNIVERSE; k++)
				plain[a][k] |= plain[b][k];
		} else {
			s[a] = pset_add(&p, s[a], m);
			plain[a][m] = true;
		}
		if (i % 100 == 0)
			same_members(&p, s[a], plain[a]);
		assert_int_equal(s[a] == s[b],
				 !memcmp(plain[a], plain[b], sizeof(plain[a])));
	}
	for (int i = 0; i < SETS; i++)
		same_members(&p, s[i], plain[i]);
	assert_false(p.failed);
	pset_pool_free(&p);
}

/* A set of one is one node, and so is a universe of one leaf. */
static void small(void **state)
{
	struct pset_pool p;
	pset one;

	assert_int_equal(pset_pool_init(&p, 20000), 0);
	one = pset_add(&p, 0, 19999);
	assert_int_equal(p.count, 2);
	assert_int_equal(pset_add(&p, one, 19999), one);
	assert_true(pset_has(&p, one, 19999));
	assert_false(pset_has(&p, one, 0));
	assert_int_equal(pset_next(&p, one, 0), 19999);
	pset_pool_free(&p);
	assert_int_equal(pset_pool_init(&p, 1), 0);
	one = pset_add(&p, 0, 0);
	assert_int_equal(pset_next(&p, one, 0), 0);
	assert_int_equal(pset_next(&p, one, 1), PSET_END);
	pset_pool_free(&p);
}

static void active_ranks(void **state)
{
	static bool plain[65536];
	struct rng rng = { 8 };
	struct active a;

	assert_int_equal(active_init(&a), 0);
	assert_int_equal(active_next(&a, 0), ACTIVE_NONE);
	for (int i = 0; i < 20000; i++) {
		__u32 rank = rng_percent(&rng, 50) ? rng_below(&rng, 65536) :
						     rng_below(&rng, 64) * 64;
		__u32 from = rng_below(&rng, 65536), want = from;

		if (plain[rank])
			active_clear(&a, rank);
		else
			active_set(&a, rank);
		plain[rank] = !plain[rank];
		while (want < 65536 && !plain[want])
			want++;
		assert_int_equal(active_next(&a, from),
				 want == 65536 ? ACTIVE_NONE : want);
	}
	active_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_sets),
		cmocka_unit_test(small),
		cmocka_unit_test(active_ranks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
