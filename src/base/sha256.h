/* SHA-256 (FIPS 180-4), for content that has to be recognised: what was written into a file of the user, what
 * a record of trust names. It is here because the program that starts at every hook links no crypto library.
 */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include <stddef.h>

enum { SHA256_HEX_SIZE = 65 };

/* The hash in lower-case hex, with a NUL. */
void sha256_hex(const void *data, size_t len, char ret[SHA256_HEX_SIZE]);

#endif
