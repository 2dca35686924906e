/* Reply codes (RFC 5321) and enhanced status codes (RFC 3463), and what they say by themselves (codes.def). */
#ifndef CLASSIFY_CODES_H
#define CLASSIFY_CODES_H

#include "base/slice.h"
#include "schemas/words.h"

/* "5.7.26" as numbers; all zero: none. */
struct dsn_code {
  uint16_t class, subject, detail;
};

/* The whole of `text` as an enhanced status code (class 2, 4 or 5; up to three digits in each other part); else zeros. */
struct dsn_code dsn_parse(struct slice text);

/* The length of the enhanced status code at the front of `text`; 0: none. */
size_t dsn_length(struct slice text);

/* The cause that the codes name by themselves; false when they name none (weak codes). */
bool codes_find_cause(uint16_t smtp_code, struct dsn_code dsn, enum cause *out);

#endif
