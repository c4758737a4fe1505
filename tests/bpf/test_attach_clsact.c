// SPDX-License-Identifier: BSD-2-Clause
/* clsact, as on kernels before 6.6 (F2). */
#include "bpf/site.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include "bpf/place.h"

static void clsact_both_directions(void **state)
{
	struct site *s = *state;
	__u32 list[4], before;

	assert_int_equal(attach_tc(s->dp, s->ifindex, s->hook), 0);
	assert_good(&s->hook[ATTACH_TC_INGRESS], ATTACH_CLSACT);
	assert_good(&s->hook[ATTACH_TC_EGRESS], ATTACH_CLSACT);
	before = s->hook[ATTACH_TC_INGRESS].prog_id;
	assert_int_equal(attach_list(s->dp, list, 4), 1);
	datapath_close(s->dp);
	open_again(s);
	query(s);
	assert_false(s->hook[ATTACH_TC_INGRESS].ours);
	assert_int_equal(attach_list(s->dp, list, 4), 1);
	assert_int_equal(attach_tc(s->dp, s->ifindex, s->hook), 0);
	assert_good(&s->hook[ATTACH_TC_INGRESS], ATTACH_CLSACT);
	assert_int_not_equal(s->hook[ATTACH_TC_INGRESS].prog_id, before);
	/* Replaced, not added. */
	assert_int_equal(filters(s->name, "ingress", ANY_FILTER), 1);
	assert_int_equal(filters(s->name, "egress", ANY_FILTER), 1);
	assert_int_equal(detach_interface(s->dp, s->ifindex), 0);
	assert_int_equal(filters(s->name, "ingress", ANY_FILTER), 0);
	assert_int_equal(filters(s->name, "egress", ANY_FILTER), 0);
	/* The qdisc may be in use by others now. */
	place_run("tc qdisc show dev %s | grep -q clsact", s->name);
}

/* F2: the kernel would take an egress filter and run it on ingress. */
static void clsact_foreign_ingress_qdisc(void **state)
{
	struct site *s = *state;

	place_run("tc qdisc add dev %s ingress", s->name);
	assert_int_equal(attach_tc(s->dp, s->ifindex, s->hook), -EBUSY);
	assert_good(&s->hook[ATTACH_TC_INGRESS], ATTACH_CLSACT);
	assert_false(s->hook[ATTACH_TC_EGRESS].ours);
	assert_non_null(strstr(s->hook[ATTACH_TC_EGRESS].why, "'ingress'"));
	assert_int_equal(filters(s->name, "ingress", ANY_FILTER), 1);
	query(s);
	assert_true(s->hook[ATTACH_TC_INGRESS].ours);
	assert_false(s->hook[ATTACH_TC_EGRESS].ours);
	place_run("tc qdisc show dev %s | grep -q ^qdisc.ingress", s->name);
}

static void clsact_foreign_filters_stay(void **state)
{
	struct site *s = *state;
	int foreign = foreign_program(BPF_PROG_TYPE_SCHED_CLS, -1);

	place_run("tc qdisc add dev %s clsact", s->name);
	foreign_filter(s->ifindex, 7, foreign);
	assert_int_equal(attach_tc(s->dp, s->ifindex, s->hook), 0);
	assert_good(&s->hook[ATTACH_TC_INGRESS], ATTACH_CLSACT);
	assert_int_equal(filters(s->name, "ingress", ANY_FILTER), 2);
	datapath_close(s->dp);
	assert_int_equal(detach_all(s->dir), 0);
	place_run("tc filter show dev %s ingress | grep -q 'pref 7'", s->name);
	assert_int_equal(filters(s->name, "ingress", ANY_FILTER), 1);
	assert_int_equal(filters(s->name, "egress", ANY_FILTER), 0);
	open_again(s);
	close(foreign);
}

/* Same priority, younger: the kernel puts it before ours. */
static void clsact_somebody_came_ahead(void **state)
{
	struct site *s = *state;
	int foreign = foreign_program(BPF_PROG_TYPE_SCHED_CLS, 0);
	struct hook_state *in = &s->hook[ATTACH_TC_INGRESS];

	assert_int_equal(attach_tc(s->dp, s->ifindex, s->hook), 0);
	foreign_filter(s->ifindex, 1, foreign);
	query(s);
	assert_true(in->ours);
	assert_false(in->first);
	assert_int_equal(in->foreign_prog_id, foreign_id(foreign));
	assert_string_equal(in->foreign_name, "foreign");
	assert_non_null(strstr(in->why, "before ours"));
	assert_int_equal(attach_tc_staying(s->dp, s->ifindex,
					   1u << ATTACH_TC_INGRESS, s->hook),
			 0);
	assert_true(in->ours);
	assert_false(in->first);
	assert_false(in->tried_ahead);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(attach_tc(s->dp, s->ifindex, s->hook), 0);
		assert_good(in, ATTACH_CLSACT);
		assert_int_equal(filters(s->name, "ingress", ANY_FILTER), 2);
	}
	assert_int_equal(detach_interface(s->dp, s->ifindex), 0);
	assert_int_equal(filters(s->name, "ingress", ANY_FILTER), 1);
	close(foreign);
}

/* `tc qdisc del` takes our filters along; the next round repairs that. */
static void clsact_flushed(void **state)
{
	struct site *s = *state;

	assert_int_equal(attach_tc(s->dp, s->ifindex, s->hook), 0);
	place_run("tc qdisc del dev %s clsact", s->name);
	query(s);
	assert_false(s->hook[ATTACH_TC_INGRESS].ours);
	assert_false(s->hook[ATTACH_TC_EGRESS].ours);
	assert_int_equal(attach_tc(s->dp, s->ifindex, s->hook), 0);
	assert_good(&s->hook[ATTACH_TC_INGRESS], ATTACH_CLSACT);
	assert_good(&s->hook[ATTACH_TC_EGRESS], ATTACH_CLSACT);
}

static void clsact_grow(void **state)
{
	struct site *s = *state;
	__u32 want[MOAT_PART_COUNT] = { [MOAT_PART_ROWS] = MOAT_PART_MIN * 2 };

	assert_int_equal(attach_tc(s->dp, s->ifindex, s->hook), 0);
	assert_int_equal(datapath_grow(s->dp, want, 0), 0);
	query(s);
	assert_good(&s->hook[ATTACH_TC_INGRESS], ATTACH_CLSACT);
	assert_good(&s->hook[ATTACH_TC_EGRESS], ATTACH_CLSACT);
}

static void put_ours(struct site *s, __u32 handle)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)s->ifindex,
		    .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts,
		    .prog_fd = load_prog_fd(s->dp->load, ATTACH_TC_INGRESS),
		    .handle = handle, .priority = 1);

	assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
}

/* Two of ours, of a kill between going ahead and taking the old one away: both
 * move to larger maps, and the next attach leaves one. */
static void clsact_two_of_ours(void **state)
{
	__u32 want[MOAT_PART_COUNT] = { [MOAT_PART_ROWS] = MOAT_PART_MIN * 2 };
	struct site *s = *state;
	char moved[64];

	assert_int_equal(attach_tc(s->dp, s->ifindex, s->hook), 0);
	put_ours(s, 0x6d6f6175);
	assert_int_equal(filters(s->name, "ingress", OWN_FILTER), 2);
	assert_int_equal(datapath_grow(s->dp, want, 0), 0);
	snprintf(moved, sizeof(moved), " id %u ",
		 load_prog_id(s->dp->load, ATTACH_TC_INGRESS));
	assert_int_equal(filters(s->name, "ingress", moved), 2);
	assert_int_equal(attach_tc(s->dp, s->ifindex, s->hook), 0);
	assert_good(&s->hook[ATTACH_TC_INGRESS], ATTACH_CLSACT);
	assert_int_equal(filters(s->name, "ingress", OWN_FILTER), 1);
}

/* What others flushed stays theirs: an egress filter that went into the qdisc
 * they made since would run on ingress (F2). */
static void clsact_grow_of_flushed(void **state)
{
	struct site *s = *state;
	__u32 want[MOAT_PART_COUNT] = { [MOAT_PART_ROWS] = MOAT_PART_MIN * 4 };

	assert_int_equal(attach_tc(s->dp, s->ifindex, s->hook), 0);
	place_run("tc qdisc del dev %s clsact", s->name);
	assert_int_equal(datapath_grow(s->dp, want, 0), 0);
	place_run("tc qdisc add dev %s ingress", s->name);
	want[MOAT_PART_ROWS] *= 2;
	assert_int_equal(datapath_grow(s->dp, want, 0), 0);
	assert_int_equal(filters(s->name, "ingress", ANY_FILTER), 0);
	assert_true(datapath_fits(s->dp, want, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		at_site(clsact_both_directions),
		at_site(clsact_foreign_ingress_qdisc),
		at_site(clsact_foreign_filters_stay),
		at_site(clsact_somebody_came_ahead),
		at_site(clsact_flushed),
		at_site(clsact_grow),
		at_site(clsact_grow_of_flushed),
		at_site(clsact_two_of_ours),
	};

	return cmocka_run_group_tests(tests, site_group_clsact, site_group_end);
}
