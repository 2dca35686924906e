/* classify/gb18030: Chinese literals of rules are found in replies in GB18030 too. */
#include "classify/gb18030.h"

#include "classify/classify.h"
#include "tests/unit/check_main.h"
#include "tools/cache_dir.h"

static struct slice converted(const char *literal, char *out) {
  struct gb18030 *converter = gb18030_new();
  ck_assert_ptr_nonnull(converter);
  size_t len = gb18030_from_literal(converter, slice_from_cstr(literal), out);
  gb18030_free(converter);
  return slice_of(out, len);
}

START_TEST(chinese_literal_is_converted_once_at_load) {
  char out[64];
  struct slice bytes = converted("用户不存在", out);
  ck_assert_int_eq(bytes.len, 10);
  ck_assert_mem_eq(bytes.ptr, "\xd3\xc3\xbb\xa7\xb2\xbb\xb4\xe6\xd4\xda", 10);
  bytes = converted("发信ip被禁", out);
  ck_assert_mem_eq(bytes.ptr, "\xb7\xa2\xd0\xc5ip\xb1\xbb\xbd\xfb", 10);
}
END_TEST

START_TEST(literals_that_are_not_chinese_stay_in_utf8) {
  static const char *const LITERALS[] = {"user unknown", "boîte pleine", "迷惑メール", "스팸", "満ユーザ", "满", "",
                                         "\xff\xfe用户", "😀用户"};
  for (size_t i = 0; i < sizeof LITERALS / sizeof *LITERALS; i++) {
    char out[64];
    ck_assert_msg(converted(LITERALS[i], out).len == 0, "%s", LITERALS[i]);
  }
}
END_TEST

/* The second byte of U+4E04 is 'A' (81 41), which is lowered in replies. */
START_TEST(bytes_that_normalising_changes_are_left_out) {
  char out[64];
  ck_assert_int_eq(converted("丄丄", out).len, 0);
}
END_TEST

static enum cause cause_of(const char *reply) {
  struct error err;
  struct classifier *classifier = classifier_new_cached(&(struct classifier_options){0}, &err);
  ck_assert_msg(classifier != NULL, "%s", err.text);
  struct classify_context *context = classify_context_new(classifier, &err);
  struct delivery d;
  delivery_init(&d);
  d.status = STATUS_bounced;
  d.reply = slice_from_cstr(reply);
  reply_read_codes(d.reply, &d.smtp_code, &d.dsn);
  d.service = SLICE("smtp");
  struct verdict verdict;
  classify_deliveries(context, &d, 1, &verdict);
  classify_context_free(context);
  classifier_free(classifier);
  return verdict.cause;
}

START_TEST(reply_in_gb18030_has_the_cause_of_the_same_text_in_utf8) {
  ck_assert_int_eq(cause_of("550 用户不存在"), CAUSE_user_unknown);
  ck_assert_int_eq(cause_of("550 \xd3\xc3\xbb\xa7\xb2\xbb\xb4\xe6\xd4\xda"), CAUSE_user_unknown);
  ck_assert_int_eq(cause_of("554 5.7.1 \xca\xd5\xbc\xfe\xc8\xcb\xbe\xdc\xca\xd5"), CAUSE_recipient_filter); /* 收件人拒收 */
  ck_assert_int_eq(cause_of("552 \xd3\xca\xcf\xe4\xd2\xd1\xc2\xfa"), CAUSE_mailbox_full);                   /* 邮箱已满 */
}
END_TEST

/* Without its last character: 用户不存. */
START_TEST(half_a_literal_is_none) { ck_assert_int_ne(cause_of("550 \xd3\xc3\xbb\xa7\xb2\xbb\xb4\xe6"), CAUSE_user_unknown); }
END_TEST

TEST_MAIN(chinese_literal_is_converted_once_at_load, literals_that_are_not_chinese_stay_in_utf8,
          bytes_that_normalising_changes_are_left_out, reply_in_gb18030_has_the_cause_of_the_same_text_in_utf8,
          half_a_literal_is_none)
