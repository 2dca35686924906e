/* Splits a line of CSV (RFC 4180) into its fields, 64 bytes at a time: a comma counts where the number of quotes before it is even, so
 * commas inside of quoted fields and doubled quotes need no look of their own. */
#ifndef INGEST_CSV_LINE_H
#define INGEST_CSV_LINE_H

#include "ingest/scan.h"

/* Each bit becomes the parity of the bits up to and with it. */
static inline uint64_t bits_parity_up_to(uint64_t bits) {
  for (unsigned shift = 1; shift < 64; shift *= 2) bits ^= bits << shift;
  return bits;
}

/* Where the fields of [p, end) end: ends[i] is the comma behind field i, or `end`. Returns how many there are; count_max + 1 when
 * there are more than `ends` has room for (count_max), and 0 when a quote is left open. Bytes up to `limit` (>= end) may be read. */
static inline size_t csv_line_split(const char *p, const char *end, const char *limit, const char **ends, size_t count_max) {
  size_t count = 0;
  uint64_t is_inside = 0; /* all bits set: the block begins inside of quotes */
  for (; p < end; p += BLOCK_BYTES) {
    struct block block = block_load_until(p, limit);
    uint64_t line = bits_below((size_t)(end - p)), commas = block_find(block, ',') & line, quotes = block_find(block, '"') & line;
    if (__builtin_expect(quotes || is_inside, 0)) {
      uint64_t inside = bits_parity_up_to(quotes) ^ is_inside;
      commas &= ~inside;
      is_inside = (uint64_t)((int64_t)inside >> 63);
    }
    if (count + (size_t)__builtin_popcountll(commas) >= count_max) return count_max + 1;
    for (; commas; commas = bits_drop_first(commas)) ends[count++] = p + bits_first(commas);
  }
  ends[count++] = end;
  return is_inside ? 0 : count;
}

#endif
