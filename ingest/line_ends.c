/* Newlines, 64 bytes at a time. Compiled three times (cpu_level.h). */
#include "ingest/line_ends.h"

#include "ingest/cpu_level.h"
#include "ingest/scan.h"

size_t HOT(line_ends_find)(const char *p, size_t len, const char *limit, uint16_t places[LINE_ENDS_ROOM]) {
  size_t count = 0;
  for (size_t at = 0; at < len; at += BLOCK_BYTES) {
    uint64_t found = block_find(block_load_until(p + at, limit), '\n') & bits_below(len - at);
    __builtin_prefetch(p + at + LINE_ENDS_WINDOW_BYTES);
    size_t here = (size_t)__builtin_popcountll(found);
    /* Two are written whether they are there or not: a branch for each would be mispredicted too often. */
    places[count] = (uint16_t)(at + bits_first(found | UINT64_C(1) << 63));
    places[count + 1] = (uint16_t)(at + bits_first(bits_drop_first(found) | UINT64_C(1) << 63));
    count += here;
    if (__builtin_expect(here <= 2, 1)) continue;
    count -= here;
    for (; found; found = bits_drop_first(found)) places[count++] = (uint16_t)(at + bits_first(found));
  }
  return count;
}
