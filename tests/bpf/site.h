/* SPDX-License-Identifier: BSD-2-Clause */
/* A veth pair, a pin directory and an instance: one site of an attach test. */
#ifndef MOAT_TEST_SITE_H
#define MOAT_TEST_SITE_H

#include "bpf/harness.h"
#include "kern/private.h"

struct site {
	char dir[128], name[16], peer[16];
	struct datapath *dp;
	__u32 ifindex;
	struct hook_state hook[ATTACH_HOOK_COUNT];
	bool clsact; /* as on kernels before 6.6 */
};

/* For the group: one instance for all tests, as loading takes seconds. */
int site_group(void **state);
int site_group_clsact(void **state);
int site_group_end(void **state);
/* For each test: a veth pair of its own, and nothing attached afterwards. */
int site_begin(void **state);
int site_end(void **state);
#define at_site(test) \
	cmocka_unit_test_setup_teardown(test, site_begin, site_end)

/* As a restarted agent does. */
void open_again(struct site *s);
/* Asks the kernel into s->hook. */
void query(struct site *s);
void assert_good(const struct hook_state *h, enum attach_kind kind);
/* Skips the test on kernels before 6.6. */
void need_tcx(void);
/* Our program, alone, on both tcx hooks. */
void assert_one_each(struct site *s);
struct hook_programs on_hook(struct site *s, enum attach_hook hook);
bool pinned(struct site *s, const char *hook);

/* What somebody else would load: a program that returns result. */
int foreign_program(int type, int result);
__u32 foreign_id(int fd);
/* Puts it at the head of a tcx hook. */
int foreign_link(struct site *s, enum attach_hook hook, int prog);
/* Puts it on clsact's ingress; of one priority the youngest runs first. */
void foreign_filter(__u32 ifindex, __u32 priority, int prog);

/* Filters of a device whose line in `tc filter show` matches what. */
#define ANY_FILTER "direct"
#define OWN_FILTER "handle 0x6d6f617[45]"
int filters(const char *name, const char *direction, const char *what);

#endif
