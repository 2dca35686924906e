/* tools/compactor: it works beside a writer, and ends when it is asked to. */
#include "tools/compactor.h"

#include "base/clock.h"
#include "base/log.h"
#include "tests/unit/store_rows.h"

static bool count_one(void *context, const struct segment_info *segment) {
  (void)segment;
  ++*(size_t *)context;
  return true;
}

/* Through a connection of its own: that of the writer is busy. */
static size_t live(const char *dir) {
  struct error err = {0};
  size_t count = 0;
  struct store *store = test_store_open(dir, STORE_READ);
  ck_assert_done(store_each_segment(store, DATASET_traffic, count_one, &count, &err), err);
  store_close(store);
  return count;
}

static void put_today(struct store *store) {
  struct traffic_row row = test_traffic((uint32_t)(clock_wall_us() / (60 * US_PER_SECOND)), "a.example", 1);
  test_put(store, DATASET_traffic, &row, 1);
}

static bool add_count(void *context, const void *row) {
  *(uint64_t *)context += ((const struct traffic_row *)row)->count;
  return true;
}

START_TEST(segments_become_few_while_others_are_committed) {
  char dir[64];
  struct error err = {0};
  struct retention retention[DATASET_COUNT];
  uint64_t sum = 0;
  size_t damaged;
  test_dir_make(dir);
  log_set_level(LOG_ERROR);
  for (unsigned i = 0; i < DATASET_COUNT; i++) retention[i] = RETENTION_DEFAULT;
  struct store *store = test_store_open(dir, STORE_WRITE);
  struct compactor *compactor = compactor_new(store, retention, 2000);
  for (unsigned i = 0; i < 200; i++) put_today(store);
  int64_t deadline_us = clock_monotonic_us() + 30 * US_PER_SECOND;
  while (live(dir) >= 30) ck_assert_int_lt(clock_monotonic_us(), deadline_us);
  compactor_free(compactor);
  const struct query all = {DATASET_traffic, INT64_MIN, INT64_MAX};
  ck_assert_done(query_rows(store, &all, add_count, &sum, &damaged, &err), err);
  ck_assert_uint_eq(sum, 200);
  ck_assert_uint_eq(damaged, 0);
  store_close(store);
  test_dir_remove(dir);
}
END_TEST

START_TEST(it_ends_at_once_in_the_midst_of_its_interval) {
  char dir[64];
  struct retention retention[DATASET_COUNT];
  test_dir_make(dir);
  for (unsigned i = 0; i < DATASET_COUNT; i++) retention[i] = RETENTION_DEFAULT;
  struct store *store = test_store_open(dir, STORE_WRITE);
  int64_t begun_us = clock_monotonic_us();
  compactor_free(compactor_new(store, retention, 3600 * US_PER_SECOND));
  compactor_free(NULL);
  ck_assert_int_lt(clock_monotonic_us() - begun_us, 30 * US_PER_SECOND);
  store_close(store);
  test_dir_remove(dir);
}
END_TEST

TEST_MAIN(segments_become_few_while_others_are_committed, it_ends_at_once_in_the_midst_of_its_interval)
