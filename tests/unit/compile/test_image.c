// SPDX-License-Identifier: BSD-2-Clause
/* Checksum and structure check: what is damaged is never taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/in.h>

#include "support/compiled.h"
#include "support/random.h"

static void make(struct compiled *compiled, struct config **ret_config)
{
	struct policy *p = build_policy(MODE_ENFORCE);
	size_t g = build_group(p, "g"), n = build_nacl(p, "n");
	struct rule *r;

	build_member(p, p->groups[g].set, "10.1.0.0/16");
	build_member(p, p->groups[g].set, "10.1.2.3");
	build_member(p, p->groups[g].set, "fd00::/64");
	build_member(p, p->groups[g].set, "fd00:0:0:1::7");
	build_member(p, p->nacls[n].set, "10.1.0.0/16");
	r = build_named(p, g, MOAT_INGRESS, "web");
	build_peer(r, "10.9.8.7");
	build_peer(r, "fd00:9::1");
	build_ports(r, IPPROTO_TCP, 80, 90);
	build_limit(r, 1000, 5);
	r = build_entry(&p->nacls[n].rules[MOAT_INGRESS], 5, false);
	build_peer_any(r);
	build_ports(r, IPPROTO_TCP, 0, 1000);
	*ret_config = build_config();
	compiled_make(compiled, p, *ret_config, NULL, 0);
	assert_non_null(compiled->image);
	policy_free(p);
}

static int verify(const struct compiled *c)
{
	return image_verify(&c->image->header, c->view.part,
			    c->image->header.used);
}

/* Each bit of header and of a sample of words changes the checksum. */
static void checksum_sees_every_bit(void **state)
{
	struct compiled c = { 0 };
	struct config *config;
	struct rng rng = { 1 };
	__u64 sum;

	make(&c, &config);
	sum = image_checksum(&c.image->header, c.view.part);
	assert_int_equal(sum, c.image->header.checksum);
	c.image->header.checksum = 1;
	c.image->header.seal = 2;
	assert_int_equal(image_checksum(&c.image->header, c.view.part), sum);
	for (int i = 0; i < 300; i++) {
		int part = i % MOAT_PART_COUNT;
		__u8 *bytes = c.image->part[part];
		unsigned at = rng_below(&rng, c.image->header.used[part]);

		bytes[at] ^= (__u8)(1 << i % 8);
		assert_int_not_equal(
			image_checksum(&c.image->header, c.view.part), sum);
		bytes[at] ^= (__u8)(1 << i % 8);
	}
	c.image->header.profile_flags[63] ^= 1;
	assert_int_not_equal(image_checksum(&c.image->header, c.view.part),
			     sum);
	compiled_free(&c);
	build_config_free(config);
}

static void header_fields(void **state)
{
	struct compiled c = { 0 };
	struct config *config;
	struct moat_image *h, good;
	__u32 **each;

	make(&c, &config);
	h = &c.image->header;
	good = *h;
	each = (__u32 *[]){ &h->abi,	      &h->classes,	&h->profiles,
			    &h->rows,	      &h->profile_of,	&h->rowmap,
			    &h->rowdir,	      &h->chains,	&h->limits,
			    &h->slots,	      &h->nslots,	&h->addr6_upper,
			    &h->addr6_values, &h->addr6_tables, NULL };
	assert_int_equal(verify(&c), 0);
	for (size_t i = 0; each[i]; i++) {
		*each[i] = 0xffffffff;
		assert_int_equal(verify(&c), -EINVAL);
		*h = good;
	}
	for (int i = 0; i < MOAT_PART_COUNT; i++) {
		__u32 less[MOAT_PART_COUNT];

		memcpy(less, h->used, sizeof(less));
		less[i] -= 8;
		assert_int_equal(image_verify(h, c.view.part, less), -EINVAL);
		h->used[i] = 8;
		assert_int_equal(verify(&c), -EINVAL);
		*h = good;
	}
	compiled_free(&c);
	build_config_free(config);
}

/*
 * Whatever a damaged word says: either the check refuses it, or reading by
 * it stays inside the parts (the address sanitizer watches).
 */
static void damaged_words(void **state)
{
	struct compiled c = { 0 };
	struct config *config;
	struct rng rng = { 5 };
	unsigned refused = 0;

	make(&c, &config);
	for (int i = 0; i < 4000; i++) {
		int part = i % MOAT_PART_COUNT;
		unsigned words = c.image->header.used[part] / 4;
		__u32 *word = (__u32 *)c.image->part[part] +
			      rng_below(&rng, words < 70000 ? words : 70000);
		__u32 good = *word;
		struct probe probe = build_probe(
			0, i & 8 ? "10.1.2.3" : "fd00::5",
			i & 8 ? "10.9.8.7" : "fd00:9::1", IPPROTO_TCP, 85);
		struct answer a;

		probe.direction = i & 1;
		*word = (__u32)rng_next(&rng);
		if (verify(&c))
			refused++;
		else
			image_judge(&c.view, &probe, &a);
		*word = good;
	}
	assert_true(refused > 1000);
	assert_int_equal(verify(&c), 0);
	compiled_free(&c);
	build_config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checksum_sees_every_bit),
		cmocka_unit_test(header_fields),
		cmocka_unit_test(damaged_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
