/* Calendar and clocks. See clock.h. */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

void clock_civil_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day) {
  days += 719468;
  int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  unsigned day_of_era = (unsigned)(days - era * 146097);
  unsigned year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  unsigned shifted = (5 * day_of_year + 2) / 153;
  *day = day_of_year - (153 * shifted + 2) / 5 + 1;
  *month = shifted < 10 ? shifted + 3 : shifted - 9;
  *year = (int64_t)year_of_era + era * 400 + (*month <= 2);
}

size_t clock_format_rfc3339(int64_t time_us, char *out) {
  int64_t seconds = time_us / US_PER_SECOND, fraction = time_us % US_PER_SECOND;
  if (fraction < 0) fraction += US_PER_SECOND, seconds--;
  int64_t days = seconds / SECONDS_PER_DAY, rest = seconds % SECONDS_PER_DAY;
  if (rest < 0) rest += SECONDS_PER_DAY, days--;
  int64_t year;
  unsigned month, day;
  clock_civil_from_days(days, &year, &month, &day);
  char text[64];
  int len = snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d", (int)year, month, day, (int)(rest / 3600),
                     (int)(rest / 60 % 60), (int)(rest % 60));
  if (fraction) len += snprintf(text + len, sizeof text - (size_t)len, ".%06d", (int)fraction);
  text[len++] = 'Z';
  if (len > 32) len = 32;
  memcpy(out, text, (size_t)len);
  return (size_t)len;
}

/* Takes `count` digits from the front of `text`. */
static bool take_digits(struct slice *text, size_t count, unsigned *out) {
  if (text->len < count) return false;
  *out = 0;
  for (size_t i = 0; i < count; i++) {
    if (!ascii_is_digit(text->ptr[i])) return false;
    *out = *out * 10 + (unsigned)(text->ptr[i] - '0');
  }
  *text = slice_skip(*text, count);
  return true;
}

static bool take_byte(struct slice *text, char byte) {
  if (!text->len || text->ptr[0] != byte) return false;
  *text = slice_skip(*text, 1);
  return true;
}

static bool parse_span(struct slice text, int64_t *out_us) {
  int64_t count = 0;
  size_t i = 0;
  for (; i < text.len && i < 9 && ascii_is_digit(text.ptr[i]); i++) count = count * 10 + (text.ptr[i] - '0');
  if (i == 0 || i + 1 != text.len) return false;
  int64_t unit_s;
  switch (text.ptr[i]) {
    case 's': unit_s = 1; break;
    case 'm': unit_s = 60; break;
    case 'h': unit_s = 3600; break;
    case 'd': unit_s = SECONDS_PER_DAY; break;
    case 'w': unit_s = 7 * SECONDS_PER_DAY; break;
    default: return false;
  }
  *out_us = count * unit_s * US_PER_SECOND;
  return true;
}

/* "Z", "+hh:mm", "-hhmm" or nothing; the offset in seconds. */
static bool parse_zone(struct slice text, int64_t *offset_s) {
  *offset_s = 0;
  if (!text.len || slice_equal_nocase(text, SLICE("Z"))) return true;
  int sign = text.ptr[0] == '+' ? 1 : text.ptr[0] == '-' ? -1 : 0;
  unsigned hours, minutes;
  text = slice_skip(text, 1);
  if (!sign || !take_digits(&text, 2, &hours)) return false;
  take_byte(&text, ':');
  if (!take_digits(&text, 2, &minutes) || text.len) return false;
  *offset_s = sign * (int64_t)(hours * 3600 + minutes * 60);
  return true;
}

bool clock_parse_moment(struct slice text, int64_t now_us, int64_t *out_us) {
  int64_t span_us;
  if (parse_span(text, &span_us)) {
    *out_us = now_us - span_us;
    return true;
  }
  unsigned year, month, day, hour = 0, minute = 0, second = 0;
  if (!take_digits(&text, 4, &year) || !take_byte(&text, '-') || !take_digits(&text, 2, &month) || !take_byte(&text, '-') ||
      !take_digits(&text, 2, &day))
    return false;
  static const unsigned DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (month < 1 || month > 12 || day < 1) return false;
  bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  if (day > DAYS[month - 1] + (month == 2 && is_leap)) return false;
  int64_t offset_s = 0;
  if (text.len) {
    if (text.ptr[0] != 'T' && text.ptr[0] != 't' && text.ptr[0] != ' ') return false;
    text = slice_skip(text, 1);
    if (!take_digits(&text, 2, &hour) || !take_byte(&text, ':') || !take_digits(&text, 2, &minute)) return false;
    if (take_byte(&text, ':') && !take_digits(&text, 2, &second)) return false;
    if (take_byte(&text, '.'))
      while (text.len && ascii_is_digit(text.ptr[0])) text = slice_skip(text, 1);
    if (hour > 23 || minute > 59 || second > 60 || !parse_zone(text, &offset_s)) return false;
  }
  int64_t seconds = clock_days_from_civil(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
  *out_us = (seconds - offset_s) * US_PER_SECOND;
  return true;
}

static int64_t read_clock(clockid_t id) {
  struct timespec now;
  clock_gettime(id, &now);
  return (int64_t)now.tv_sec * US_PER_SECOND + now.tv_nsec / 1000;
}

int64_t clock_wall_us(void) { return read_clock(CLOCK_REALTIME); }
int64_t clock_monotonic_us(void) { return read_clock(CLOCK_MONOTONIC); }
