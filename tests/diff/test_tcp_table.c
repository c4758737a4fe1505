// SPDX-License-Identifier: BSD-2-Clause
/*
 * TCP life by flags against the kernel's own table (tcp_conntracks[] of
 * nf_conntrack_proto_tcp.c): every sequence of segments of either side, step
 * by step, must keep the flow in the state that the table says, or the step
 * is one of the differences of tcp_table.c; the rest of the sequence is then
 * compared from where moat stands (but for a flow picked up in its middle, which
 * is moat's own, F9: test_life has it). moat tracks no windows, so numbers are
 * always plausible here; the table knows none either.
 *
 * All of it over IPv4 and IPv6, with flows that we open (the policy lets
 * everything out and nothing in) and with flows that they open (the reverse).
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
#include "tcp_table.h"

#define DEPTH 4	 /* segments of every sequence from nothing */
#define BEHIND 3 /* segments of every sequence behind a handshake */

/* ---- moat ---- */

static const uint8_t flag_bits[FLAGS] = { 0x02, 0x12, 0x11, 0x10, 0x04, 0 };
#define EVENTS (2 * FLAGS)

/* Who opens, by what family. */
static const struct world {
	const char *name, *local, *remote;
	int family, opening; /* the direction of the opener's segments */
} worlds[] = {
	{ "out", "10.0.0.1", "10.9.9.9", 4, MOAT_EGRESS },
	{ "in", "10.0.0.1", "10.9.9.9", 4, MOAT_INGRESS },
	{ "out, IPv6", "fd00::1", "fd00:9::9", 6, MOAT_EGRESS },
	{ "in, IPv6", "fd00::1", "fd00:9::9", 6, MOAT_INGRESS },
};
static const struct world *world;
static struct policy *policy;
static struct config *config;
static struct engines engines;
static struct kernel_engine *kernel;
static struct datapath *dp;
static unsigned tuple; /* of the sequence: its ports */

static void leave(void)
{
	if (world)
		engines_close(&engines);
	policy_free(policy);
	world = NULL;
	policy = NULL;
}

/* Lets everything of the opening direction pass, or of both; the other
 * direction has no rule. No flow is left of the world before. */
static void enter(const struct world *w, bool both)
{
	struct moat_addr local = build_addr(w->local);

	leave();
	policy = build_policy(MODE_ENFORCE);
	build_group(policy, "g");
	build_member(policy, policy->groups[0].set, w->local);
	for (int dir = 0; dir < 2; dir++) {
		struct rule *r;

		if (!both && dir != w->opening)
			continue;
		r = build_named(policy, 0, dir, "any");
		build_peer_any(r);
		build_every(r);
	}
	assert_true(engines_open(&engines, policy, config, &local, 1));
	world = w;
	kernel_engine_load(kernel, &engines);
	kernel_engine_local(kernel, &local, w->family);
}

static void put32(unsigned char *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (unsigned char)(value >> (24 - 8 * i));
}

static struct moat_flow_key key_now(void)
{
	struct moat_flow_key key = {
		.local = build_addr(world->local),
		.remote = build_addr(world->remote),
		.proto = IPPROTO_TCP,
	};

	key.lport = __builtin_bswap16((uint16_t)(1024 + tuple % 60000));
	key.rport = __builtin_bswap16((uint16_t)(1024 + tuple / 60000));
	return key;
}

/* A packet of the tuple; the frame is left for others to change. */
static struct run_packet packet_of(enum tcp_side side, uint8_t bits,
				   unsigned char frame[PROBE_FRAME_MAX])
{
	bool out = (side == OPENER) == (world->opening == MOAT_EGRESS);
	struct moat_flow_key key = key_now();
	struct probe probe = build_probe(out ? MOAT_EGRESS : MOAT_INGRESS,
					 world->local, world->remote,
					 IPPROTO_TCP, 0);

	probe.sport = __builtin_bswap16(out ? key.lport : key.rport);
	probe.dport = __builtin_bswap16(out ? key.rport : key.lport);
	probe.flags_given = true;
	probe.flags = bits;
	return (struct run_packet){
		.hook = out ? ATTACH_TC_EGRESS : ATTACH_TC_INGRESS,
		.frame = frame,
		.len = probe_frame(&probe, 0, frame),
		.ifindex = 1,
	};
}

/* One segment; its numbers acknowledge what the other side would have sent. */
static void segment(enum tcp_side side, enum tcp_flags flags,
		    struct run_result *ret)
{
	unsigned char frame[PROBE_FRAME_MAX];
	unsigned char *tcp = frame + 14 + (world->family == 4 ? 20 : 40);
	struct run_packet p = packet_of(side, flag_bits[flags], frame);

	put32(tcp + 4, side == OPENER ? 1000 : 5000);
	put32(tcp + 8, side == OPENER ? 5001 : 1001);
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
	if (find(world->opening == MOAT_EGRESS ? "embryonic_out" :
						 "embryonic_in",
		 ret) &&
	    !(ret->marks & MOAT_MARK_PROMOTED))
		return true;
	return find("closing", ret);
}

/* The states of the kernel that mean what moat's state means. */
static bool state_fits(enum tcp_state want, bool exists,
		       const struct moat_flow *f)
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

/* The states of the kernel that moat's may stand for: one bit each. */
static unsigned fitting(bool exists, const struct moat_flow *f)
{
	unsigned set = 0;

	for (enum tcp_state s = NO; s <= CL; s++)
		if (state_fits(s, exists, f))
			set |= 1u << s;
	return set;
}

static void complain(const char *what, const int *events, int n)
{
	print_error("opened %s: ", world->name);
	for (int i = 0; i < n; i++)
		print_error("%s %s, ", events[i] / FLAGS ? "other" : "opener",
			    tcp_flag_names[events[i] % FLAGS]);
	fail_msg("%s", what);
}

/* True if the step went as the table says from one of *states, which become
 * those that it leads to; false for a known difference: *states become what
 * moat's state may stand for. A flow picked up in its middle stands for none.
 * Ends the test for any other difference. */
static bool step(unsigned *states, const int *events, int n)
{
	enum tcp_side side = events[n - 1] / FLAGS;
	enum tcp_flags flags = events[n - 1] % FLAGS;
	unsigned before = *states, after = 0;
	struct tcp_difference *known = NULL;
	struct run_result r;
	struct moat_flow f = { 0 };
	bool exists, passed;
	char what[128];

	segment(side, flags, &r);
	passed = r.action != TC_ACT_SHOT;
	exists = flow_now(&f);
	if (flags == F_NONE)
		assert_int_equal(r.trace.reason, MOAT_REASON_TCP_FLAGS);
	else if (!exists && !passed && before == 1u << NO)
		assert_true(r.trace.reason == MOAT_REASON_NO_FLOW ||
			    r.trace.reason == MOAT_REASON_SG_NO_MATCH);
	for (enum tcp_state s = NO; s < IV; s++) {
		enum tcp_state next = s;

		if (!(before & 1u << s))
			continue;
		if (tcp_table_step(&next, side, flags) == passed &&
		    state_fits(next, exists, &f))
			after |= 1u << next;
		else if (!known)
			known = tcp_difference_of(s, side, flags);
	}
	if (known && known->after_fin && !(f.fin[0] | f.fin[1]))
		known = NULL;
	*states = after ? after : fitting(exists, &f);
	if (after)
		return true;
	if (known) {
		known->met = true;
		if (f.marks & MOAT_MARK_MIDSTREAM)
			*states = 0;
		return false;
	}
	snprintf(what, sizeof(what), "in one of %#x, moat: %s, %s", before,
		 passed ? "passed" : "dropped", moat_state(exists, &f));
	complain(what, events, n);
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
		unsigned states = 1u << NO;

		for (int i = nprefix; i < n; i++, rest /= EVENTS)
			events[i] = (int)(rest % EVENTS);
		tuple++;
		t->sequences++;
		for (int i = 0; i < n && states; i++) {
			t->segments++;
			t->differing += !step(&states, events, i + 1);
		}
	}
}

#define OPENERS(flags) (flags)
#define OTHERS(flags) (FLAGS + (flags))

static void every_sequence(void **state)
{
	struct tally t = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(worlds); i++) {
		enter(&worlds[i], false);
		run_all(NULL, 0, DEPTH, &t);
	}
	print_message(
		"%lu sequences of %d, %lu segments, %lu of them documented differences\n",
		t.sequences, DEPTH, t.segments, t.differing);
	assert_int_equal(t.sequences, 4 * 12 * 12 * 12 * 12);
}

static void every_sequence_behind(void **state)
{
	static const int open[] = { OPENERS(F_SYN), OTHERS(F_SYNACK),
				    OPENERS(F_ACK) };
	static const int late[] = { OPENERS(F_SYN), OTHERS(F_SYNACK),
				    OPENERS(F_ACK), OPENERS(F_FIN),
				    OTHERS(F_ACK),  OTHERS(F_FIN),
				    OPENERS(F_ACK) };
	struct tally t = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(worlds); i++) {
		enter(&worlds[i], false);
		run_all(open, ARRAY_SIZE(open), BEHIND, &t);
		run_all(late, ARRAY_SIZE(late) - 1, 2, &t);
		run_all(late, ARRAY_SIZE(late), 2, &t);
	}
	print_message(
		"%lu sequences behind a handshake, %lu segments, %lu of them documented differences\n",
		t.sequences, t.segments, t.differing);
}

/* What is listed as a difference is one. Runs last. */
static void differences_are_real(void **state)
{
	tcp_differences_all_met();
}

/* Shapes that the kernel calls invalid without a state never make an entry
 * (attacks.md 2.1: null, FIN, Xmas, SYN-ACK, RST …): all 64 flag sets. */
static void no_entry_of(uint8_t bits)
{
	static const uint8_t openers[] = { 0x02, 0x22, 0x10, 0x30 };
	unsigned char frame[PROBE_FRAME_MAX];
	struct run_packet p;
	struct run_result r;
	struct moat_flow f;
	bool opens = false;

	for (size_t i = 0; i < sizeof(openers); i++)
		opens = opens || (bits & ~0x08) == openers[i];
	tuple++;
	p = packet_of(OPENER, bits, frame);
	assert_int_equal(run_packet(dp, &p, &r), 0);
	assert_int_equal(flow_now(&f), opens);
	assert_int_equal(r.action == TC_ACT_SHOT, !opens);
}

static void no_entry_from_nothing(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(worlds); i++) {
		enter(&worlds[i], false);
		for (unsigned bits = 0; bits < 64; bits++)
			no_entry_of((uint8_t)bits);
	}
}

/* RFC 793 section 3.4: both SYNs cross, each an opening that its own
 * direction's rules allow; one flow comes of it. */
static void simultaneous_open(void **state)
{
	static const int events[] = { OPENERS(F_SYN), OTHERS(F_SYN),
				      OPENERS(F_SYNACK), OTHERS(F_SYNACK),
				      OPENERS(F_ACK) };
	struct run_result result;
	struct moat_flow f;

	for (size_t w = 0; w < ARRAY_SIZE(worlds); w++) {
		enter(&worlds[w], true);
		tuple++;
		for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
			segment(events[i] / FLAGS, events[i] % FLAGS, &result);
			assert_int_equal(result.action, TC_ACT_UNSPEC);
		}
		assert_true(flow_now(&f));
		assert_int_equal(f.state, MOAT_FLOW_ESTABLISHED);
		assert_true(find("flows", &f));
	}
}

static int setup(void **state)
{
	config = build_config();
	kernel = kernel_engine_open(config);
	if (!kernel)
		return -1;
	dp = kernel_engine_datapath(kernel);
	return 0;
}

static int teardown(void **state)
{
	leave();
	kernel_engine_close(kernel);
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
	tcp_table_read(json);
	json_decref(json);
	return cmocka_run_group_tests(tests, setup, teardown);
}
