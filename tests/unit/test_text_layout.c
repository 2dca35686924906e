/* tools/text_layout: columns, numbers and paragraphs for terminals. */
#include "tools/text_layout.h"

#include "tests/unit/check_main.h"

static struct buf out;

#define CHECK_OUT(text)                        \
  do {                                         \
    ck_assert_slice_eq(buf_slice(&out), text); \
    buf_clear(&out);                           \
  } while (0)

START_TEST(counts_are_grouped_by_three) {
  text_append_count(&out, 0, 3);
  CHECK_OUT("  0");
  text_append_count(&out, 1234567, 0);
  CHECK_OUT("1,234,567");
  text_append_count(&out, 999, 0);
  CHECK_OUT("999");
}
END_TEST

START_TEST(percent_of_nothing_is_a_dash) {
  text_append_percent(&out, 1, 0, 3);
  CHECK_OUT("  -");
  text_append_percent(&out, 1, 8, 0);
  CHECK_OUT("12.5 %");
  text_append_percent(&out, 1, 10000, 0);
  CHECK_OUT("0.01 %");
}
END_TEST

START_TEST(wide_characters_take_two_cells) {
  ck_assert_uint_eq(text_width(SLICE("abc")), 3);
  ck_assert_uint_eq(text_width(SLICE("\xe9\x82\xae\xe7\xae\xb1")), 4);
  text_append_left(&out, SLICE("\xe9\x82\xae\xe7\xae\xb1"), 6);
  CHECK_OUT("\xe9\x82\xae\xe7\xae\xb1  ");
}
END_TEST

START_TEST(what_is_too_long_ends_in_an_ellipsis) {
  text_append_left(&out, SLICE("abcdefgh"), 5);
  CHECK_OUT("abcd\xe2\x80\xa6");
  text_append_left(&out, SLICE("abcde"), 5);
  CHECK_OUT("abcde");
}
END_TEST

START_TEST(control_bytes_do_not_reach_the_terminal) {
  text_append_cut(&out, SLICE("a\x1b[31m\n"), 20);
  CHECK_OUT("a?[31m?");
}
END_TEST

START_TEST(paragraphs_wrap_inside_80_columns) {
  char words[400];
  for (size_t i = 0; i < sizeof words; i++) words[i] = i % 7 == 6 ? ' ' : 'x';
  text_append_paragraph(&out, SLICE("check"), slice_of(words, sizeof words), 4, 12);
  struct slice rest = buf_slice(&out);
  size_t lines = 0;
  while (rest.len) {
    size_t len = slice_find_byte(rest, '\n');
    ck_assert_uint_le(len, TEXT_WIDTH);
    rest = slice_skip(rest, len + 1);
    lines++;
  }
  ck_assert_uint_ge(lines, 6);
  buf_clear(&out);
}
END_TEST

START_TEST(a_word_longer_than_the_line_is_broken) {
  char word[200];
  memset(word, 'y', sizeof word);
  text_append_paragraph(&out, SLICE(""), slice_of(word, sizeof word), 0, 10);
  size_t letters = 0;
  for (size_t i = 0; i < out.len; i++) letters += out.ptr[i] == 'y';
  ck_assert_uint_eq(letters, sizeof word);
  buf_clear(&out);
}
END_TEST

TEST_MAIN(counts_are_grouped_by_three, percent_of_nothing_is_a_dash, wide_characters_take_two_cells,
          what_is_too_long_ends_in_an_ellipsis, control_bytes_do_not_reach_the_terminal, paragraphs_wrap_inside_80_columns,
          a_word_longer_than_the_line_is_broken)
