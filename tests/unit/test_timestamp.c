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

/* An archive is read with the time of its file as reference, however long ago that is. */
START_TEST(archives_read_years_later_have_the_year_of_their_file) {
  static const struct {
    const char *stamp, *file_time, *expected;
  } cases[] = {
      {"Dec 31 23:59:59 h", "2019-12-31T23:59:59Z", "2019-12-31T23:59:59Z"},
      {"Jan  1 00:00:00 h", "2020-01-01T06:25:00Z", "2020-01-01T00:00:00Z"},
      {"Dec 31 06:25:01 h", "2020-01-01T06:25:00Z", "2019-12-31T06:25:01Z"},
      {"Feb 29 12:00:00 h", "2020-03-01T00:00:00Z", "2020-02-29T12:00:00Z"},
      {"Feb 28 23:59:59 h", "2019-03-01T00:00:00Z", "2019-02-28T23:59:59Z"},
      {"Feb 29 12:00:00 h", "2020-02-29T00:00:00Z", "2020-02-29T12:00:00Z"}, /* within the day that stamps may be ahead */
      {"Feb 29 00:00:01 h", "2020-02-28T00:00:00Z", "2016-02-29T00:00:01Z"}, /* and behind it */
      {"Mar  1 00:00:00 h", "2020-02-29T12:00:00Z", "2020-03-01T00:00:00Z"},
      {"Dec 31 23:59:60 h", "2017-01-01T00:00:00Z", "2017-01-01T00:00:00Z"}, /* the last leap second so far */
      {"Jan  1 00:00:00 h", "2016-12-31T23:59:59Z", "2017-01-01T00:00:00Z"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct stamp_reader reader;
    int64_t time_us;
    char text[40];
    stamp_reader_init(&reader, NULL, at(cases[i].file_time), at("2026-11-24T12:00:00Z"));
    ck_assert_uint_gt(stamp_read(&reader, cases[i].stamp, cases[i].stamp + strlen(cases[i].stamp), &time_us), 0);
    ck_assert(time_us != TIME_US_ABSENT);
    text[clock_format_rfc3339(time_us, text)] = 0;
    ck_assert_msg(strcmp(text, cases[i].expected) == 0, "%s in a file of %s is %s, not %s", cases[i].stamp, cases[i].file_time,
                  text, cases[i].expected);
  }
}
END_TEST

/* A file that goes over New Year, read by one reader that keeps the minute: the year changes with the stamp. */
START_TEST(new_year_within_a_file_changes_the_year) {
  static const char *const lines[][2] = {
      {"Dec 31 23:59:59 mx1 postfix/qmgr[9]: 3F2A1B4C5D: removed\n", "2025-12-31T23:59:59Z"},
      {"Dec 31 23:59:60 mx1 postfix/qmgr[9]: 3F2A1B4C5D: removed\n", "2026-01-01T00:00:00Z"},
      {"Jan  1 00:00:00 mx1 postfix/qmgr[9]: 3F2A1B4C5D: removed\n", "2026-01-01T00:00:00Z"},
      {"Jan  1 00:00:01 mx1 postfix/qmgr[9]: 3F2A1B4C5D: removed\n", "2026-01-01T00:00:01Z"},
      {"Dec 31 23:59:58 mx1 postfix/qmgr[9]: 3F2A1B4C5D: removed\n", "2025-12-31T23:59:58Z"},
  };
  /* The file's time before midnight, after it, and a year later but for a day. */
  static const char *const references[] = {"2025-12-31T23:59:58Z", "2026-01-01T00:00:01Z", "2026-01-07T00:00:00Z",
                                           "2026-12-30T23:59:57Z"};
  for (size_t r = 0; r < sizeof references / sizeof *references; r++) {
    struct stamp_reader reader;
    stamp_reader_init(&reader, NULL, at(references[r]), at("2027-06-01T00:00:00Z"));
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
      int64_t time_us;
      ck_assert_uint_gt(stamp_read(&reader, lines[i][0], lines[i][0] + strlen(lines[i][0]), &time_us), 0);
      ck_assert_msg(time_us == at(lines[i][1]), "%.15s in a file of %s", lines[i][0], references[r]);
    }
  }
}
END_TEST

/* Zones ahead of UTC and behind it: New Year is the zone's. */
START_TEST(new_year_is_that_of_the_zone) {
  struct error err = {0};
  struct zone *east = zone_new("Pacific/Kiritimati", &err), *west = zone_new("Pacific/Pago_Pago", &err); /* +14, -11 */
  ck_assert(east && west);
  ck_assert_str_eq(read_at("Jan  1 00:30:00 h", "2025-12-31T10:30:00Z", east), "2025-12-31T10:30:00Z");
  ck_assert_str_eq(read_at("Dec 31 23:30:00 h", "2025-12-31T10:30:00Z", east), "2025-12-31T09:30:00Z");
  ck_assert_str_eq(read_at("Dec 31 23:30:00 h", "2026-01-01T10:30:00Z", west), "2026-01-01T10:30:00Z");
  ck_assert_str_eq(read_at("Jan  1 00:30:00 h", "2026-01-01T11:30:00Z", west), "2026-01-01T11:30:00Z");
  ck_assert_str_eq(read_at("Feb 29 23:59:60 h", "2024-03-01T11:00:00Z", west), "2024-03-01T11:00:00Z");
  zone_free(east), zone_free(west);
}
END_TEST

START_TEST(leap_second_is_the_next_minute) {
  ck_assert_str_eq(read_at("Jun 30 23:59:60 h", "2026-11-24T00:00:00Z", NULL), "2026-07-01T00:00:00Z");
  ck_assert_str_eq(read_at("Jun 30 23:59:61 h", "2026-11-24T00:00:00Z", NULL), "");
  ck_assert_str_eq(read_at("2016-12-31T23:59:60Z h", "2026-11-24T00:00:00Z", NULL), "2017-01-01T00:00:00Z");
  ck_assert_str_eq(read_at("2016-12-31T23:59:60.5Z h", "2026-11-24T00:00:00Z", NULL), "2017-01-01T00:00:00.500000Z");
  ck_assert_str_eq(read_at("2017-01-01T08:59:60+09:00 h", "2026-11-24T00:00:00Z", NULL), "2017-01-01T00:00:00Z");
  ck_assert_str_eq(read_at("2016-12-31 23:59:60 h", "2026-11-24T00:00:00Z", NULL), "2017-01-01T00:00:00Z");
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

/* Both changes of both hemispheres, second by second around them, in years before, within and behind the file's list of changes. What is
 * skipped and what comes twice are read with the offset before the change; all else has one reading, which must be it. */
START_TEST(both_changes_are_read_to_the_second) {
  static const struct {
    const char *zone, *change;     /* UTC */
    int before_hours, after_hours; /* east */
  } changes[] = {
      {"Europe/Berlin", "2019-03-31T01:00:00Z", 1, 2},      {"Europe/Berlin", "2019-10-27T01:00:00Z", 2, 1},
      {"Europe/Berlin", "2026-03-29T01:00:00Z", 1, 2},      {"Europe/Berlin", "2026-10-25T01:00:00Z", 2, 1},
      {"Europe/Berlin", "2050-03-27T01:00:00Z", 1, 2},      {"Europe/Berlin", "2050-10-30T01:00:00Z", 2, 1},
      {"America/New_York", "2024-03-10T07:00:00Z", -5, -4}, {"America/New_York", "2024-11-03T06:00:00Z", -4, -5},
      {"Australia/Sydney", "2025-04-05T16:00:00Z", 11, 10}, {"Australia/Sydney", "2025-10-04T16:00:00Z", 10, 11},
  };
  for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
    struct error err = {0};
    struct zone *zone = zone_new(changes[i].zone, &err);
    ck_assert_msg(zone != NULL, "%s", err.text);
    int64_t change = at(changes[i].change) / US_PER_SECOND, before = changes[i].before_hours * 3600,
            after = changes[i].after_hours * 3600;
    for (int64_t utc = change - 3 * 3600; utc < change + 3 * 3600; utc++) {
      int64_t local = utc + (utc < change ? before : after);
      bool is_second_time = utc >= change && local - before < change;
      ck_assert_msg(zone_utc_from_local(zone, local) == (is_second_time ? local - before : utc), "%s: %lld s after %s",
                    changes[i].zone, (long long)(utc - change), changes[i].change);
    }
    for (int64_t local = change + before; local < change + after; local++)
      ck_assert_int_eq(zone_utc_from_local(zone, local), local - before); /* skipped */
    zone_free(zone);
  }
}
END_TEST

/* Years of archives: the offsets of then, not of now. */
START_TEST(offsets_are_those_of_the_year_of_the_stamp) {
  struct error err = {0};
  struct zone *moscow = zone_new("Europe/Moscow", &err), *istanbul = zone_new("Europe/Istanbul", &err);
  ck_assert(moscow && istanbul);
  const char *now = "2026-11-24T12:00:00Z";
  ck_assert_str_eq(read_at("2010-01-15T12:00:00 h", now, moscow), "2010-01-15T09:00:00Z"); /* winter time, still */
  ck_assert_str_eq(read_at("2010-07-15T12:00:00 h", now, moscow), "2010-07-15T08:00:00Z");
  ck_assert_str_eq(read_at("2012-01-15T12:00:00 h", now, moscow), "2012-01-15T08:00:00Z"); /* summer time all year */
  ck_assert_str_eq(read_at("2020-07-15T12:00:00 h", now, moscow), "2020-07-15T09:00:00Z"); /* winter time all year */
  ck_assert_str_eq(read_at("2015-01-15T12:00:00 h", now, istanbul), "2015-01-15T10:00:00Z");
  ck_assert_str_eq(read_at("2018-01-15T12:00:00 h", now, istanbul), "2018-01-15T09:00:00Z");
  ck_assert_str_eq(read_at("Jan 15 12:00:00 h", "2012-02-01T00:00:00Z", moscow), "2012-01-15T08:00:00Z");
  zone_free(moscow), zone_free(istanbul);
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

TEST_MAIN(archives_read_years_later_have_the_year_of_their_file, new_year_within_a_file_changes_the_year,
          new_year_is_that_of_the_zone, both_changes_are_read_to_the_second, offsets_are_those_of_the_year_of_the_stamp,
          day_may_be_padded_or_not, year_is_the_latest_not_over_a_day_after_the_reference, leap_day_is_of_the_last_leap_year,
          offset_and_fraction_are_read, blank_may_stand_for_the_t, leap_second_is_the_next_minute,
          absurd_times_are_told_from_damaged_ones, kept_minute_gives_the_same_as_a_fresh_reading, zone_changes_its_offset,
          zone_rule_reaches_beyond_the_file, unknown_zone_is_an_error_that_names_it)
