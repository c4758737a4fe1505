/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Programs on interfaces: tcx links (6.6) or clsact filters, and XDP. Only
 * what we made is ever touched; own objects are found by pin and by
 * bpf_prog_query, never by walking ids (F21, F22, F2).
 */
#ifndef MOAT_ATTACH_H
#define MOAT_ATTACH_H

#include <stdbool.h>
#include <stddef.h>

#include "kern/datapath.h"

enum attach_hook {
	ATTACH_TC_INGRESS,
	ATTACH_TC_EGRESS,
	ATTACH_XDP,
	ATTACH_HOOK_COUNT
};
enum attach_kind {
	ATTACH_NONE,
	ATTACH_TCX,
	ATTACH_CLSACT,
	ATTACH_NATIVE,
	ATTACH_GENERIC
};

#define HOOK_NAME 64 /* of a program, or of a filter with its section */

/* What the kernel says about one hook of one interface. */
struct hook_state {
	enum attach_kind kind;
	bool ours;  /* our current program, reading the live maps */
	bool first; /* nothing runs before it */
	__u32 prog_id;
	__u32 foreign_prog_id; /* the first of the hook, or the holder of the
				   XDP slot, if that is not ours */
	/* Its name, "" where the kernel keeps that for CAP_SYS_ADMIN. */
	char foreign_name[HOOK_NAME];
	bool tried_ahead; /* this call was to put ours before another */
	char why[128];	  /* why not, for people; "" when all is well */
};

/* Attaches tc in both directions at the head of the hook, or repairs it.
 * 0 or -errno with the reason in *ret. Never replaces what is not ours. */
int attach_tc(struct datapath *dp, __u32 ifindex,
	      struct hook_state ret[ATTACH_HOOK_COUNT]);
/*
 * The same, but on the hooks of the mask (1 << hook) who came ahead of ours
 * stays there. Going ahead takes a second load of the program on tcx, which
 * is kept until attach_rest() finds it unused for a minute.
 */
int attach_tc_staying(struct datapath *dp, __u32 ifindex, unsigned stay,
		      struct hook_state ret[ATTACH_HOOK_COUNT]);
void attach_rest(struct datapath *dp);
/* Attaches XDP; kind ATTACH_NATIVE or ATTACH_GENERIC. */
int attach_xdp(struct datapath *dp, __u32 ifindex, enum attach_kind kind,
	       struct hook_state *ret);
/* How our link that is there attaches XDP; ATTACH_NONE: there is none. With
 * the same kind attach_xdp() only brings its program up to date. */
enum attach_kind attach_xdp_own(struct datapath *dp, __u32 ifindex);
/* Detaches what is ours from one interface (that left us), or XDP alone. */
int detach_interface(struct datapath *dp, __u32 ifindex);
int detach_xdp(struct datapath *dp, __u32 ifindex);
/* Asks the kernel, not the pins. */
int attach_query(struct datapath *dp, __u32 ifindex,
		 struct hook_state ret[ATTACH_HOOK_COUNT]);
/* Interfaces for which links are pinned, gone ones included (ifindex 0:
 * link_info says the device is gone; its pin is removed). */
size_t attach_list(struct datapath *dp, __u32 *ret, size_t max);
/* `moatd --detach-all`: links, filters, pins and the directory. */
int detach_all(const char *pin_dir);

#endif
