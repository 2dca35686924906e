/* Files as sources: what is handed out, once, and how it is known again. */
#include "tests/unit/check_main.h"
#include "tests/unit/source_reader.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

#define REPLAY_BYTES 100000u

/* Reads `path` to its end; *known is the position for a next time. Returns the new lines, to be freed. */
static struct buf read_once(const char *path, unsigned parts, struct input_position *known, size_t known_count,
                            uint64_t oldest_back) {
  struct source_reader r;
  ck_assert_msg(reader_open(&r, &path, 1, false, parts, known, known_count), "%s", r.err.text);
  ck_assert_int_eq(reader_run(&r, parts, 0), SOURCE_END);
  uint64_t done = source_input_done(r.source, 0);
  if (source_position(r.source, 0, done - oldest_back, known)) {
    if (!known->id) known->id = 1;
    known->name = SLICE("once");
  }
  struct buf fresh = r.fresh;
  r.fresh = (struct buf){0};
  reader_close(&r);
  return fresh;
}

static void assert_same(struct buf *got, struct slice want) {
  ck_assert_uint_eq(got->len, want.len);
  ck_assert(slice_equal(buf_slice(got), want));
  buf_deinit(got);
}

START_TEST(every_line_comes_once_and_in_order_whatever_the_parts) {
  const char *dir = test_dir();
  char *path = path_in(dir, "mail.log");
  struct buf lines = {0};
  append_lines(&lines, "a", 0, 60000);
  write_file(path, "w", buf_slice(&lines));
  for (unsigned parts = 1; parts <= 5; parts++) {
    struct input_position known = {0};
    struct buf fresh = read_once(path, parts, &known, 0, 0);
    assert_same(&fresh, buf_slice(&lines));
    ck_assert_uint_eq(known.committed, lines.len);
  }
  buf_deinit(&lines);
  free(path);
}
END_TEST

START_TEST(packed_files_are_known_by_their_bytes_and_give_the_same_lines) {
  const char *dir = test_dir();
  char *path = path_in(dir, "mail.log"), *gzip = path_in(dir, "one"), *zstd = path_in(dir, "two");
  struct buf lines = {0};
  append_lines(&lines, "a", 0, 30000);
  write_file(path, "w", buf_slice(&lines));
  /* Two members, two frames: as when archives are put behind one another. */
  run_command("(head -n 10000 %s; ) | gzip > %s", path, gzip);
  run_command("(tail -n +10001 %s; ) | gzip >> %s", path, gzip);
  run_command("(head -n 10000 %s; ) | zstd -q > %s", path, zstd);
  run_command("(tail -n +10001 %s; ) | zstd -q --long=27 >> %s", path, zstd);
  struct input_position known = {0};
  struct buf fresh = read_once(gzip, 2, &known, 0, 0);
  assert_same(&fresh, buf_slice(&lines));
  fresh = read_once(zstd, 2, &known, 0, 0);
  assert_same(&fresh, buf_slice(&lines));
  fresh = read_once(path, 2, &known, 1, 0);
  assert_same(&fresh, SLICE(""));
  buf_deinit(&lines);
  free(path), free(gzip), free(zstd);
}
END_TEST

START_TEST(packed_copy_of_a_known_file_adds_nothing_and_goes_on_where_it_was) {
  const char *dir = test_dir();
  char *path = path_in(dir, "mail.log"), *gzip = path_in(dir, "mail.log.1.gz"), *zstd = path_in(dir, "mail.log.2.zst");
  struct buf lines = {0}, more = {0};
  append_lines(&lines, "a", 0, 20000);
  append_lines(&more, "b", 0, 20000);
  write_file(path, "w", buf_slice(&lines));
  struct input_position known = {0};
  struct buf fresh = read_once(path, 2, &known, 0, 0);
  assert_same(&fresh, buf_slice(&lines));
  run_command("gzip -c %s > %s", path, gzip);
  fresh = read_once(gzip, 1, &known, 1, 0);
  assert_same(&fresh, SLICE(""));
  write_file(path, "a", buf_slice(&more));
  run_command("zstd -q -c %s > %s", path, zstd);
  fresh = read_once(zstd, 1, &known, 1, 0);
  assert_same(&fresh, buf_slice(&more));
  fresh = read_once(path, 1, &known, 1, 0);
  assert_same(&fresh, SLICE(""));
  buf_deinit(&lines), buf_deinit(&more);
  free(path), free(gzip), free(zstd);
}
END_TEST

static void check_resume(const char *path, struct slice lines, const struct input_position *known, struct slice more) {
  struct source_reader r;
  ck_assert(reader_open(&r, &path, 1, false, 2, known, 1));
  ck_assert_int_eq(reader_run(&r, 2, 0), SOURCE_END);
  assert_same(&r.replayed, slice_skip(lines, known->replay_from));
  assert_same(&r.fresh, more);
  /* What may be looked back at stands before the first replayed line: whole lines, as many as fit. */
  struct slice before = slice_of(lines.ptr, known->replay_from);
  ck_assert_uint_gt(r.lookback.len, LIMIT_LOOKBACK_BYTES - 200);
  ck_assert(slice_ends_with(before, buf_slice(&r.lookback)));
  ck_assert_int_eq(before.ptr[before.len - r.lookback.len - 1], '\n');
  r.replayed = r.fresh = (struct buf){0};
  reader_close(&r);
}

START_TEST(grown_file_replays_from_replay_from_and_goes_on_at_committed) {
  const char *dir = test_dir();
  char *path = path_in(dir, "mail.log"), *gzip = path_in(dir, "mail.log.gz");
  struct buf lines = {0}, more = {0};
  append_lines(&lines, "a", 0, 60000);
  append_lines(&more, "b", 0, 30000);
  write_file(path, "w", buf_slice(&lines));
  struct input_position known = {0};
  struct buf fresh = read_once(path, 2, &known, 0, 0);
  buf_deinit(&fresh);
  /* As a run that was killed leaves it: the oldest open line stands before the end. */
  known.replay_from = (uint64_t)((char *)memchr(lines.ptr + lines.len - REPLAY_BYTES, '\n', 1000) + 1 - lines.ptr);
  write_file(path, "a", buf_slice(&more));
  run_command("gzip -1 -c %s > %s", path, gzip);
  check_resume(path, buf_slice(&lines), &known, buf_slice(&more));
  check_resume(gzip, buf_slice(&lines), &known, buf_slice(&more));
  buf_deinit(&lines), buf_deinit(&more);
  free(path), free(gzip);
}
END_TEST

START_TEST(small_files_are_known_by_all_that_was_read_of_them) {
  const char *dir = test_dir();
  char *path = path_in(dir, "a"), *other = path_in(dir, "b"), *copy = path_in(dir, "c");
  write_file(path, "w", SLICE("one\ntwo\n"));
  write_file(copy, "w", SLICE("one\ntwo\n"));
  write_file(other, "w", SLICE("one\nTWO\n"));
  struct input_position known = {0};
  struct buf fresh = read_once(path, 1, &known, 0, 0);
  assert_same(&fresh, SLICE("one\ntwo\n"));
  fresh = read_once(copy, 1, &known, 1, 0);
  assert_same(&fresh, SLICE(""));
  struct input_position unchanged = known;
  fresh = read_once(other, 1, &unchanged, 1, 0);
  assert_same(&fresh, SLICE("one\nTWO\n"));
  write_file(path, "a", SLICE("three\n"));
  fresh = read_once(path, 1, &known, 1, 0);
  assert_same(&fresh, SLICE("three\n"));
  free(path), free(other), free(copy);
}
END_TEST

START_TEST(same_head_but_other_bytes_before_committed_is_a_new_file) {
  const char *dir = test_dir();
  char *path = path_in(dir, "a");
  struct buf lines = {0}, other = {0};
  append_lines(&lines, "a", 0, 1000);
  append_lines(&other, "a", 0, 900);
  append_lines(&other, "b", 900, 1100);
  write_file(path, "w", buf_slice(&lines));
  struct input_position known = {0};
  struct buf fresh = read_once(path, 1, &known, 0, 0);
  buf_deinit(&fresh);
  write_file(path, "w", buf_slice(&other));
  fresh = read_once(path, 1, &known, 1, 0);
  assert_same(&fresh, buf_slice(&other));
  buf_deinit(&lines), buf_deinit(&other);
  free(path);
}
END_TEST

START_TEST(cut_file_counts_as_read_and_only_what_is_added_is_new) {
  const char *dir = test_dir();
  char *path = path_in(dir, "a");
  struct buf lines = {0};
  append_lines(&lines, "a", 0, 1000);
  write_file(path, "w", buf_slice(&lines));
  struct input_position known[2] = {{0}};
  struct buf fresh = read_once(path, 1, known, 0, 0);
  buf_deinit(&fresh);
  lines.len = (size_t)((char *)memrchr(lines.ptr, '\n', lines.len - 9000) + 1 - lines.ptr);
  write_file(path, "w", buf_slice(&lines));
  struct source_reader r;
  const char *name = path;
  ck_assert(reader_open(&r, &name, 1, false, 1, known, 1));
  ck_assert_int_eq(reader_run(&r, 1, 0), SOURCE_END);
  ck_assert_uint_eq(r.batches, 0);
  ck_assert(source_position(r.source, 0, source_input_done(r.source, 0), &known[1]));
  ck_assert_uint_eq(known[1].committed, lines.len);
  ck_assert_uint_eq(known[1].id, 0);
  known[1].id = 2, known[1].name = SLICE("a");
  reader_close(&r);
  write_file(path, "a", SLICE("added\n"));
  ck_assert(reader_open(&r, &name, 1, false, 1, known, 2));
  ck_assert_int_eq(reader_run(&r, 1, 0), SOURCE_END);
  assert_same(&r.fresh, SLICE("added\n"));
  r.fresh = (struct buf){0};
  reader_close(&r);
  buf_deinit(&lines);
  free(path);
}
END_TEST

START_TEST(copies_in_one_run_count_once) {
  const char *dir = test_dir();
  char *path = path_in(dir, "a"), *longer = path_in(dir, "b");
  struct buf lines = {0};
  append_lines(&lines, "a", 0, 1000);
  write_file(path, "w", buf_slice(&lines));
  append_lines(&lines, "a", 1000, 1100);
  write_file(longer, "w", buf_slice(&lines));
  const char *names[] = {path, longer, path, longer};
  struct source_reader r;
  ck_assert(reader_open(&r, names, 4, false, 1, NULL, 0));
  ck_assert_int_eq(reader_run(&r, 1, 0), SOURCE_END);
  assert_same(&r.fresh, buf_slice(&lines));
  r.fresh = (struct buf){0};
  reader_close(&r);
  buf_deinit(&lines);
  free(path), free(longer);
}
END_TEST

START_TEST(last_line_without_newline_is_given_one_and_the_position_is_the_files_end) {
  const char *dir = test_dir();
  char *path = path_in(dir, "a"), *empty = path_in(dir, "empty");
  write_file(path, "w", slice_of("one\nt\0wo", 8));
  write_file(empty, "w", SLICE(""));
  struct input_position known = {0};
  struct buf fresh = read_once(path, 1, &known, 0, 0);
  assert_same(&fresh, slice_of("one\nt\0wo\n", 9));
  ck_assert_uint_eq(known.committed, 8);
  fresh = read_once(path, 1, &known, 1, 0);
  assert_same(&fresh, SLICE(""));
  fresh = read_once(empty, 1, &known, 1, 0);
  assert_same(&fresh, SLICE(""));
  free(path), free(empty);
}
END_TEST

START_TEST(line_longer_than_the_buffer_comes_once_cut_and_what_follows_is_whole) {
  const char *dir = test_dir();
  char *path = path_in(dir, "a");
  /* Around the size of the buffer, and several of it; at the end of a file, with and without newline. */
  for (size_t len = LIMIT_CHUNK_BYTES - 3; len < 4 * LIMIT_CHUNK_BYTES; len += len < LIMIT_CHUNK_BYTES + 3 ? 1 : 300007) {
    for (int kind = 0; kind < 3; kind++) {
      struct buf bytes = {0};
      buf_append(&bytes, "first\n", 6);
      memset(buf_reserve(&bytes, len), 'x', len);
      bytes.len += len;
      if (kind != 2) buf_append_byte(&bytes, '\n');
      if (kind == 0) buf_append(&bytes, "last\n", 5);
      write_file(path, "w", buf_slice(&bytes));
      struct input_position known = {0};
      struct buf fresh = read_once(path, 1, &known, 0, 0);
      struct slice got = buf_slice(&fresh);
      ck_assert(slice_starts_with(got, SLICE("first\n")));
      ck_assert(kind != 0 || slice_ends_with(got, SLICE("x\nlast\n")));
      got = slice_skip(got, 6);
      size_t line_len = slice_find_byte(got, '\n');
      ck_assert(line_len == len || line_len == LIMIT_LINE_BYTES + 1);
      ck_assert_uint_eq(slice_skip(got, line_len + 1).len, kind == 0 ? 5 : 0);
      ck_assert_uint_eq(known.committed, bytes.len);
      buf_deinit(&fresh);
      fresh = read_once(path, 1, &known, 1, 0);
      assert_same(&fresh, SLICE(""));
      buf_deinit(&bytes);
    }
  }
  free(path);
}
END_TEST

/* What is read of `bytes`, with envelopes or without. */
static struct buf read_with_envelopes(const char *path, struct slice bytes, bool has_envelopes, unsigned parts) {
  struct source_options options = {.names = &path, .name_count = 1, .parts = parts, .has_envelopes = has_envelopes};
  struct source_reader r = {0};
  write_file(path, "w", bytes);
  r.source = source_new(&options, &r.err);
  ck_assert_ptr_nonnull(r.source);
  ck_assert_int_eq(reader_run(&r, parts, 0), SOURCE_END);
  struct buf fresh = r.fresh;
  r.fresh = (struct buf){0};
  reader_close(&r);
  return fresh;
}

static void append_long_line(struct buf *b, char first, size_t len) {
  buf_append_byte(b, first);
  memset(buf_reserve(b, len), 'x', len);
  b->len += len;
  buf_append_byte(b, '\n');
}

START_TEST(line_of_json_longer_than_a_batch_is_whole_and_others_are_cut) {
  const char *dir = test_dir();
  char *path = path_in(dir, "a");
  static const size_t lens[] = {LIMIT_CHUNK_BYTES - 1, LIMIT_CHUNK_BYTES, 3 * LIMIT_CHUNK_BYTES + 7, LIMIT_JSON_BYTES - 1};
  for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
    struct buf bytes = {0};
    append_lines(&bytes, "a", 0, 1000);
    append_long_line(&bytes, i % 2 ? '{' : '[', lens[i]);
    append_lines(&bytes, "b", 0, 20000);
    append_long_line(&bytes, '[', lens[i]);
    for (unsigned parts = 1; parts <= 2; parts++) {
      struct buf fresh = read_with_envelopes(path, buf_slice(&bytes), true, parts);
      assert_same(&fresh, buf_slice(&bytes));
    }
    buf_deinit(&bytes);
  }
  struct buf bytes = {0};
  append_long_line(&bytes, '[', LIMIT_JSON_BYTES + 9);
  append_long_line(&bytes, 'x', 3 * LIMIT_CHUNK_BYTES);
  append_lines(&bytes, "b", 0, 10);
  for (int has_envelopes = 0; has_envelopes < 2; has_envelopes++) {
    struct buf fresh = read_with_envelopes(path, buf_slice(&bytes), has_envelopes, 1);
    ck_assert_uint_eq(slice_find_byte(buf_slice(&fresh), '\n'), LIMIT_LINE_BYTES + 1);
    ck_assert_uint_eq(slice_find_byte(slice_skip(buf_slice(&fresh), LIMIT_LINE_BYTES + 2), '\n'), LIMIT_LINE_BYTES + 1);
    ck_assert(slice_ends_with(buf_slice(&bytes), slice_skip(buf_slice(&fresh), 2 * (LIMIT_LINE_BYTES + 2))));
    buf_deinit(&fresh);
  }
  buf_deinit(&bytes);
  free(path);
}
END_TEST

START_TEST(what_cannot_be_read_is_named_at_once) {
  const char *dir = test_dir();
  char *missing = path_in(dir, "missing"), *there = path_in(dir, "there");
  write_file(there, "w", SLICE("x\n"));
  const char *names[] = {there, missing}, *dirs[] = {dir};
  struct source_reader r;
  ck_assert(!reader_open(&r, names, 2, false, 1, NULL, 0));
  ck_assert_int_eq(r.err.kind, ERROR_INPUT);
  ck_assert_ptr_nonnull(strstr(r.err.text, missing));
  ck_assert(!reader_open(&r, dirs, 1, false, 1, NULL, 0));
  ck_assert_ptr_nonnull(strstr(r.err.text, "is a directory"));
  free(missing), free(there);
}
END_TEST

/* Cuts or damages a packed file: all whole lines before that come, then an error that names the file. */
static void check_damaged(const char *path, struct slice lines, size_t least) {
  struct source_reader r;
  ck_assert(reader_open(&r, &path, 1, false, 1, NULL, 0));
  ck_assert_int_eq(reader_run(&r, 1, 0), SOURCE_FAILED);
  ck_assert_int_eq(r.err.kind, ERROR_INPUT);
  ck_assert_ptr_nonnull(strstr(r.err.text, path));
  ck_assert_uint_gt(r.fresh.len, least);
  ck_assert(slice_starts_with(lines, buf_slice(&r.fresh)));
  ck_assert_int_eq(reader_run(&r, 1, 0), SOURCE_FAILED);
  reader_close(&r);
}

START_TEST(damaged_archive_gives_what_is_before_the_damage_and_then_an_error) {
  const char *dir = test_dir();
  char *path = path_in(dir, "mail.log"), *packed = path_in(dir, "packed");
  struct buf lines = {0};
  append_lines(&lines, "a", 0, 30000);
  write_file(path, "w", buf_slice(&lines));
  static const char *const PACKERS[] = {"gzip -1 -c %s > %s", "zstd -q --no-check -c %s > %s"};
  for (size_t i = 0; i < 2; i++) {
    run_command(PACKERS[i], path, packed);
    struct stat st;
    ck_assert_int_eq(stat(packed, &st), 0);
    ck_assert_int_eq(truncate(packed, st.st_size * 3 / 4), 0);
    check_damaged(packed, buf_slice(&lines), lines.len / 4);
  }
  run_command(PACKERS[0], path, packed);
  run_command("printf 'garbage behind it, more than four bytes' >> %s%s", packed, "");
  check_damaged(packed, buf_slice(&lines), lines.len - 1);
  buf_deinit(&lines);
  free(path), free(packed);
}
END_TEST

static void *feed_fifo(void *path) {
  struct buf lines = {0};
  append_lines(&lines, "f", 0, 20000);
  write_file(path, "w", buf_slice(&lines));
  buf_deinit(&lines);
  return NULL;
}

START_TEST(fifo_is_a_stream_without_position) {
  const char *dir = test_dir();
  char *path = path_in(dir, "fifo");
  const char *name = path;
  pthread_t feeder;
  struct buf lines = {0};
  append_lines(&lines, "f", 0, 20000);
  ck_assert_int_eq(mkfifo(path, 0600), 0);
  struct source_reader r;
  ck_assert(reader_open(&r, &name, 1, false, 1, NULL, 0));
  ck_assert_int_eq(pthread_create(&feeder, NULL, feed_fifo, path), 0);
  enum source_state state;
  while ((state = reader_step(&r, 1, 50)) == SOURCE_BATCH || state == SOURCE_IDLE) continue;
  ck_assert_int_eq(state, SOURCE_END);
  pthread_join(feeder, NULL);
  struct input_position position;
  ck_assert(!source_position(r.source, 0, 0, &position));
  assert_same(&r.fresh, buf_slice(&lines));
  r.fresh = (struct buf){0};
  reader_close(&r);
  buf_deinit(&lines);
  free(path);
}
END_TEST

START_TEST(stdin_waits_no_longer_than_told_and_ends_at_its_end) {
  int ends[2], saved = dup(STDIN_FILENO);
  ck_assert_int_eq(pipe(ends), 0);
  dup2(ends[0], STDIN_FILENO);
  const char *name = "-";
  struct source_reader r;
  ck_assert(reader_open(&r, &name, 1, false, 1, NULL, 0));
  ck_assert_slice_eq(source_scope_name(r.source, 0), "files");
  ck_assert_slice_eq(source_scope_name(r.source, 1), "stdin");
  ck_assert_int_eq(reader_step(&r, 1, 10), SOURCE_IDLE);
  ck_assert_int_eq(write(ends[1], "whole\npart", 10), 10);
  ck_assert_int_eq(reader_step(&r, 1, 1000), SOURCE_BATCH);
  ck_assert_slice_eq(buf_slice(&r.fresh), "whole\n");
  ck_assert_int_eq(reader_step(&r, 1, 10), SOURCE_IDLE);
  close(ends[1]);
  ck_assert_int_eq(reader_run(&r, 1, 10), SOURCE_END);
  ck_assert_slice_eq(buf_slice(&r.fresh), "whole\npart\n");
  reader_close(&r);
  dup2(saved, STDIN_FILENO);
  close(saved), close(ends[0]);
}
END_TEST

START_TEST(progress_counts_bytes_on_disk) {
  const char *dir = test_dir();
  char *path = path_in(dir, "a"), *packed = path_in(dir, "b.gz");
  const char *names[] = {path, packed};
  struct buf lines = {0};
  append_lines(&lines, "a", 0, 20000);
  write_file(path, "w", buf_slice(&lines));
  run_command("sed s/a/b/ %s | gzip > %s", path, packed);
  struct stat st;
  ck_assert_int_eq(stat(packed, &st), 0);
  struct source_reader r;
  uint64_t done, total;
  ck_assert(reader_open(&r, names, 2, false, 1, NULL, 0));
  source_progress(r.source, &done, &total);
  ck_assert_uint_eq(done, 0);
  ck_assert_uint_eq(total, lines.len + (uint64_t)st.st_size);
  ck_assert_int_eq(reader_run(&r, 1, 0), SOURCE_END);
  source_progress(r.source, &done, &total);
  ck_assert_uint_eq(done, total);
  reader_close(&r);
  buf_deinit(&lines);
  free(path), free(packed);
}
END_TEST

TEST_MAIN(every_line_comes_once_and_in_order_whatever_the_parts, packed_files_are_known_by_their_bytes_and_give_the_same_lines,
          packed_copy_of_a_known_file_adds_nothing_and_goes_on_where_it_was,
          grown_file_replays_from_replay_from_and_goes_on_at_committed, small_files_are_known_by_all_that_was_read_of_them,
          same_head_but_other_bytes_before_committed_is_a_new_file, cut_file_counts_as_read_and_only_what_is_added_is_new,
          copies_in_one_run_count_once, last_line_without_newline_is_given_one_and_the_position_is_the_files_end,
          line_longer_than_the_buffer_comes_once_cut_and_what_follows_is_whole,
          line_of_json_longer_than_a_batch_is_whole_and_others_are_cut, what_cannot_be_read_is_named_at_once,
          damaged_archive_gives_what_is_before_the_damage_and_then_an_error, fifo_is_a_stream_without_position,
          stdin_waits_no_longer_than_told_and_ends_at_its_end, progress_counts_bytes_on_disk)
