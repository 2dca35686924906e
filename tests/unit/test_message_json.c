/* Messages of Kafka that are no lines: MessagePack, and JSON over several lines. */
#include "ingest/message_json.h"

#include "tests/unit/check_main.h"

static void check_msgpack(struct slice message, const char *expected) {
  struct buf out = {0};
  buf_append(&out, ">", 1);
  bool is_taken = message_from_msgpack(message, &out);
  ck_assert_int_eq(is_taken, expected != NULL);
  ck_assert_slice_eq(slice_skip(buf_slice(&out), 1), expected ? expected : "");
  buf_deinit(&out);
}

START_TEST(records_become_json) {
  check_msgpack(SLICE("\x81\xa3log\xa5hello"), "{\"log\":\"hello\"}");
  check_msgpack(SLICE("\x92\xd7\x00\x6b\x05\x4a\xcb\x07\x5b\xcd\x15\x81\xa3log\xa1x"), "[1795508939.123456789,{\"log\":\"x\"}]");
  check_msgpack(SLICE("\x92\xcb\x41\xda\xc1\x53\xb2\xd0\x00\x00\x80"), "[1795509963.250000,{}]");
  check_msgpack(SLICE("\x92\x92\xd7\x00\x6b\x05\x4a\xcb\x00\x00\x00\x00\x80\x81\xa1"
                      "a\xc0"),
                "[[1795508939.000000000,{}],{\"a\":null}]");
  check_msgpack(SLICE("\x80\x80"), "{}{}");
}
END_TEST

START_TEST(every_type_has_its_form) {
  check_msgpack(SLICE("\xdc\x00\x09\xc2\xc3\x7f\xff\xcd\x01\x00\xd1\xff\xfe\xc4\x02\"\n\xd9\x01z\xce\xff\xff\xff\xff"),
                "[false,true,127,-1,256,-2,\"\\\"\\u000a\",\"z\",4294967295]");
  check_msgpack(SLICE("\x91\xca\x3f\xc0\x00\x00"), "[1.500000]");
  check_msgpack(SLICE("\x91\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00"), "[null]");
  check_msgpack(SLICE("\x91\xd6\xff\x6b\x05\x4a\xcb"), "[1795508939.000000000]");
  check_msgpack(SLICE("\x91\xc7\x03\x05"
                      "abc"),
                "[null]");
  check_msgpack(SLICE("\xde\x00\x01\xa1k\x81\xa1l\x90"), "{\"k\":{\"l\":[]}}");
  check_msgpack(SLICE("\x91\xd3\xff\xff\xff\xff\xff\xff\xff\xff"), "[-1]");
}
END_TEST

START_TEST(what_is_no_record_is_left_alone) {
  check_msgpack(SLICE(""), NULL);
  check_msgpack(SLICE("Nov 24 08:15:07 mx1 postfix"), NULL);
  check_msgpack(SLICE("{\"log\":\"x\"}"), NULL);
  check_msgpack(SLICE("\xa5hello"), NULL);
  check_msgpack(SLICE("\x81\xa3log\xa5hell"), NULL);    /* cut */
  check_msgpack(SLICE("\x81\xa3log\xa5hello\n"), NULL); /* more behind */
  check_msgpack(SLICE("\xdd\xff\xff\xff\xff"), NULL);   /* five bytes that promise gigabytes */
  check_msgpack(SLICE("\xdf\xff\xff\xff\xff\xa1"), NULL);
  check_msgpack(SLICE("\x81\x01\x02"), NULL); /* names are texts */
  check_msgpack(SLICE("\xc1"), NULL);
  struct buf deep = {0};
  for (int i = 0; i < 1000000; i++) buf_append_byte(&deep, '\x91');
  check_msgpack(buf_slice(&deep), NULL);
  buf_deinit(&deep);
}
END_TEST

static void check_joined(const char *text, const char *expected) {
  char copy[256];
  strcpy(copy, text);
  message_join_json(copy, strlen(copy));
  ck_assert_str_eq(copy, expected);
}

START_TEST(a_document_over_several_lines_becomes_one) {
  check_joined("{\n  \"a\": 1,\n  \"b\": {\n  }\n}\n", "{   \"a\": 1,   \"b\": {   } } ");
  check_joined("[\n{\"a\":1},\n{\"b\":1}\n]", "[ {\"a\":1}, {\"b\":1} ]");
  check_joined("{\"a\":{}\n,\"b\":1}", "{\"a\":{} ,\"b\":1}");
}
END_TEST

START_TEST(documents_of_a_line_each_stay_lines) {
  check_joined("{\"a\":1}\n{\"b\":1}\n", "{\"a\":1}\n{\"b\":1}\n");
  check_joined("{\"a\":1}\r\n\n[1]\n", "{\"a\":1}\r\n\n[1]\n");
  check_joined("{\"a\":1}\n", "{\"a\":1}\n");
  check_joined("plain\n{\"b\":1}\n", "plain\n{\"b\":1}\n");
  check_joined("", "");
}
END_TEST

TEST_MAIN(records_become_json, every_type_has_its_form, what_is_no_record_is_left_alone, a_document_over_several_lines_becomes_one,
          documents_of_a_line_each_stay_lines)
