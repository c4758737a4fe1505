// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/handmade.h"

#include <stdlib.h>

struct image *handmade_image(__u32 rows_bytes)
{
	struct image *image = calloc(1, sizeof(*image));
	__u32 *addr4;
	__u64 *addr6;
	__u16 *classes;

	if (!image)
		abort();
	image->header = (struct moat_image){
		.abi = MOAT_ABI_VERSION,
		.used = { MOAT_ADDR4_ROOT * 4, 16, 4, rows_bytes },
		.addr6_upper = MOAT_BLOCK(0, 0),
		.addr6_values = 1,
		.addr6_tables = 2,
		.classes = 1,
		.rowmap = 1,
	};
	for (int i = 0; i < MOAT_PART_COUNT; i++) {
		image->part[i] = calloc(1, image->header.used[i]);
		if (!image->part[i])
			abort();
	}
	addr4 = image->part[MOAT_PART_ADDR4];
	for (int i = 0; i < MOAT_ADDR4_ROOT; i++)
		addr4[i] = MOAT_LEAF;
	addr6 = image->part[MOAT_PART_ADDR6];
	addr6[1] = MOAT_LEAF;
	classes = image->part[MOAT_PART_CLASSES];
	classes[0] = classes[1] = MOAT_PROFILE_NONE;
	return image;
}
