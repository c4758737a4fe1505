// SPDX-License-Identifier: BSD-2-Clause
/* Policies into the private instance, and rules by their names. */
#include "bpf/harness.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "kern/private.h"
#include "policy/reader.h"

static void fail_with(const struct diags *diags)
{
	struct buf text = {};

	diags_render(diags, &text);
	fail_msg("policy: %s", buf_text(&text));
}

static struct image *compile(struct harness *h, const struct policy *policy)
{
	struct moat_addr hosts[ARRAY_SIZE(h->own)];
	struct compile_input in = {
		.policy = policy,
		.config = &h->config,
		.hosts = hosts,
		.nhosts = h->nown,
		.slots = &h->slots,
	};
	struct compile_stats stats;
	struct diags diags = {};
	struct image *image;

	for (size_t i = 0; i < h->nown; i++)
		hosts[i] = h->own[i].addr;
	image = image_compile(&in, &stats, &diags);
	if (!image)
		fail_with(&diags);
	diags_free(&diags);
	return image;
}

struct image *harness_compile(struct harness *h, const char *yaml)
{
	struct document doc = { .name = "test.yaml",
				.text = yaml,
				.len = strlen(yaml) };
	struct reader_options options = {};
	struct diags diags = {};
	struct policy *policy = policy_read(&doc, 1, &options, &diags);
	struct image *image;

	if (!policy)
		fail_with(&diags);
	image = compile(h, policy);
	policy_free(policy);
	diags_free(&diags);
	return image;
}

static void push_growing(struct harness *h, struct image *image)
{
	int err = store_push(h->dp, image, 0, &h->generation);

	if (err == -E2BIG) {
		assert_int_equal(datapath_grow(h->dp, image->header.used,
					       image->header.nslots),
				 0);
		err = store_push(h->dp, image, 0, &h->generation);
	}
	assert_int_equal(err, 0);
	image_free(image);
}

void harness_policy(struct harness *h, const char *yaml)
{
	push_growing(h, harness_compile(h, yaml));
}

void harness_built_in(struct harness *h)
{
	push_growing(h, compile(h, NULL));
}

/* ---- deadlines ---- */

void harness_push_waiting(struct harness *h, struct image *image)
{
	assert_int_equal(store_push(h->dp, image, 600, &h->generation), 0);
}

/* Moved there, as a check before it must not hang on the machine's speed. */
void harness_pass_deadline(struct harness *h)
{
	__u32 deadline = datapath_epoch_seconds(h->dp) + 1;
	struct store_state s;

	store_state(h->dp, &s);
	assert_true(s.deadline > deadline);
	__atomic_store_n(&h->dp->store.control->word,
			 MOAT_CTL(s.slot, s.previous_slot, s.generation,
				  deadline),
			 __ATOMIC_RELEASE);
	while (datapath_epoch_seconds(h->dp) < deadline)
		usleep(20000);
}

/* ---- rules ---- */

const char *harness_rule_name(struct harness *h, __u32 slot)
{
	static char name[256];

	return slot_name(&h->slots, slot, name, sizeof(name));
}

__u32 harness_slot(struct harness *h, const char *rule, int direction)
{
	for (size_t i = 0; i < h->slots.count; i++)
		if (h->slots.ids[i].owner &&
		    h->slots.ids[i].direction == direction &&
		    !strcmp(harness_rule_name(h, i), rule))
			return i;
	fail_msg("no rule %s", rule);
	return MOAT_SLOT_NONE;
}

struct moat_rule_count harness_rule_count(struct harness *h, __u32 slot)
{
	struct moat_rule_count *c = calloc(slot + 1, sizeof(*c)), one;

	assert_non_null(c);
	assert_int_equal(stats_rules(h->dp, c, slot + 1), 0);
	one = c[slot];
	free(c);
	return one;
}

struct outcome harness_expect_rule(struct harness *h, enum attach_hook hook,
				   const struct packet_spec *s,
				   struct expected e)
{
	int direction = hook == ATTACH_TC_EGRESS ? MOAT_EGRESS : MOAT_INGRESS;
	struct moat_rule_count before = {}, after = {};
	__u64 packets = h->gso_segs ? h->gso_segs : 1, moved;
	__u32 slot = MOAT_SLOT_NONE;
	struct outcome o;

	if (*e.rule) {
		slot = harness_slot(h, e.rule, direction);
		before = harness_rule_count(h, slot);
	}
	o = harness_expect(h, hook, s, e);
	if (o.trace.slot != slot)
		fail_msg("%s:%d: rule '%s', not '%s'", e.file, e.line,
			 o.trace.slot == MOAT_SLOT_NONE ?
				 "" :
				 harness_rule_name(h, o.trace.slot),
			 e.rule);
	if (slot == MOAT_SLOT_NONE)
		return o;
	after = harness_rule_count(h, slot);
	moved = after.hit.packets - before.hit.packets +
		after.would_drop.packets - before.would_drop.packets +
		after.limited - before.limited;
	if (moved != packets)
		fail_msg("%s:%d: rule '%s' counted %llu packets, not %llu",
			 e.file, e.line, e.rule, (unsigned long long)moved,
			 (unsigned long long)packets);
	return o;
}
