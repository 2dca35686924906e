/* libFuzzer: any bytes as Exim's mainlog. The corpus is tests/fuzz/exim/. */
#include "tests/fuzz/fuzz_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) { return fuzz_format("exim", data, size); }
