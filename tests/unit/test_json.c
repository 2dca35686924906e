/* base/json: output that is always valid JSON and valid UTF-8. */
#include "base/json.h"

#include "tests/unit/check_main.h"

static struct buf out;

static void check_string(struct slice text, const char *expected) {
  buf_clear(&out);
  json_write_string(&out, text);
  ck_assert_slice_eq(buf_slice(&out), expected);
}

START_TEST(quotes_backslashes_and_controls_are_escaped) {
  check_string(SLICE("a\"b\\c"), "\"a\\\"b\\\\c\"");
  check_string(SLICE("\n\t\x01\x7f"), "\"\\u000a\\u0009\\u0001\\u007f\"");
  check_string(SLICE("\0x"), "\"\\u0000x\"");
}
END_TEST

START_TEST(utf8_passes_and_other_bytes_become_the_replacement_character) {
  check_string(SLICE("\xc3\xa9\xe9\x82\xae\xf0\x9f\x93\xae"), "\"\xc3\xa9\xe9\x82\xae\xf0\x9f\x93\xae\"");
  check_string(SLICE("jos\xe9@x"), "\"jos\xef\xbf\xbd@x\"");
  check_string(SLICE("\xe9\x82"), "\"\xef\xbf\xbd\xef\xbf\xbd\"");
}
END_TEST

/* RFC 3629: overlong forms, surrogates and what is beyond U+10FFFF are no UTF-8. */
START_TEST(forbidden_sequences_are_not_utf8) {
  static const char *const BAD[] = {"\xc0\x80",         "\xc1\xbf",         "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                                    "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\x80",         "\xff"};
  for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) ck_assert_msg(!utf8_is_valid(slice_from_cstr(BAD[i])), "case %zu", i);
  static const char *const GOOD[] = {
      "", "a", "\xc2\x80", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"};
  for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++) ck_assert_msg(utf8_is_valid(slice_from_cstr(GOOD[i])), "case %zu", i);
}
END_TEST

START_TEST(doubles_have_no_trailing_zeros) {
  static const struct {
    double value;
    const char *text;
  } CASES[] = {{0, "0"}, {1.5, "1.5"}, {100, "100"}, {0.000001, "0.000001"}, {1.0 / 3, "0.333333"}};
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
    buf_clear(&out);
    json_write_double(&out, CASES[i].value);
    ck_assert_slice_eq(buf_slice(&out), CASES[i].text);
  }
}
END_TEST

START_TEST(absent_is_null_and_empty_is_a_string) {
  buf_clear(&out);
  json_write_string_or_null(&out, SLICE_ABSENT);
  json_write_string_or_null(&out, SLICE(""));
  ck_assert_slice_eq(buf_slice(&out), "null\"\"");
}
END_TEST

TEST_MAIN(quotes_backslashes_and_controls_are_escaped, utf8_passes_and_other_bytes_become_the_replacement_character,
          forbidden_sequences_are_not_utf8, doubles_have_no_trailing_zeros, absent_is_null_and_empty_is_a_string)
