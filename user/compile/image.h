/* SPDX-License-Identifier: BSD-2-Clause */
/* A compiled image in memory; what the kernel layer may see of the compiler. */
#ifndef MOAT_COMPILE_IMAGE_H
#define MOAT_COMPILE_IMAGE_H

#include "moat/image.h"

struct image {
	struct moat_image header;    /* generation and seal still 0 */
	void *part[MOAT_PART_COUNT]; /* header.used bytes each; owned */
};

void image_free(struct image *image);

/* The size of the array for so many bytes: programs index with a mask. And
 * elements of the map of rule counters for so many slots. */
__u32 image_part_round(__u32 bytes);
__u32 image_rule_elements(__u32 slots);

/*
 * 64-bit checksum over the header (with seal and checksum taken as 0) and the
 * used bytes of each part. Catches corruption, not an adversary.
 */
__u64 image_checksum(const struct moat_image *header,
		     const void *const part[MOAT_PART_COUNT]);

/*
 * Structure check of an image about to be loaded or just mapped: offsets,
 * blocks, classes, rows, chains and limits inside the used parts. 0 or
 * -EINVAL. available: bytes of each part that may be read.
 */
int image_verify(const struct moat_image *header,
		 const void *const part[MOAT_PART_COUNT],
		 const __u32 available[MOAT_PART_COUNT]);

#endif
