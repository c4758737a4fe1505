// SPDX-License-Identifier: BSD-2-Clause
/*
 * Slots, seals, the one-word switch, commit-confirm, growing (F8, F17, F48,
 * G4). Tests that need the programs' own verdicts are in test_switch.c.
 */
#include "bpf/harness.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "bpf/handmade.h"
#include "bpf/place.h"
#include "kern/private.h"

/* One instance for all: loading takes seconds, and a store that has a past is
 * the harder case. */
static int open_once(void **state)
{
	*state = harness_open(NULL);
	return 0;
}

static int close_once(void **state)
{
	harness_close(*state);
	return place_leave(state);
}

static int push(struct datapath *dp, __u32 deadline, __u32 *ret)
{
	struct image *image = handmade_image(64);
	int err = store_push(dp, image, deadline, ret);

	image_free(image);
	return err;
}

static __u32 push_ok(struct datapath *dp)
{
	__u32 generation = 0;

	assert_int_equal(push(dp, 0, &generation), 0);
	return generation;
}

static __u64 word(struct datapath *dp)
{
	struct moat_control c;
	__u32 zero = 0;

	assert_int_equal(bpf_map_lookup_elem(datapath_map_fd(dp, "control"),
					     &zero, &c),
			 0);
	return c.word;
}

static struct moat_image header(struct datapath *dp, __u32 slot)
{
	struct moat_image h;

	assert_int_equal(bpf_map_lookup_elem(datapath_map_fd(dp, "image"),
					     &slot, &h),
			 0);
	return h;
}

static void set_header(struct datapath *dp, __u32 slot,
		       const struct moat_image *h)
{
	assert_int_equal(bpf_map_update_elem(datapath_map_fd(dp, "image"),
					     &slot, h, BPF_ANY),
			 0);
}

static struct store_state state_of(struct datapath *dp)
{
	struct store_state s;

	store_state(dp, &s);
	return s;
}

static void same_state(const struct store_state *a, const struct store_state *b)
{
	assert_int_equal(a->generation, b->generation);
	assert_int_equal(a->slot, b->slot);
	assert_int_equal(a->previous_slot, b->previous_slot);
	assert_int_equal(a->previous_generation, b->previous_generation);
	assert_int_equal(a->deadline, b->deadline);
	assert_int_equal(a->expired, b->expired);
	assert_int_equal(a->sealed, b->sealed);
}

static void first_push(void **state)
{
	struct datapath *dp = ((struct harness *)*state)->dp;
	struct store_state s = state_of(dp);
	struct moat_image h;

	assert_int_equal(word(dp), 0);
	assert_false(s.sealed);
	assert_int_equal(store_verify(dp), -EBADMSG);
	assert_int_equal(push_ok(dp), 1);
	s = state_of(dp);
	assert_int_equal(s.generation, 1);
	assert_true(s.sealed);
	assert_int_equal(s.deadline, 0);
	h = header(dp, s.slot);
	assert_int_equal(h.seal, MOAT_IMAGE_SEAL(1));
	assert_int_equal(h.generation, 1);
	assert_int_equal(word(dp), MOAT_CTL(s.slot, s.previous_slot, 1, 0));
	assert_int_equal(store_verify(dp), 0);
}

/* R: the slot in force and the previous one are never written. */
static void pushes_leave_two_slots_alone(void **state)
{
	struct datapath *dp = ((struct harness *)*state)->dp;

	__u32 first = push_ok(dp);

	for (__u32 i = first + 1; i < first + 11; i++) {
		struct store_state before = state_of(dp), after;
		struct moat_image now = header(dp, before.slot);
		struct moat_image kept;

		assert_int_equal(push_ok(dp), i);
		after = state_of(dp);
		assert_int_equal(after.previous_slot, before.slot);
		assert_int_equal(after.previous_generation, before.generation);
		assert_int_not_equal(after.slot, before.slot);
		assert_int_not_equal(after.slot, before.previous_slot);
		kept = header(dp, before.slot);
		assert_memory_equal(&kept, &now, sizeof(now));
		assert_int_equal(store_verify(dp), 0);
	}
}

static void confirm_in_time(void **state)
{
	struct datapath *dp = ((struct harness *)*state)->dp;
	__u32 generation = push_ok(dp), untouched = 77, now;
	struct store_state s;

	assert_int_equal(store_confirm(dp), -ENOENT);
	now = datapath_epoch_seconds(dp);
	assert_int_equal(push(dp, 60, &generation), 0);
	s = state_of(dp);
	assert_in_range(s.deadline, now + 61, datapath_epoch_seconds(dp) + 61);
	assert_false(s.expired);
	assert_int_equal(s.generation, generation);
	/* Another push has nowhere to write while this one waits (F8). */
	assert_int_equal(push(dp, 0, &untouched), -EBUSY);
	assert_int_equal(untouched, 77);
	assert_int_equal(store_confirm(dp), 0);
	s = state_of(dp);
	assert_int_equal(s.deadline, 0);
	assert_int_equal(s.generation, generation);
	assert_int_equal(store_confirm(dp), -ENOENT);
	assert_int_equal(push_ok(dp), generation + 1);
}

static void wait_until(struct datapath *dp, __u32 second)
{
	while (datapath_epoch_seconds(dp) < second)
		usleep(20000);
}

static void too_late_to_confirm(void **state)
{
	struct datapath *dp = ((struct harness *)*state)->dp;
	__u32 before = push_ok(dp), generation;
	struct store_state s;

	assert_int_equal(push(dp, 1, &generation), 0);
	s = state_of(dp);
	/* The last second before the deadline is refused as well. */
	wait_until(dp, s.deadline - 1);
	assert_int_equal(store_confirm(dp), -ETIME);
	wait_until(dp, s.deadline);
	assert_int_equal(store_confirm(dp), -ETIME);
	s = state_of(dp);
	assert_true(s.expired);
	assert_true(s.sealed);
	assert_int_equal(s.generation, before);
	assert_int_equal(store_fall_back(dp), 0);
	s = state_of(dp);
	assert_false(s.expired);
	assert_int_equal(s.deadline, 0);
	assert_int_equal(s.generation, before);
	assert_int_equal(store_verify(dp), 0);
	/* The number that was taken back is never used again. */
	assert_int_equal(store_last_generation(dp), generation);
	assert_int_equal(push_ok(dp), generation + 1);
}

static void push_after_expiry_falls_back_first(void **state)
{
	struct datapath *dp = ((struct harness *)*state)->dp;
	__u32 before = push_ok(dp), rejected, generation;
	struct store_state s;

	assert_int_equal(push(dp, 1, &rejected), 0);
	wait_until(dp, state_of(dp).deadline);
	generation = push_ok(dp);
	assert_int_equal(generation, rejected + 1);
	s = state_of(dp);
	assert_int_equal(s.previous_generation, before);
	assert_int_equal(s.deadline, 0);
}

static void fall_back_on_request(void **state)
{
	struct datapath *dp = ((struct harness *)*state)->dp;
	__u32 first = push_ok(dp), second = push_ok(dp), third = 0;

	assert_int_equal(push(dp, 60, &third), 0);
	assert_int_equal(store_fall_back(dp), 0);
	assert_int_equal(state_of(dp).generation, second);
	/* There is no third one behind it. */
	assert_int_equal(store_fall_back(dp), -ENOENT);
	assert_int_equal(state_of(dp).generation, second);
	assert_int_equal(push_ok(dp), third + 1);
	assert_true(first < second);
}

/* An agent killed while it wrote a slot: number in, seal not. */
static void half_written_number_is_used_up(void **state)
{
	struct datapath *dp = ((struct harness *)*state)->dp;
	__u32 generation = push_ok(dp);
	struct moat_image h;
	__u32 slot = 0;

	while (slot == state_of(dp).slot || slot == state_of(dp).previous_slot)
		slot++;
	h = header(dp, slot);
	h.seal = 0;
	h.generation = generation + 5;
	set_header(dp, slot, &h);
	assert_int_equal(store_last_generation(dp), generation + 5);
	assert_int_equal(push_ok(dp), generation + 6);
}

static void numbers_end(void **state)
{
	struct datapath *dp = ((struct harness *)*state)->dp;
	__u32 generation = push_ok(dp), slot = 0;
	struct moat_image h = {}, kept;

	while (slot == state_of(dp).slot || slot == state_of(dp).previous_slot)
		slot++;
	kept = header(dp, slot);
	h.generation = 0xffffff;
	set_header(dp, slot, &h);
	assert_int_equal(push(dp, 0, &generation), -EOVERFLOW);
	assert_int_equal(state_of(dp).generation, generation);
	set_header(dp, slot, &kept);
}

/* F48: one flipped bit anywhere in use is found, and only there. */
static void corruption_is_found(void **state)
{
	static const char *const names[] = { "addr4", "addr6", "classes",
					     "rows" };
	struct datapath *dp = ((struct harness *)*state)->dp;
	struct moat_image h, bad;
	__u32 slot;

	push_ok(dp);
	push_ok(dp);
	slot = state_of(dp).slot;
	for (int i = 0; i < MOAT_PART_COUNT; i++) {
		__u8 *part = (__u8 *)dp->store.part[i] +
			     (size_t)slot * dp->store.part_bytes[i];

		assert_int_equal(dp->store.part_bytes[i], MOAT_PART_MIN);
		part[3] ^= 0x10;
		if (store_verify(dp) != -EBADMSG)
			fail_msg("%s: not found", names[i]);
		part[3] ^= 0x10;
		part[MOAT_PART_MIN - 1] ^= 1; /* beyond what is used */
		assert_int_equal(store_verify(dp), 0);
		part[MOAT_PART_MIN - 1] ^= 1;
	}
	h = bad = header(dp, slot);
	bad.seal ^= 1;
	set_header(dp, slot, &bad);
	assert_false(state_of(dp).sealed);
	assert_int_equal(store_verify(dp), -EBADMSG);
	bad = h;
	bad.profiles++;
	set_header(dp, slot, &bad);
	assert_int_equal(store_verify(dp), -EBADMSG);
	bad = h;
	bad.used[0] = 0xffffffff;
	set_header(dp, slot, &bad);
	assert_int_equal(store_verify(dp), -EBADMSG);
	set_header(dp, slot, &h);
	assert_int_equal(store_verify(dp), 0);
	/* The previous slot is what a deadline falls back to. */
	slot = state_of(dp).previous_slot;
	h = bad = header(dp, slot);
	bad.classes++;
	set_header(dp, slot, &bad);
	assert_int_equal(store_verify(dp), -EBADMSG);
	set_header(dp, slot, &h);
}

static void nonsense_is_refused(void **state)
{
	struct datapath *dp = ((struct harness *)*state)->dp;
	__u32 generation = push_ok(dp), unused = 0;
	struct image *image = handmade_image(64);

	image->header.classes = 0;
	assert_int_equal(store_push(dp, image, 0, &unused), -EINVAL);
	assert_int_equal(unused, 0);
	assert_int_equal(state_of(dp).generation, generation);
	image_free(image);
}

/* The counters of one rule slot, a different number on every CPU. */
static __u64 write_rule_counters(struct datapath *dp, __u32 slot)
{
	unsigned cpus = possible_cpus();
	struct moat_rule_counters *c = calloc(cpus, sizeof(*c));
	__u32 key = slot / MOAT_RULES_PER_ELEMENT;
	__u64 sum = 0;

	assert_non_null(c);
	for (unsigned i = 0; i < cpus; i++) {
		c[i].rule[slot % MOAT_RULES_PER_ELEMENT].connections = 100 + i;
		sum += 100 + i;
	}
	assert_int_equal(bpf_map_update_elem(datapath_map_fd(dp, "rules"), &key,
					     c, BPF_ANY),
			 0);
	free(c);
	return sum;
}

/* F17: larger arrays, the same policy under the same number throughout. */
static void grow_keeps_policy_and_counters(void **state)
{
	static struct moat_rule_count rules[40];
	struct datapath *dp = ((struct harness *)*state)->dp;
	__u32 first = push_ok(dp), generation = push_ok(dp), larger = 0;
	__u32 want[MOAT_PART_COUNT] = { [MOAT_PART_ROWS] = MOAT_PART_MIN * 3 };
	struct image *image = handmade_image(MOAT_PART_MIN * 3);
	__u64 sum = write_rule_counters(dp, 37), old_word = word(dp);
	struct store_state before = state_of(dp), after;
	const struct moat_image *h;
	const void *part[MOAT_PART_COUNT];
	__u64 checksum = header(dp, before.slot).checksum;
	struct moat_control control;

	datapath_heartbeat(dp);
	leases_void(dp);
	control = *dp->store.control;
	assert_int_equal(store_push(dp, image, 0, &larger), -E2BIG);
	assert_false(datapath_fits(dp, want, 5000));
	assert_int_equal(datapath_grow(dp, want, 5000), 0);
	assert_true(datapath_fits(dp, want, 5000));
	after = state_of(dp);
	same_state(&after, &before);
	assert_int_equal(word(dp), old_word);
	/* Nor does the agent seem dead, or a void lease live. */
	assert_memory_equal(dp->store.control, &control, sizeof(control));
	assert_int_equal(store_verify(dp), 0);
	store_view(dp, &h, part);
	assert_int_equal(h->generation, generation);
	assert_int_equal(h->checksum, checksum);
	assert_int_equal(dp->store.part_bytes[MOAT_PART_ROWS],
			 MOAT_PART_MIN * 4);
	assert_int_equal(stats_rules(dp, rules, 40), 0);
	assert_int_equal(rules[37].connections, sum);
	assert_int_equal(rules[36].connections, 0);
	assert_int_equal(store_push(dp, image, 0, &larger), 0);
	assert_int_equal(larger, generation + 1);
	assert_true(first < generation);
	image_free(image);
}

static void grow_stops_at_the_limit(void **state)
{
	struct datapath *dp = ((struct harness *)*state)->dp;
	__u32 generation = push_ok(dp);
	__u32 want[MOAT_PART_COUNT] = { MOAT_PART_MAX + 1 };

	assert_int_equal(datapath_grow(dp, want, 0), -E2BIG);
	want[0] = MOAT_PART_MAX;
	dp->settings.memory_limit = 8 << 20;
	assert_int_equal(datapath_grow(dp, want, 0), -ENOSPC);
	dp->settings.memory_limit = 0;
	assert_int_equal(state_of(dp).generation, generation);
	assert_int_equal(store_verify(dp), 0);
	assert_int_equal(push_ok(dp), generation + 1);
}

/* ---- pinned: what outlives the agent ---- */

static struct datapath *open_pinned(const char *dir)
{
	struct datapath_settings s;
	struct datapath *dp = NULL;
	const char *why = "";

	harness_settings(&s);
	s.pin_dir = dir;
	if (datapath_open(&s, &dp, &why))
		fail_msg("%s", why);
	return dp;
}

static void policy_outlives_the_agent(void **state)
{
	__u32 want[MOAT_PART_COUNT] = { [MOAT_PART_ROWS] = MOAT_PART_MIN * 2 };
	struct store_state before, after;
	struct datapath *dp;
	char dir[128];
	__u32 generation;
	struct stat st;

	snprintf(dir, sizeof(dir), "%s/store", place_enter());
	dp = open_pinned(dir);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	push_ok(dp);
	push_ok(dp);
	assert_int_equal(store_fall_back(dp), 0);
	before = state_of(dp);
	datapath_close(dp);

	dp = open_pinned(dir);
	after = state_of(dp);
	same_state(&after, &before);
	assert_int_equal(store_verify(dp), 0);
	generation = push_ok(dp);
	assert_int_equal(generation, 3); /* 2 was taken back */
	assert_int_equal(datapath_grow(dp, want, 0), 0);
	datapath_close(dp);

	/* A grown set is found again, and it alone. */
	dp = open_pinned(dir);
	assert_true(datapath_fits(dp, want, 0));
	assert_int_equal(state_of(dp).generation, generation);
	assert_int_equal(push_ok(dp), generation + 1);
	datapath_close(dp);
	assert_int_equal(detach_all(dir), 0);
	assert_int_equal(access(dir, F_OK), -1);
}

static void one_agent_at_a_time(void **state)
{
	struct datapath_settings s;
	struct datapath *dp, *other = NULL;
	const char *why = "";
	char dir[128];

	snprintf(dir, sizeof(dir), "%s/lock", place_enter());
	dp = open_pinned(dir);
	harness_settings(&s);
	s.pin_dir = dir;
	assert_int_equal(datapath_open(&s, &other, &why), -EBUSY);
	assert_non_null(strstr(why, "another agent"));
	assert_int_equal(detach_all(dir), -EBUSY);
	datapath_close(dp);
	assert_int_equal(detach_all(dir), 0);
	s.pin_dir = "/tmp";
	assert_int_equal(datapath_open(&s, &other, &why), -EINVAL);
	assert_non_null(strstr(why, "mount -t bpf"));
	assert_null(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_push),
		cmocka_unit_test(pushes_leave_two_slots_alone),
		cmocka_unit_test(confirm_in_time),
		cmocka_unit_test(too_late_to_confirm),
		cmocka_unit_test(push_after_expiry_falls_back_first),
		cmocka_unit_test(fall_back_on_request),
		cmocka_unit_test(half_written_number_is_used_up),
		cmocka_unit_test(numbers_end),
		cmocka_unit_test(corruption_is_found),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(grow_keeps_policy_and_counters),
		cmocka_unit_test(grow_stops_at_the_limit),
		cmocka_unit_test(policy_outlives_the_agent),
		cmocka_unit_test(one_agent_at_a_time),
	};

	return cmocka_run_group_tests(tests, open_once, close_once);
}
