/* ingest/timestamp and ingest/zone: stamps of every form, the year that is not written, zones and their changes. */
#include "ingest/timestamp.h"

#include <stdio.h>

#include "tests/unit/check_main.h"

static int64_t at(const char *rfc3339) {
  int64_t time_us;
  ck_assert(clock_parse_moment(slice_from_cstr(rfc3339), 0, &time_us));
  return time_us;
}

/* The stamp read with the clock and the reference at `reference`, as RFC 3339; "" when it is no stamp, "absurd" when absurd. */
static const char *read_at(const char *stamp, const char *reference, const struct zone *zone) {
  static char text[40];
  struct stamp_reader reader;
  int64_t time_us;
  stamp_reader_init(&reader, zone, at(reference), at(reference));
  size_t len = stamp_read(&reader, stamp, stamp + strlen(stamp), &time_us);
  if (!len) return "";
  ck_assert_uint_eq(len, (size_t)(strrchr(stamp, ' ') + 1 - stamp));
  if (time_us == TIME_US_ABSENT) return "absurd";
  text[clock_format_rfc3339(time_us, text)] = 0;
  return text;
}

START_TEST(day_may_be_padded_or_not) {
  ck_assert_str_eq(read_at("Nov  4 08:15:07 h", "2026-11-24T00:00:00Z", NULL), "2026-11-04T08:15:07Z");
  ck_assert_str_eq(read_at("Nov 4 08:15:07 h", "2026-11-24T00:00:00Z", NULL), "2026-11-04T08:15:07Z");
  ck_assert_str_eq(read_at("Nov 14 08:15:07 h", "2026-11-24T00:00:00Z", NULL), "2026-11-14T08:15:07Z");
}
END_TEST

START_TEST(year_is_the_latest_not_over_a_day_after_the_reference) {
  ck_assert_str_eq(read_at("Dec 31 23:59:59 h", "2026-01-01T00:00:01Z", NULL), "2025-12-31T23:59:59Z");
  ck_assert_str_eq(read_at("Jan  1 00:00:01 h", "2025-12-31T23:59:59Z", NULL), "2026-01-01T00:00:01Z");
  ck_assert_str_eq(read_at("Nov 25 00:00:00 h", "2026-11-24T00:00:00Z", NULL), "2026-11-25T00:00:00Z");
  ck_assert_str_eq(read_at("Nov 25 00:00:01 h", "2026-11-24T00:00:00Z", NULL), "2025-11-25T00:00:01Z");
}
END_TEST

START_TEST(leap_day_is_of_the_last_leap_year) {
  ck_assert_str_eq(read_at("Feb 29 12:00:00 h", "2027-06-01T00:00:00Z", NULL), "2024-02-29T12:00:00Z");
  ck_assert_str_eq(read_at("Feb 29 12:00:00 h", "2028-03-01T00:00:00Z", NULL), "2028-02-29T12:00:00Z");
  ck_assert_str_eq(read_at("Feb 29 12:00:00 h", "2103-06-01T00:00:00Z", NULL), "2096-02-29T12:00:00Z");
  ck_assert_str_eq(read_at("Feb 30 12:00:00 h", "2027-06-01T00:00:00Z", NULL), "");
}
END_TEST

START_TEST(offset_and_fraction_are_read) {
  const char *now = "2026-11-24T12:00:00Z";
  ck_assert_str_eq(read_at("2026-11-24T08:15:07Z h", now, NULL), "2026-11-24T08:15:07Z");
  ck_assert_str_eq(read_at("2026-11-24T08:15:07.5+05:30 h", now, NULL), "2026-11-24T02:45:07.500000Z");
  ck_assert_str_eq(read_at("2026-11-24T08:15:07.123456789-0330 h", now, NULL), "2026-11-24T11:45:07.123456Z");
  ck_assert_str_eq(read_at("2026-11-24T08:15:07 h", now, NULL), "2026-11-24T08:15:07Z");
  ck_assert_str_eq(read_at("2026-11-24T08:15:07. h", now, NULL), "");
  ck_assert_str_eq(read_at("2026-11-24T08:15:07+1 h", now, NULL), "");
}
END_TEST

START_TEST(blank_may_stand_for_the_t) {
  const char *now = "2026-11-24T12:00:00Z";
  ck_assert_str_eq(read_at("2026-11-04 08:00:01 h", now, NULL), "2026-11-04T08:00:01Z");
  ck_assert_str_eq(read_at("2026-11-04 08:00:01,250 h", now, NULL), "2026-11-04T08:00:01.250000Z");
  ck_assert_str_eq(read_at("2026-11-04_08:00:01 h", now, NULL), "");
}
END_TEST

START_TEST(leap_second_is_the_next_minute) {
  ck_assert_str_eq(read_at("Jun 30 23:59:60 h", "2026-11-24T00:00:00Z", NULL), "2026-07-01T00:00:00Z");
  ck_assert_str_eq(read_at("Jun 30 23:59:61 h", "2026-11-24T00:00:00Z", NULL), "");
}
END_TEST

START_TEST(absurd_times_are_told_from_damaged_ones) {
  const char *now = "2026-11-24T12:00:00Z";
  ck_assert_str_eq(read_at("1999-12-31T23:59:59Z h", now, NULL), "absurd");
  ck_assert_str_eq(read_at("2000-01-01T00:00:00Z h", now, NULL), "2000-01-01T00:00:00Z");
  ck_assert_str_eq(read_at("2026-11-25T12:00:00Z h", now, NULL), "2026-11-25T12:00:00Z");
  ck_assert_str_eq(read_at("2026-11-25T12:00:01Z h", now, NULL), "absurd");
  ck_assert_str_eq(read_at("2026-13-25T12:00:01Z h", now, NULL), "");
  ck_assert_str_eq(read_at("Nov 24 24:00:00 h", now, NULL), "");
}
END_TEST

/* Every second of an hour and a bit, in each form, read by one reader that keeps the minute and by a new one each time. */
START_TEST(kept_minute_gives_the_same_as_a_fresh_reading) {
  static const char *const forms[] = {"Nov  4 %02d:%02d:%02d h and what follows in the line, some",
                                      "Nov 4 %02d:%02d:%02d h and what follows in the line, some",
                                      "2026-11-04T%02d:%02d:%02d.%06d+01:00 h and what follows in the line",
                                      "2026-11-04T%02d:%02d:%02d.%03dZ h and what follows in the line",
                                      "2026-11-04 %02d:%02d:%02d h and what follows in the line, some",
                                      "2026-11-04T%02d:%02d:%02dZ h and what follows in the line"};
  int64_t now_us =
      at("2026-11-04T09:30:00Z") - SECONDS_PER_DAY * US_PER_SECOND; /* a day later stamps become absurd or of last year */
  for (size_t form = 0; form < sizeof forms / sizeof *forms; form++) {
    struct stamp_reader kept;
    stamp_reader_init(&kept, NULL, now_us, now_us);
    for (int second = 0; second < 7200; second++) {
      char line[128];
      int len = snprintf(line, sizeof line, forms[form], 8 + second / 3600, second / 60 % 60, second % 60, second * 7 % 1000);
      struct stamp_reader fresh;
      int64_t kept_us = 0, fresh_us = 0;
      stamp_reader_init(&fresh, NULL, now_us, now_us);
      ck_assert_uint_eq(stamp_read(&kept, line, line + len, &kept_us), stamp_read(&fresh, line, line + len, &fresh_us));
      ck_assert_msg(kept_us == fresh_us, "%s", line);
    }
  }
}
END_TEST

START_TEST(zone_changes_its_offset) {
  struct error err = {0};
  struct zone *zone = zone_new("Europe/Berlin", &err);
  ck_assert_msg(zone != NULL, "%s", err.text);
  const char *now = "2026-11-24T12:00:00Z";
  ck_assert_str_eq(read_at("Nov 24 08:15:07 h", now, zone), "2026-11-24T07:15:07Z");
  ck_assert_str_eq(read_at("Jul 24 08:15:07 h", now, zone), "2026-07-24T06:15:07Z");
  ck_assert_str_eq(read_at("Mar 29 01:59:59 h", now, zone), "2026-03-29T00:59:59Z");
  ck_assert_str_eq(read_at("Mar 29 02:30:00 h", now, zone), "2026-03-29T01:30:00Z"); /* in the gap */
  ck_assert_str_eq(read_at("Mar 29 03:00:00 h", now, zone), "2026-03-29T01:00:00Z");
  ck_assert_str_eq(read_at("Oct 25 02:30:00 h", now, zone), "2026-10-25T00:30:00Z"); /* twice: the first */
  ck_assert_str_eq(read_at("2026-11-24T08:15:07Z h", now, zone), "2026-11-24T08:15:07Z");
  zone_free(zone);
}
END_TEST

/* Behind the changes listed in the file its rule goes on. */
START_TEST(zone_rule_reaches_beyond_the_file) {
  struct error err = {0};
  struct zone *north = zone_new("America/New_York", &err), *south = zone_new("Australia/Sydney", &err),
              *fixed = zone_new("Asia/Shanghai", &err);
  ck_assert(north && south && fixed);
  int64_t june = at("2060-06-15T12:00:00Z") / US_PER_SECOND, december = at("2060-12-15T12:00:00Z") / US_PER_SECOND;
  ck_assert_int_eq(zone_utc_from_local(north, june) - june, 4 * 3600);
  ck_assert_int_eq(zone_utc_from_local(north, december) - december, 5 * 3600);
  ck_assert_int_eq(zone_utc_from_local(south, june) - june, -10 * 3600);
  ck_assert_int_eq(zone_utc_from_local(south, december) - december, -11 * 3600);
  ck_assert_int_eq(zone_utc_from_local(fixed, december) - december, -8 * 3600);
  zone_free(north), zone_free(south), zone_free(fixed);
}
END_TEST

START_TEST(unknown_zone_is_an_error_that_names_it) {
  static const char *const names[] = {"Mars/Olympus", "../../etc/passwd", "/etc/passwd", "", "tzdata.zi"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    struct error err = {0};
    ck_assert(zone_new(names[i], &err) == NULL);
    ck_assert(err.kind == ERROR_USAGE && strstr(err.text, names[i]));
  }
}
END_TEST

TEST_MAIN(day_may_be_padded_or_not, year_is_the_latest_not_over_a_day_after_the_reference, leap_day_is_of_the_last_leap_year,
          offset_and_fraction_are_read, blank_may_stand_for_the_t, leap_second_is_the_next_minute,
          absurd_times_are_told_from_damaged_ones, kept_minute_gives_the_same_as_a_fresh_reading, zone_changes_its_offset,
          zone_rule_reaches_beyond_the_file, unknown_zone_is_an_error_that_names_it)
