// SPDX-License-Identifier: BSD-2-Clause
/*
 * tcx: head of the hook, foreign programs untouched, devices that go,
 * restart that adopts (F21, F22, G2, G3, G8).
 */
#include "bpf/site.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include "bpf/place.h"

static void nothing_attached(void **state)
{
	struct site *s = *state;

	query(s);
	for (int i = 0; i < ATTACH_HOOK_COUNT; i++) {
		assert_false(s->hook[i].ours);
		assert_int_equal(s->hook[i].kind, ATTACH_NONE);
	}
	assert_string_not_equal(s->hook[ATTACH_TC_INGRESS].why, "");
	assert_int_equal(attach_tc(s->dp, 99999, s->hook), -ENODEV);
	assert_string_not_equal(s->hook[ATTACH_TC_EGRESS].why, "");
}

static void at_the_head(void **state)
{
	struct site *s = *state;
	__u32 list[4] = {};
	int foreign, link;

	need_tcx();
	foreign = foreign_program(BPF_PROG_TYPE_SCHED_CLS, -1);
	link = foreign_link(s, ATTACH_TC_EGRESS, foreign);
	assert_int_equal(attach_tc(s->dp, s->ifindex, s->hook), 0);
	assert_good(&s->hook[ATTACH_TC_INGRESS], ATTACH_TCX);
	assert_good(&s->hook[ATTACH_TC_EGRESS], ATTACH_TCX);
	assert_int_equal(on_hook(s, ATTACH_TC_EGRESS).count, 2);
	assert_int_equal(on_hook(s, ATTACH_TC_EGRESS).prog_id[1],
			 foreign_id(foreign));
	assert_int_equal(on_hook(s, ATTACH_TC_INGRESS).count, 1);
	/* Again: nothing changes, nothing is attached twice. */
	assert_int_equal(attach_tc(s->dp, s->ifindex, s->hook), 0);
	assert_int_equal(on_hook(s, ATTACH_TC_EGRESS).count, 2);
	assert_int_equal(attach_list(s->dp, list, 4), 1);
	assert_int_equal(list[0], s->ifindex);
	close(link);
	close(foreign);
}

/* F22: a program that came ahead is named, passed by, and left alone. */
static void somebody_came_ahead(void **state)
{
	struct site *s = *state;
	struct hook_programs h;
	__u32 twin = 0;
	int foreign, link;

	need_tcx();
	foreign = foreign_program(BPF_PROG_TYPE_SCHED_CLS, 0 /* TCX_PASS */);
	assert_int_equal(attach_tc(s->dp, s->ifindex, s->hook), 0);
	for (int round = 0; round < 2; round++) {
		link = foreign_link(s, ATTACH_TC_INGRESS, foreign);
		query(s);
		assert_true(s->hook[ATTACH_TC_INGRESS].ours);
		assert_false(s->hook[ATTACH_TC_INGRESS].first);
		assert_int_equal(s->hook[ATTACH_TC_INGRESS].foreign_prog_id,
				 foreign_id(foreign));
		assert_non_null(
			strstr(s->hook[ATTACH_TC_INGRESS].why, "before ours"));
		assert_int_equal(attach_tc(s->dp, s->ifindex, s->hook), 0);
		assert_good(&s->hook[ATTACH_TC_INGRESS], ATTACH_TCX);
		h = on_hook(s, ATTACH_TC_INGRESS);
		assert_int_equal(h.count, 2);
		assert_int_equal(h.prog_id[0],
				 load_prog_id(s->dp->load, ATTACH_TC_INGRESS));
		assert_int_equal(h.prog_id[1], foreign_id(foreign));
		assert_true(s->hook[ATTACH_TC_INGRESS].tried_ahead);
		assert_false(s->hook[ATTACH_TC_EGRESS].tried_ahead);
		/* What was loaded for it serves the next time too. */
		assert_null(s->dp->twin[ATTACH_TC_EGRESS].load);
		h.prog_id[0] = load_prog_id(s->dp->twin[ATTACH_TC_INGRESS].load,
					    ATTACH_TC_INGRESS);
		assert_true(!round || h.prog_id[0] == twin);
		twin = h.prog_id[0];
		close(link);
		query(s);
		assert_good(&s->hook[ATTACH_TC_INGRESS], ATTACH_TCX);
	}
	close(foreign);
}

/* The agent has had enough of it for now: ours stays second, and judges. */
static void left_ahead(void **state)
{
	struct site *s = *state;
	struct hook_state *in = &s->hook[ATTACH_TC_INGRESS];
	int foreign, link;

	need_tcx();
	twins_free(s->dp, true);
	foreign = foreign_program(BPF_PROG_TYPE_SCHED_CLS, -1 /* TCX_NEXT */);
	assert_int_equal(attach_tc(s->dp, s->ifindex, s->hook), 0);
	link = foreign_link(s, ATTACH_TC_INGRESS, foreign);
	assert_int_equal(attach_tc_staying(s->dp, s->ifindex,
					   1u << ATTACH_TC_INGRESS, s->hook),
			 0);
	assert_true(in->ours);
	assert_false(in->first);
	assert_false(in->tried_ahead);
	assert_int_equal(in->foreign_prog_id, foreign_id(foreign));
	assert_string_equal(in->foreign_name, "foreign");
	assert_non_null(strstr(in->why, "(foreign) runs before ours"));
	assert_null(s->dp->twin[ATTACH_TC_INGRESS].load);
	/* Of the other hook nobody said so. */
	assert_int_equal(attach_tc_staying(s->dp, s->ifindex,
					   1u << ATTACH_TC_EGRESS, s->hook),
			 0);
	assert_good(in, ATTACH_TCX);
	attach_rest(s->dp);
	assert_non_null(s->dp->twin[ATTACH_TC_INGRESS].load);
	s->dp->twin[ATTACH_TC_INGRESS].used_ns -= 61000000000u;
	attach_rest(s->dp);
	assert_null(s->dp->twin[ATTACH_TC_INGRESS].load);
	close(link);
	close(foreign);
}

/* G2, R: a restart leaves one program a hook, reading the same maps. */
static void restart_adopts(void **state)
{
	struct site *s = *state;
	struct hook_programs before, after;

	need_tcx();
	assert_int_equal(attach_tc(s->dp, s->ifindex, s->hook), 0);
	for (int round = 0; round < 2; round++) {
		before = on_hook(s, ATTACH_TC_INGRESS);
		datapath_close(s->dp);
		/* The agent is gone: everything goes on. */
		after = on_hook(s, ATTACH_TC_INGRESS);
		assert_int_equal(after.count, 1);
		assert_int_equal(after.prog_id[0], before.prog_id[0]);
		open_again(s);
		query(s);
		assert_false(s->hook[ATTACH_TC_INGRESS].ours);
		assert_int_equal(s->hook[ATTACH_TC_INGRESS].foreign_prog_id,
				 before.prog_id[0]);
		assert_int_equal(attach_tc(s->dp, s->ifindex, s->hook), 0);
		assert_good(&s->hook[ATTACH_TC_INGRESS], ATTACH_TCX);
		after = on_hook(s, ATTACH_TC_INGRESS);
		assert_int_equal(after.link_id[0], before.link_id[0]);
		assert_int_not_equal(after.prog_id[0], before.prog_id[0]);
		assert_one_each(s);
	}
}

/* Growing moves every link; none is left on the old programs (F17). */
static void grow_moves_links(void **state)
{
	struct site *s = *state;
	__u32 want[MOAT_PART_COUNT] = { [MOAT_PART_ROWS] = MOAT_PART_MIN * 2 };
	__u32 before;

	need_tcx();
	assert_int_equal(attach_tc(s->dp, s->ifindex, s->hook), 0);
	assert_int_equal(attach_xdp(s->dp, s->ifindex, ATTACH_GENERIC,
				    &s->hook[ATTACH_XDP]),
			 0);
	before = load_prog_id(s->dp->load, ATTACH_TC_INGRESS);
	assert_int_equal(datapath_grow(s->dp, want, 0), 0);
	assert_int_not_equal(load_prog_id(s->dp->load, ATTACH_TC_INGRESS),
			     before);
	query(s);
	assert_good(&s->hook[ATTACH_TC_INGRESS], ATTACH_TCX);
	assert_good(&s->hook[ATTACH_TC_EGRESS], ATTACH_TCX);
	assert_good(&s->hook[ATTACH_XDP], ATTACH_GENERIC);
	assert_one_each(s);
}

/* A pin removed by somebody takes nothing away while the agent lives. */
static void lost_pin_is_put_back(void **state)
{
	struct site *s = *state;
	char line[256];

	need_tcx();
	assert_int_equal(attach_tc(s->dp, s->ifindex, s->hook), 0);
	assert_true(pinned(s, "tc_ingress"));
	snprintf(line, sizeof(line), "%s/v%d/links/%u_tc_ingress", s->dir,
		 MOAT_ABI_VERSION, s->ifindex);
	assert_int_equal(unlink(line), 0);
	query(s);
	assert_good(&s->hook[ATTACH_TC_INGRESS], ATTACH_TCX);
	assert_int_equal(attach_tc(s->dp, s->ifindex, s->hook), 0);
	assert_true(pinned(s, "tc_ingress"));
	assert_one_each(s);
}

/* F22: a recreated device of the same name has nothing on it. */
static void device_recreated(void **state)
{
	struct site *s = *state;
	__u32 list[4], old = s->ifindex;

	need_tcx();
	assert_int_equal(attach_tc(s->dp, s->ifindex, s->hook), 0);
	place_run("ip link del %s", s->name);
	assert_int_not_equal(attach_query(s->dp, old, s->hook), 0);
	assert_int_equal(attach_list(s->dp, list, 4), 0);
	assert_false(pinned(s, "tc_ingress"));
	s->ifindex = place_veth(s->name, s->peer);
	query(s);
	assert_false(s->hook[ATTACH_TC_INGRESS].ours);
	assert_int_equal(attach_tc(s->dp, s->ifindex, s->hook), 0);
	assert_one_each(s);
}

/* The same with the old number: the pinned link must not be taken for it. */
static void number_taken_over(void **state)
{
	struct site *s = *state;

	need_tcx();
	assert_int_equal(attach_tc(s->dp, s->ifindex, s->hook), 0);
	place_run("ip link del %s", s->name);
	place_run("ip link add %s index %u type veth peer name %s", s->name,
		  s->ifindex, s->peer);
	assert_int_equal(place_ifindex(s->name), s->ifindex);
	assert_int_equal(attach_tc(s->dp, s->ifindex, s->hook), 0);
	assert_one_each(s);
	query(s);
	assert_good(&s->hook[ATTACH_TC_EGRESS], ATTACH_TCX);
}

/* F22: links follow a device into another namespace until let go. */
static void device_left(void **state)
{
	struct site *s = *state;
	pid_t child;
	__u32 list[4];
	int fd;

	need_tcx();
	assert_int_equal(attach_tc(s->dp, s->ifindex, s->hook), 0);
	fd = fcntl(links_find(s->dp, s->ifindex, ATTACH_TC_INGRESS)->fd,
		   F_DUPFD_CLOEXEC, 3);
	child = place_child();
	place_run("ip link set %s netns %d", s->name, (int)child);
	assert_int_not_equal(attach_query(s->dp, s->ifindex, s->hook), 0);
	assert_int_equal(attach_list(s->dp, list, 4), 1);
	assert_int_equal(detach_interface(s->dp, s->ifindex), 0);
	assert_int_equal(attach_list(s->dp, list, 4), 0);
	assert_false(pinned(s, "tc_ingress"));
	/* Detached, not merely forgotten: we still hold the link. */
	{
		__u32 link, prog, at = 1;

		assert_int_equal(link_ids(fd, &link, &prog, &at), 0);
		assert_int_equal(at, 0);
	}
	close(fd);
	place_child_end(child);
}

static void detach_leaves_others(void **state)
{
	struct site *s = *state;
	int foreign, link;

	need_tcx();
	foreign = foreign_program(BPF_PROG_TYPE_SCHED_CLS, -1);
	assert_int_equal(attach_tc(s->dp, s->ifindex, s->hook), 0);
	link = foreign_link(s, ATTACH_TC_INGRESS, foreign);
	assert_int_equal(detach_interface(s->dp, s->ifindex), 0);
	assert_int_equal(on_hook(s, ATTACH_TC_INGRESS).count, 1);
	assert_int_equal(on_hook(s, ATTACH_TC_INGRESS).prog_id[0],
			 foreign_id(foreign));
	assert_int_equal(on_hook(s, ATTACH_TC_EGRESS).count, 0);
	close(link);
	close(foreign);
}

static void detach_all_removes_everything(void **state)
{
	struct site *s = *state;

	need_tcx();
	assert_int_equal(attach_tc(s->dp, s->ifindex, s->hook), 0);
	assert_int_equal(attach_xdp(s->dp, s->ifindex, ATTACH_GENERIC,
				    &s->hook[ATTACH_XDP]),
			 0);
	datapath_close(s->dp);
	assert_int_equal(detach_all(s->dir), 0);
	assert_int_equal(access(s->dir, F_OK), -1);
	assert_int_equal(on_hook(s, ATTACH_TC_INGRESS).count, 0);
	assert_int_equal(on_hook(s, ATTACH_TC_EGRESS).count, 0);
	assert_int_equal(detach_all(s->dir), 0);
	open_again(s);
	query(s);
	assert_int_equal(s->hook[ATTACH_XDP].kind, ATTACH_NONE);
	assert_int_equal(s->hook[ATTACH_XDP].foreign_prog_id, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		at_site(nothing_attached),
		at_site(at_the_head),
		at_site(somebody_came_ahead),
		at_site(left_ahead),
		at_site(restart_adopts),
		at_site(grow_moves_links),
		at_site(lost_pin_is_put_back),
		at_site(device_recreated),
		at_site(number_taken_over),
		at_site(device_left),
		at_site(detach_leaves_others),
		at_site(detach_all_removes_everything),
	};

	return cmocka_run_group_tests(tests, site_group, site_group_end);
}
