// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the programs make of the control word: one generation a run, the
 * previous one past the deadline, nobody's policy when nothing fits (F8, F15,
 * F17, G1, G4, G6).
 */
#include "bpf/harness.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "kern/private.h"

#define POLICY(port) \
	"version: 1\nname: p\nmode: enforce\nsecurity_groups:\n" \
	"  web:\n    members: [10.0.0.1]\n    ingress:\n" \
	"      - {name: open, from: [any], protocol: tcp, ports: [" #port \
	"]}\n" \
	"    egress: []\n"

static struct packet_spec syn(uint16_t sport, uint16_t dport)
{
	return (struct packet_spec){ .family = 4,
				     .from = "10.9.0.1",
				     .to = "10.0.0.1",
				     .proto = 6,
				     .sport = sport,
				     .dport = dport,
				     .seq = 100,
				     .flags = MOAT_TCP_FLAG_SYN };
}

/* One instance for all: loading takes seconds. */
static int open_once(void **state)
{
	struct harness *h = harness_open(NULL);

	harness_own(h, "10.0.0.1", NULL);
	*state = h;
	return 0;
}

static int close_once(void **state)
{
	harness_close(*state);
	return 0;
}

/* A new opening to a port, from a port never used before. */
static struct outcome try(struct harness *h, uint16_t dport)
{
	static uint16_t sport = 1024;
	struct packet_spec s = syn(++sport, dport);

	return harness_run(h, ATTACH_TC_INGRESS, &s);
}

static void assert_judged(struct harness *h, uint16_t open, uint16_t shut,
			  __u32 generation)
{
	struct outcome o = try(h, open);

	assert_int_equal(o.trace.verdict, MOAT_ALLOW);
	assert_int_equal(o.trace.generation, generation);
	assert_int_equal(o.counted.packets, 1);
	o = try(h, shut);
	assert_int_equal(o.trace.verdict, MOAT_DROP);
	assert_int_equal(o.trace.reason, MOAT_REASON_SG_NO_MATCH);
	assert_int_equal(o.trace.generation, generation);
	assert_int_equal(o.counted.packets, 1);
}

static void push_waiting(struct harness *h, const char *yaml)
{
	struct image *image = harness_compile(h, yaml);

	harness_push_waiting(h, image);
	image_free(image);
}

static void each_push_is_judged_by(void **state)
{
	struct harness *h = *state;

	__u32 last = store_last_generation(h->dp);

	for (int i = 0; i < 5; i++) {
		harness_policy(h, POLICY(1001));
		assert_int_equal(h->generation, ++last);
		assert_judged(h, 1001, 1002, h->generation);
		harness_policy(h, POLICY(1002));
		assert_int_equal(h->generation, ++last);
		assert_judged(h, 1002, 1001, h->generation);
	}
}

static __u64 fallbacks(struct harness *h)
{
	struct moat_totals t;

	assert_int_equal(stats_totals(h->dp, &t), 0);
	return t.fallback;
}

/* G1: nobody does anything after the push; the programs turn back alone. */
static void deadline_turns_back(void **state)
{
	struct harness *h = *state;
	const struct moat_image *seen;
	const void *part[MOAT_PART_COUNT];
	__u64 before = fallbacks(h);
	__u32 first;

	harness_policy(h, POLICY(1001));
	first = h->generation;
	push_waiting(h, POLICY(1002));
	assert_judged(h, 1002, 1001, h->generation);
	assert_int_equal(fallbacks(h), before);
	harness_pass_deadline(h);
	assert_judged(h, 1001, 1002, first);
	/* What explain and status look at. */
	store_view(h->dp, &seen, part);
	assert_int_equal(seen->generation, first);
	assert_int_equal(fallbacks(h), before + 2);
	/* Making it official changes no verdict. */
	assert_int_equal(store_fall_back(h->dp), 0);
	assert_judged(h, 1001, 1002, first);
	harness_policy(h, POLICY(1002));
	assert_true(h->generation > first + 1);
	assert_judged(h, 1002, 1001, h->generation);
}

static void confirmed_stays(void **state)
{
	struct harness *h = *state;
	__u64 before = fallbacks(h);
	struct store_state s;

	harness_policy(h, POLICY(1001));
	push_waiting(h, POLICY(1002));
	assert_int_equal(store_confirm(h->dp), 0);
	/* There is no time at which it could turn back. */
	store_state(h->dp, &s);
	assert_int_equal(s.deadline, 0);
	assert_judged(h, 1002, 1001, h->generation);
	assert_int_equal(fallbacks(h), before);
}

static void grown_set_judges_alike(void **state)
{
	struct harness *h = *state;
	__u32 want[MOAT_PART_COUNT] = { [MOAT_PART_ROWS] = MOAT_PART_MIN * 4,
					[MOAT_PART_ADDR4] = MOAT_PART_MAX };

	harness_policy(h, POLICY(1001));
	assert_int_equal(datapath_grow(h->dp, want, 4000), 0);
	assert_judged(h, 1001, 1002, h->generation);
	harness_policy(h, POLICY(1002));
	assert_judged(h, 1002, 1001, h->generation);
}

/* ---- what is counted while the maps are exchanged ---- */

struct runner {
	int prog;
	struct packet packet;
	volatile int stop, errors, runs;
};

static void *run_on(void *arg)
{
	struct runner *r = arg;
	struct __sk_buff ctx = { .ifindex = HARNESS_IFINDEX };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = r->packet.data,
		    .data_size_in = (__u32)r->packet.len, .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = 10);

	while (!r->stop) {
		r->errors += bpf_prog_test_run_opts(r->prog, &opts) != 0;
		r->runs++;
	}
	return NULL;
}

/* The old programs run until the last link has moved, and longer. What came
 * late, and was carried: none if they did not get a CPU in between. */
static __u64 grow_while_running(struct harness *h, const struct packet_spec *s,
				__u32 slot)
{
	__u32 want[MOAT_PART_COUNT] = { [MOAT_PART_ROWS] = MOAT_PART_MIN * 8 };
	struct runner r = { .prog = -1 };
	const struct moat_rule_count *carried;
	pthread_t thread;

	r.prog = dup(load_prog_fd(h->dp->load, ATTACH_TC_INGRESS));
	assert_true(r.prog >= 0);
	packet_build(s, &r.packet);
	assert_int_equal(pthread_create(&thread, NULL, run_on, &r), 0);
	while (r.runs < 10)
		usleep(1000);
	assert_int_equal(datapath_grow(h->dp, want, 0), 0);
	r.stop = 1;
	pthread_join(thread, NULL);
	assert_int_equal(r.errors, 0);
	close(r.prog);
	return stats_carried(h->dp, &carried) > slot ?
		       carried[slot].hit.packets :
		       0;
}

static void growth_carries_what_came_late(void **state)
{
	struct harness *h = *state;
	struct packet_spec s = syn(999, 1001);
	const struct moat_rule_count *carried;
	struct moat_rule_count before, with, without;
	__u32 slot;
	size_t n;

	harness_policy(h, POLICY(1001));
	slot = harness_slot(h, "web/open", MOAT_INGRESS);
	before = harness_rule_count(h, slot);
	n = stats_carried(h->dp, &carried);
	assert_true(n <= slot || !carried[slot].hit.packets);
	for (int i = 0; i < 100 && !grow_while_running(h, &s, slot); i++)
		;

	with = harness_rule_count(h, slot);
	n = stats_carried(h->dp, &carried);
	assert_true(n > slot);
	assert_true(carried[slot].hit.packets > 0);
	assert_true(with.hit.packets > before.hit.packets);
	with.hit.packets -= carried[slot].hit.packets;
	stats_forget_carried(h->dp);
	without = harness_rule_count(h, slot);
	assert_int_equal(with.hit.packets, without.hit.packets);
	assert_int_equal(stats_carried(h->dp, &carried), 0);
	assert_null(carried);
}

static struct moat_image header(struct harness *h, __u32 slot)
{
	struct moat_image i;

	assert_int_equal(
		bpf_map_lookup_elem(harness_map(h, "image"), &slot, &i), 0);
	return i;
}

static void set_header(struct harness *h, __u32 slot,
		       const struct moat_image *i)
{
	assert_int_equal(bpf_map_update_elem(harness_map(h, "image"), &slot, i,
					     BPF_ANY),
			 0);
}

static void assert_no_policy(struct harness *h)
{
	static uint16_t sport = 40000;
	struct packet_spec s = syn(++sport, 1001), ssh = syn(++sport, 22);
	struct packet_spec arp = { .ethertype = PACKET_SET(0x0806),
				   .payload_len = 46 };
	struct packet_spec ns = { .family = 6,
				  .from = "fe80::2",
				  .to = "ff02::1",
				  .ttl = 255,
				  .proto = 58,
				  .type = 135,
				  .payload_len = 16 };

	expect(h, ATTACH_TC_INGRESS, &s, MOAT_DROP, MOAT_REASON_NO_POLICY);
	/* The failsafe and the essentials hold whatever happens (G1, G14). */
	expect(h, ATTACH_TC_INGRESS, &ssh, MOAT_ALLOW, MOAT_REASON_FAILSAFE);
	expect(h, ATTACH_TC_INGRESS, &arp, MOAT_ALLOW, MOAT_REASON_NON_IP);
	expect(h, ATTACH_TC_INGRESS, &ns, MOAT_ALLOW, MOAT_REASON_ESSENTIAL_ND);
}

static void set_failsafe(struct harness *h)
{
	struct moat_failsafe f = {};

	failsafe_add4(&f, MOAT_INGRESS, 6, 22, 22);
	harness_failsafe(h, &f);
}

static void nothing_pushed_yet(void **state)
{
	struct harness *h = *state;

	set_failsafe(h);
	assert_no_policy(h);
}

/* F8: a header that does not fit the word is nobody's policy. */
static void misfits_drop_all_but_failsafe(void **state)
{
	struct harness *h = *state;
	struct moat_image good, bad;
	struct store_state s;

	set_failsafe(h);
	harness_policy(h, POLICY(1001));
	assert_judged(h, 1001, 1002, h->generation);
	store_state(h->dp, &s);
	good = bad = header(h, s.slot);
	bad.seal ^= 0x100;
	set_header(h, s.slot, &bad);
	assert_no_policy(h);
	bad = good;
	bad.generation++; /* seal of another number */
	set_header(h, s.slot, &bad);
	assert_no_policy(h);
	bad.seal = MOAT_IMAGE_SEAL(bad.generation); /* sealed, not ours */
	set_header(h, s.slot, &bad);
	assert_no_policy(h);
	set_header(h, s.slot, &good);
	assert_judged(h, 1001, 1002, h->generation);
}

/* More rules than the maps have counters for: they must grow first. */
static void too_many_rules(void **state)
{
	struct harness *h = *state;
	struct image *image = harness_compile(h, POLICY(1001));
	__u32 generation;

	image->header.nslots = h->dp->store.rule_slots + 1;
	assert_int_equal(store_push(h->dp, image, 0, &generation), -E2BIG);
	image_free(image);
}

/* A fall back to what does not fit is no policy either, and is called so. */
static void falls_back_to_a_misfit(void **state)
{
	struct harness *h = *state;
	struct moat_image good, bad;
	struct store_state s;

	set_failsafe(h);
	harness_policy(h, POLICY(1001));
	push_waiting(h, POLICY(1002));
	store_state(h->dp, &s);
	good = bad = header(h, s.previous_slot);
	bad.seal ^= 0x100;
	set_header(h, s.previous_slot, &bad);
	harness_pass_deadline(h);
	store_state(h->dp, &s);
	assert_true(s.expired);
	assert_false(s.sealed);
	assert_no_policy(h);
	assert_int_equal(store_fall_back(h->dp), -ENOENT);
	set_header(h, s.previous_slot, &good);
	assert_int_equal(store_fall_back(h->dp), 0);
}

/* A word full of nonsense must not lead anywhere. */
static void nonsense_word(void **state)
{
	static const __u64 words[] = {
		~0ull,
		0xf000000000000000ull,
		0x0f00000000000001ull,
		MOAT_CTL(7, 9, 1, 0),
		MOAT_CTL(15, 15, 0xffffff, 1),
	};
	struct harness *h = *state;
	struct store_state now;
	struct moat_control c;
	__u32 zero = 0;

	set_failsafe(h);
	harness_policy(h, POLICY(1001));
	store_state(h->dp, &now);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		c = (struct moat_control){ .word = words[i] };
		assert_int_equal(bpf_map_update_elem(harness_map(h, "control"),
						     &zero, &c, BPF_ANY),
				 0);
		assert_no_policy(h);
	}
	c = (struct moat_control){ .word = MOAT_CTL(now.slot, now.slot,
						    now.generation, 0) };
	assert_int_equal(bpf_map_update_elem(harness_map(h, "control"), &zero,
					     &c, BPF_ANY),
			 0);
	assert_judged(h, 1001, 1002, now.generation);
}

/* ---- G4: two policies in turn under constant packets ---- */

struct flip {
	struct harness *h;
	volatile int stop;
	struct image *image[2];
	int pushes, errors;
};

static void *flipper(void *arg)
{
	struct flip *f = arg;
	__u32 generation;

	while (!f->stop) {
		struct image *image = f->image[f->pushes & 1];

		if (store_push(f->h->dp, image, 0, &generation))
			f->errors++;
		f->pushes++;
	}
	return NULL;
}

/* Every other generation opens 1001 alone, the rest 1002 alone; 1003 none. */
static void never_a_mix(void **state)
{
	struct harness *h = *state;
	struct flip f = { .h = h };
	int seen[2] = {};
	time_t end = time(NULL) + 120;
	pthread_t thread;

	f.image[0] = harness_compile(h, POLICY(1001));
	f.image[1] = harness_compile(h, POLICY(1002));
	assert_int_equal(
		store_push(h->dp, f.image[f.pushes++], 0, &h->generation), 0);
	assert_int_equal(pthread_create(&thread, NULL, flipper, &f), 0);
	/* Pushes come in bursts, then wait for readers: one of the two may be
	 * in force for most of the time. */
	for (int i = 0; time(NULL) < end && !(i > 6000 && f.pushes > 60 &&
					      seen[0] > 100 && seen[1] > 100);
	     i++) {
		uint16_t port = 1001 + i % 3;
		struct outcome o = try(h, port);
		int second = (o.trace.generation - h->generation) & 1;

		seen[second]++;
		if ((o.trace.verdict == MOAT_ALLOW) !=
		    (port == (second ? 1002 : 1001)))
			fail_msg("port %u, generation %u: %s", port,
				 o.trace.generation,
				 o.trace.verdict ? "drop" : "allow");
	}
	f.stop = 1;
	pthread_join(thread, NULL);
	image_free(f.image[0]);
	image_free(f.image[1]);
	assert_int_equal(f.errors, 0);
	assert_true(f.pushes > 20);
	assert_true(seen[0] > 100 && seen[1] > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_pushed_yet),
		cmocka_unit_test(each_push_is_judged_by),
		cmocka_unit_test(deadline_turns_back),
		cmocka_unit_test(confirmed_stays),
		cmocka_unit_test(grown_set_judges_alike),
		cmocka_unit_test(growth_carries_what_came_late),
		cmocka_unit_test(misfits_drop_all_but_failsafe),
		cmocka_unit_test(falls_back_to_a_misfit),
		cmocka_unit_test(too_many_rules),
		cmocka_unit_test(nonsense_word),
		cmocka_unit_test(never_a_mix),
	};

	return cmocka_run_group_tests(tests, open_once, close_once);
}
