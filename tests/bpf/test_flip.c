// SPDX-License-Identifier: BSD-2-Clause
/*
 * F15, R-25, G4: two contradictory policies flipped 10,000 times under a
 * flood. Nothing passes that both deny, nothing drops that both allow. Each
 * denies port 1003 by another layer and allows 1001 by another rule, so a
 * mix of the two would let the first by and drop the second.
 */
#include "bpf/flood.h"

#include <time.h>
#include <unistd.h>

#include "bpf/place.h"
#include "kern/private.h"

#define FLIPS 10000
#define PUSH_SECONDS 10

enum { BOTH_ALLOW, FIRST_ALLOWS, BOTH_DENY, SECOND_ALLOWS };

#define HEAD "version: 1\nname: p\nmode: enforce\non_tighten: reevaluate\n"
static const char first[] = HEAD
	"security_groups:\n"
	"  host:\n    members: [10.0.0.1]\n    egress: []\n    ingress:\n"
	"      - {name: one, from: [10.0.0.9], protocol: udp, ports: [1001-1002]}\n"
	"network_acls:\n"
	"  acl:\n    applies_to: [host]\n    ingress:\n"
	"      - {rule: 1, action: allow, from: any, protocol: udp, ports: [1001-1003]}\n"
	"    egress:\n"
	"      - {rule: 1, action: allow, to: any}\n";
static const char second[] = HEAD
	"security_groups:\n"
	"  wide:\n    members: [10.0.0.0/24]\n    egress: []\n    ingress:\n"
	"      - {name: rest, from: any, protocol: udp, ports: [1003-1004]}\n"
	"      - {name: all, from: [10.0.0.0/24], protocol: udp, ports: [1001]}\n"
	"network_acls:\n"
	"  gate:\n    applies_to: [wide]\n    ingress:\n"
	"      - {rule: 10, action: deny, from: any, protocol: udp, ports: [1002-1003]}\n"
	"      - {rule: 20, action: allow, from: any}\n"
	"    egress:\n"
	"      - {rule: 1, action: allow, to: any}\n";

static unsigned long pushes(struct flood *f, struct image *const image[2])
{
	time_t end = time(NULL) + PUSH_SECONDS;
	unsigned long n = 0;

	while (time(NULL) < end || n & 1)
		harness_push(f->h, image[n++ & 1]);
	return n;
}

static unsigned long all_sent(const struct flood *f)
{
	unsigned long n = 0;

	for (unsigned i = 0; i < FLOOD_PORTS; i++)
		n += flood_sent(f, i);
	return n;
}

/* The word alone, between the two sealed slots: a push waits for a grace
 * period each time, and 10,000 of them for minutes. */
static void flips(struct flood *f, unsigned long times)
{
	struct store_state now;
	__u64 word[2];

	store_state(f->h->dp, &now);
	word[0] = MOAT_CTL(now.previous_slot, now.slot, now.previous_generation,
			   0);
	word[1] = MOAT_CTL(now.slot, now.previous_slot, now.generation, 0);
	for (unsigned long n = 0; n < times; n++) {
		unsigned long before = all_sent(f);

		__atomic_store_n(&f->h->dp->store.control->word, word[n & 1],
				 __ATOMIC_RELEASE);
		while (all_sent(f) < before + 20)
			usleep(50);
	}
}

static void assert_counters(struct flood *f)
{
	unsigned entry = datapath_iface_index(f->h->dp, f->ifindex);
	struct iface_stats s;
	const struct moat_count *c = s.direction[MOAT_INGRESS].count;
	unsigned long passed, dropped;

	assert_int_equal(stats_iface(f->h->dp, entry, &s), 0);
	passed = c[MOAT_REASON_SG_ALLOW].packets +
		 c[MOAT_REASON_ESTABLISHED].packets;
	dropped = c[MOAT_REASON_SG_NO_MATCH].packets +
		  c[MOAT_REASON_NACL_DENY].packets;
	assert_int_equal(passed, f->received[0] + f->received[1] +
					 f->received[2] + f->received[3]);
	assert_int_equal(passed + dropped, all_sent(f));
	assert_true(c[MOAT_REASON_SG_NO_MATCH].packets > 1000);
	assert_true(c[MOAT_REASON_NACL_DENY].packets > 1000);
	assert_true(c[MOAT_REASON_ESTABLISHED].packets > 1000);
}

static void contradictory_policies(void **state)
{
	struct flood f = {};
	struct image *image[2];
	unsigned long n;

	flood_open(&f);
	image[0] = harness_compile(f.h, first);
	image[1] = harness_compile(f.h, second);
	harness_push(f.h, image[1]);
	flood_start(&f, BOTH_ALLOW);
	n = pushes(&f, image);
	assert_true(n > 50);
	flips(&f, FLIPS - n);
	flood_stop(&f);
	print_message(
		"%lu pushes, %lu flips; sent %lu, %lu, %lu, %lu; received %lu, %lu, %lu, %lu\n",
		n, FLIPS - n, flood_sent(&f, 0), flood_sent(&f, 1),
		flood_sent(&f, 2), flood_sent(&f, 3), f.received[0],
		f.received[1], f.received[2], f.received[3]);
	assert_int_equal(f.received[BOTH_ALLOW], flood_sent(&f, BOTH_ALLOW));
	assert_int_equal(f.received[BOTH_DENY], 0);
	assert_true(flood_sent(&f, BOTH_DENY) > 50000);
	/* Both were in force, and one alone each time. */
	for (unsigned i = FIRST_ALLOWS; i <= SECOND_ALLOWS; i += 2) {
		assert_true(f.received[i] > 1000);
		assert_true(f.received[i] < flood_sent(&f, i) - 1000);
	}
	assert_counters(&f);
	image_free(image[0]);
	image_free(image[1]);
	flood_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(contradictory_policies),
	};

	return cmocka_run_group_tests(tests, NULL, place_leave);
}
