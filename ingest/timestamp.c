/* Reads a stamp from scratch and keeps its minute for the lines that follow (see timestamp.h). */
#include "ingest/timestamp.h"

/* The parts of a stamp, as written. */
struct stamp {
  unsigned month, day, hour, minute, second, microsecond;
  int64_t year;
  bool has_year, has_offset;
  int32_t offset; /* seconds east */
  /* Where parts lie, from the first byte of the stamp. */
  size_t seconds_at, fraction_len, tail_at, len;
};

void stamp_reader_init(struct stamp_reader *reader, const struct zone *zone, int64_t reference_time_us, int64_t now_us) {
  *reader = (struct stamp_reader){
      .zone = zone,
      .reference_time_us = reference_time_us == TIME_US_ABSENT ? now_us : reference_time_us,
      .latest_us = now_us + SECONDS_PER_DAY * US_PER_SECOND,
  };
}

static bool two_digits(const char *p, unsigned *out) {
  *out = (unsigned)(p[0] - '0') * 10 + (unsigned)(p[1] - '0');
  return ascii_is_digit(p[0]) && ascii_is_digit(p[1]);
}

/* hh:mm:ss at p, of which 8 bytes are readable. 24:00:00 does not occur in logs. */
static bool read_clock(const char *p, struct stamp *out) {
  return two_digits(p, &out->hour) && p[2] == ':' && two_digits(p + 3, &out->minute) && p[5] == ':' &&
         two_digits(p + 6, &out->second) && out->hour < 24 && out->minute < 60 && out->second <= 60;
}

static unsigned month_of(const char *p) {
  static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  for (unsigned month = 0; month < 12; month++)
    if (memcmp(names + 3 * month, p, 3) == 0) return month + 1;
  return 0;
}

static unsigned days_in_month(int64_t year, unsigned month) {
  static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return days[month - 1] + (month == 2 && is_leap);
}

/* "Nov 24 08:15:07 ", "Nov  4 08:15:07 ", "Nov 4 08:15:07 " */
static bool read_rfc3164(const char *p, const char *end, struct stamp *out) {
  if (end - p < 16) return false; /* the shortest has 15 bytes and something behind it */
  out->month = month_of(p);
  if (!out->month || p[3] != ' ') return false;
  size_t at = 4;
  if (p[at] == ' ') at++;
  if (!ascii_is_digit(p[at])) return false;
  out->day = (unsigned)(p[at++] - '0');
  if (at == 5 && ascii_is_digit(p[at])) out->day = out->day * 10 + (unsigned)(p[at++] - '0');
  if (p[at++] != ' ' || end - p < (ptrdiff_t)at + 9 || !read_clock(p + at, out) || p[at + 8] != ' ') return false;
  out->seconds_at = at + 6;
  out->len = at + 9;
  return out->day >= 1 && out->day <= days_in_month(2000, out->month);
}

/* The offset at p: 'Z', [+-]hh:mm, [+-]hhmm, or none. Returns behind it; NULL when it is damaged. */
static const char *read_offset(const char *p, const char *end, struct stamp *out) {
  if (p < end && (*p == 'Z' || *p == 'z')) {
    out->has_offset = true;
    return p + 1;
  }
  if (p >= end || (*p != '+' && *p != '-')) return p;
  unsigned hours, minutes;
  bool is_east = *p++ == '+';
  if (end - p < 5 || !two_digits(p, &hours)) return NULL;
  p += 2;
  if (*p == ':') p++;
  if (end - p < 2 || !two_digits(p, &minutes) || hours > 23 || minutes > 59) return NULL;
  out->offset = (int32_t)(hours * 3600 + minutes * 60) * (is_east ? 1 : -1);
  out->has_offset = true;
  return p + 2;
}

/* As read_offset, with the blank before it that Exim writes; p when there is none. */
static const char *read_offset_behind_blank(const char *p, const char *end, struct stamp *out) {
  if (end - p < 7 || *p != ' ' || (p[1] != '+' && p[1] != '-')) return p;
  struct stamp stamp = *out;
  const char *behind = read_offset(p + 1, end, &stamp);
  if (!behind || behind >= end || *behind != ' ') return p;
  *out = stamp;
  return behind;
}

static bool read_rfc3339(const char *begin, const char *end, struct stamp *out) {
  unsigned century, years;
  if (end - begin < 20 || !two_digits(begin, &century) || !two_digits(begin + 2, &years) || begin[4] != '-') return false;
  if (!two_digits(begin + 5, &out->month) || begin[7] != '-' || !two_digits(begin + 8, &out->day)) return false;
  if ((begin[10] != 'T' && begin[10] != 't' && begin[10] != ' ') || !read_clock(begin + 11, out)) return false;
  out->year = century * 100 + years;
  out->has_year = true;
  if (out->month < 1 || out->month > 12 || out->day < 1 || out->day > days_in_month(out->year, out->month)) return false;
  out->seconds_at = 17;
  const char *p = begin + 19;
  if (*p == '.' || *p == ',') {
    unsigned scale = 100000;
    for (p++; p < end && ascii_is_digit(*p); p++) {
      out->microsecond += (unsigned)(*p - '0') * scale;
      scale /= 10;
      out->fraction_len++;
    }
    if (!out->fraction_len) return false;
  }
  out->tail_at = (size_t)(p - begin);
  p = begin[10] == ' ' ? read_offset_behind_blank(p, end, out) : p;
  p = read_offset(p, end, out);
  if (!p || p >= end || *p != ' ') return false;
  out->len = (size_t)(p + 1 - begin);
  return true;
}

/* The event's minute, in microseconds UTC. */
static int64_t minute_of(const struct stamp_reader *reader, const struct stamp *stamp, int64_t year) {
  int64_t days = clock_days_from_civil(year, stamp->month, stamp->day);
  int64_t local = days * SECONDS_PER_DAY + stamp->hour * 3600 + stamp->minute * 60;
  return (stamp->has_offset ? local - stamp->offset : zone_utc_from_local(reader->zone, local)) * US_PER_SECOND;
}

/* The latest year in which the stamp is a day of the calendar and not over a day after the reference. */
static int64_t minute_without_year(const struct stamp_reader *reader, const struct stamp *stamp) {
  int64_t bound_us = reader->reference_time_us + SECONDS_PER_DAY * US_PER_SECOND, year;
  unsigned month, day;
  int64_t bound_days = bound_us / US_PER_SECOND / SECONDS_PER_DAY;
  clock_civil_from_days(bound_days + 1, &year, &month, &day); /* + 1: the zone may be ahead of UTC */
  for (unsigned tries = 0; tries < 10; tries++, year--) {     /* 29 February may be eight years away */
    if (stamp->day > days_in_month(year, stamp->month)) continue;
    int64_t minute_us = minute_of(reader, stamp, year);
    if (minute_us + stamp->second * US_PER_SECOND <= bound_us) return minute_us;
  }
  return TIME_US_ABSENT;
}

static void keep_minute(struct stamp_reader *reader, const char *p, const struct stamp *stamp, int64_t minute_us) {
  size_t tail_len = stamp->len - stamp->tail_at;
  reader->seconds_at = 0;
  if (minute_us < STAMP_EARLIEST_US) return;
  if (stamp->has_year) {
    if (stamp->fraction_len > 8 || tail_len > 7 || p[19] == ',') return;
    reader->prefix_care = 0xffff;
    reader->tail_care = bits_below(8 * tail_len);
    reader->tail = 0;
    memcpy(&reader->tail, p + stamp->tail_at, tail_len);
    reader->tail_len = (uint32_t)tail_len;
    reader->fraction_len = (uint32_t)stamp->fraction_len;
  } else { /* all up to the seconds, and the blank behind them */
    reader->prefix_care = (uint32_t)(bits_below(stamp->seconds_at) | UINT64_C(1) << (stamp->seconds_at + 2));
  }
  memcpy(reader->prefix, p, sizeof reader->prefix);
  reader->is_rfc3339 = stamp->has_year;
  reader->minute_us = minute_us;
  reader->seconds_at = (uint32_t)stamp->seconds_at;
}

size_t stamp_read_slow(struct stamp_reader *reader, const char *p, const char *end, int64_t *time_us) {
  struct stamp stamp = {0};
  if (!read_rfc3164(p, end, &stamp)) {
    stamp = (struct stamp){0};
    if (!read_rfc3339(p, end, &stamp)) return 0;
  }
  int64_t minute_us = stamp.has_year ? minute_of(reader, &stamp, stamp.year) : minute_without_year(reader, &stamp);
  *time_us = TIME_US_ABSENT;
  if (minute_us == TIME_US_ABSENT) return stamp.len;
  int64_t event_us = minute_us + stamp.second * US_PER_SECOND + stamp.microsecond;
  if (event_us >= STAMP_EARLIEST_US && event_us <= reader->latest_us) {
    *time_us = event_us;
    keep_minute(reader, p, &stamp, minute_us);
  }
  return stamp.len;
}
