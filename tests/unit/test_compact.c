/* aggregate/compact, its plan and jobs: what a store holds before and after, and that the same rows give the same bytes. */
#include <dirent.h>
#include <sqlite3.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "tests/unit/store_rows.h"

static int64_t moment(const char *text) {
  int64_t time_us;
  ck_assert(clock_parse_moment(slice_from_cstr(text), 0, &time_us));
  return time_us;
}
static uint32_t minute_of(const char *text) { return (uint32_t)(moment(text) / (60 * US_PER_SECOND)); }

static struct compaction compaction_at(const char *now) {
  struct compaction compaction = {.now_us = moment(now)};
  for (unsigned i = 0; i < DATASET_COUNT; i++) compaction.retention[i] = RETENTION_DEFAULT;
  return compaction;
}

static void compact_with(struct store *store, const struct compaction *compaction, struct compaction_result *results) {
  struct error err = {0};
  ck_assert_done(store_compact(store, compaction, results, &err), err);
}

static void compact_at(struct store *store, const char *now) {
  struct compaction compaction = compaction_at(now);
  struct compaction_result results[DATASET_COUNT];
  compact_with(store, &compaction, results);
}

static void put_traffic(struct store *store, const char *time, const char *domain, uint64_t count) {
  struct traffic_row row = test_traffic(minute_of(time), domain, count);
  test_put(store, DATASET_traffic, &row, 1);
}

static bool take_csv(void *context, const void *row) {
  DATASETS[DATASET_traffic].write_csv(row, context);
  buf_append_byte(context, '\n');
  return true;
}
/* "2026-11-24T00:00:00Z a.example 3;" for every row. */
static bool take_short(void *context, const void *any) {
  const struct traffic_row *row = any;
  char time[32];
  size_t len = clock_format_rfc3339(row->minute * 60 * US_PER_SECOND, time);
  buf_printf(context, "%.*s %.*s %u;", (int)len, time, SLICE_ARG(row->recipient_domain), (unsigned)row->count);
  return true;
}
static void check_rows(struct store *store, const char *want) {
  struct error err = {0};
  struct buf out = {0};
  size_t damaged;
  const struct query all = {DATASET_traffic, INT64_MIN, INT64_MAX};
  ck_assert_done(query_rows(store, &all, take_short, &out, &damaged, &err), err);
  ck_assert_slice_eq(buf_slice(&out), want);
  buf_deinit(&out);
}

static bool count_one(void *context, const struct segment_info *segment) {
  (void)segment;
  ++*(size_t *)context;
  return true;
}
static size_t live(struct store *store, enum dataset_id dataset) {
  struct error err = {0};
  size_t count = 0;
  ck_assert_done(store_each_segment(store, dataset, count_one, &count, &err), err);
  return count;
}
static size_t files_in(const char *dir) {
  char path[128];
  size_t count = 0;
  snprintf(path, sizeof path, "%s/segments", dir);
  DIR *d = opendir(path);
  for (struct dirent *item; (item = readdir(d));) count += item->d_name[0] != '.';
  closedir(d);
  return count;
}

START_TEST(minutes_become_hours_and_days_as_they_age) {
  char dir[64];
  test_dir_make(dir);
  struct store *store = test_store_open(dir, STORE_WRITE);
  put_traffic(store, "2026-08-31T23:59:00Z", "a", 1);
  put_traffic(store, "2026-08-31T23:00:00Z", "a", 2);
  put_traffic(store, "2026-09-01T00:00:00Z", "a", 4);
  compact_at(store, "2026-09-01");
  ck_assert_uint_eq(live(store, DATASET_traffic), 2);
  check_rows(store, "2026-08-31T23:00:00Z a 2;2026-08-31T23:59:00Z a 1;2026-09-01T00:00:00Z a 4;");
  compact_at(store, "2026-09-04");
  check_rows(store, "2026-08-31T23:00:00Z a 3;2026-09-01T00:00:00Z a 4;");
  put_traffic(store, "2026-08-01T00:30:00Z", "b", 8);
  put_traffic(store, "2026-08-31T00:30:00Z", "a", 16);
  compact_at(store, "2026-11-30");
  check_rows(store, "2026-08-31T00:00:00Z a 19;2026-09-01T00:00:00Z a 4;2026-08-01T00:00:00Z b 8;");
  ck_assert_uint_eq(live(store, DATASET_traffic), 2);
  store_close(store);
  test_dir_remove(dir);
}
END_TEST

START_TEST(every_kind_of_column_is_merged) {
  char dir[64];
  struct error err = {0};
  struct buf out = {0};
  size_t damaged;
  test_dir_make(dir);
  struct store *store = test_store_open(dir, STORE_WRITE);
  for (uint64_t i = 1; i <= 3; i++) {
    struct traffic_row row = test_traffic(minute_of("2026-01-05T10:00:00Z") + (uint32_t)i * 700, "a", i);
    row.delay.count[i] += 7;
    test_put(store, DATASET_traffic, &row, 1);
    struct replies_row reply = test_reply(minute_of("2026-01-05") / 60 + (uint32_t)i, "t", i == 2 ? "b" : "c", 500 - i);
    test_put(store, DATASET_replies, &reply, 1);
  }
  compact_at(store, "2026-11-24");
  const struct query traffic = {DATASET_traffic, INT64_MIN, INT64_MAX};
  ck_assert_done(query_rows(store, &traffic, take_csv, &out, &damaged, &err), err);
  ck_assert_slice_eq(buf_slice(&out),
                     "out,,example.org,a,gmail,deferred,deferred,rate_limited,,,29459520,1,1000,\"[0,7,0,1]\"\n"
                     "out,,example.org,a,gmail,deferred,deferred,rate_limited,,,29460960,5,5000,\"[0,0,7,12]\"\n");
  char path[256];
  ck_assert(test_segment_path(store, DATASET_replies, 0, path));
  ck_assert_ptr_nonnull(strstr(path, "/replies-2026-01-0-"));
  ck_assert_uint_eq(live(store, DATASET_replies), 1);
  buf_deinit(&out);
  store_close(store);
  test_dir_remove(dir);
}
END_TEST

START_TEST(rows_past_their_retention_go_and_their_files_with_them) {
  char dir[64];
  test_dir_make(dir);
  struct store *store = test_store_open(dir, STORE_WRITE);
  put_traffic(store, "2026-11-10T23:59:00Z", "a", 1);
  put_traffic(store, "2026-11-11T00:00:00Z", "a", 2);
  struct compaction compaction = compaction_at("2026-11-18");
  struct compaction_result results[DATASET_COUNT];
  compaction.retention[DATASET_traffic] = (struct retention){.minute_days = 30, .hour_days = 90, .keep_days = 7};
  compact_with(store, &compaction, results);
  check_rows(store, "2026-11-11T00:00:00Z a 2;");
  compaction.now_us = moment("2026-11-19");
  compact_with(store, &compaction, results);
  check_rows(store, "");
  ck_assert_uint_eq(results[DATASET_traffic].segments_before, 1);
  ck_assert_uint_eq(results[DATASET_traffic].segments_after, 0);
  ck_assert_uint_eq(files_in(dir), 0);
  store_close(store);
  store = test_store_open(dir, STORE_WRITE); /* an empty store is no lost one */
  compact_with(store, &compaction, results);
  store_close(store);
  test_dir_remove(dir);
}
END_TEST

START_TEST(what_is_compacted_is_left_alone) {
  char dir[64];
  test_dir_make(dir);
  struct store *store = test_store_open(dir, STORE_WRITE);
  for (unsigned i = 0; i < 5; i++) put_traffic(store, "2026-11-24T10:00:00Z", "a", 1);
  struct compaction compaction = compaction_at("2026-11-24");
  struct compaction_result results[DATASET_COUNT];
  compact_with(store, &compaction, results);
  ck_assert_uint_eq(results[DATASET_traffic].segments_before, 5);
  ck_assert_uint_eq(results[DATASET_traffic].segments_after, 1);
  compact_with(store, &compaction, results);
  ck_assert_uint_eq(results[DATASET_traffic].segments_before, 0);
  ck_assert_uint_eq(results[DATASET_traffic].segments_after, 0);
  store_close(store);
  test_dir_remove(dir);
}
END_TEST

/* ---- the same rows, the same bytes ---------------------------------------------------------------------------------------- */

/* A sum over names and contents of the segment files. */
static uint64_t fingerprint(const char *dir) {
  char path[512];
  uint64_t sum = 0;
  snprintf(path, sizeof path, "%s/segments", dir);
  DIR *d = opendir(path);
  for (struct dirent *item; (item = readdir(d));) {
    if (item->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "%s/segments/%s", dir, item->d_name);
    struct buf bytes = test_read_file(path);
    sum += hash_slice(buf_slice(&bytes)) ^ hash_bytes(item->d_name, strlen(item->d_name)) * 3;
    buf_deinit(&bytes);
  }
  closedir(d);
  return sum;
}

static uint64_t random_next(uint64_t *state) { return *state = *state * 6364136223846793005u + 1442695040888963407u, *state >> 33; }

static int compare_rows(const void *a, const void *b) { return DATASETS[DATASET_traffic].compare(a, b); }

enum { HISTORY_ROWS = 3000 };

/* The same rows of five months, in segments of random sizes, with compactions at random moments in between. */
static uint64_t fingerprint_of_history(uint64_t seed) {
  static const char *const nows[] = {"2026-07-10", "2026-09-01", "2026-11-24", "2026-11-30"};
  static char names[50][8];
  char dir[64];
  uint64_t data = 99, random = seed;
  struct traffic_row *rows = calloc(HISTORY_ROWS, sizeof *rows), *part = calloc(HISTORY_ROWS, sizeof *rows);
  for (size_t i = 0; i < HISTORY_ROWS; i++) {
    uint64_t domain = random_next(&data) % 50;
    snprintf(names[domain], sizeof names[domain], "d%02u", (unsigned)domain);
    uint32_t minute = minute_of("2026-07-01") + (uint32_t)(random_next(&data) % (150 * 1440));
    rows[i] = test_traffic(minute, names[domain], 1 + random_next(&data) % 9);
  }
  for (size_t i = HISTORY_ROWS - 1; seed && i; i--) {
    size_t other = random_next(&random) % (i + 1);
    struct traffic_row row = rows[i];
    rows[i] = rows[other];
    rows[other] = row;
  }
  test_dir_make(dir);
  struct store *store = test_store_open(dir, STORE_WRITE);
  unsigned now = 0;
  for (size_t at = 0, count; at < HISTORY_ROWS; at += count) {
    count = seed ? 1 + random_next(&random) % 400 : HISTORY_ROWS;
    if (count > HISTORY_ROWS - at) count = HISTORY_ROWS - at;
    memcpy(part, rows + at, count * sizeof *part);
    qsort(part, count, sizeof *part, compare_rows);
    size_t distinct = 0; /* a segment has each key once */
    for (size_t i = 1; i < count; i++) {
      if (compare_rows(&part[distinct], &part[i]) == 0)
        DATASETS[DATASET_traffic].merge(&part[distinct], &part[i]);
      else
        part[++distinct] = part[i];
    }
    test_put(store, DATASET_traffic, part, distinct + 1);
    if (seed && random_next(&random) % 3 == 0) {
      compact_at(store, nows[now]);
      now += random_next(&random) % 2 && now < 2;
    }
  }
  compact_at(store, "2026-11-30");
  uint64_t sum = fingerprint(dir);
  store_close(store);
  test_dir_remove(dir);
  free(rows);
  free(part);
  return sum;
}

START_TEST(every_history_of_the_same_rows_ends_in_the_same_bytes) {
  uint64_t whole = fingerprint_of_history(0);
  for (uint64_t seed = 1; seed <= 8; seed++) ck_assert_msg(fingerprint_of_history(seed) == whole, "seed %u", (unsigned)seed);
}
END_TEST

START_TEST(more_segments_than_are_opened_at_once_are_merged_in_passes) {
  char dir[64], name[16];
  uint64_t sums[2];
  for (unsigned order = 0; order < 2; order++) {
    test_dir_make(dir);
    struct store *store = test_store_open(dir, STORE_WRITE);
    struct pending_segments *pending = pending_segments_new();
    for (unsigned i = 0; i < 300; i++) {
      snprintf(name, sizeof name, "d%03u", order ? 299 - i : i);
      struct traffic_row rows[] = {test_traffic(minute_of("2026-11-20T10:00:00Z") + i % 7, "all", 1),
                                   test_traffic(minute_of("2026-11-20T10:00:00Z"), name, 1)};
      qsort(rows, 2, sizeof *rows, compare_rows);
      test_write(store, DATASET_traffic, rows, 2, pending);
    }
    test_commit(store, pending);
    pending_segments_free(pending);
    compact_at(store, "2026-11-24");
    ck_assert_uint_eq(live(store, DATASET_traffic), 1);
    ck_assert_uint_eq(files_in(dir), 1);
    sums[order] = fingerprint(dir);
    store_close(store);
    test_dir_remove(dir);
  }
  ck_assert_uint_eq(sums[0], sums[1]);
}
END_TEST

/* ---- beside a writer -------------------------------------------------------------------------------------------------------- */

/* Commits of the store look as old as this. */
static void age_commits(const char *dir, const char *created) {
  char command[256];
  snprintf(command, sizeof command, "%s/catalog.sqlite", dir);
  sqlite3 *db;
  ck_assert_int_eq(sqlite3_open(command, &db), SQLITE_OK);
  snprintf(command, sizeof command, "UPDATE segment SET created_at_us = %lld", (long long)moment(created));
  ck_assert_int_eq(sqlite3_exec(db, command, NULL, NULL, NULL), SQLITE_OK);
  sqlite3_close(db);
}

START_TEST(in_the_background_a_day_waits_until_it_is_over_and_still) {
  char dir[64], path[256];
  test_dir_make(dir);
  struct store *store = test_store_open(dir, STORE_WRITE);
  struct traffic_row rows[] = {test_traffic(minute_of("2026-11-23T23:59:00Z"), "a", 1),
                               test_traffic(minute_of("2026-11-24T00:00:00Z"), "a", 2)};
  put_traffic(store, "2026-11-23T12:00:00Z", "a", 4);
  test_put(store, DATASET_traffic, rows, 2); /* over midnight */
  put_traffic(store, "2026-11-24T00:01:00Z", "a", 8);
  age_commits(dir, "2026-11-24T00:01:00Z");
  struct compaction compaction = compaction_at("2026-11-24T00:05:00Z");
  struct compaction_result results[DATASET_COUNT];
  compaction.is_background = true;
  compact_with(store, &compaction, results);
  ck_assert_uint_eq(results[DATASET_traffic].segments_before, 0);
  compaction.now_us = moment("2026-11-24T00:10:30Z"); /* over, but not still */
  compact_with(store, &compaction, results);
  ck_assert_uint_eq(results[DATASET_traffic].segments_before, 0);
  compaction.now_us = moment("2026-11-24T00:11:30Z");
  compact_with(store, &compaction, results);
  /* Monday whole, what the second had of Tuesday, and the third as it was. */
  ck_assert_uint_eq(results[DATASET_traffic].segments_before, 2);
  ck_assert_uint_eq(results[DATASET_traffic].segments_after, 2);
  ck_assert_uint_eq(live(store, DATASET_traffic), 3);
  ck_assert(test_segment_path(store, DATASET_traffic, 1, path));
  ck_assert_ptr_nonnull(strstr(path, "/traffic-2026-11-23-0-"));
  check_rows(store, "2026-11-23T12:00:00Z a 4;2026-11-23T23:59:00Z a 1;2026-11-24T00:00:00Z a 2;2026-11-24T00:01:00Z a 8;");
  store_close(store);
  test_dir_remove(dir);
}
END_TEST

START_TEST(many_segments_of_a_day_that_is_not_over_become_a_bundle) {
  char dir[64];
  test_dir_make(dir);
  struct store *store = test_store_open(dir, STORE_WRITE);
  struct compaction compaction = compaction_at("2026-11-24T12:00:00Z");
  struct compaction_result results[DATASET_COUNT];
  compaction.is_background = true;
  for (unsigned i = 0; i < 15; i++) put_traffic(store, "2026-11-24T10:00:00Z", "a", 1);
  compact_with(store, &compaction, results);
  ck_assert_uint_eq(live(store, DATASET_traffic), 15);
  put_traffic(store, "2026-11-24T10:01:00Z", "a", 1);
  compact_with(store, &compaction, results);
  ck_assert_uint_eq(live(store, DATASET_traffic), 1);
  check_rows(store, "2026-11-24T10:00:00Z a 15;2026-11-24T10:01:00Z a 1;");
  store_close(store);
  test_dir_remove(dir);
}
END_TEST

static bool stop_soon(void *context) { return ++*(unsigned *)context > 1; }

START_TEST(a_stopped_compaction_changes_nothing) {
  char dir[64];
  test_dir_make(dir);
  struct store *store = test_store_open(dir, STORE_WRITE);
  for (unsigned i = 0; i < 3; i++) put_traffic(store, "2026-11-24T10:00:00Z", "a", 1);
  struct compaction compaction = compaction_at("2026-11-24");
  struct compaction_result results[DATASET_COUNT];
  unsigned asked = 0;
  compaction.should_stop = stop_soon;
  compaction.stop_context = &asked;
  compact_with(store, &compaction, results);
  ck_assert_uint_gt(asked, 1);
  ck_assert_uint_eq(live(store, DATASET_traffic), 3);
  ck_assert_uint_eq(files_in(dir), 3);
  store_close(store);
  test_dir_remove(dir);
}
END_TEST

START_TEST(a_job_with_a_damaged_segment_is_left_as_it_is) {
  char dir[64], path[256];
  test_dir_make(dir);
  struct store *store = test_store_open(dir, STORE_WRITE);
  put_traffic(store, "2026-11-23T10:00:00Z", "a", 1);
  put_traffic(store, "2026-11-23T10:00:00Z", "a", 1);
  put_traffic(store, "2026-11-24T10:00:00Z", "a", 1);
  put_traffic(store, "2026-11-24T10:00:00Z", "a", 1);
  ck_assert(test_segment_path(store, DATASET_traffic, 0, path));
  struct buf bytes = test_read_file(path);
  bytes.ptr[bytes.len / 2] ^= 1;
  test_write_file(path, buf_slice(&bytes));
  buf_deinit(&bytes);
  log_set_level(LOG_ERROR);
  struct compaction compaction = compaction_at("2026-11-24");
  struct compaction_result results[DATASET_COUNT];
  compact_with(store, &compaction, results);
  ck_assert_uint_eq(results[DATASET_traffic].damaged, 1);
  ck_assert_uint_eq(live(store, DATASET_traffic), 3);
  ck_assert_uint_eq(files_in(dir), 3);
  store_close(store);
  test_dir_remove(dir);
}
END_TEST

/* ---- readers ---------------------------------------------------------------------------------------------------------------- */

struct reading {
  struct store *writer;
  const char *dir;
  uint64_t sum;
  bool has_compacted;
};

/* Compacts at the first row: what this query has not opened yet is taken out under its feet. */
static bool add_and_compact(void *context, const void *row) {
  struct reading *reading = context;
  reading->sum += ((const struct traffic_row *)row)->count;
  if (reading->has_compacted) return true;
  reading->has_compacted = true;
  compact_at(reading->writer, "2026-11-24");
  ck_assert_uint_eq(live(reading->writer, DATASET_traffic), 1);
  ck_assert_uint_eq(files_in(reading->dir), 21);
  return true;
}

START_TEST(files_stay_until_the_query_that_may_read_them_ends) {
  char dir[64];
  struct error err = {0};
  size_t damaged;
  test_dir_make(dir);
  struct store *writer = test_store_open(dir, STORE_WRITE);
  for (unsigned i = 0; i < 20; i++) put_traffic(writer, "2026-11-24T10:00:00Z", "a", 1u << i);
  struct store *reader = test_store_open(dir, STORE_READ);
  struct reading reading = {.writer = writer, .dir = dir};
  const struct query all = {DATASET_traffic, INT64_MIN, INT64_MAX};
  ck_assert_done(query_rows_unmerged(reader, &all, add_and_compact, &reading, &damaged, &err), err);
  ck_assert_uint_eq(damaged, 0);
  ck_assert_uint_eq(reading.sum, (1u << 20) - 1);
  /* A later reader keeps nothing: the files go with the next look, or the next start. */
  ck_assert_uint_eq(files_in(dir), 21);
  store_close(writer);
  writer = test_store_open(dir, STORE_WRITE);
  ck_assert_uint_eq(files_in(dir), 1);
  reading.sum = 0;
  ck_assert_done(query_rows_unmerged(reader, &all, add_and_compact, &reading, &damaged, &err), err);
  ck_assert_uint_eq(reading.sum, (1u << 20) - 1);
  store_close(reader);
  store_close(writer);
  test_dir_remove(dir);
}
END_TEST

TEST_MAIN(minutes_become_hours_and_days_as_they_age, every_kind_of_column_is_merged,
          rows_past_their_retention_go_and_their_files_with_them, what_is_compacted_is_left_alone,
          every_history_of_the_same_rows_ends_in_the_same_bytes, more_segments_than_are_opened_at_once_are_merged_in_passes,
          in_the_background_a_day_waits_until_it_is_over_and_still, many_segments_of_a_day_that_is_not_over_become_a_bundle,
          a_stopped_compaction_changes_nothing, a_job_with_a_damaged_segment_is_left_as_it_is,
          files_stay_until_the_query_that_may_read_them_ends)
