/* aggregate/query: rows of many segments come merged and in order, against rows merged one by one. */
#include "aggregate/segment_format.h"
#include "base/log.h"
#include "tests/unit/store_rows.h"

enum { DOMAINS = 7, MINUTES = 20 };
static const char *const DOMAIN_NAMES[DOMAINS] = {"a.example", "aa.example", "b.example", "c.example",
                                                  "d.example", "e.example",  "z.example"};

/* What was put: counts by minute and domain. */
struct model {
  uint64_t count[MINUTES][DOMAINS];
};

static uint64_t random_next(uint64_t *state) { return *state = *state * 6364136223846793005u + 1442695040888963407u, *state >> 33; }

/* One segment of some random rows, which the model learns. */
static void put_random(struct store *store, struct pending_segments *pending, struct model *model, uint64_t *random) {
  struct traffic_row rows[MINUTES * DOMAINS];
  size_t count = 0;
  for (size_t domain = 0; domain < DOMAINS; domain++) {
    for (uint32_t minute = 0; minute < MINUTES; minute++) {
      if (random_next(random) % 8) continue;
      uint64_t deliveries = 1 + random_next(random) % 5;
      rows[count++] = test_traffic(minute, DOMAIN_NAMES[domain], deliveries);
      model->count[minute][domain] += deliveries;
    }
  }
  if (count) test_write(store, DATASET_traffic, rows, count, pending);
}

struct check {
  const struct model *model;
  uint32_t minute; /* of the row that must come next, or the one behind it if that has no deliveries */
  size_t domain;
};

static bool check_row(void *context, const void *row) {
  struct check *check = context;
  const struct traffic_row *traffic = row;
  while (!check->model->count[check->minute][check->domain])
    if (++check->minute == MINUTES) check->minute = 0, check->domain++;
  uint64_t want = check->model->count[check->minute][check->domain];
  ck_assert_uint_eq(traffic->minute, check->minute);
  ck_assert_slice_eq(traffic->recipient_domain, DOMAIN_NAMES[check->domain]);
  ck_assert_uint_eq(traffic->count, want);
  ck_assert_uint_eq(traffic->bytes, want * 1000);
  ck_assert_uint_eq(traffic->delay.count[3], want);
  if (++check->minute == MINUTES) check->minute = 0, check->domain++;
  return true;
}

static bool add_count(void *context, const void *row) {
  *(uint64_t *)context += ((const struct traffic_row *)row)->count;
  return true;
}

static const struct query ALL = {DATASET_traffic, INT64_MIN, INT64_MAX};

/* `segments` random ones: merged they are the model, unmerged they have its sum. */
static void check_merge(size_t segments) {
  char dir[64];
  struct error err = {0};
  struct model model = {0};
  uint64_t random = segments, want = 0, sum = 0;
  size_t damaged = 1;
  test_dir_make(dir);
  struct store *store = test_store_open(dir, STORE_WRITE);
  struct pending_segments *pending = pending_segments_new();
  for (size_t i = 0; i < segments; i++) put_random(store, pending, &model, &random);
  test_commit(store, pending);
  pending_segments_free(pending);
  struct check check = {.model = &model};
  ck_assert_done(query_rows(store, &ALL, check_row, &check, &damaged, &err), err);
  ck_assert_uint_eq(damaged, 0);
  for (; check.domain < DOMAINS; check.minute = 0, check.domain++)
    for (; check.minute < MINUTES; check.minute++) ck_assert_uint_eq(model.count[check.minute][check.domain], 0);
  for (size_t i = 0; i < MINUTES * DOMAINS; i++) want += model.count[i / DOMAINS][i % DOMAINS];
  ck_assert_done(query_rows_unmerged(store, &ALL, add_count, &sum, &damaged, &err), err);
  ck_assert_uint_eq(sum, want);
  store_close(store);
  test_dir_remove(dir);
}

START_TEST(an_empty_store_has_no_rows) { check_merge(0); }
END_TEST
START_TEST(rows_of_equal_keys_become_one) { check_merge(50); }
END_TEST
START_TEST(more_segments_than_are_opened_at_once_are_merged_in_passes) { check_merge(600); }
END_TEST

static bool take_reply(void *context, const void *row) {
  struct buf *out = context;
  DATASETS[DATASET_replies].write_csv(row, out);
  buf_append_byte(out, '\n');
  return true;
}

START_TEST(first_last_and_smallest_example_survive_the_merge) {
  char dir[64];
  struct error err = {0};
  struct buf out = {0};
  size_t damaged;
  test_dir_make(dir);
  struct store *store = test_store_open(dir, STORE_WRITE);
  static const char *const examples[] = {"m", "c", "x", "b", "bb"};
  static const uint64_t times[] = {50, 20, 90, 70, 60};
  for (size_t i = 0; i < 5; i++) {
    struct replies_row row = test_reply(3, "no such user <*>", examples[i], times[i]);
    test_put(store, DATASET_replies, &row, 1);
  }
  const struct query query = {DATASET_replies, INT64_MIN, INT64_MAX};
  ck_assert_done(query_rows(store, &query, take_reply, &out, &damaged, &err), err);
  ck_assert_slice_eq(buf_slice(&out), "gmail,user_unknown,general.user-unknown,no such user <*>,3,5,20,90,b\n");
  buf_deinit(&out);
  store_close(store);
  test_dir_remove(dir);
}
END_TEST

START_TEST(only_rows_of_the_time_asked_for_come) {
  char dir[64];
  struct error err = {0};
  size_t damaged;
  test_dir_make(dir);
  struct store *store = test_store_open(dir, STORE_WRITE);
  for (uint32_t i = 0; i < 10; i++) {
    struct traffic_row rows[] = {test_traffic(i, "a.example", 1), test_traffic(i + 10, "a.example", 1)};
    test_put(store, DATASET_traffic, rows, 2);
  }
  const int64_t minute = 60 * US_PER_SECOND;
  const struct query query = {DATASET_traffic, 8 * minute, 12 * minute};
  uint64_t merged = 0, unmerged = 0;
  ck_assert_done(query_rows(store, &query, add_count, &merged, &damaged, &err), err);
  ck_assert_done(query_rows_unmerged(store, &query, add_count, &unmerged, &damaged, &err), err);
  ck_assert_uint_eq(merged, 4);
  ck_assert_uint_eq(unmerged, 4);
  store_close(store);
  test_dir_remove(dir);
}
END_TEST

START_TEST(damaged_segments_are_counted_and_left_out_whole) {
  char dir[64], path[256];
  struct error err = {0};
  size_t damaged;
  uint64_t merged = 0, unmerged = 0;
  test_dir_make(dir);
  struct store *store = test_store_open(dir, STORE_WRITE);
  for (uint32_t i = 0; i < 4; i++) {
    struct traffic_row row = test_traffic(i, "a.example", 1u << i);
    test_put(store, DATASET_traffic, &row, 1);
  }
  /* A bit of the rows, a file that is gone, and another whole segment under its name. */
  ck_assert(test_segment_path(store, DATASET_traffic, 0, path));
  struct buf bytes = test_read_file(path);
  bytes.ptr[bytes.len - SEGMENT_TRAILER_FIXED - SEGMENT_INDEX_ENTRY - 6] ^= 1;
  test_write_file(path, buf_slice(&bytes));
  buf_deinit(&bytes);
  ck_assert(test_segment_path(store, DATASET_traffic, 1, path));
  unlink(path);
  ck_assert(test_segment_path(store, DATASET_traffic, 3, path));
  bytes = test_read_file(path);
  ck_assert(test_segment_path(store, DATASET_traffic, 2, path));
  test_write_file(path, buf_slice(&bytes));
  buf_deinit(&bytes);

  log_set_level(LOG_ERROR);
  ck_assert_done(query_rows(store, &ALL, add_count, &merged, &damaged, &err), err);
  ck_assert_uint_eq(damaged, 3);
  ck_assert_uint_eq(merged, 8);
  ck_assert_done(query_rows_unmerged(store, &ALL, add_count, &unmerged, &damaged, &err), err);
  ck_assert_uint_eq(damaged, 3);
  ck_assert_uint_eq(unmerged, 8);
  store_close(store);
  test_dir_remove(dir);
}
END_TEST

static bool stop_at_third(void *context, const void *row) {
  (void)row;
  return ++*(unsigned *)context < 3;
}

START_TEST(a_caller_who_has_enough_gets_no_more) {
  char dir[64];
  struct error err = {0};
  size_t damaged;
  unsigned merged = 0, unmerged = 0;
  test_dir_make(dir);
  struct store *store = test_store_open(dir, STORE_WRITE);
  for (uint32_t i = 0; i < 5; i++) {
    struct traffic_row row = test_traffic(i, "a.example", 1);
    test_put(store, DATASET_traffic, &row, 1);
  }
  ck_assert_done(query_rows(store, &ALL, stop_at_third, &merged, &damaged, &err), err);
  ck_assert_done(query_rows_unmerged(store, &ALL, stop_at_third, &unmerged, &damaged, &err), err);
  ck_assert_uint_eq(merged, 3);
  ck_assert_uint_eq(unmerged, 3);
  store_close(store);
  test_dir_remove(dir);
}
END_TEST

TEST_MAIN(an_empty_store_has_no_rows, rows_of_equal_keys_become_one, more_segments_than_are_opened_at_once_are_merged_in_passes,
          first_last_and_smallest_example_survive_the_merge, only_rows_of_the_time_asked_for_come,
          damaged_segments_are_counted_and_left_out_whole, a_caller_who_has_enough_gets_no_more)
