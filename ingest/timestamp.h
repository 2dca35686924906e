/* The time at the front of a line, in the ways that syslog and Exim write it:
 *
 *   Nov 24 08:15:07           RFC 3164: the day padded with a blank, or not; no year, no zone
 *   2026-11-24T08:15:07.12Z   RFC 3339 and RFC 5424: any offset; without one the configured zone is meant; a blank for the T
 *   2026-11-24 08:15:07 +0100 ... and then a blank may stand before the offset
 *
 * Lines of the same minute share all but the seconds. The reader keeps the minute, so the usual stamp costs one compare of 16
 * bytes and two digits (RFC 3339: another compare and the fraction). */
#ifndef INGEST_TIMESTAMP_H
#define INGEST_TIMESTAMP_H

#include "base/clock.h"
#include "ingest/numbers.h"
#include "ingest/zone.h"

struct stamp_reader {
  const struct zone *zone;   /* of stamps without offset; NULL: UTC */
  int64_t reference_time_us; /* a stamp without year is the latest not over a day after it */
  int64_t latest_us;         /* later is absurd */

  /* The minute seen last. `seconds_at` 0: none yet. */
  int64_t minute_us;
  char prefix[16];      /* the first 16 bytes of the stamp ... */
  uint32_t prefix_care; /* ... and which of them belong to the minute, one bit each */
  uint32_t seconds_at;
  bool is_rfc3339;
  uint32_t fraction_len;    /* digits; 0 also when there is no point */
  uint64_t tail, tail_care; /* RFC 3339: offset and the blank behind it, as eight bytes and a mask */
  uint32_t tail_len;

  /* The stamp seen last, when 16 bytes hold all of it and the blank behind it: lines of one second share it. */
  char last[16];
  int64_t last_us;
  uint32_t last_len; /* 0: none */
};

/* Earlier is absurd: 2000-01-01. */
#define STAMP_EARLIEST_US (946684800 * US_PER_SECOND)

/* Whether an event can have happened then. */
static inline bool stamp_is_plausible(const struct stamp_reader *reader, int64_t time_us) {
  return time_us >= STAMP_EARLIEST_US && time_us <= reader->latest_us;
}

/* Times before 2000-01-01 and after now_us + 1 day are absurd. */
void stamp_reader_init(struct stamp_reader *reader, const struct zone *zone, int64_t reference_time_us, int64_t now_us);

/* Reads a stamp and the blank behind it from [p, end). Returns its length with the blank, 0 when there is no stamp; *time_us is
 * TIME_US_ABSENT when it is absurd. */
size_t stamp_read_slow(struct stamp_reader *reader, const char *p, const char *end, int64_t *time_us);

/* The address of no variable of the caller's is given away: what lies in registers stays there. */
static inline size_t stamp_read_by_value(struct stamp_reader *reader, const char *p, const char *end, int64_t *time_us) {
  int64_t slow_us = TIME_US_ABSENT;
  size_t len = stamp_read_slow(reader, p, end, &slow_us);
  *time_us = slow_us;
  return len;
}

/* As stamp_read_slow, which it calls when the line is of another minute. */
static inline size_t stamp_read(struct stamp_reader *reader, const char *p, const char *end, int64_t *time_us) {
  if (__builtin_expect(end - p < 48 || !reader->seconds_at, 0)) return stamp_read_by_value(reader, p, end, time_us);
  __m128i front = _mm_loadu_si128((const __m128i *)p), want = _mm_loadu_si128((const __m128i *)reader->prefix);
  __m128i last = _mm_loadu_si128((const __m128i *)reader->last);
  if (reader->last_len && _mm_movemask_epi8(_mm_cmpeq_epi8(front, last)) == 0xffff) {
    *time_us = reader->last_us;
    return reader->last_len;
  }
  uint32_t equal = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(front, want));
  uint32_t at = reader->seconds_at;
  unsigned tens = (unsigned char)p[at] - (unsigned)'0', ones = (unsigned char)p[at + 1] - (unsigned)'0', seconds = tens * 10 + ones;
  bool is_same = (equal & reader->prefix_care) == reader->prefix_care && tens <= 6 && ones <= 9 && seconds <= 60;
  int64_t time = reader->minute_us + seconds * US_PER_SECOND;
  size_t len = at + 3;
  if (reader->is_rfc3339) {
    uint32_t fraction = 0, fraction_len = reader->fraction_len;
    const char *tail = p + at + 2;
    if (fraction_len) {
      uint64_t digits = load_u64(tail + 1);
      if (fraction_len < 8) digits = (digits & bits_below(8 * fraction_len)) | (DIGITS8_ZERO << (8 * fraction_len));
      is_same &= *tail == '.' && !digits8_find_other(digits);
      fraction = digits8_value(digits);
      tail += 1 + fraction_len;
    }
    is_same &= p[16] == ':' && (load_u64(tail) & reader->tail_care) == reader->tail;
    time += fraction / 100; /* eight digits are tens of nanoseconds */
    len = (size_t)(tail - p) + reader->tail_len;
  }
  if (__builtin_expect(!is_same || time > reader->latest_us, 0)) return stamp_read_by_value(reader, p, end, time_us);
  *time_us = time;
  if (len <= sizeof reader->last) {
    _mm_storeu_si128((__m128i *)reader->last, front);
    reader->last_us = time;
    reader->last_len = (uint32_t)len;
  }
  return len;
}

#endif
