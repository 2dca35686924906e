/* A file is known by the bytes of it that were committed. */
#include "tests/unit/check_main.h"

#include "ingest/fingerprint.h"

static struct file_head head_of(struct slice bytes) {
  struct file_head head = {.len = 0};
  file_head_extend(&head, 0, bytes);
  return head;
}

START_TEST(file_that_begins_with_all_that_was_committed_matches) {
  struct input_position known = {.kind = INPUT_FILE};
  struct file_head head = head_of(SLICE("one\ntwo\nthr"));
  fingerprint_commit(&known, &head, 8, SLICE("one\ntwo\n"));
  ck_assert_uint_eq(known.head_len, 8);
  struct file_head longer = head_of(SLICE("one\ntwo\nother\n")), shorter = head_of(SLICE("one\n")),
                   other = head_of(SLICE("one\nTWO\n"));
  ck_assert(file_head_matches(&longer, &known));
  ck_assert(!file_head_matches(&shorter, &known));
  ck_assert(!file_head_matches(&other, &known));
}
END_TEST

START_TEST(nothing_committed_matches_nothing) {
  struct input_position known = {.kind = INPUT_FILE};
  struct file_head head = head_of(SLICE("one\n")), empty = head_of(SLICE(""));
  fingerprint_commit(&known, &head, 0, SLICE(""));
  ck_assert(!file_head_matches(&head, &known));
  ck_assert(!file_head_matches(&empty, &known));
}
END_TEST

START_TEST(head_grows_with_the_file_and_is_the_same_in_whatever_pieces) {
  char bytes[3 * FINGERPRINT_HEAD_BYTES];
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)(i * 31 >> 3);
  struct file_head whole = head_of(slice_of(bytes, sizeof bytes));
  for (size_t piece = 1; piece < 5000; piece += 333) {
    struct file_head head = {.len = 0};
    for (size_t at = 0; at < sizeof bytes; at += piece)
      file_head_extend(&head, at, slice_of(bytes + at, at + piece < sizeof bytes ? piece : sizeof bytes - at));
    ck_assert_uint_eq(head.len, FINGERPRINT_HEAD_BYTES);
    ck_assert_uint_eq(head.full_hash, whole.full_hash);
  }
  struct file_head gap = head_of(slice_of(bytes, 10));
  file_head_extend(&gap, 11, slice_of(bytes + 11, 100));
  ck_assert_uint_eq(gap.len, 10);
}
END_TEST

TEST_MAIN(file_that_begins_with_all_that_was_committed_matches, nothing_committed_matches_nothing,
          head_grows_with_the_file_and_is_the_same_in_whatever_pieces)
