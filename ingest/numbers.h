/* Decimal numbers of a few digits without a loop: the digits of eight bytes are put at the end of a word and multiplied together. */
#ifndef INGEST_NUMBERS_H
#define INGEST_NUMBERS_H

#include "ingest/scan.h"

#define DIGITS8_ZERO UINT64_C(0x3030303030303030)

/* One 0x80 for each byte that is no digit. */
static inline uint64_t digits8_find_other(uint64_t text) {
  uint64_t digits = text ^ DIGITS8_ZERO;
  return (((digits & 0x7f7f7f7f7f7f7f7f) + 0x7676767676767676) | digits) & 0x8080808080808080;
}

/* The value of eight digits in the order of memory. */
static inline uint32_t digits8_value(uint64_t text) {
  uint64_t digits = text ^ DIGITS8_ZERO;
  digits = digits * 10 + (digits >> 8);
  uint64_t low = (digits & 0x000000ff000000ff) * 0x000f424000000064,
           high = ((digits >> 16) & 0x000000ff000000ff) * 0x0000271000000001;
  return (uint32_t)((low + high) >> 32);
}

/* The first `count` (1-8) bytes of `text` behind as many '0' as make it eight. */
static inline uint64_t digits8_align(uint64_t text, unsigned count) {
  unsigned shift = 64 - 8 * count;
  return text << shift | (DIGITS8_ZERO & bits_below(shift));
}

#endif
