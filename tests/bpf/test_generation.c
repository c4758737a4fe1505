// SPDX-License-Identifier: BSD-2-Clause
/*
 * F16: what flows cache of the policy while it is pushed and flipped. Two
 * CPUs hit the same flows all the time. A packet that begins and ends under
 * one policy gets that policy's verdict, from the first packet on: neither
 * the other's, nor one layer of each.
 */
#include "bpf/race.h"

#include <linux/pkt_cls.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "kern/private.h"

#define FLOWS 8 /* of each protocol */
#define FLIPS 20000
#define PUSH_SECONDS 6

#define HEAD "version: 1\nname: p\nmode: enforce\non_tighten: reevaluate\n"
#define GROUP(ports) \
	"security_groups:\n" \
	"  host:\n    members: [10.0.0.1]\n    egress: []\n    ingress:\n" \
	"      - {name: data, from: [any], protocol: [tcp, udp], ports: [" ports \
	"]}\n"
#define NACL(in, out) \
	"network_acls:\n  acl:\n    applies_to: [host]\n    ingress:\n" \
	"      - {rule: 1, action: " in ", from: any}\n" \
	"    egress:\n" \
	"      - {rule: 1, action: " out ", to: any}\n"

/* 80: in by both groups; 81: by the first alone. */
static const char opens[] = HEAD GROUP("80-81") NACL("allow", "allow");
static const char first[] = HEAD GROUP("80-81") NACL("allow", "deny");
static const char second[] = HEAD GROUP("80") NACL("deny", "allow");

/* What [policy][direction][port - 80] says. */
static const bool passes[2][2][2] = {
	{ { true, true }, { false, false } },
	{ { false, false }, { true, false } },
};

struct stage {
	struct harness *h;
	volatile unsigned long turn; /* odd: the word is being changed */
	volatile unsigned long now;  /* policy in force */
	volatile bool stop;
	/* By thread. */
	unsigned long sure[2], wrong[2];
	volatile unsigned started;
};

static struct packet frame[2][2][2][FLOWS]; /* direction, port, udp, flow */

static void build(void)
{
	for (unsigned i = 0; i < 2 * 2 * FLOWS; i++) {
		unsigned port = i & 1, udp = i >> 1 & 1, n = i >> 2;
		struct packet_spec s = {
			.family = 4,
			.from = "10.9.0.1",
			.to = "10.0.0.1",
			.proto = udp ? 17 : 6,
			.dport = (uint16_t)(80 + port),
			.sport = (uint16_t)(2000 + n),
			.payload_len = 20,
			.flags = MOAT_TCP_FLAG_ACK,
			.seq = 1,
			.ack = 1,
		};
		struct packet_spec back = packet_reply(&s);

		packet_build(&s, &frame[MOAT_INGRESS][port][udp][n]);
		packet_build(&back, &frame[MOAT_EGRESS][port][udp][n]);
	}
}

static bool let_by(struct stage *st, unsigned dir, unsigned port, unsigned udp,
		   unsigned n)
{
	return race_run(st->h, dir ? ATTACH_TC_EGRESS : ATTACH_TC_INGRESS,
			&frame[dir][port][udp][n], 1) != TC_ACT_SHOT;
}

static void *hitter(void *arg)
{
	struct stage *st = arg;
	unsigned self = __sync_fetch_and_add(&st->started, 1);

	race_pin(self);
	for (unsigned long i = self; !st->stop; i++) {
		unsigned dir = i & 1, port = i >> 1 & 1, udp = i >> 2 & 1;
		unsigned long turn = st->turn, now = st->now;
		bool passed;

		__sync_synchronize();
		passed = let_by(st, dir, port, udp, i / 8 % FLOWS);
		__sync_synchronize();
		if (turn & 1 || turn != st->turn)
			continue;
		st->sure[self]++;
		if (passed != passes[now][dir][port])
			st->wrong[self]++;
	}
	return NULL;
}

static void turn_to(struct stage *st, unsigned long policy, __u64 word,
		    struct image *image)
{
	st->turn++;
	__sync_synchronize();
	if (image)
		harness_push(st->h, image);
	else
		__atomic_store_n(&st->h->dp->store.control->word, word,
				 __ATOMIC_SEQ_CST);
	st->now = policy;
	__sync_synchronize();
	st->turn++;
}

/* Every flow at once, by whichever CPU: none waits for a packet of its own. */
static void assert_all(struct stage *st)
{
	for (unsigned i = 0; i < 2 * 2 * 2 * FLOWS; i++)
		if (let_by(st, i & 1, i >> 1 & 1, i >> 2 & 1, i >> 3) !=
		    passes[st->now][i & 1][i >> 1 & 1])
			fail_msg("policy %lu, direction %u, port %u: %s",
				 st->now, i & 1, 80 + (i >> 1 & 1),
				 passes[st->now][i & 1][i >> 1 & 1] ?
					 "dropped" :
					 "passed");
}

static unsigned long pushes(struct stage *st, struct image *const image[2])
{
	time_t end = time(NULL) + PUSH_SECONDS;
	unsigned long n = 0;

	while (time(NULL) < end || n & 1) {
		turn_to(st, n & 1, 0, image[n & 1]);
		n++;
		assert_all(st);
	}
	return n;
}

static void flips(struct stage *st)
{
	struct store_state s;
	__u64 word[2];

	store_state(st->h->dp, &s);
	word[0] = MOAT_CTL(s.previous_slot, s.slot, s.previous_generation, 0);
	word[1] = MOAT_CTL(s.slot, s.previous_slot, s.generation, 0);
	for (unsigned n = 0; n < FLIPS; n++) {
		turn_to(st, n & 1, word[n & 1], NULL);
		if (n % 100 == 0)
			assert_all(st);
		usleep(n % 3 * 50);
	}
}

static void establish(struct stage *st)
{
	for (unsigned i = 0; i < 2 * 2 * FLOWS; i++)
		for (int round = 0; round < 2; round++)
			for (unsigned dir = 0; dir < 2; dir++)
				assert_true(let_by(st, dir, i & 1, i >> 1 & 1,
						   i >> 2));
	assert_int_equal(harness_count(st->h, MOAT_TABLE_FLOWS), 2 * FLOWS);
	assert_int_equal(harness_count(st->h, MOAT_TABLE_UDP), 2 * FLOWS);
}

static void cached_verdicts(void **state)
{
	struct datapath_settings set;
	struct stage st = {};
	struct image *image[2];
	pthread_t thread[2];
	unsigned long n;

	race_need_cpus();
	harness_settings(&set);
	set.trace = false;
	st.h = harness_open(&set);
	harness_own(st.h, "10.0.0.1", NULL);
	build();
	harness_policy(st.h, opens);
	establish(&st);
	image[0] = harness_compile(st.h, first);
	image[1] = harness_compile(st.h, second);
	turn_to(&st, 1, 0, image[1]);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, hitter, &st),
				 0);
	n = pushes(&st, image);
	flips(&st);
	st.stop = true;
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	print_message(
		"%lu pushes, %d flips, %lu + %lu packets under one policy\n", n,
		FLIPS, st.sure[0], st.sure[1]);
	assert_int_equal(st.wrong[0] + st.wrong[1], 0);
	assert_true(n > 50);
	assert_true(st.sure[0] > 50000 && st.sure[1] > 50000);
	/* The same flows all along: nobody opened another. */
	assert_int_equal(harness_count(st.h, MOAT_TABLE_FLOWS), 2 * FLOWS);
	assert_int_equal(harness_count(st.h, MOAT_TABLE_UDP), 2 * FLOWS);
	image_free(image[0]);
	image_free(image[1]);
	harness_close(st.h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cached_verdicts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
