// SPDX-License-Identifier: BSD-2-Clause
/* Policies compiled for tests: see compiled.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/compiled.h"

void compiled_make(struct compiled *ret, const struct policy *p,
		   const struct config *c, const struct moat_addr *hosts,
		   size_t nhosts)
{
	const struct compile_input in = {
		.policy = p,
		.config = c,
		.hosts = hosts,
		.nhosts = nhosts,
		.slots = &ret->slots,
	};

	ret->image = image_compile(&in, &ret->stats, &ret->diags);
	if (!ret->image)
		return;
	ret->view.header = &ret->image->header;
	for (int i = 0; i < MOAT_PART_COUNT; i++)
		ret->view.part[i] = ret->image->part[i];
	ret->view.slots = &ret->slots;
	ret->view.config = c;
	if (image_verify(&ret->image->header, ret->view.part,
			 ret->image->header.used)) {
		fprintf(stderr, "compiled: the image does not verify\n");
		abort();
	}
}

void compiled_free(struct compiled *c)
{
	image_free(c->image);
	slots_free(&c->slots);
	diags_free(&c->diags);
	memset(c, 0, sizeof(*c));
}

void *compiled_bytes(const struct image *image, size_t *ret_len)
{
	size_t len = sizeof(image->header), at = len;
	unsigned char *to;

	for (int i = 0; i < MOAT_PART_COUNT; i++)
		len += image->header.used[i];
	to = malloc(len);
	if (!to)
		abort();
	memcpy(to, &image->header, at);
	for (int i = 0; i < MOAT_PART_COUNT; i++) {
		memcpy(to + at, image->part[i], image->header.used[i]);
		at += image->header.used[i];
	}
	*ret_len = len;
	return to;
}
