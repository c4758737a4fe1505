// SPDX-License-Identifier: BSD-2-Clause
/*
 * TCP life by flags against the kernel's own table (tcp_conntracks[] of
 * nf_conntrack_proto_tcp.c): every sequence of segments of either side, step
 * by step, must keep the flow in the state that the table says, or the step
 * is one of the differences below. moat tracks no windows, so numbers are
 * always plausible here; the table knows none either.
 *
 * The flow is opened by us; the policy lets everything out and nothing in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <bpf/bpf.h>
#include <linux/in.h>
#include <linux/pkt_cls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "conformance.h"
#include "engines.h"
#include "kern/private.h"
#include "kern/run.h"
#include "kernel_engine.h"
#include "probe_frame.h"
#include "support/build.h"

#define DEPTH 4	 /* segments of every sequence from nothing */
#define BEHIND 3 /* segments of every sequence behind a handshake */

/* ---- the kernel's table ---- */

enum state { NO, SS, SR, ES, FW, CW, LA, TW, CL, S2, IV, IG, STATES };
static const char *const state_names[STATES] = {
	"sNO", "sSS", "sSR", "sES", "sFW", "sCW",
	"sLA", "sTW", "sCL", "sS2", "sIV", "sIG",
};

enum flags { F_SYN, F_SYNACK, F_FIN, F_ACK, F_RST, F_NONE, FLAGS };
static const char *const flag_names[FLAGS] = {
	"syn", "synack", "fin", "ack", "rst", "none",
};
static const uint8_t flag_bits[FLAGS] = { 0x02, 0x12, 0x11, 0x10, 0x04, 0 };

enum side { OURS, THEIRS }; /* table: ORIGINAL, REPLY */
#define EVENTS (2 * FLAGS)

static enum state table[2][FLAGS][STATES];

static enum state state_of(const char *name)
{
	for (int i = 0; i < STATES; i++)
		if (!strcmp(state_names[i], name))
			return i;
	fail_msg("no state: %s", name);
	return NO;
}

static void read_table(const json_t *json)
{
	static const char *const sides[2] = { "ORIGINAL", "REPLY" };

	for (int s = 0; s < 2; s++) {
		for (int f = 0; f < FLAGS; f++) {
			const json_t *row = json_object_get(
				json_object_get(json, sides[s]), flag_names[f]);

			for (int k = 0; k <= S2; k++) {
				const char *next = json_string_value(
					json_object_get(row, state_names[k]));

				assert_non_null(next);
				table[s][f][k] = state_of(next);
			}
		}
	}
}

/* ---- where moat differs, and why ---- */

#define ANY -1
struct difference {
	int state, side, flags;
	const char *why;
	bool met;
};
static struct difference differences[] = {
	{ NO, OURS, F_ACK,
	  "F9: picked up in its middle, a flow is half-open until the other side answers",
	  false },
	{ SS, OURS, F_ACK,
	  "half-open flows let segments of both sides pass and gain nothing by it",
	  false },
	{ SS, OURS, F_FIN, "as above", false },
	{ SS, THEIRS, F_FIN, "as above", false },
	{ SS, THEIRS, F_SYN,
	  "3.7: an opening is judged by the rules of its own direction",
	  false },
	{ TW, THEIRS, F_SYN, "as above", false },
	{ SR, OURS, F_SYNACK, "only the side that was sent a SYN answers one",
	  false },
	{ SR, THEIRS, F_FIN,
	  "established first: a FIN before the third segment is remembered, not followed",
	  false },
	{ ES, OURS, F_SYNACK,
	  "established flows: no window, no harm; the stack decides", false },
	{ FW, ANY, F_SYNACK, "as above", false },
	{ CW, ANY, F_SYNACK, "as above", false },
	{ FW, ANY, F_FIN, "closing needs a FIN of both sides, not two of one",
	  false },
	{ CW, ANY, F_FIN, "as above", false },
	{ LA, OURS, F_SYN,
	  "F32: an allowed SYN over a closing flow starts a new one", false },
	{ LA, ANY, F_RST, "a closing flow ends by its own timeout", false },
	{ TW, ANY, F_RST, "as above", false },
	{ LA, OURS, F_SYNACK, "as above", false },
	{ TW, OURS, F_SYNACK, "as above", false },
	{ CL, OURS, F_SYN,
	  "3.5: RST leaves an established flow ten seconds; a SYN changes nothing",
	  false },
	{ CL, ANY, F_ACK, "3.5: data revives a flow that was reset", false },
	{ CL, ANY, F_FIN, "as above", false },
	{ CL, OURS, F_SYNACK, "as above", false },
	{ CL, THEIRS, F_SYNACK,
	  "half-open flows can be answered after a RST: they live no longer for it",
	  false },
};

static struct difference *known_difference(enum state state, enum side side,
					   enum flags flags)
{
	for (size_t i = 0; i < ARRAY_SIZE(differences); i++) {
		struct difference *d = &differences[i];

		if (d->state == (int)state && d->flags == (int)flags &&
		    (d->side == ANY || d->side == (int)side))
			return d;
	}
	return NULL;
}

/* ---- moat ---- */

static struct kernel_engine *kernel;
static struct datapath *dp;
static unsigned tuple; /* of the sequence: its ports */

static void put32(unsigned char *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (unsigned char)(value >> (24 - 8 * i));
}

static struct moat_flow_key key_now(void)
{
	struct moat_flow_key key = {
		.local = build_addr("10.0.0.1"),
		.remote = build_addr("10.9.9.9"),
		.proto = IPPROTO_TCP,
	};

	key.lport = __builtin_bswap16((uint16_t)(1024 + tuple % 60000));
	key.rport = __builtin_bswap16((uint16_t)(1024 + tuple / 60000));
	return key;
}

/* One segment; its numbers acknowledge what the other side would have sent. */
static void segment(enum side side, enum flags flags, struct run_result *ret)
{
	unsigned char frame[PROBE_FRAME_MAX], *tcp = frame + 14 + 20;
	uint16_t mine = (uint16_t)(1024 + tuple % 60000);
	uint16_t other = (uint16_t)(1024 + tuple / 60000);
	struct probe probe = {
		.direction = side == OURS ? MOAT_EGRESS : MOAT_INGRESS,
		.family = 4,
		.local = build_addr("10.0.0.1"),
		.remote = build_addr("10.9.9.9"),
		.proto = IPPROTO_TCP,
		.sport = side == OURS ? mine : other,
		.dport = side == OURS ? other : mine,
		.flags_given = true,
		.flags = flag_bits[flags],
	};
	struct run_packet p = {
		.hook = side == OURS ? ATTACH_TC_EGRESS : ATTACH_TC_INGRESS,
		.frame = frame,
		.len = probe_frame(&probe, 0, frame),
		.ifindex = 1,
	};

	put32(tcp + 4, side == OURS ? 1000 : 5000);
	put32(tcp + 8, side == OURS ? 5001 : 1001);
	assert_int_equal(run_packet(dp, &p, ret), 0);
}

static bool find(const char *name, struct moat_flow *ret)
{
	struct moat_flow_key key = key_now();

	return !bpf_map_lookup_elem(datapath_map_fd(dp, name), &key, ret) &&
	       ret->expires > datapath_jiffies(dp);
}

/* The live flow of the tuple as the programs would find it. */
static bool flow_now(struct moat_flow *ret)
{
	if (find("flows", ret))
		return true;
	if (find("embryonic_out", ret) && !(ret->marks & MOAT_MARK_PROMOTED))
		return true;
	return find("closing", ret);
}

/* The states of the kernel that mean what moat's state means. */
static bool state_fits(enum state want, bool exists, const struct moat_flow *f)
{
	if (want == NO)
		return !exists;
	if (!exists)
		return false;
	switch (f->state) {
	case MOAT_FLOW_NEW:
		return want == SS;
	case MOAT_FLOW_ANSWERED:
		return want == SR;
	case MOAT_FLOW_ESTABLISHED:
		return want == ES;
	case MOAT_FLOW_HALF_CLOSED:
		return want == FW || want == CW;
	case MOAT_FLOW_CLOSING:
		return want == LA || want == TW;
	case MOAT_FLOW_RESET:
		return want == CL;
	}
	return false;
}

/* ---- in lockstep ---- */

struct tally {
	unsigned long sequences, segments, differing;
};

static const char *moat_state(bool exists, const struct moat_flow *f)
{
	static const char *const names[] = MOAT_FLOW_STATE_NAMES;

	return exists ? names[f->state] : "none";
}

/* Without a flow ours alone may open one; the other side meets the policy. */
static bool kernel_step(enum state *state, enum side side, enum flags flags)
{
	enum state next = *state == NO && side == THEIRS ?
				  IV :
				  table[side][flags][*state];

	if (next == IV)
		return false;
	if (next != IG)
		*state = next;
	return true;
}

/* True if the step went as the table says; false for a known difference, with
 * which the two part. Ends the test for any other. */
static bool step(enum state *state, int event, const int *events, int n)
{
	enum side side = event / FLAGS;
	enum flags flags = event % FLAGS;
	struct difference *known = known_difference(*state, side, flags);
	enum state before = *state;
	bool valid = kernel_step(state, side, flags), exists, passed;
	struct run_result r;
	struct moat_flow f = { 0 };

	segment(side, flags, &r);
	passed = r.action != TC_ACT_SHOT;
	exists = flow_now(&f);
	if (flags == F_NONE)
		assert_int_equal(r.trace.reason, MOAT_REASON_TCP_FLAGS);
	if (!exists && !passed && before == NO && flags != F_NONE)
		assert_true(r.trace.reason == MOAT_REASON_NO_FLOW ||
			    r.trace.reason == MOAT_REASON_SG_NO_MATCH);
	if (passed == valid && state_fits(*state, exists, &f))
		return true;
	if (known) {
		known->met = true;
		return false;
	}
	for (int i = 0; i < n; i++)
		print_error("%s %s, ", events[i] / FLAGS ? "theirs" : "ours",
			    flag_names[events[i] % FLAGS]);
	fail_msg("%s %s in %s: the kernel: %s, %s; moat: %s, %s",
		 side ? "theirs" : "ours", flag_names[flags],
		 state_names[before], valid ? "valid" : "invalid",
		 state_names[*state], passed ? "passed" : "dropped",
		 moat_state(exists, &f));
	return false;
}

/* prefix, then every sequence of depth segments. */
static void run_all(const int *prefix, int nprefix, int depth, struct tally *t)
{
	int events[16], n = nprefix + depth;
	unsigned long count = 1;

	for (int i = 0; i < depth; i++)
		count *= EVENTS;
	for (int i = 0; i < nprefix; i++)
		events[i] = prefix[i];
	for (unsigned long number = 0; number < count; number++) {
		unsigned long rest = number;
		enum state state = NO;

		for (int i = nprefix; i < n; i++, rest /= EVENTS)
			events[i] = (int)(rest % EVENTS);
		tuple++;
		t->sequences++;
		for (int i = 0; i < n; i++) {
			t->segments++;
			if (step(&state, events[i], events, i))
				continue;
			t->differing++;
			break;
		}
	}
}

#define OUR(flags) (flags)
#define THEIR(flags) (FLAGS + (flags))

static void every_sequence(void **state)
{
	struct tally t = { 0 };

	run_all(NULL, 0, DEPTH, &t);
	print_message(
		"%lu sequences of %d, %lu segments, %lu parted at a documented difference\n",
		t.sequences, DEPTH, t.segments, t.differing);
	assert_int_equal(t.sequences, 12 * 12 * 12 * 12);
}

static void every_sequence_behind(void **state)
{
	static const int open[] = { OUR(F_SYN), THEIR(F_SYNACK), OUR(F_ACK) };
	static const int closed[] = {
		OUR(F_SYN), THEIR(F_SYNACK), OUR(F_ACK),
		OUR(F_FIN), THEIR(F_ACK),    THEIR(F_FIN)
	};
	static const int late[] = { OUR(F_SYN), THEIR(F_SYNACK), OUR(F_ACK),
				    OUR(F_FIN), THEIR(F_ACK),	 THEIR(F_FIN),
				    OUR(F_ACK) };
	struct tally t = { 0 };

	run_all(open, ARRAY_SIZE(open), BEHIND, &t);
	run_all(closed, ARRAY_SIZE(closed), 2, &t);
	run_all(late, ARRAY_SIZE(late), 2, &t);
	print_message(
		"%lu sequences behind a handshake, %lu segments, %lu parted at a documented difference\n",
		t.sequences, t.segments, t.differing);
}

/* What is listed as a difference is one. Runs last. */
static void differences_are_real(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(differences); i++)
		if (!differences[i].met)
			fail_msg("no difference any more: %s %s",
				 state_names[differences[i].state],
				 flag_names[differences[i].flags]);
}

/* Shapes that the kernel calls invalid without a state never make an entry
 * (attacks.md 2.1: null, FIN, Xmas, SYN-ACK, RST …): all 64 flag sets. */
static void no_entry_from_nothing(void **state)
{
	static const uint8_t openers[] = { 0x02, 0x22, 0x10, 0x30 };

	for (int bits = 0; bits < 64; bits++) {
		unsigned char frame[PROBE_FRAME_MAX];
		struct probe probe = build_probe(MOAT_EGRESS, "10.0.0.1",
						 "10.9.9.9", IPPROTO_TCP, 0);
		struct moat_flow_key key;
		struct moat_flow f;
		struct run_packet p = { .hook = ATTACH_TC_EGRESS,
					.frame = frame,
					.ifindex = 1 };
		struct run_result r;
		bool opens = false;

		for (size_t i = 0; i < sizeof(openers); i++)
			opens = opens || (bits & ~0x08) == openers[i];
		tuple++;
		key = key_now();
		probe.sport = __builtin_bswap16(key.lport);
		probe.dport = __builtin_bswap16(key.rport);
		probe.flags_given = true;
		probe.flags = (uint8_t)bits;
		p.len = probe_frame(&probe, 0, frame);
		assert_int_equal(run_packet(dp, &p, &r), 0);
		assert_int_equal(flow_now(&f), opens);
		assert_int_equal(r.action == TC_ACT_SHOT, !opens);
	}
}

static struct policy *policy;
static struct config *config;
static struct engines engines;

/* RFC 793 section 3.4: both SYNs cross, each an opening that its own
 * direction's rules allow; one flow comes of it. */
static void simultaneous_open(void **state)
{
	static const int events[] = { OUR(F_SYN), THEIR(F_SYN), OUR(F_SYNACK),
				      THEIR(F_SYNACK), OUR(F_ACK) };
	struct policy *p = build_copy(policy);
	struct moat_addr local = build_addr("10.0.0.1");
	struct rule *r = build_named(p, 0, MOAT_INGRESS, "any");
	struct run_result result;
	struct moat_flow f;
	struct engines e;

	build_peer_any(r);
	build_every(r);
	assert_true(engines_open(&e, p, config, &local, 1));
	kernel_engine_load(kernel, &e);
	tuple++;
	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		segment(events[i] / FLAGS, events[i] % FLAGS, &result);
		assert_int_equal(result.action, TC_ACT_UNSPEC);
	}
	assert_true(flow_now(&f));
	assert_int_equal(f.state, MOAT_FLOW_ESTABLISHED);
	assert_true(find("flows", &f));
	engines_close(&e);
	policy_free(p);
	kernel_engine_load(kernel, &engines);
}

static int setup(void **state)
{
	struct moat_addr local = build_addr("10.0.0.1");

	policy = build_policy(MODE_ENFORCE);
	config = build_config();
	build_group(policy, "g");
	build_member(policy, policy->groups[0].set, "10.0.0.1");
	policy->groups[0].rules[MOAT_EGRESS].absent = true;
	kernel = kernel_engine_open(config);
	if (!kernel || !engines_open(&engines, policy, config, &local, 1))
		return -1;
	dp = kernel_engine_datapath(kernel);
	kernel_engine_load(kernel, &engines);
	kernel_engine_local(kernel, &local, 4);
	return 0;
}

static int teardown(void **state)
{
	engines_close(&engines);
	kernel_engine_close(kernel);
	policy_free(policy);
	build_config_free(config);
	return 0;
}

int main(void)
{
	static const char file[] = "linux-conntrack/tcp_state_table.json";
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_entry_from_nothing),
		cmocka_unit_test(every_sequence),
		cmocka_unit_test(every_sequence_behind),
		cmocka_unit_test(differences_are_real),
		cmocka_unit_test(simultaneous_open),
	};
	json_t *json;

	conformance_need(file);
	if (geteuid()) {
		printf("needs root for BPF\n");
		return 77;
	}
	json = conformance_load(file);
	if (!json)
		return 1;
	read_table(json);
	json_decref(json);
	return cmocka_run_group_tests(tests, setup, teardown);
}
