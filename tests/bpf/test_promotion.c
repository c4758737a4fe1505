// SPDX-License-Identifier: BSD-2-Clause
/*
 * F5 under load: one CPU opens, establishes and closes connections while
 * another runs their packets through the same moments. A reader that loses
 * the flow in between would drop a reply, as the policy lets nothing out.
 */
#include "bpf/race.h"

#include <linux/pkt_cls.h>
#include <pthread.h>
#include <time.h>

#define CONNECTIONS 30000
#define SECONDS 12
#define TIMES 64

static const char policy[] =
	"version: 1\nname: p\nmode: enforce\nsecurity_groups:\n"
	"  web:\n    members: [10.0.0.1]\n    ingress:\n"
	"      - {name: web, from: [any], protocol: tcp, ports: [80]}\n"
	"    egress: []\n";

#define S MOAT_TCP_FLAG_SYN
#define A MOAT_TCP_FLAG_ACK
#define F MOAT_TCP_FLAG_FIN

/* Which connection the other thread sends on, and the one it has come to. */
struct stage {
	struct harness *h;
	volatile unsigned connection, reached;
	volatile bool stop;
	volatile unsigned long sent, dropped;
};

static void segment(unsigned n, bool from_us, uint8_t flags, uint32_t seq,
		    struct packet *ret)
{
	static const char *const client[] = { "10.9.0.1", "10.9.0.2" };
	struct packet_spec s = {
		.family = 4,
		.from = client[n / 60000 % 2],
		.to = "10.0.0.1",
		.proto = 6,
		.sport = (uint16_t)(1024 + n % 60000),
		.dport = 80,
		.flags = flags,
		.seq = from_us ? 5000 + seq : 1000 + seq,
		.ack = from_us ? 1001 : 5001,
	};
	struct packet_spec back = packet_reply(&s);

	back.seq = s.seq;
	back.ack = s.ack;
	back.flags = flags;
	packet_build(from_us ? &back : &s, ret);
}

static void beside(struct stage *st, unsigned n, bool from_us)
{
	struct packet p;

	segment(n, from_us, A, 1, &p);
	st->reached = n;
	if (race_run(st->h, from_us ? ATTACH_TC_EGRESS : ATTACH_TC_INGRESS, &p,
		     TIMES) == TC_ACT_SHOT)
		st->dropped++;
	st->sent += TIMES;
}

/* Data of the newest connection all the time: ours, which opens nothing, and
 * at times theirs, so that both threads promote. */
static void *reader(void *arg)
{
	struct stage *st = arg;

	race_pin(1);
	while (!st->stop) {
		unsigned n = st->connection;

		if (n)
			beside(st, n, n % 4);
	}
	return NULL;
}

/* Until the reader is at it, and then through all phases of its round. */
static void meet(struct stage *st, unsigned n)
{
	st->connection = n;
	while (st->reached != n)
		;
	for (volatile unsigned i = 0; i < n % 97 * 8; i++)
		;
}

static void one(struct stage *st, unsigned n, bool from_us, uint8_t flags,
		uint32_t seq)
{
	struct packet p;

	segment(n, from_us, flags, seq, &p);
	if (race_run(st->h, from_us ? ATTACH_TC_EGRESS : ATTACH_TC_INGRESS, &p,
		     1) == TC_ACT_SHOT)
		fail_msg("connection %u: flags %x of %s dropped", n, flags,
			 from_us ? "ours" : "theirs");
}

static struct moat_totals totals(struct harness *h)
{
	struct moat_totals t;

	assert_int_equal(stats_totals(h->dp, &t), 0);
	return t;
}

/* Life of one connection; close: both FINs and the move to closing. */
static void live(struct stage *st, unsigned n, bool close)
{
	one(st, n, false, S, 0);
	one(st, n, true, S | A, 0);
	meet(st, n);
	one(st, n, false, A, 1); /* promotes, if the reader hasn't */
	one(st, n, true, A, 1);
	if (!close)
		return;
	one(st, n, false, F | A, 1);
	meet(st, n);
	one(st, n, true, F | A, 1);
	one(st, n, false, A, 2);
}

static void run(bool close)
{
	struct datapath_settings set;
	struct stage st = {};
	pthread_t thread;
	time_t end = time(NULL) + SECONDS / 2;
	unsigned n = 0;

	race_need_cpus();
	harness_settings(&set);
	set.trace = false;
	set.table_entries[MOAT_TABLE_FLOWS] = 65536;
	set.table_entries[MOAT_TABLE_EMBRYONIC_IN] = 65536;
	set.table_entries[MOAT_TABLE_CLOSING] = 65536;
	st.h = harness_open(&set);
	harness_own(st.h, "10.0.0.1", NULL);
	harness_policy(st.h, policy);
	assert_int_equal(pthread_create(&thread, NULL, reader, &st), 0);
	race_pin(0);
	while (n < CONNECTIONS && (time(NULL) < end || n < 2000))
		live(&st, ++n, close);
	st.stop = true;
	pthread_join(thread, NULL);
	print_message("%u connections, %lu packets beside them\n", n, st.sent);
	assert_int_equal(st.dropped, 0);
	assert_int_equal(race_counts(st.h).dropped, 0);
	assert_true(st.sent > 10 * n);
	/* Each was promoted once, whoever came first. */
	assert_int_equal(totals(st.h).created[MOAT_TABLE_FLOWS], n);
	assert_int_equal(totals(st.h).created[MOAT_TABLE_EMBRYONIC_IN], n);
	harness_close(st.h);
}

static void promotion_loses_no_reader(void **state)
{
	run(false);
}

static void closing_loses_no_reader(void **state)
{
	run(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(promotion_loses_no_reader),
		cmocka_unit_test(closing_loses_no_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
