/* Tests of SHA-256 by the examples of FIPS 180-4 and lengths around the block's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/alloc.h"
#include "base/sha256.h"

static void test_known_hashes(void **state)
{
	(void)state;
	static const struct {
		const char *text, *hash;
	} cases[] = {
		{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
	};
	char hex[SHA256_HEX_SIZE];
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		sha256_hex(cases[i].text, strlen(cases[i].text), hex);
		assert_string_equal(hex, cases[i].hash);
	}
	autofree char *many = xmalloc(1000000);
	memset(many, 'a', 1000000);
	sha256_hex(many, 1000000, hex);
	assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* 55, 56 and 64 bytes: the length just fits, just does not, and begins a block of its own. */
static void test_lengths_around_a_block(void **state)
{
	(void)state;
	static const struct {
		size_t len;
		const char *hash;
	} cases[] = {
		{55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318"},
		{56, "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a"},
		{64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"},
	};
	char text[64], hex[SHA256_HEX_SIZE];
	memset(text, 'a', sizeof(text));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		sha256_hex(text, cases[i].len, hex);
		assert_string_equal(hex, cases[i].hash);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_hashes),
		cmocka_unit_test(test_lengths_around_a_block),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
