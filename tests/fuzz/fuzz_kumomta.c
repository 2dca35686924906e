/* libFuzzer: any bytes as a log of kumomta. The corpus is tests/fuzz/kumomta/. */
#include "tests/fuzz/fuzz_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) { return fuzz_format("kumomta", data, size); }
