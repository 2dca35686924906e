/* libFuzzer: any bytes as a log of Haraka. The corpus is tests/fuzz/haraka/. */
#include "tests/fuzz/fuzz_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) { return fuzz_format("haraka", data, size); }
