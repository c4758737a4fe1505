/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A compilation that is kept, so that an address which joins or leaves a group
 * costs what it touches: its segment, its /16 of ADDR4 and, if no address
 * belonged to the same lists before, one class with its rows. Class and row
 * numbers then differ from those of a fresh compilation; verdicts do not.
 */
#ifndef MOAT_COMPILE_UPDATE_H
#define MOAT_COMPILE_UPDATE_H

#include "base/cleanup.h"
#include "compile/compile.h"

struct live;

/* As image_compile(). The policy must outlive what is returned. */
struct live *live_compile(const struct compile_input *in,
			  struct compile_stats *ret_stats, struct diags *diags);
void live_free(struct live *l);
DEFINE_CLEANUP(live, live_free)
/* Borrowed. */
struct image *live_image(struct live *l);

/*
 * Brings the image up to date after sets of the policy have changed within
 * where and nowhere else. 0; -ENOTSUP: only a compilation can (a profile that
 * is new, an own address where the image holds own profiles alone, no room);
 * -ENOMEM. After a failure l is good for live_free() alone.
 */
int live_update(struct live *l, const struct cidr *where,
		const struct moat_addr *hosts, size_t nhosts);
void live_stats(const struct live *l, struct compile_stats *ret);

#endif
