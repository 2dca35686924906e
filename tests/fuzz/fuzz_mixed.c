/* libFuzzer: any bytes as lines of several servers. The corpus is tests/fuzz/mixed/. */
#include "tests/fuzz/fuzz_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) { return fuzz_format("mixed", data, size); }
