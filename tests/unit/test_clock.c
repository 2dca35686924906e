/* base/clock: calendar, RFC 3339, moments on the command line. */
#include "base/clock.h"

#include <time.h>

#include "tests/unit/check_main.h"

START_TEST(days_agree_with_the_c_library_for_four_centuries) {
  for (int64_t day = -40000; day < 110000; day++) {
    time_t seconds = (time_t)(day * SECONDS_PER_DAY);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    int64_t year;
    unsigned month, mday;
    clock_civil_from_days(day, &year, &month, &mday);
    ck_assert_int_eq(year, tm.tm_year + 1900);
    ck_assert_int_eq(month, tm.tm_mon + 1);
    ck_assert_int_eq(mday, tm.tm_mday);
    ck_assert_int_eq(clock_days_from_civil(year, month, mday), day);
  }
}
END_TEST

START_TEST(rfc3339_shows_microseconds_only_when_there_are_some) {
  char out[32];
  ck_assert_slice_eq(slice_of(out, clock_format_rfc3339(0, out)), "1970-01-01T00:00:00Z");
  ck_assert_slice_eq(slice_of(out, clock_format_rfc3339(1793865600LL * US_PER_SECOND + 7, out)), "2026-11-05T08:00:00.000007Z");
  ck_assert_slice_eq(slice_of(out, clock_format_rfc3339(-1, out)), "1969-12-31T23:59:59.999999Z");
}
END_TEST

static int64_t moment_s(const char *text) {
  int64_t us;
  ck_assert_msg(clock_parse_moment(slice_from_cstr(text), 1000000 * US_PER_SECOND, &us), "%s", text);
  return us / US_PER_SECOND;
}

START_TEST(moments_are_dates_times_and_spans) {
  ck_assert_int_eq(moment_s("1970-01-02"), SECONDS_PER_DAY);
  ck_assert_int_eq(moment_s("1970-01-01T01:00:00Z"), 3600);
  ck_assert_int_eq(moment_s("1970-01-01 01:00"), 3600);
  ck_assert_int_eq(moment_s("1970-01-01T01:00:00+01:00"), 0);
  ck_assert_int_eq(moment_s("1970-01-01T01:00:00.25-0130"), 9000);
  ck_assert_int_eq(moment_s("7d"), 1000000 - 7 * SECONDS_PER_DAY);
  ck_assert_int_eq(moment_s("90s"), 1000000 - 90);
  ck_assert_int_eq(moment_s("2024-02-29"), 1709164800);
}
END_TEST

START_TEST(other_texts_are_no_moments) {
  static const char *const BAD[] = {"",
                                    "7",
                                    "d",
                                    "7y",
                                    "2026-13-01",
                                    "2026-02-29",
                                    "2026-00-10",
                                    "2026-01-00",
                                    "2026-01-32",
                                    "2026-1-1",
                                    "yesterday",
                                    "-7d",
                                    "2026-01-01T25:00",
                                    "2026-01-01Tx",
                                    "2026-01-01T01:00:00+1",
                                    "2026-01-01x",
                                    "9999999999d"};
  for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
    int64_t us;
    ck_assert_msg(!clock_parse_moment(slice_from_cstr(BAD[i]), 0, &us), "'%s' was taken", BAD[i]);
  }
}
END_TEST

TEST_MAIN(days_agree_with_the_c_library_for_four_centuries, rfc3339_shows_microseconds_only_when_there_are_some,
          moments_are_dates_times_and_spans, other_texts_are_no_moments)
