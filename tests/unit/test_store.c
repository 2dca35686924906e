/* aggregate/store, catalog, pending and verify: what was committed is there, what was not is not, and damage is told. */
#include <pthread.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "base/log.h"
#include "tests/unit/store_rows.h"

static size_t count_segments(struct store *store) {
  char path[256];
  size_t count = 0;
  while (test_segment_path(store, DATASET_traffic, count, path)) count++;
  return count;
}

static bool exists(const char *dir, const char *name) {
  char path[512];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  return access(path, F_OK) == 0;
}

static void put_row(struct store *store, uint32_t minute) {
  struct traffic_row row = test_traffic(minute, "example.com", 1);
  test_put(store, DATASET_traffic, &row, 1);
}

static struct pending_segments *write_row(struct store *store, char name[SEGMENT_NAME_MAX]) {
  struct traffic_row row = test_traffic(1, "example.com", 1);
  struct pending_segments *pending = pending_segments_new();
  test_write(store, DATASET_traffic, &row, 1, pending);
  memcpy(name, pending_segments_at(pending, 0)->name, SEGMENT_NAME_MAX);
  return pending;
}

struct messages {
  size_t count;
  char text[256]; /* "scope/key=state;" of all, NULs shown as dots */
};
static bool take_message(void *context, const struct open_message *message) {
  struct messages *messages = context;
  size_t used = strlen(messages->text);
  const struct slice parts[] = {message->scope, SLICE("/"), message->key, SLICE("="), message->state, SLICE(";")};
  for (size_t i = 0; i < 6; i++)
    for (size_t j = 0; j < parts[i].len && used + 1 < sizeof messages->text; j++)
      messages->text[used++] = parts[i].ptr[j] ? parts[i].ptr[j] : '.';
  messages->count++;
  return true;
}
static struct messages read_messages(struct store *store) {
  struct messages messages = {0};
  struct error err = {0};
  ck_assert_done(store_read_open_messages(store, take_message, &messages, &err), err);
  return messages;
}

START_TEST(a_commit_is_whole_after_reopening) {
  char dir[64];
  struct error err = {0};
  test_dir_make(dir);
  struct store *store = test_store_open(dir, STORE_WRITE);
  char name[SEGMENT_NAME_MAX];
  struct pending_segments *pending = write_row(store, name);
  struct input_position inputs[] = {{.kind = INPUT_FILE,
                                     .name = SLICE("/var/log/m\xff\xfe.log"),
                                     .device = UINT64_MAX,
                                     .inode = 1ull << 63,
                                     .head_len = UINT32_MAX,
                                     .head_hash = UINT64_MAX - 1,
                                     .tail_len = 7,
                                     .tail_hash = 1ull << 63,
                                     .committed = 100,
                                     .replay_from = 40},
                                    {.kind = INPUT_KAFKA, .name = SLICE("mail/0"), .committed = 5, .replay_from = 5}};
  const struct open_message messages[] = {{SLICE("files"), SLICE("k\0a"), SLICE("s\0t")}, {SLICE("files"), SLICE("b"), SLICE("x")}};
  struct commit commit = {&pending, 1, inputs, 2, messages, 2};
  ck_assert_done(store_commit(store, &commit, &err), err);
  ck_assert_uint_ne(inputs[0].id, 0);
  ck_assert_uint_ne(inputs[1].id, inputs[0].id);
  pending_segments_free(pending);
  store_close(store);

  store = test_store_open(dir, STORE_WRITE);
  ck_assert_uint_eq(count_segments(store), 1);
  const struct input_position *read;
  size_t count;
  ck_assert_done(store_read_inputs(store, &read, &count, &err), err);
  ck_assert_uint_eq(count, 2);
  for (size_t i = 0; i < 2; i++) {
    ck_assert(slice_equal(read[i].name, inputs[i].name));
    ck_assert_uint_eq(read[i].id, inputs[i].id);
    ck_assert_uint_eq(read[i].kind, inputs[i].kind);
    ck_assert_uint_eq(read[i].device, inputs[i].device);
    ck_assert_uint_eq(read[i].inode, inputs[i].inode);
    ck_assert_uint_eq(read[i].head_len, inputs[i].head_len);
    ck_assert_uint_eq(read[i].head_hash, inputs[i].head_hash);
    ck_assert_uint_eq(read[i].tail_len, inputs[i].tail_len);
    ck_assert_uint_eq(read[i].tail_hash, inputs[i].tail_hash);
    ck_assert_uint_eq(read[i].committed, inputs[i].committed);
    ck_assert_uint_eq(read[i].replay_from, inputs[i].replay_from);
  }
  ck_assert_str_eq(read_messages(store).text, "files/b=x;files/k.a=s.t;");
  store_close(store);
  test_dir_remove(dir);
}
END_TEST

START_TEST(a_commit_moves_inputs_and_forgets_closed_messages) {
  char dir[64];
  struct error err = {0};
  test_dir_make(dir);
  struct store *store = test_store_open(dir, STORE_WRITE);
  struct input_position input = {.kind = INPUT_KAFKA, .name = SLICE("mail/0"), .committed = 5};
  const struct open_message first[] = {{SLICE("a"), SLICE("1"), SLICE("x")}, {SLICE("b"), SLICE("1"), SLICE("y")}};
  const struct open_message second[] = {{SLICE("a"), SLICE("1"), SLICE("")}, {SLICE("b"), SLICE("1"), SLICE("z")}};
  ck_assert_done(store_commit(store, &(struct commit){NULL, 0, &input, 1, first, 2}, &err), err);
  uint64_t id = input.id;
  input.committed = 9;
  ck_assert_done(store_commit(store, &(struct commit){NULL, 0, &input, 1, second, 2}, &err), err);
  ck_assert_uint_eq(input.id, id);
  const struct input_position *read;
  size_t count;
  ck_assert_done(store_read_inputs(store, &read, &count, &err), err);
  ck_assert_uint_eq(count, 1);
  ck_assert_uint_eq(read[0].committed, 9);
  ck_assert_str_eq(read_messages(store).text, "b/1=z;");
  store_close(store);
  test_dir_remove(dir);
}
END_TEST

START_TEST(nothing_of_a_failed_commit_is_there) {
  char dir[64], name[SEGMENT_NAME_MAX], path[256];
  struct error err = {0};
  test_dir_make(dir);
  struct store *store = test_store_open(dir, STORE_WRITE);
  struct pending_segments *pending = write_row(store, name);
  struct input_position inputs[] = {{.kind = INPUT_FILE, .name = SLICE("new")},
                                    {.id = 77, .kind = INPUT_FILE, .name = SLICE("none")}};
  const struct open_message message = {SLICE("a"), SLICE("1"), SLICE("x")};
  struct commit commit = {&pending, 1, inputs, 2, &message, 1};
  ck_assert(!store_commit(store, &commit, &err));
  ck_assert_ptr_nonnull(strstr(err.text, "77"));
  ck_assert_uint_eq(inputs[0].id, 0);
  ck_assert_uint_eq(count_segments(store), 0);
  ck_assert_uint_eq(read_messages(store).count, 0);
  pending_segments_free(pending);
  snprintf(path, sizeof path, "%s/segments/%s", dir, name);
  ck_assert_int_ne(access(path, F_OK), 0);
  /* The store goes on. */
  put_row(store, 1);
  ck_assert_uint_eq(count_segments(store), 1);
  store_close(store);
  test_dir_remove(dir);
}
END_TEST

START_TEST(a_commit_that_failed_is_whole_when_it_is_tried_again) {
  char dir[64], name[SEGMENT_NAME_MAX], path[256];
  struct error err = {0};
  sqlite3 *other;
  test_dir_make(dir);
  struct store *store = test_store_open(dir, STORE_WRITE);
  struct pending_segments *pending = write_row(store, name);
  struct input_position input = {.kind = INPUT_FILE, .name = SLICE("new"), .committed = 7};
  const struct open_message message = {SLICE("a"), SLICE("1"), SLICE("x")};
  struct commit commit = {&pending, 1, &input, 1, &message, 1};
  snprintf(path, sizeof path, "%s/catalog.sqlite", dir);
  ck_assert_int_eq(sqlite3_open(path, &other), SQLITE_OK);
  ck_assert_int_eq(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
  for (size_t i = 0; i < 2; i++) {
    ck_assert(!store_commit(store, &commit, &err));
    ck_assert_int_eq(err.kind, ERROR_RETRY);
    ck_assert_msg(strstr(err.text, path) && strstr(err.text, "another program has locked it"), "%s", err.text);
    ck_assert_uint_eq(input.id, 0);
    ck_assert_uint_eq(count_segments(store), 0);
  }
  ck_assert_int_eq(sqlite3_close(other), SQLITE_OK);
  ck_assert_done(store_commit(store, &commit, &err), err);
  pending_segments_free(pending);
  ck_assert_uint_ne(input.id, 0);
  ck_assert_uint_eq(count_segments(store), 1);
  ck_assert_str_eq(read_messages(store).text, "a/1=x;");
  ck_assert(test_segment_path(store, DATASET_traffic, 0, path));
  ck_assert_int_eq(access(path, F_OK), 0);
  store_close(store);
  test_dir_remove(dir);
}
END_TEST

START_TEST(a_commit_waits_for_a_directory_that_was_moved_away) {
  char dir[64], name[SEGMENT_NAME_MAX], path[256], away[256];
  struct error err = {0};
  test_dir_make(dir);
  struct store *store = test_store_open(dir, STORE_WRITE);
  struct pending_segments *pending = write_row(store, name);
  struct commit commit = {.pending = &pending, .pending_count = 1};
  snprintf(path, sizeof path, "%s/segments", dir);
  snprintf(away, sizeof away, "%s/away", dir);
  ck_assert_int_eq(rename(path, away), 0);
  ck_assert(!store_commit(store, &commit, &err));
  ck_assert_int_eq(err.kind, ERROR_STORAGE);
  ck_assert_msg(strstr(err.text, "cannot rename"), "%s", err.text);
  ck_assert_int_eq(rename(away, path), 0);
  ck_assert_done(store_commit(store, &commit, &err), err);
  pending_segments_free(pending);
  ck_assert_uint_eq(count_segments(store), 1);
  store_close(store);
  test_dir_remove(dir);
}
END_TEST

START_TEST(what_no_commit_knows_is_swept_and_foreign_files_stay) {
  char dir[64], name[SEGMENT_NAME_MAX], path[512];
  test_dir_make(dir);
  struct store *store = test_store_open(dir, STORE_WRITE);
  put_row(store, 1);
  struct pending_segments *pending = write_row(store, name);
  pending_segments_forget(pending); /* as a kill does */
  pending_segments_free(pending);
  store_close(store);
  snprintf(path, sizeof path, "%s/segments/traffic-0000000099-0.mp.zst", dir); /* killed between rename and transaction */
  test_write_file(path, SLICE("x"));
  snprintf(path, sizeof path, "%s/segments/notes.txt", dir);
  test_write_file(path, SLICE("x"));

  log_set_level(LOG_ERROR);
  store = test_store_open(dir, STORE_WRITE);
  ck_assert_uint_eq(count_segments(store), 1);
  ck_assert(test_segment_path(store, DATASET_traffic, 0, path));
  ck_assert_int_eq(access(path, F_OK), 0);
  ck_assert(exists(dir, "segments/notes.txt"));
  ck_assert(!exists(dir, "segments/traffic-0000000099-0.mp.zst"));
  snprintf(path, sizeof path, "%s/segments/%s.tmp", dir, name);
  ck_assert_int_ne(access(path, F_OK), 0);
  store_close(store);
  test_dir_remove(dir);
}
END_TEST

START_TEST(pending_segments_take_their_files_with_them) {
  char dir[64], name[SEGMENT_NAME_MAX], path[512];
  test_dir_make(dir);
  struct store *store = test_store_open(dir, STORE_WRITE);
  struct pending_segments *pending = write_row(store, name);
  snprintf(path, sizeof path, "%s/segments/%s.tmp", dir, name);
  ck_assert_int_eq(access(path, F_OK), 0);
  pending_segments_free(pending);
  ck_assert_int_ne(access(path, F_OK), 0);
  store_close(store);
  test_dir_remove(dir);
}
END_TEST

START_TEST(names_of_segments_never_come_twice) {
  char dir[64], path[256], before[256], sql[] = "DELETE FROM segment";
  test_dir_make(dir);
  struct store *store = test_store_open(dir, STORE_WRITE);
  put_row(store, 1);
  ck_assert(test_segment_path(store, DATASET_traffic, 0, before));
  store_close(store);
  /* As compaction will: the newest segment goes, its id does not come back. */
  sqlite3 *db;
  snprintf(path, sizeof path, "%s/catalog.sqlite", dir);
  ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
  ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
  sqlite3_close(db);
  log_set_level(LOG_ERROR);
  store = test_store_open(dir, STORE_WRITE);
  put_row(store, 1);
  ck_assert(test_segment_path(store, DATASET_traffic, 0, path));
  ck_assert_str_ne(path, before);
  store_close(store);
  test_dir_remove(dir);
}
END_TEST

START_TEST(a_second_writer_is_told_to_try_again_and_readers_are_let_in) {
  char dir[64];
  struct error err = {0};
  test_dir_make(dir);
  struct store *writer = test_store_open(dir, STORE_WRITE);
  ck_assert_ptr_null(store_open(dir, STORE_WRITE, &err));
  ck_assert_int_eq(error_exit_code(&err), 75);
  ck_assert_ptr_nonnull(strstr(err.text, "another bouncemill writes this store"));
  struct store *reader = test_store_open(dir, STORE_READ);
  ck_assert_uint_eq(count_segments(reader), 0);
  put_row(writer, 1);
  ck_assert_uint_eq(count_segments(reader), 1);
  store_close(writer);
  ck_assert_uint_eq(count_segments(reader), 1);
  store_close(reader);
  store_close(test_store_open(dir, STORE_WRITE));
  test_dir_remove(dir);
}
END_TEST

static void *write_many(void *context) {
  struct store *store = context;
  struct pending_segments *pending = pending_segments_new();
  struct traffic_row row = test_traffic(1, "example.com", 1);
  for (size_t i = 0; i < 20; i++) test_write(store, DATASET_traffic, &row, 1, pending);
  return pending;
}

START_TEST(threads_write_segments_of_one_store_at_the_same_time) {
  char dir[64];
  struct error err = {0};
  pthread_t threads[4];
  struct pending_segments *pending[4];
  test_dir_make(dir);
  struct store *store = test_store_open(dir, STORE_WRITE);
  for (size_t i = 0; i < 4; i++) ck_assert_int_eq(pthread_create(&threads[i], NULL, write_many, store), 0);
  for (size_t i = 0; i < 4; i++) pthread_join(threads[i], (void **)&pending[i]);
  ck_assert_done(store_commit(store, &(struct commit){.pending = pending, .pending_count = 4}, &err), err);
  ck_assert_uint_eq(count_segments(store), 80);
  for (size_t i = 0; i < 4; i++) pending_segments_free(pending[i]);
  store_close(store);
  test_dir_remove(dir);
}
END_TEST

/* Makes a store, changes its catalog by `sql`, and gives the error of opening it. */
static struct error error_after(const char *sql, enum store_mode mode) {
  char dir[64], path[256];
  struct error err = {0};
  sqlite3 *db;
  test_dir_make(dir);
  store_close(test_store_open(dir, STORE_WRITE));
  snprintf(path, sizeof path, "%s/catalog.sqlite", dir);
  ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
  ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
  sqlite3_close(db);
  ck_assert_ptr_null(store_open(dir, mode, &err));
  test_dir_remove(dir);
  return err;
}

START_TEST(catalogs_of_newer_versions_and_of_others_are_refused) {
  for (int mode = STORE_READ; mode <= STORE_WRITE; mode++) {
    struct error err = error_after("PRAGMA user_version = 99", (enum store_mode)mode);
    ck_assert_msg(strstr(err.text, "is of version 99"), "%s", err.text);
    err = error_after("PRAGMA application_id = 1", (enum store_mode)mode);
    ck_assert_msg(strstr(err.text, "of another program"), "%s", err.text);
  }
}
END_TEST

START_TEST(a_catalog_that_is_no_database_says_what_to_do) {
  char dir[64], path[256], garbage[8192];
  test_dir_make(dir);
  memset(garbage, 'x', sizeof garbage);
  snprintf(path, sizeof path, "%s/catalog.sqlite", dir);
  test_write_file(path, slice_of(garbage, sizeof garbage));
  for (int mode = STORE_READ; mode <= STORE_WRITE; mode++) {
    struct error err = {0};
    ck_assert_ptr_null(store_open(dir, (enum store_mode)mode, &err));
    ck_assert_msg(strstr(err.text, "is damaged") && strstr(err.text, "--rebuild-catalog"), "%s", err.text);
    ck_assert_int_eq(error_exit_code(&err), 3);
  }
  test_dir_remove(dir);
}
END_TEST

START_TEST(segments_without_their_catalog_are_not_swept) {
  char dir[64], path[256];
  struct error err = {0};
  test_dir_make(dir);
  struct store *store = test_store_open(dir, STORE_WRITE);
  put_row(store, 1);
  ck_assert(test_segment_path(store, DATASET_traffic, 0, path));
  store_close(store);
  for (size_t i = 0; i < 3; i++) {
    static const char *const names[] = {"catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"};
    char name[256];
    snprintf(name, sizeof name, "%s/%s", dir, names[i]);
    unlink(name);
  }
  /* Twice: the first refusal must not leave a catalog behind that the second believes. */
  for (size_t i = 0; i < 2; i++) {
    ck_assert_ptr_null(store_open(dir, STORE_WRITE, &err));
    ck_assert_msg(strstr(err.text, "has segments"), "%s", err.text);
    ck_assert_int_eq(access(path, F_OK), 0);
  }
  test_dir_remove(dir);
}
END_TEST

START_TEST(a_name_in_the_catalog_that_leads_out_of_the_store_is_refused) {
  struct error err =
      error_after("INSERT INTO segment VALUES (1, 'traffic', 1, 60, 0, '../../etc/passwd', 1, 1, 0, 1, 0, 0)", STORE_WRITE);
  ck_assert_msg(strstr(err.text, "segment 1 has a name"), "%s", err.text);
}
END_TEST

START_TEST(a_store_that_is_not_there_is_not_made_by_readers) {
  struct error err = {0};
  ck_assert_ptr_null(store_open("/nonexistent/store", STORE_READ, &err));
  ck_assert_ptr_nonnull(strstr(err.text, "/nonexistent/store: is no store"));
  ck_assert_int_eq(error_exit_code(&err), 3);
  char dir[64], path[256];
  struct stat st;
  test_dir_make(dir);
  snprintf(path, sizeof path, "%s/a/b/c", dir);
  store_close(test_store_open(path, STORE_WRITE));
  ck_assert_int_eq(stat(path, &st), 0);
  ck_assert_uint_eq(st.st_mode & 07027, 0); /* 0750, whatever the umask takes away */
  test_dir_remove(dir);
}
END_TEST

struct findings {
  size_t count;
  char last[512];
};
static void take_finding(void *context, const char *path, const char *finding) {
  struct findings *findings = context;
  findings->count++;
  snprintf(findings->last, sizeof findings->last, "%s: %s", path, finding);
}
static struct findings verify(const char *dir) {
  struct findings findings = {0};
  struct error err = {0};
  struct store *store = test_store_open(dir, STORE_READ);
  ck_assert_done(store_verify(store, take_finding, &findings, &err), err);
  store_close(store);
  return findings;
}

START_TEST(verify_finds_what_is_damaged_missing_strange_or_swapped) {
  char dir[64], first[256], second[256], stranger[256];
  test_dir_make(dir);
  struct store *store = test_store_open(dir, STORE_WRITE);
  put_row(store, 1);
  put_row(store, 2);
  ck_assert(test_segment_path(store, DATASET_traffic, 0, first) && test_segment_path(store, DATASET_traffic, 1, second));
  store_close(store);
  struct findings findings = verify(dir);
  ck_assert_msg(findings.count == 0, "%s", findings.last);

  struct buf bytes = test_read_file(first);
  struct buf other = test_read_file(second);
  test_write_file(first, buf_slice(&other)); /* whole, and not the one that the catalog means */
  findings = verify(dir);
  ck_assert_uint_eq(findings.count, 1);
  ck_assert_msg(strstr(findings.last, "another file than the catalog means"), "%s", findings.last);

  bytes.ptr[bytes.len / 2] ^= 4;
  test_write_file(first, buf_slice(&bytes));
  findings = verify(dir);
  ck_assert_uint_eq(findings.count, 1);
  ck_assert_ptr_nonnull(strstr(findings.last, first));

  unlink(first);
  findings = verify(dir);
  ck_assert_uint_eq(findings.count, 1);
  ck_assert_ptr_nonnull(strstr(findings.last, "No such file"));

  snprintf(stranger, sizeof stranger, "%s/segments/traffic-0000000099-0.mp.zst", dir);
  test_write_file(stranger, SLICE("x"));
  findings = verify(dir);
  ck_assert_uint_eq(findings.count, 2);
  ck_assert_msg(strstr(findings.last, "not in the catalog"), "%s", findings.last);
  buf_deinit(&bytes);
  buf_deinit(&other);
  test_dir_remove(dir);
}
END_TEST

START_TEST(verify_finds_rows_out_of_order) {
  char dir[64];
  test_dir_make(dir);
  struct store *store = test_store_open(dir, STORE_WRITE);
  struct traffic_row rows[] = {test_traffic(1, "b.example", 1), test_traffic(1, "a.example", 1)};
  test_put(store, DATASET_traffic, rows, 2);
  store_close(store);
  struct findings findings = verify(dir);
  ck_assert_uint_eq(findings.count, 1);
  ck_assert_msg(strstr(findings.last, "row 2 is not in order"), "%s", findings.last);
  test_dir_remove(dir);
}
END_TEST

TEST_MAIN(a_commit_is_whole_after_reopening, a_commit_moves_inputs_and_forgets_closed_messages, nothing_of_a_failed_commit_is_there,
          a_commit_that_failed_is_whole_when_it_is_tried_again, a_commit_waits_for_a_directory_that_was_moved_away,
          what_no_commit_knows_is_swept_and_foreign_files_stay, pending_segments_take_their_files_with_them,
          names_of_segments_never_come_twice, a_second_writer_is_told_to_try_again_and_readers_are_let_in,
          threads_write_segments_of_one_store_at_the_same_time, catalogs_of_newer_versions_and_of_others_are_refused,
          a_catalog_that_is_no_database_says_what_to_do, segments_without_their_catalog_are_not_swept,
          a_name_in_the_catalog_that_leads_out_of_the_store_is_refused, a_store_that_is_not_there_is_not_made_by_readers,
          verify_finds_what_is_damaged_missing_strange_or_swapped, verify_finds_rows_out_of_order)
