/* Followed files: growth, rotation, copytruncate, and what happened while nobody was looking. */
#include "tests/unit/check_main.h"
#include "tests/unit/source_reader.h"

#define QUIET_MS 300
/* Longer than a renamed file must be silent. */
#define ROTATED_MS 2500

struct followed {
  char *log, *first, *second; /* mail.log, mail.log.1, mail.log.2.gz */
  struct source_reader r;
  struct buf want;
  const char *names[2]; /* kept by reference by the source */
};

static void make(struct followed *f, const char *content) {
  const char *dir = test_dir();
  *f = (struct followed){
      .log = path_in(dir, "mail.log"), .first = path_in(dir, "mail.log.1"), .second = path_in(dir, "mail.log.2.gz")};
  write_file(f->log, "w", slice_from_cstr(content));
  buf_append(&f->want, content, strlen(content));
}

static void open_followed(struct followed *f, const struct input_position *known, size_t known_count) {
  f->names[0] = f->log;
  ck_assert_msg(reader_open(&f->r, f->names, 1, true, 2, known, known_count), "%s", f->r.err.text);
}

static void add(struct followed *f, const char *path, const char *text) {
  write_file(path, "a", slice_from_cstr(text));
  buf_append(&f->want, text, strlen(text));
}

static void expect(struct followed *f, int timeout_ms) {
  ck_assert_int_eq(reader_run(&f->r, 2, timeout_ms), SOURCE_IDLE);
  ck_assert_msg(slice_equal(buf_slice(&f->r.fresh), buf_slice(&f->want)), "got '%.*s', not '%.*s'",
                SLICE_ARG(buf_slice(&f->r.fresh)), SLICE_ARG(buf_slice(&f->want)));
}

static void finish(struct followed *f) {
  reader_close(&f->r);
  buf_deinit(&f->want);
  free(f->log), free(f->first), free(f->second);
}

START_TEST(lines_come_as_the_file_grows_and_only_whole) {
  struct followed f;
  make(&f, "one\n");
  open_followed(&f, NULL, 0);
  expect(&f, QUIET_MS);
  write_file(f.log, "a", SLICE("tw"));
  expect(&f, QUIET_MS);
  write_file(f.log, "a", SLICE("o\n"));
  buf_append(&f.want, "two\n", 4);
  expect(&f, QUIET_MS);
  ck_assert(!source_input_is_ended(f.r.source, 0));
  finish(&f);
}
END_TEST

START_TEST(renamed_file_is_read_to_its_end_with_what_is_written_after_the_rename) {
  struct followed f;
  make(&f, "one\n");
  open_followed(&f, NULL, 0);
  expect(&f, QUIET_MS);
  add(&f, f.log, "two\n");
  ck_assert_int_eq(rename(f.log, f.first), 0);
  add(&f, f.first, "after the rename\n");
  expect(&f, QUIET_MS); /* the path is missing for a while */
  add(&f, f.first, "and later\n");
  write_file(f.log, "w", SLICE("new one\n"));
  expect(&f, QUIET_MS);
  add(&f, f.first, "in the grace");
  buf_append(&f.want, "\nnew one\n", 9);
  expect(&f, ROTATED_MS);
  ck_assert(source_input_is_ended(f.r.source, 0));
  ck_assert(!source_input_is_ended(f.r.source, 1));
  finish(&f);
}
END_TEST

START_TEST(copytruncate_gives_each_line_once_and_finds_in_the_copy_what_was_not_read) {
  struct followed f;
  make(&f, "one\ntwo\n");
  open_followed(&f, NULL, 0);
  expect(&f, QUIET_MS);
  add(&f, f.log, "unread before the copy\n");
  run_command("cp %s %s", f.log, f.first);
  write_file(f.log, "w", SLICE(""));
  add(&f, f.log, "new\n");
  expect(&f, QUIET_MS);
  finish(&f);
}
END_TEST

START_TEST(file_written_anew_in_place_and_longer_than_before_is_noticed) {
  struct followed f;
  make(&f, "one\ntwo\n");
  open_followed(&f, NULL, 0);
  expect(&f, QUIET_MS);
  write_file(f.log, "w", SLICE(""));
  add(&f, f.log, "other one\nother two\nother three\n");
  expect(&f, QUIET_MS);
  finish(&f);
}
END_TEST

/* Reads what is there and leaves; the position a store would keep. */
static void read_and_leave(struct followed *f, struct input_position *known, const char *name) {
  open_followed(f, NULL, 0);
  expect(f, QUIET_MS);
  ck_assert(source_position(f->r.source, 0, source_input_done(f->r.source, 0), known));
  known->id = 1;
  known->name = slice_from_cstr(name);
  reader_close(&f->r);
}

START_TEST(rotated_while_away_the_old_file_is_finished_first_packed_or_not) {
  for (int is_packed = 0; is_packed < 2; is_packed++) {
    struct followed f;
    struct input_position known;
    make(&f, "one\ntwo\n");
    read_and_leave(&f, &known, f.log);
    buf_clear(&f.want);
    add(&f, f.log, "unread\n");
    if (is_packed)
      run_command("gzip -c %s > %s", f.log, f.second);
    else
      ck_assert_int_eq(rename(f.log, f.first), 0);
    if (is_packed) {
      /* A whole generation came and went meanwhile. */
      write_file(f.first, "w", SLICE("between\n"));
      buf_append(&f.want, "between\n", 8);
      run_command("touch -d '10 minutes ago' %s; touch -d '5 minutes ago' %s", f.second, f.first);
      run_command("rm %s%s", f.log, "");
    }
    write_file(f.log, "w", SLICE("new\n"));
    buf_append(&f.want, "new\n", 4);
    open_followed(&f, &known, 1);
    expect(&f, QUIET_MS);
    finish(&f);
  }
}
END_TEST

START_TEST(started_again_nothing_comes_twice) {
  struct followed f;
  struct input_position known;
  make(&f, "one\ntwo\n");
  read_and_leave(&f, &known, f.log);
  buf_clear(&f.want);
  open_followed(&f, &known, 1);
  expect(&f, QUIET_MS);
  add(&f, f.log, "three\n");
  expect(&f, QUIET_MS);
  finish(&f);
}
END_TEST

START_TEST(several_files_are_read_in_turn_and_one_file_named_twice_is_refused) {
  struct followed f;
  make(&f, "one\n");
  const char *names[] = {f.log, f.first};
  write_file(f.first, "w", SLICE("other\n"));
  ck_assert(reader_open(&f.r, names, 2, true, 2, NULL, 0));
  ck_assert_int_eq(reader_run(&f.r, 2, QUIET_MS), SOURCE_IDLE);
  ck_assert_uint_eq(f.r.fresh.len, 10);
  write_file(f.log, "a", SLICE("x\n"));
  write_file(f.first, "a", SLICE("y\n"));
  ck_assert_int_eq(reader_run(&f.r, 2, QUIET_MS), SOURCE_IDLE);
  ck_assert_uint_eq(f.r.fresh.len, 14);
  reader_close(&f.r);
  names[1] = f.log;
  ck_assert(!reader_open(&f.r, names, 2, true, 2, NULL, 0));
  ck_assert_int_eq(f.r.err.kind, ERROR_USAGE);
  finish(&f);
}
END_TEST

TEST_MAIN(lines_come_as_the_file_grows_and_only_whole, renamed_file_is_read_to_its_end_with_what_is_written_after_the_rename,
          copytruncate_gives_each_line_once_and_finds_in_the_copy_what_was_not_read,
          file_written_anew_in_place_and_longer_than_before_is_noticed,
          rotated_while_away_the_old_file_is_finished_first_packed_or_not, started_again_nothing_comes_twice,
          several_files_are_read_in_turn_and_one_file_named_twice_is_refused)
