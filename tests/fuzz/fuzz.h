/* What every fuzzer defines. fuzz-NAME.c is one fuzzer and corpus/NAME/ its inputs: libFuzzer drives it in
 * a build with -Dfuzz=true (tools/fuzz), and replay.c runs the corpus through it in every other.
 *
 * A fuzzer takes one input, checks with assert() what has to hold for any, leaves nothing behind and
 * touches no file. NAME.dict beside it, if there is one, is its dictionary. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
