/* libFuzzer: any bytes as a batch of Sendmail's log. The corpus is tests/fuzz/sendmail/. */
#include "tests/fuzz/fuzz_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) { return fuzz_format("sendmail", data, size); }
