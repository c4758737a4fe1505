/* SPDX-License-Identifier: BSD-2-Clause */
/* Images into slots, the one-word switch, and commit-confirm. */
#ifndef MOAT_STORE_H
#define MOAT_STORE_H

#include "compile/image.h"
#include "kern/datapath.h"

/* What the control word says now, the deadline taken into account. */
struct store_state {
	__u32 generation; /* judged by now */
	__u32 slot;
	__u32 previous_slot;
	__u32 previous_generation;
	__u32 deadline; /* seconds of own epoch, 0: none pending */
	bool expired;	/* deadline past: previous slot judges */
	bool sealed;	/* header fits the word */
};
void store_state(struct datapath *dp, struct store_state *ret);

/*
 * Writes an image into an idle slot under the next generation number, seals
 * it and switches: packets that come afterwards are judged by it. Waits first
 * only if every idle slot may still be read. deadline_seconds 0: confirmed at
 * once, else from now. 0 with
 * *ret_generation; -EBUSY: unconfirmed push pending; -E2BIG: does not fit,
 * call datapath_grow(); -EINVAL: image_verify() refused it.
 */
int store_push(struct datapath *dp, struct image *image, __u32 deadline_seconds,
	       __u32 *ret_generation);
/*
 * Waits until no program can still be reading a slot that the last switch
 * made idle (membarrier, or a map-in-map update; 5-32 ms). To be called when
 * nobody waits, some time after a switch; without it the next push pays.
 */
int store_settle(struct datapath *dp);
/* Takes the deadline out. -ENOENT: nothing pending; -ETIME: past, or in the
 * last second before it. */
int store_confirm(struct datapath *dp);
/* Makes an expired fallback, or a pending push on request, official: the word
 * names the previous slot, generation as stored there. */
int store_fall_back(struct datapath *dp);
/* Checks seal and checksum of the slots in force and previous (F48). 0 or
 * -EBADMSG. */
int store_verify(struct datapath *dp);
/* Read-only view of the slot in force, for explain and status. */
void store_view(struct datapath *dp, const struct moat_image **ret_header,
		const void *ret_part[MOAT_PART_COUNT]);
/* Highest generation ever used while the maps live. */
__u32 store_last_generation(struct datapath *dp);
/* Numbers up to this one count as used: those of earlier boots, which stand
 * in the history on disk. */
void store_reserve(struct datapath *dp, __u32 generation);

#endif
