/* For tests of the store: a directory that goes with the test, and rows to put in it. */
#ifndef TESTS_STORE_ROWS_H
#define TESTS_STORE_ROWS_H

#include <ftw.h>
#include <stdio.h>
#include <unistd.h>

#include "aggregate/pending.h"
#include "aggregate/segment_writer.h"
#include "aggregate/store.h"
#include "tests/unit/check_main.h"

static inline int test_remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
  (void)st, (void)type, (void)ftw;
  return remove(path);
}

/* A new directory's name, in `dir`; test_dir_remove takes it away with everything in it. */
static inline void test_dir_make(char dir[64]) {
  strcpy(dir, "/tmp/bouncemill-test-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(dir));
}
static inline void test_dir_remove(const char *dir) { nftw(dir, test_remove_entry, 16, FTW_DEPTH | FTW_PHYS); }

#define ck_assert_done(call, err) ck_assert_msg((call), "%s: %s", #call, (err).text)

static inline struct store *test_store_open(const char *dir, enum store_mode mode) {
  struct error err = {0};
  struct store *store = store_open(dir, mode, &err);
  ck_assert_msg(store != NULL, "%s", err.text);
  return store;
}

/* A traffic row: `domain` must outlive it. */
static inline struct traffic_row test_traffic(uint32_t minute, const char *domain, uint64_t count) {
  struct traffic_row row = {.minute = minute,
                            .direction = SLICE("out"),
                            .source = SLICE(""),
                            .sender_domain = SLICE("example.org"),
                            .recipient_domain = slice_from_cstr(domain),
                            .provider = SLICE("gmail"),
                            .status = SLICE("deferred"),
                            .outcome = SLICE("deferred"),
                            .cause = SLICE("rate_limited"),
                            .last_cause = SLICE(""),
                            .blocklist = SLICE(""),
                            .count = count,
                            .bytes = count * 1000};
  row.delay.count[3] = count;
  return row;
}

/* A replies row: the last two strings must outlive it. */
static inline struct replies_row test_reply(uint32_t hour, const char *template, const char *example, uint64_t time) {
  return (struct replies_row){.hour = hour,
                              .provider = SLICE("gmail"),
                              .cause = SLICE("user_unknown"),
                              .rule = SLICE("general.user-unknown"),
                              .template = slice_from_cstr(template),
                              .count = 1,
                              .first_time = time,
                              .last_time = time,
                              .example = slice_from_cstr(example)};
}

/* Writes one segment of `count` rows, which are in order, into `pending`. */
static inline void test_write(struct store *store, enum dataset_id dataset, const void *rows, size_t count,
                              struct pending_segments *pending) {
  struct error err = {0};
  struct segment_writer *w = segment_writer_new(store, &DATASETS[dataset], 0, &err);
  ck_assert_msg(w != NULL, "%s", err.text);
  for (size_t i = 0; i < count; i++)
    ck_assert_done(segment_writer_add(w, (const char *)rows + i * DATASETS[dataset].row_size, &err), err);
  ck_assert_done(segment_writer_finish(w, pending, &err), err);
}

static inline void test_commit(struct store *store, struct pending_segments *pending) {
  struct error err = {0};
  struct commit commit = {.pending = &pending, .pending_count = 1};
  ck_assert_done(store_commit(store, &commit, &err), err);
}

/* Writes and commits one segment. */
static inline void test_put(struct store *store, enum dataset_id dataset, const void *rows, size_t count) {
  struct pending_segments *pending = pending_segments_new();
  test_write(store, dataset, rows, count, pending);
  test_commit(store, pending);
  pending_segments_free(pending);
}

/* The path of a dataset's live segment number `index`, in `path`; false when there are not so many. */
struct test_nth {
  size_t left;
  char *path;
};
static inline bool test_take_path(void *context, const struct segment_info *segment) {
  struct test_nth *nth = context;
  if (nth->left--) return true;
  snprintf(nth->path, 256, "%s", segment->path);
  return false;
}
static inline bool test_segment_path(struct store *store, enum dataset_id dataset, size_t index, char path[256]) {
  struct error err = {0};
  struct test_nth nth = {index, path};
  path[0] = '\0';
  ck_assert_done(store_each_segment(store, dataset, test_take_path, &nth, &err), err);
  return path[0] != '\0';
}

/* A whole file; the caller deinits. */
static inline struct buf test_read_file(const char *path) {
  struct buf out = {0};
  FILE *file = fopen(path, "rb");
  ck_assert_msg(file != NULL, "%s", path);
  size_t got;
  while ((got = fread(buf_reserve(&out, 65536), 1, 65536, file)) > 0) out.len += got;
  fclose(file);
  return out;
}
static inline void test_write_file(const char *path, struct slice bytes) {
  FILE *file = fopen(path, "wb");
  ck_assert_msg(file != NULL, "%s", path);
  ck_assert_uint_eq(fwrite(bytes.ptr, 1, bytes.len, file), bytes.len);
  ck_assert_int_eq(fclose(file), 0);
}

#endif
