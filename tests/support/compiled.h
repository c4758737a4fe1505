/* SPDX-License-Identifier: BSD-2-Clause */
/* A policy compiled for a test; everything is freed with compiled_free(). */
#ifndef MOAT_TEST_COMPILED_H
#define MOAT_TEST_COMPILED_H

#include "compile/compile.h"

struct compiled {
	struct slots slots;
	struct diags diags;
	struct image *image; /* NULL: see diags */
	struct compile_stats stats;
	struct image_view view;
};

/*
 * Compiles and verifies (aborts if the image does not verify). p NULL: the
 * built-in image. slots already in *ret are kept.
 */
void compiled_make(struct compiled *ret, const struct policy *p,
		   const struct config *c, const struct moat_addr *hosts,
		   size_t nhosts);
void compiled_free(struct compiled *c);

/* A copy of all bytes of an image, for comparing. Free with free(). */
void *compiled_bytes(const struct image *image, size_t *ret_len);

#endif
