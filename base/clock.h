/* Calendar and clocks. Event times are microseconds since 1970-01-01 UTC in an int64_t, named `..._us`. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/slice.h"

#define TIME_US_ABSENT INT64_MIN
#define US_PER_SECOND 1000000LL
#define SECONDS_PER_DAY 86400LL

/* Days since 1970-01-01 of a proleptic Gregorian date; month 1-12, day 1-31 (Hinnant, "chrono-compatible low-level date
 * algorithms", days_from_civil). */
static inline int64_t clock_days_from_civil(int64_t year, unsigned month, unsigned day) {
  year -= month <= 2;
  int64_t era = (year >= 0 ? year : year - 399) / 400;
  unsigned year_of_era = (unsigned)(year - era * 400);
  unsigned day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  unsigned day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + (int64_t)day_of_era - 719468;
}

/* The inverse (civil_from_days, same source). */
void clock_civil_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day);

/* RFC 3339 in UTC, "2026-11-24T08:15:07.123456Z"; the fraction only when it is not zero. Writes at most 32 bytes and no
 * NUL; returns how many. */
size_t clock_format_rfc3339(int64_t time_us, char *out);

/* A date ("2026-11-24"), a time ("2026-11-24T08:15:00Z", offset allowed; none means UTC) or a span back from `now_us`
 * ("7d", "36h", "15m", "90s", "2w"). Returns false when it is none of these. */
bool clock_parse_moment(struct slice text, int64_t now_us, int64_t *out_us);

/* Wall clock and monotonic clock, now. */
int64_t clock_wall_us(void);
int64_t clock_monotonic_us(void);

#endif
