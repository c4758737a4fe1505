// SPDX-License-Identifier: BSD-2-Clause
/* SHA-256 as in FIPS 180-4: section 5.3.3 start, 6.2.2 rounds, 5.1.1 end. */
#include "base/sha256.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>

/* FIPS 180-4 section 4.2.2: fractional parts of cube roots of primes. */
static const uint32_t constants[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
	0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
	0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
	0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
	0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
	0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
	0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
	0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t x, int n)
{
	return x >> n | x << (32 - n);
}

static void schedule(uint32_t w[64], const unsigned char *block)
{
	memcpy(w, block, 64);
	for (int i = 0; i < 16; i++)
		w[i] = be32toh(w[i]);
	for (int i = 16; i < 64; i++) {
		uint32_t a = w[i - 15], b = w[i - 2];

		w[i] = w[i - 16] + w[i - 7] +
		       (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) +
		       (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
	}
}

/* One round; the caller names the eight variables in rotated order, which
 * spares moving them. */
#define ROUND(a, b, c, d, e, f, g, h, i) \
	do { \
		uint32_t t1 = h + \
			      (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + \
			      ((e & f) ^ (~e & g)) + constants[i] + w[i]; \
		uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + \
			      ((a & b) ^ (a & c) ^ (b & c)); \
		d += t1; \
		h = t1 + t2; \
	} while (0)

static void transform(uint32_t state[8], const unsigned char *block)
{
	uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
	uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
	uint32_t w[64];

	schedule(w, block);
	for (int i = 0; i < 64; i += 8) {
		ROUND(a, b, c, d, e, f, g, h, i);
		ROUND(h, a, b, c, d, e, f, g, i + 1);
		ROUND(g, h, a, b, c, d, e, f, i + 2);
		ROUND(f, g, h, a, b, c, d, e, i + 3);
		ROUND(e, f, g, h, a, b, c, d, i + 4);
		ROUND(d, e, f, g, h, a, b, c, i + 5);
		ROUND(c, d, e, f, g, h, a, b, i + 6);
		ROUND(b, c, d, e, f, g, h, a, i + 7);
	}
	state[0] += a;
	state[1] += b;
	state[2] += c;
	state[3] += d;
	state[4] += e;
	state[5] += f;
	state[6] += g;
	state[7] += h;
}

void sha256_init(struct sha256 *s)
{
	*s = (struct sha256){
		.state = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
			   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 },
	};
}

void sha256_add(struct sha256 *s, const void *data, size_t len)
{
	const unsigned char *p = data;
	size_t held = s->bytes % 64;

	s->bytes += len;
	if (held) {
		size_t more = len < 64 - held ? len : 64 - held;

		memcpy(s->block + held, p, more);
		if (held + more < 64)
			return;
		transform(s->state, s->block);
		p += more;
		len -= more;
	}
	for (; len >= 64; p += 64, len -= 64)
		transform(s->state, p);
	if (len)
		memcpy(s->block, p, len);
}

char *sha256_end(struct sha256 *s, char text[SHA256_TEXT])
{
	static const unsigned char padding[64] = { 0x80 };
	uint64_t bits = htobe64(s->bytes * 8);
	size_t held = s->bytes % 64;

	sha256_add(s, padding, (held < 56 ? 56 : 120) - held);
	sha256_add(s, &bits, sizeof(bits));
	for (size_t i = 0; i < 8; i++)
		snprintf(text + i * 8, 9, "%08x", s->state[i]);
	return text;
}

char *sha256_text(const void *data, size_t len, char text[SHA256_TEXT])
{
	struct sha256 s;

	sha256_init(&s);
	sha256_add(&s, data, len);
	return sha256_end(&s, text);
}
