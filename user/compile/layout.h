/* SPDX-License-Identifier: BSD-2-Clause */
/* Classes, profiles and rows into the four parts of an image. */
#ifndef MOAT_COMPILE_LAYOUT_H
#define MOAT_COMPILE_LAYOUT_H

#include "compile/compile.h"
#include "compile/rows.h"

/* A part while it is written: 32-bit or 64-bit or 16-bit entries. */
struct part {
	void *data;
	size_t bytes;
};

/* Of the least power of two that is n or more. */
static inline unsigned layout_log2(size_t n)
{
	unsigned log2 = 0;

	while (1ul << log2 < n)
		log2++;
	return log2;
}

/* Each makes one part. 0, -ENOMEM, or -EFBIG with ret->bytes set to what the
 * part would need (data NULL). */
int layout_addr4(const struct space *s, struct part *ret);
/* The root entries from..to and their blocks again; others stay. Grows the
 * part. */
int layout_update4(const struct space *s, struct part *part, __u32 from,
		   __u32 to);
int layout_addr6(const struct space *s, struct moat_image *header,
		 struct part *ret);

/* What the last two parts are made of. */
struct layout {
	const struct space *space;
	const struct plan *plan;
	const struct profiles *profiles;
	struct rows *rows;
	__u16 *rowmap; /* (profile * 2 + direction) * classes + class */
	struct plan_rule **limits; /* by limit number */
	size_t nlimits;
	const __u32 *slot_flags;
	size_t nslots;
};
int layout_classes(const struct layout *l, struct moat_image *header,
		   struct part *ret);
int layout_rows(const struct layout *l, struct moat_image *header,
		struct part *ret);

#endif
