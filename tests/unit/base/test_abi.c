/* SPDX-License-Identifier: BSD-2-Clause */
/* Sizes and names as literals: an ABI change must touch this test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "moat/counters.h"
#include "moat/flow.h"
#include "moat/image.h"
#include "moat/knobs.h"

static void sizes(void **state)
{
	assert_int_equal(MOAT_ABI_VERSION, 3);
	assert_int_equal(sizeof(struct moat_flow_key), 40);
	assert_int_equal(sizeof(struct moat_flow), 112);
	assert_int_equal(sizeof(struct moat_leases), 4 * 64);
	assert_int_equal(sizeof(struct moat_image), 168);
	assert_int_equal(sizeof(struct moat_knobs), 176);
	assert_int_equal(sizeof(struct moat_rule_counters), 48 * 32);
}

static void words(void **state)
{
	uint64_t w = MOAT_WORD(0xabcdef, 0x1234, 0x56, 2, 1, 0x2);
	uint64_t c = MOAT_CTL(3, 2, 0xabcdef, 0xfedcba98u);

	assert_int_equal(MOAT_WORD_GENERATION(w), 0xabcdef);
	assert_int_equal(MOAT_WORD_SLOT(w), 0x1234);
	assert_int_equal(MOAT_WORD_REASON(w), 0x56);
	assert_int_equal(MOAT_WORD_NACL(w, MOAT_INGRESS), 2);
	assert_int_equal(MOAT_WORD_NACL(w, MOAT_EGRESS), 1);
	assert_int_equal(w & 0xfff, MOAT_WORD_REEVALUATE);
	assert_int_equal(MOAT_CTL_SLOT(c), 3);
	assert_int_equal(MOAT_CTL_PREVIOUS(c), 2);
	assert_int_equal(MOAT_CTL_GENERATION(c), 0xabcdef);
	assert_int_equal(MOAT_CTL_DEADLINE(c), 0xfedcba98u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
