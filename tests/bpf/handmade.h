/* SPDX-License-Identifier: BSD-2-Clause */
/* The smallest valid image: one class, no profile, all is unassigned. */
#ifndef MOAT_TEST_HANDMADE_H
#define MOAT_TEST_HANDMADE_H

#include "compile/image.h"

/* rows_bytes: used bytes of the rows array, at least 4; the rest is minimal.
 * Free with image_free(). */
struct image *handmade_image(__u32 rows_bytes);

#endif
