/* aggregate/partition: which day or month a time is in, and how fine its rows are, at the edges. */
#include "aggregate/partition.h"

#include "base/clock.h"
#include "tests/unit/check_main.h"

static const struct dataset *const TRAFFIC = &DATASETS[DATASET_traffic];
static const struct retention KEEP = {.minute_days = 3, .hour_days = 90, .keep_days = 1826};

static int64_t moment(const char *text) {
  int64_t time_us;
  ck_assert_msg(clock_parse_moment(slice_from_cstr(text), 0, &time_us), "%s", text);
  return time_us;
}

static void check_partition(const struct dataset *dataset, const char *now, const char *time, const char *from, const char *to,
                            uint32_t resolution_s, enum segment_origin origin) {
  struct partition partition;
  partition_at(&KEEP, dataset, moment(now), moment(time), &partition);
  ck_assert_int_eq(partition.from_us, moment(from));
  ck_assert_int_eq(partition.to_us, moment(to));
  ck_assert_uint_eq(partition.resolution_s, resolution_s);
  ck_assert_int_eq(partition.origin, origin);
  ck_assert(!partition.is_expired);
}

START_TEST(a_day_keeps_minutes_until_its_last_is_three_days_old) {
  check_partition(TRAFFIC, "2026-11-24T23:59:59Z", "2026-11-21", "2026-11-21", "2026-11-22", 60, SEGMENT_FROM_DAY);
  check_partition(TRAFFIC, "2026-11-25", "2026-11-21T23:59:59Z", "2026-11-21", "2026-11-22", 3600, SEGMENT_FROM_DAY);
  check_partition(TRAFFIC, "2026-11-24", "2026-11-25", "2026-11-25", "2026-11-26", 60, SEGMENT_FROM_DAY);
}
END_TEST

START_TEST(a_month_becomes_days_when_its_last_day_is_ninety_days_old) {
  check_partition(TRAFFIC, "2026-11-28T23:59:59Z", "2026-08-31", "2026-08-31", "2026-09-01", 3600, SEGMENT_FROM_DAY);
  check_partition(TRAFFIC, "2026-11-30", "2026-08-01", "2026-08-01", "2026-09-01", 86400, SEGMENT_FROM_MONTH);
  check_partition(TRAFFIC, "2026-11-30", "2025-12-31T23:59:59Z", "2025-12-01", "2026-01-01", 86400, SEGMENT_FROM_MONTH);
  check_partition(TRAFFIC, "2026-11-30", "2024-02-29", "2024-02-01", "2024-03-01", 86400, SEGMENT_FROM_MONTH);
}
END_TEST

START_TEST(rows_are_never_finer_than_the_datasets_own_time) {
  check_partition(&DATASETS[DATASET_replies], "2026-11-24", "2026-11-24", "2026-11-24", "2026-11-25", 3600, SEGMENT_FROM_DAY);
  check_partition(&DATASETS[DATASET_recipients], "2026-11-24", "2026-11-24", "2026-11-24", "2026-11-25", 86400, SEGMENT_FROM_DAY);
}
END_TEST

START_TEST(what_is_kept_goes_when_all_of_it_is_too_old) {
  const struct retention days = {.minute_days = 1, .hour_days = 90, .keep_days = 7}, forever = {.hour_days = 1};
  struct partition partition;
  partition_at(&days, TRAFFIC, moment("2026-11-24") - 1, moment("2026-11-16"), &partition);
  ck_assert(!partition.is_expired);
  partition_at(&days, TRAFFIC, moment("2026-11-24"), moment("2026-11-16"), &partition);
  ck_assert(partition.is_expired);
  partition_at(&days, TRAFFIC, moment("2026-11-24"), moment("2026-11-17"), &partition);
  ck_assert(!partition.is_expired);
  partition_at(&KEEP, TRAFFIC, moment("2026-11-24"), moment("2021-11-01"), &partition);
  ck_assert(!partition.is_expired); /* its month is not */
  partition_at(&KEEP, TRAFFIC, moment("2026-12-01"), moment("2021-11-01"), &partition);
  ck_assert(partition.is_expired);
  partition_at(&forever, TRAFFIC, moment("2026-11-24"), 0, &partition);
  ck_assert(!partition.is_expired);
}
END_TEST

START_TEST(partitions_follow_one_another_without_gap_or_overlap) {
  struct partition partition, next;
  int64_t now = moment("2026-11-24T12:00:00Z");
  for (int64_t at = moment("2026-01-15"); at < now; at = partition.to_us) {
    partition_at(&KEEP, TRAFFIC, now, at, &partition);
    ck_assert_int_le(partition.from_us, at);
    ck_assert_int_gt(partition.to_us, at);
    partition_at(&KEEP, TRAFFIC, now, partition.to_us - 1, &next);
    ck_assert_int_eq(next.from_us, partition.from_us);
    partition_at(&KEEP, TRAFFIC, now, partition.to_us, &next);
    ck_assert_int_eq(next.from_us, partition.to_us);
  }
}
END_TEST

TEST_MAIN(a_day_keeps_minutes_until_its_last_is_three_days_old, a_month_becomes_days_when_its_last_day_is_ninety_days_old,
          rows_are_never_finer_than_the_datasets_own_time, what_is_kept_goes_when_all_of_it_is_too_old,
          partitions_follow_one_another_without_gap_or_overlap)
