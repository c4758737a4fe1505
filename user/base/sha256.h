/* SPDX-License-Identifier: BSD-2-Clause */
/* SHA-256 (FIPS 180-4), for revisions and checksums of files. */
#ifndef MOAT_SHA256_H
#define MOAT_SHA256_H

#include <stddef.h>
#include <stdint.h>

struct sha256 {
	uint32_t state[8];
	uint64_t bytes;
	unsigned char block[64];
};

/* 64 lowercase hexadecimal digits and the NUL. */
#define SHA256_TEXT 65

void sha256_init(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *data, size_t len);
/* Ends the hash and prints it. Returns text. */
char *sha256_end(struct sha256 *s, char text[SHA256_TEXT]);
/* The hash of one piece of memory. */
char *sha256_text(const void *data, size_t len, char text[SHA256_TEXT]);

#endif
