/* tools/unparsed and ingest/dead_letter: records of lines that could not be parsed, where they go, and how many are shown. */
#include "tools/unparsed.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "tests/unit/check_main.h"

static const struct source_options NO_OPTIONS = {0};

/* The contents of a file, NUL-terminated. */
static const char *contents(const char *path) {
  static char text[4096];
  FILE *file = fopen(path, "rb");
  ck_assert_msg(file != NULL, "%s is missing", path);
  text[fread(text, 1, sizeof text - 1, file)] = 0;
  fclose(file);
  return text;
}

static const char *file_with(const char *text) {
  static char path[64];
  snprintf(path, sizeof path, "/tmp/bouncemill-letters-XXXXXX");
  int fd = mkstemp(path);
  ck_assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
  close(fd);
  return path;
}

static void check_record(struct slice line, const char *expected) {
  struct buf out = {0};
  unparsed_write_record(SLICE("a \"file\""), 7, UNPARSED_BODY, line, &out);
  ck_assert_slice_eq(buf_slice(&out), expected);
  buf_deinit(&out);
}

START_TEST(record_keeps_every_byte_of_its_line) {
  check_record(SLICE("x\ty"), "{\"input\":\"a \\\"file\\\"\",\"position\":7,\"reason\":\"body\",\"line\":\"x\\u0009y\"}\n");
  check_record(SLICE("gr\xc3\xbc\xc3\x9f"),
               "{\"input\":\"a \\\"file\\\"\",\"position\":7,\"reason\":\"body\",\"line\":\"gr\xc3\xbc\xc3\x9f\"}\n");
  check_record(SLICE("\xff"),
               "{\"input\":\"a \\\"file\\\"\",\"position\":7,\"reason\":\"body\",\"line\":\"\xef\xbf\xbd\",\"bytes\":\"/w==\"}\n");
  check_record(SLICE("\xff\0"),
               "{\"input\":\"a \\\"file\\\"\",\"position\":7,\"reason\":\"body\",\"line\":\"\xef\xbf\xbd\\u0000\","
               "\"bytes\":\"/wA=\"}\n");
  check_record(SLICE("a\xfe\xff"),
               "{\"input\":\"a \\\"file\\\"\",\"position\":7,\"reason\":\"body\",\"line\":\"a\xef\xbf\xbd\xef\xbf\xbd\","
               "\"bytes\":\"Yf7/\"}\n");
}
END_TEST

START_TEST(file_is_appended_to_and_a_torn_record_gets_its_end) {
  struct error err = {0};
  const char *path = file_with("whole\ntorn");
  struct dead_letters *letters = dead_letters_new(path, &NO_OPTIONS, &err);
  ck_assert_msg(letters != NULL, "%s", err.text);
  dead_letters_write(letters, SLICE("one\ntwo\n"));
  ck_assert(dead_letters_sync(letters, &err));
  dead_letters_free(letters);
  ck_assert_str_eq(contents(path), "whole\ntorn\none\ntwo\n");
  unlink(path);
}
END_TEST

START_TEST(renamed_file_is_followed_by_a_new_one) {
  struct error err = {0};
  const char *path = file_with("");
  char old[80];
  snprintf(old, sizeof old, "%s.1", path);
  struct dead_letters *letters = dead_letters_new(path, &NO_OPTIONS, &err);
  ck_assert_int_eq(rename(path, old), 0);
  dead_letters_write(letters, SLICE("one\n"));
  ck_assert(dead_letters_sync(letters, &err));
  dead_letters_write(letters, SLICE("two\n"));
  ck_assert(dead_letters_sync(letters, &err));
  dead_letters_free(letters);
  ck_assert_str_eq(contents(old), "one\n");
  ck_assert_str_eq(contents(path), "two\n");
  unlink(path), unlink(old);
}
END_TEST

START_TEST(full_disk_is_told_by_each_sync_from_then_on) {
  struct error err = {0};
  struct dead_letters *letters = dead_letters_new("/dev/full", &NO_OPTIONS, &err);
  ck_assert_msg(letters != NULL, "%s", err.text);
  ck_assert(dead_letters_sync(letters, &err));
  dead_letters_write(letters, SLICE("one\n"));
  for (int i = 0; i < 2; i++) {
    err = (struct error){0};
    ck_assert(!dead_letters_sync(letters, &err));
    ck_assert_int_eq(err.kind, ERROR_INPUT);
    ck_assert_msg(strstr(err.text, "/dev/full") && strstr(err.text, "No space left"), "%s", err.text);
  }
  dead_letters_free(letters);
}
END_TEST

START_TEST(target_that_cannot_be_opened_is_named) {
  struct error err = {0};
  ck_assert(dead_letters_new("/nonexistent/letters", &NO_OPTIONS, &err) == NULL);
  ck_assert(err.kind == ERROR_INPUT && strstr(err.text, "/nonexistent/letters"));
  err = (struct error){0};
  ck_assert(dead_letters_new("kafka://host", &NO_OPTIONS, &err) == NULL);
  ck_assert_int_eq(err.kind, ERROR_USAGE);
}
END_TEST

START_TEST(samples_are_five_at_once_and_then_one_in_ten_seconds) {
  struct sample_budget budget = {0};
  int64_t now_us = 1000;
  sample_budget_refill(&budget, now_us);
  ck_assert_uint_eq(budget.count, 5);
  budget.count = 0;
  sample_budget_refill(&budget, now_us + SAMPLE_PERIOD_US - 1);
  ck_assert_uint_eq(budget.count, 0);
  sample_budget_refill(&budget, now_us + SAMPLE_PERIOD_US);
  ck_assert_uint_eq(budget.count, 1);
  sample_budget_refill(&budget, now_us + SAMPLE_PERIOD_US * 5 / 2);
  ck_assert_uint_eq(budget.count, 2);
  sample_budget_refill(&budget, now_us + SAMPLE_PERIOD_US * 3);
  ck_assert_uint_eq(budget.count, 3);
  sample_budget_refill(&budget, now_us + SAMPLE_PERIOD_US * 1000);
  ck_assert_uint_eq(budget.count, 5);
}
END_TEST

TEST_MAIN(record_keeps_every_byte_of_its_line, file_is_appended_to_and_a_torn_record_gets_its_end,
          renamed_file_is_followed_by_a_new_one, full_disk_is_told_by_each_sync_from_then_on, target_that_cannot_be_opened_is_named,
          samples_are_five_at_once_and_then_one_in_ten_seconds)
