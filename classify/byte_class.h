/* What a byte may be part of, for normalise.c and varying.c: one look-up instead of comparisons. */
#ifndef CLASSIFY_BYTE_CLASS_H
#define CLASSIFY_BYTE_CLASS_H

#include <stdint.h>

enum {
  BYTE_DIGIT = 1,
  BYTE_LETTER = 2, /* ASCII */
  BYTE_ALNUM = BYTE_DIGIT | BYTE_LETTER,
  BYTE_LOCAL = 4, /* of the local part of an address: atext and '.' (RFC 5322), and bytes of UTF-8 (RFC 6531) */
  BYTE_RUN = 8,   /* of ids, codes, host names: letters, digits, and what joins them */
  BYTE_HEX = 16,
};

extern const uint8_t BYTE_CLASSES[256];

static inline unsigned byte_is(char c, unsigned classes) { return BYTE_CLASSES[(unsigned char)c] & classes; }

#endif
