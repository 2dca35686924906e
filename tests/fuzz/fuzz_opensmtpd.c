/* libFuzzer: any bytes as a batch of OpenSMTPD's log. The corpus is tests/fuzz/opensmtpd/. */
#include "tests/fuzz/fuzz_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) { return fuzz_format("opensmtpd", data, size); }
