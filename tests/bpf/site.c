// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/site.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include "bpf/place.h"

void open_again(struct site *s)
{
	struct datapath_settings set;
	const char *why = "";

	harness_settings(&set);
	set.pin_dir = s->dir;
	set.clsact = s->clsact;
	if (datapath_open(&set, &s->dp, &why))
		fail_msg("%s", why);
}

static int group(void **state, bool clsact)
{
	struct site *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	snprintf(s->dir, sizeof(s->dir), "%s/site", place_enter());
	s->clsact = clsact;
	open_again(s);
	*state = s;
	return 0;
}

int site_group(void **state)
{
	return group(state, false);
}

int site_group_clsact(void **state)
{
	return group(state, true);
}

int site_group_end(void **state)
{
	struct site *s = *state;

	datapath_close(s->dp);
	assert_int_equal(detach_all(s->dir), 0);
	free(s);
	return place_leave(state);
}

int site_begin(void **state)
{
	static int pair;
	struct site *s = *state;

	snprintf(s->name, sizeof(s->name), "va%d", ++pair);
	snprintf(s->peer, sizeof(s->peer), "vb%d", pair);
	s->ifindex = place_veth(s->name, s->peer);
	memset(s->hook, 0, sizeof(s->hook));
	return 0;
}

int site_end(void **state)
{
	struct site *s = *state;
	__u32 list[8];
	size_t n = attach_list(s->dp, list, 8);

	while (n--)
		detach_interface(s->dp, list[n]);
	assert_int_equal(attach_list(s->dp, list, 8), 0);
	return 0;
}

void need_tcx(void)
{
	if (!datapath_facts()->tcx)
		skip();
}

int foreign_program(int type, int result)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = result },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(type, "foreign", "GPL", insns, ARRAY_SIZE(insns),
			       NULL);

	assert_true(fd >= 0);
	return fd;
}

__u32 foreign_id(int fd)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	return info.id;
}

int foreign_link(struct site *s, enum attach_hook hook, int prog)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = KERN_F_BEFORE);
	int fd = bpf_link_create(prog, (int)s->ifindex,
				 hook == ATTACH_TC_INGRESS ? KERN_TCX_INGRESS :
							     KERN_TCX_EGRESS,
				 &opts);

	assert_true(fd >= 0);
	return fd;
}

void foreign_filter(__u32 ifindex, __u32 priority, int prog)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
		    .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = prog, .handle = 5,
		    .priority = priority);

	assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
}

int filters(const char *name, const char *direction, const char *what)
{
	char line[128];
	int n;
	FILE *f;

	snprintf(line, sizeof(line), "tc filter show dev %s %s | grep -c '%s'",
		 name, direction, what);
	f = popen(line, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &n), 1);
	pclose(f);
	return n;
}

struct hook_programs on_hook(struct site *s, enum attach_hook hook)
{
	struct hook_programs h;

	assert_int_equal(tcx_list(s->ifindex, hook, &h), 0);
	return h;
}

void assert_good(const struct hook_state *h, enum attach_kind kind)
{
	assert_string_equal(h->why, "");
	assert_true(h->ours);
	assert_true(h->first);
	assert_int_equal(h->kind, kind);
	assert_int_equal(h->foreign_prog_id, 0);
}

void query(struct site *s)
{
	assert_int_equal(attach_query(s->dp, s->ifindex, s->hook), 0);
}

void assert_one_each(struct site *s)
{
	for (int i = ATTACH_TC_INGRESS; i <= ATTACH_TC_EGRESS; i++) {
		struct hook_programs h = on_hook(s, i);

		assert_int_equal(h.count, 1);
		assert_int_equal(h.prog_id[0], load_prog_id(s->dp->load, i));
	}
}

bool pinned(struct site *s, const char *hook)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/v%d/links/%u_%s", s->dir,
		 MOAT_ABI_VERSION, s->ifindex, hook);
	return !access(path, F_OK);
}
