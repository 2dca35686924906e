/* libFuzzer: any bytes as an accounting file. The corpus is tests/fuzz/powermta/. */
#include "tests/fuzz/fuzz_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) { return fuzz_format("powermta", data, size); }
