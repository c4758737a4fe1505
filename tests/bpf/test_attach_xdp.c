// SPDX-License-Identifier: BSD-2-Clause
/* XDP: kinds, restart, and a hook that somebody else holds (F20). */
#include "bpf/site.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include "bpf/place.h"
#include "kern/private.h"

static void xdp_kinds(void **state)
{
	struct site *s = *state;
	struct hook_state *x = &s->hook[ATTACH_XDP];

	assert_int_equal(attach_xdp(s->dp, s->ifindex, ATTACH_TCX, x), -EINVAL);
	assert_int_equal(detach_xdp(s->dp, s->ifindex), -ENOENT);
	assert_int_equal(attach_xdp(s->dp, s->ifindex, ATTACH_GENERIC, x), 0);
	assert_good(x, ATTACH_GENERIC);
	assert_int_equal(attach_xdp(s->dp, s->ifindex, ATTACH_NATIVE, x), 0);
	assert_good(x, ATTACH_NATIVE);
	assert_int_equal(attach_xdp_own(s->dp, s->ifindex), ATTACH_NATIVE);
	datapath_close(s->dp);
	open_again(s);
	query(s);
	assert_false(x->ours);
	assert_int_equal(attach_xdp_own(s->dp, s->ifindex), ATTACH_NATIVE);
	assert_int_equal(attach_xdp(s->dp, s->ifindex, ATTACH_NATIVE, x), 0);
	assert_good(x, ATTACH_NATIVE);
	assert_int_equal(detach_xdp(s->dp, s->ifindex), 0);
	query(s);
	assert_int_equal(x->kind, ATTACH_NONE);
	assert_int_equal(attach_xdp_own(s->dp, s->ifindex), ATTACH_NONE);
	assert_false(pinned(s, "xdp"));
}

/* Never replaced, whoever it belongs to; a conflict names it. */
static void xdp_conflict(void **state)
{
	struct site *s = *state;
	struct hook_state *x = &s->hook[ATTACH_XDP];
	int foreign = foreign_program(BPF_PROG_TYPE_XDP, 2 /* XDP_PASS */);
	int link = bpf_link_create(foreign, (int)s->ifindex, BPF_XDP, NULL);

	assert_true(link >= 0);
	assert_int_equal(attach_xdp(s->dp, s->ifindex, ATTACH_NATIVE, x),
			 -EBUSY);
	assert_int_equal(x->foreign_prog_id, foreign_id(foreign));
	assert_non_null(strstr(x->why, "holds the XDP hook"));
	query(s);
	assert_false(x->ours);
	assert_int_equal(x->foreign_prog_id, foreign_id(foreign));
	assert_int_equal(attach_xdp_own(s->dp, s->ifindex), ATTACH_NONE);
	close(link);
	assert_int_equal(attach_xdp(s->dp, s->ifindex, ATTACH_NATIVE, x), 0);
	assert_good(x, ATTACH_NATIVE);
	close(foreign);
}

/* A link that nobody can ask about may be alive: detaching it, to attach anew,
 * would flap the device (G9). */
static void xdp_unknown(void **state)
{
	struct site *s = *state;
	struct hook_state *x = &s->hook[ATTACH_XDP];
	struct own_link *l;
	__u32 prog;
	int fd;

	assert_int_equal(attach_xdp(s->dp, s->ifindex, ATTACH_NATIVE, x), 0);
	prog = x->prog_id;
	l = links_find(s->dp, s->ifindex, ATTACH_XDP);
	assert_non_null(l);
	fd = l->fd;
	l->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(attach_xdp_own(s->dp, s->ifindex), ATTACH_NONE);
	assert_int_equal(attach_xdp(s->dp, s->ifindex, ATTACH_NATIVE, x),
			 -EINVAL);
	assert_true(pinned(s, "xdp"));
	close(l->fd);
	l->fd = fd;
	query(s);
	assert_good(x, ATTACH_NATIVE);
	assert_int_equal(x->prog_id, prog);
	assert_int_equal(detach_xdp(s->dp, s->ifindex), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		at_site(xdp_kinds),
		at_site(xdp_conflict),
		at_site(xdp_unknown),
	};

	return cmocka_run_group_tests(tests, site_group, site_group_end);
}
