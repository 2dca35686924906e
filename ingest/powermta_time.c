/* The times of accounting files: local time with its offset, as PowerMTA writes today, or seconds since 1970, as older versions did. */
#include "ingest/powermta_internal.h"

static bool read_digits(const char *p, unsigned count, unsigned *out) {
  *out = 0;
  for (unsigned i = 0; i < count; i++) {
    if (!ascii_is_digit(p[i])) return false;
    *out = *out * 10 + (unsigned)(p[i] - '0');
  }
  return true;
}

/* "+0200", "-03:30", "Z" or nothing, in seconds; false when it is none of them. */
static bool read_offset(struct slice text, bool *has_offset, int64_t *seconds) {
  unsigned hours, minutes;
  *has_offset = text.len > 0;
  *seconds = 0;
  if (!text.len || (text.len == 1 && text.ptr[0] == 'Z')) return true;
  size_t minutes_at = text.len == 6 && text.ptr[3] == ':' ? 4 : 3;
  if (text.len != minutes_at + 2 || (text.ptr[0] != '+' && text.ptr[0] != '-')) return false;
  if (!read_digits(text.ptr + 1, 2, &hours) || !read_digits(text.ptr + minutes_at, 2, &minutes)) return false;
  if (hours > 23 || minutes > 59) return false;
  *seconds = (int64_t)(hours * 3600 + minutes * 60) * (text.ptr[0] == '-' ? -1 : 1);
  return true;
}

/* The minute of "2016-05-29 01:10:51+0200", in seconds; false when it is none. */
static bool read_minute(const struct zone *zone, struct slice text, int64_t *seconds) {
  static const uint8_t days_of_month[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const char *p = text.ptr;
  unsigned year, month, day, hour, minute;
  bool has_offset;
  int64_t offset;
  if (p[4] != '-' || p[7] != '-' || (p[10] != ' ' && p[10] != 'T') || p[13] != ':') return false;
  if (!read_digits(p, 4, &year) || !read_digits(p + 5, 2, &month) || !read_digits(p + 8, 2, &day)) return false;
  if (!read_digits(p + 11, 2, &hour) || !read_digits(p + 14, 2, &minute) || hour > 23 || minute > 59) return false;
  if (month < 1 || month > 12 || day < 1 || day > days_of_month[month - 1]) return false;
  if (month == 2 && day == 29 && (year % 4 != 0 || (year % 100 == 0 && year % 400 != 0))) return false;
  if (!read_offset(slice_skip(text, 19), &has_offset, &offset)) return false;
  int64_t local = clock_days_from_civil(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60;
  *seconds = has_offset ? local - offset : zone_utc_from_local(zone, local);
  return true;
}

static int64_t read_seconds_since_1970(struct slice text) {
  int64_t seconds = 0;
  if (!text.len || text.len > 11) return TIME_US_ABSENT;
  for (size_t i = 0; i < text.len; i++) {
    if (!ascii_is_digit(text.ptr[i])) return TIME_US_ABSENT;
    seconds = seconds * 10 + (text.ptr[i] - '0');
  }
  return seconds * US_PER_SECOND;
}

/* What the next time of 24 bytes is compared with. */
static void keep_day(struct powermta_clock *clock, struct slice text, int64_t minute_us) {
  int64_t hours = (text.ptr[11] - '0') * 10 + text.ptr[12] - '0', minutes = (text.ptr[14] - '0') * 10 + text.ptr[15] - '0';
  clock->is_set = true;
  clock->date = load_u64(text.ptr);
  clock->minute = load_u64(text.ptr + 8);
  clock->offset = load_u64(text.ptr + 16) >> 24;
  clock->minute_us = minute_us;
  clock->day_us = minute_us - (hours * 3600 + minutes * 60) * US_PER_SECOND;
}

int64_t powermta_time_read(struct powermta_clock *clock, const struct zone *zone, struct slice text) {
  unsigned second;
  int64_t minute;
  if (text.len < 19 || text.len > 25) return read_seconds_since_1970(text);
  if (text.ptr[16] != ':' || !read_digits(text.ptr + 17, 2, &second) || second > 60) return TIME_US_ABSENT;
  if (!read_minute(zone, text, &minute)) return TIME_US_ABSENT;
  if (text.len == 24) keep_day(clock, text, minute * US_PER_SECOND);
  return (minute + second) * US_PER_SECOND;
}
