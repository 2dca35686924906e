/* libFuzzer: any bytes as a log of qmail-send. The corpus is tests/fuzz/qmail/. */
#include "tests/fuzz/fuzz_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) { return fuzz_format("qmail", data, size); }
