/* Delays counted in fixed buckets, each twice as wide as the one before; histograms of the same bucket add up (in
 * ClickHouse: sumForEach).
 *
 *   bucket 0         < 1/8 s
 *   bucket i         < 2^i / 8 s, and not in bucket i-1
 *   bucket 23        everything from 2^22/8 s (6 days) on
 *
 * A value read back from a bucket (its geometric middle) is off by a factor of at most sqrt(2). */
#ifndef SCHEMAS_HISTOGRAM_H
#define SCHEMAS_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BUCKETS 24
#define HISTOGRAM_FIRST_US 125000

struct histogram {
  uint64_t count[HISTOGRAM_BUCKETS];
};

static inline unsigned histogram_bucket(int64_t delay_us) {
  if (delay_us < HISTOGRAM_FIRST_US) return 0;
  unsigned bucket = 64u - (unsigned)__builtin_clzll((uint64_t)(delay_us / HISTOGRAM_FIRST_US));
  return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/* The upper end of a bucket in microseconds; the last has none (INT64_MAX). */
static inline int64_t histogram_upper_us(unsigned bucket) {
  return bucket + 1 < HISTOGRAM_BUCKETS ? (int64_t)HISTOGRAM_FIRST_US << bucket : INT64_MAX;
}

#endif
