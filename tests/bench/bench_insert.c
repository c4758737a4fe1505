// SPDX-License-Identifier: BSD-2-Clause
/*
 * P5, second half: what making a flow costs, beside a bare insert into a
 * kernel hash of the same key and value. Both net of the same run without the
 * insert: the datapath's with inserts that fail at once (knobs.fault), the
 * bare program's with the entry made and not inserted.
 */
#include <errno.h>

#include "bench/bar.h"
#include "bench/cost.h"
#include "bench/cost_tuple.h"

#define PAIRS 7

static size_t openings(void)
{
	return bench_quick() ? 4096 : 262144;
}

/* One host; openings that make flows, and others whose inserts fail, of flows
 * that no opening makes. */
struct place {
	struct harness *h;
	struct cost *syn, *refused;
};
#define REFUSED_FROM COST_TUPLES

static struct cost *with_flags(struct harness *h, int dir, unsigned char flags)
{
	struct cost_options o = { 4, dir, flags, 0 };

	return cost_open(h, &o);
}

static void place_open(struct place *p, size_t embryonic, size_t distinct)
{
	struct cost_options refused = { 4, MOAT_INGRESS, MOAT_TCP_FLAG_SYN,
					EBUSY };

	p->h = cost_harness(COST_TUPLES, embryonic);
	p->syn = with_flags(p->h, MOAT_INGRESS, MOAT_TCP_FLAG_SYN);
	p->refused = cost_open(p->h, &refused);
	cost_sequence(p->syn, 0, distinct);
	cost_sequence(p->refused, REFUSED_FROM, openings());
}

static void place_close(struct place *p)
{
	cost_close(p->syn);
	cost_close(p->refused);
	harness_close(p->h);
}

/* Packets, each of which must have made an entry of that table. */
static double all_make(struct harness *h, struct cost *c, enum moat_table table,
		       enum moat_reason reason)
{
	struct moat_totals before, after;
	double ns;
	int err;

	err = stats_totals(h->dp, &before);
	ns = cost_run(c, COST_MOAT, openings(), reason);
	err |= stats_totals(h->dp, &after);
	if (err || after.created[table] - before.created[table] != openings())
		bench_fail("not every packet made an entry of table %d", table);
	return ns;
}

static double open_all(struct place *p)
{
	return all_make(p->h, p->syn, MOAT_TABLE_EMBRYONIC_IN,
			MOAT_REASON_SG_ALLOW);
}

static double from_start(struct cost *c, enum cost_program which,
			 enum moat_reason reason)
{
	cost_rewind(c);
	return cost_run(c, which, openings(), reason);
}

static double bare_insert(struct place *p)
{
	double ns = -from_start(p->refused, COST_FILL, MOAT_REASON_NONE);

	ns += from_start(p->refused, COST_INSERT, MOAT_REASON_NONE);
	cost_clear(p->refused, REFUSED_FROM, REFUSED_FROM + openings());
	return ns;
}

static double without_insert(struct place *p)
{
	return from_start(p->refused, COST_MOAT, MOAT_REASON_UNTRACKED);
}

static double empty(struct place *p)
{
	return from_start(p->refused, COST_EMPTY, MOAT_REASON_NONE);
}

static struct bar *bar_of(const char *name, const char *what)
{
	return bar_new(name, what, 1.2, false);
}

static void figures(struct bar *b, double whole[PAIRS])
{
	bar_figure_ours(b, "insert_ns");
	bar_figure_theirs(b, "bare_insert_ns");
	bar_figure(b, "whole_opening_ns", bench_median(whole, PAIRS));
}

/* Tables with room: emptied after each turn. And the rest of the handshake,
 * whose third segment moves the flow to the established ones. */
static void with_room(void)
{
	struct bar *b = bar_of("P5-insert", "making a flow / bare hash insert");
	double whole[PAIRS], second[PAIRS], third[PAIRS];
	struct cost *answer, *ack;
	struct place p;

	place_open(&p, 2 * openings(), openings());
	answer = with_flags(p.h, MOAT_EGRESS,
			    MOAT_TCP_FLAG_SYN | MOAT_TCP_FLAG_ACK);
	ack = with_flags(p.h, MOAT_INGRESS, MOAT_TCP_FLAG_ACK);
	cost_sequence(answer, 0, openings());
	cost_sequence(ack, 0, openings());
	for (int i = 0; i < PAIRS; i++) {
		double bare = bare_insert(&p), none = empty(&p);
		double refused = without_insert(&p);

		cost_rewind(p.syn);
		whole[i] = open_all(&p) - none;
		bar_pair(b, whole[i] + none - refused, bare);
		second[i] = from_start(answer, COST_MOAT,
				       MOAT_REASON_ESTABLISHED) -
			    none;
		cost_rewind(ack);
		third[i] = all_make(p.h, ack, MOAT_TABLE_FLOWS,
				    MOAT_REASON_ESTABLISHED) -
			   none;
		cost_forget(ack, "embryonic_in", 0, openings());
		cost_forget(ack, "flows", 0, openings());
	}
	cost_close(answer);
	cost_close(ack);
	place_close(&p);
	figures(b, whole);
	bar_figure(b, "whole_answer_ns", bench_median(second, PAIRS));
	bar_figure(b, "whole_third_ns", bench_median(third, PAIRS));
}

/* The half-open table full, as after a minute of many connections: each
 * opening evicts an older one. The openings of one flow are a million apart,
 * so it is never still there. */
static void evicting(void)
{
	struct bar *b = bar_of("P5-insert-full",
			       "the same, half-open table full / bare insert");
	double whole[PAIRS];
	struct place p;

	place_open(&p, openings() / 4, COST_TUPLES);
	open_all(&p);
	for (int i = 0; i < PAIRS; i++) {
		double bare = bare_insert(&p), none = empty(&p);
		double refused = without_insert(&p);

		whole[i] = open_all(&p) - none;
		bar_pair(b, whole[i] + none - refused, bare);
	}
	place_close(&p);
	figures(b, whole);
}

int main(void)
{
	cost_pin();
	with_room();
	evicting();
	bars_write();
	return 0;
}
