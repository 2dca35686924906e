/* Reads a source as the program does, and keeps what came: for the tests of sources. */
#ifndef TESTS_SOURCE_READER_H
#define TESTS_SOURCE_READER_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "ingest/ingest.h"

/* A source, the lines it gave (new ones and replayed ones apart), and checks of each batch. */
struct source_reader {
  struct source *source;
  struct buf fresh, replayed;
  size_t batches, lookback_max;
  struct slice lookback_first; /* of the first batch with lines, a copy in `lookback` */
  struct buf lookback;
  struct error err;
  uint64_t position_last, len_last;
};

static inline bool reader_open(struct source_reader *r, const char *const *names, size_t count, bool follow, unsigned parts,
                               const struct input_position *known, size_t known_count) {
  *r = (struct source_reader){0};
  struct source_options options = {
      .names = names, .name_count = count, .follow = follow, .parts = parts, .known = known, .known_count = known_count};
  r->source = source_new(&options, &r->err);
  return r->source != NULL;
}

/* One source_next with its fill. */
static inline enum source_state reader_step(struct source_reader *r, unsigned parts, int timeout_ms) {
  struct batch batch;
  struct batch_fill fill;
  enum source_state state = source_next(r->source, timeout_ms, &batch, &fill, &r->err);
  if (state != SOURCE_BATCH) return state;
  if (fill.want) {
    int64_t got[LIMIT_THREADS];
    for (unsigned i = parts; i-- > 0;) got[i] = source_fill_part(&fill, i, parts);
    ck_assert(source_fill_done(r->source, &batch, got, parts, &r->err));
  }
  if (!batch.len) return state;
  ck_assert_int_eq(batch.base[batch.len - 1], '\n');
  ck_assert(batch.lookback_len == 0 || batch.base[-1] == '\n');
  ck_assert_uint_le(batch.lookback_len, LIMIT_LOOKBACK_BYTES);
  if (batch.lookback_len > r->lookback_max) r->lookback_max = batch.lookback_len;
  if (!r->batches) buf_append(&r->lookback, batch.base - batch.lookback_len, batch.lookback_len);
  buf_append(batch.is_replay ? &r->replayed : &r->fresh, batch.base, batch.len);
  r->position_last = batch.position;
  r->len_last = batch.len;
  r->batches++;
  return state;
}

/* Until the source ends, fails, or (with follow) is silent for timeout_ms. */
static inline enum source_state reader_run(struct source_reader *r, unsigned parts, int timeout_ms) {
  enum source_state state;
  while ((state = reader_step(r, parts, timeout_ms)) == SOURCE_BATCH) continue;
  return state;
}

static inline void reader_close(struct source_reader *r) {
  source_free(r->source);
  buf_deinit(&r->fresh);
  buf_deinit(&r->replayed);
  buf_deinit(&r->lookback);
}

/* A directory for one test; its files are named by path_in. Left behind for the system to clean when a test fails. */
static inline const char *test_dir(void) {
  static char dir[64];
  snprintf(dir, sizeof dir, "/tmp/bouncemill-test-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(dir));
  return dir;
}

static inline char *path_in(const char *dir, const char *name) {
  char *path = malloc(strlen(dir) + strlen(name) + 2);
  sprintf(path, "%s/%s", dir, name);
  return path;
}

static inline void write_file(const char *path, const char *mode, struct slice bytes) {
  FILE *file = fopen(path, mode);
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(bytes.ptr, 1, bytes.len, file), bytes.len);
  fclose(file);
}

/* Lines "PREFIX 0000017 ..." of different lengths. */
static inline void append_lines(struct buf *b, const char *prefix, unsigned from, unsigned to) {
  for (unsigned i = from; i < to; i++)
    buf_printf(b, "%s %07u %.*s\n", prefix, i, (int)(i * 7 % 90),
               "...............................................................................................");
}

static inline void run_command(const char *format, const char *a, const char *b) {
  char command[1024];
  snprintf(command, sizeof command, format, a, b);
  ck_assert_int_eq(system(command), 0);
}

#endif
