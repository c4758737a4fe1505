// SPDX-License-Identifier: BSD-2-Clause
/* SHA-256 against the examples of FIPS 180-4 (NIST CSRC) and split input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/sha256.h"

static void published_examples(void **state)
{
	static const char two[] =
		"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
	char text[SHA256_TEXT];

	assert_string_equal(
		sha256_text("abc", 3, text),
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_string_equal(
		sha256_text(two, strlen(two), text),
		"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	assert_string_equal(
		sha256_text("", 0, text),
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void a_million_letters(void **state)
{
	char text[SHA256_TEXT], part[1000];
	struct sha256 s;

	memset(part, 'a', sizeof(part));
	sha256_init(&s);
	for (int i = 0; i < 1000; i++)
		sha256_add(&s, part, sizeof(part));
	assert_string_equal(
		sha256_end(&s, text),
		"cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* Every length around the block, in pieces of every size: as in one piece. */
static void pieces(void **state)
{
	unsigned char data[200];
	char whole[SHA256_TEXT], split[SHA256_TEXT];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * 7);
	for (size_t len = 0; len <= sizeof(data); len++) {
		sha256_text(data, len, whole);
		for (size_t piece = 1; piece <= 130; piece += 3) {
			struct sha256 s;

			sha256_init(&s);
			for (size_t at = 0; at < len; at += piece)
				sha256_add(&s, data + at,
					   len - at < piece ? len - at : piece);
			assert_string_equal(sha256_end(&s, split), whole);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_examples),
		cmocka_unit_test(a_million_letters),
		cmocka_unit_test(pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
