/* base/json_reader: fields of documents, batches of documents, and any bytes that are none. */
#include "base/json_reader.h"

#include "base/buf.h"
#include "tests/unit/check_main.h"

static const char *const PATHS[] = {"type", "response.code", "response.content", "to", "host", "host.name", "flag", "@timestamp"};
enum { TYPE, CODE, CONTENT, TO, HOST, HOST_NAME, FLAG, STAMP, PATH_COUNT };

static struct json_reader *reader;
static struct json_fields *fields;
static struct json_value values[PATH_COUNT];

static void open_reader(void) {
  reader = json_reader_new();
  fields = json_fields_new(PATHS, PATH_COUNT);
}

static void close_reader(void) {
  json_reader_free(reader);
  json_fields_free(fields);
}

static bool read_text(struct slice text) { return json_read_object(reader, text, text.ptr + text.len, fields, values); }

START_TEST(fields_are_found_by_name_and_by_path) {
  open_reader();
  ck_assert(
      read_text(SLICE("{\"x\":{\"type\":1},\"type\":\"Bounce\",\"response\":{\"y\":[{}],\"code\": 550 ,\"content\":\"no\"},"
                      "\"to\":[\"a\", \"b\" ] ,\"host\":\"mx1\",\"flag\":true}")));
  ck_assert_int_eq(values[TYPE].kind, JSON_STRING);
  ck_assert_slice_eq(values[TYPE].text, "Bounce");
  ck_assert_int_eq(values[CODE].kind, JSON_NUMBER);
  ck_assert_slice_eq(values[CODE].text, "550");
  ck_assert_slice_eq(values[CONTENT].text, "no");
  ck_assert_int_eq(values[TO].kind, JSON_ARRAY);
  ck_assert_slice_eq(values[TO].text, "[\"a\", \"b\" ]");
  ck_assert_slice_eq(values[HOST].text, "mx1");
  ck_assert_int_eq(values[HOST_NAME].kind, JSON_ABSENT);
  ck_assert_int_eq(values[FLAG].kind, JSON_BOOL);
  ck_assert_int_eq(values[STAMP].kind, JSON_ABSENT);
  close_reader();
}
END_TEST

START_TEST(a_path_below_another_and_a_name_with_dots_are_found) {
  open_reader();
  ck_assert(read_text(SLICE("{\"host\":{\"name\":\"mx1\",\"id\":7}}")));
  ck_assert_int_eq(values[HOST].kind, JSON_ABSENT);
  ck_assert_slice_eq(values[HOST_NAME].text, "mx1");
  ck_assert(read_text(SLICE("{\"host.name\":\"mx2\",\"type\":null}")));
  ck_assert_slice_eq(values[HOST_NAME].text, "mx2");
  ck_assert_int_eq(values[TYPE].kind, JSON_NULL);
  close_reader();
}
END_TEST

/* A reader remembers what the n-th name was. */
START_TEST(the_same_name_at_the_same_place_but_in_another_object_is_another) {
  open_reader();
  ck_assert(read_text(SLICE("{\"host\":{\"name\":\"mx1\"},\"type\":\"a\"}")));
  ck_assert_slice_eq(values[HOST_NAME].text, "mx1");
  ck_assert(read_text(SLICE("{\"flag\":1,\"name\":\"top\",\"type\":\"b\"}")));
  ck_assert_int_eq(values[HOST_NAME].kind, JSON_ABSENT);
  ck_assert_slice_eq(values[TYPE].text, "b");
  ck_assert(read_text(SLICE("{\"types\":1,\"typ\":2,\"type\":\"c\"}")));
  ck_assert_slice_eq(values[TYPE].text, "c");
  close_reader();
}
END_TEST

START_TEST(escapes_are_undone_and_the_last_of_two_counts) {
  open_reader();
  ck_assert(read_text(SLICE("{\"type\":\"x\",\"type\":\"a\\\"b\\\\c\\n\\u00e9\\ud83d\\udcee\",\"host\":\"\"}")));
  ck_assert_slice_eq(values[TYPE].text, "a\"b\\c\n\xc3\xa9\xf0\x9f\x93\xae");
  ck_assert_int_eq(values[HOST].kind, JSON_STRING);
  ck_assert(!slice_is_absent(values[HOST].text) && values[HOST].text.len == 0);
  close_reader();
}
END_TEST

START_TEST(bytes_that_are_no_utf8_become_the_replacement_character) {
  open_reader();
  ck_assert(read_text(SLICE("{\"host\":\"mx1\",\"type\":\"jos\xe9 \xff\"}")));
  ck_assert_slice_eq(values[TYPE].text, "jos\xef\xbf\xbd \xef\xbf\xbd");
  ck_assert_slice_eq(values[HOST].text, "mx1");
  close_reader();
}
END_TEST

START_TEST(what_is_no_single_object_is_an_error) {
  static const char *const BAD[] = {"",
                                    " ",
                                    "{",
                                    "}",
                                    "{\"type\"}",
                                    "{\"type\":}",
                                    "{\"type\":tru}",
                                    "[]",
                                    "7",
                                    "\"type\"",
                                    "{\"type\":1}}",
                                    "{\"type\":1} {}",
                                    "{\"type\":\"a\x01\"}",
                                    "{\"type\":\"a}",
                                    "{]",
                                    "{\"type\":[1}",
                                    "{\"type\":1x}",
                                    "{\"type\":\"\\q\"}",
                                    "{\"type\":\"\\ud800\"}",
                                    "{\"a\":1,}",
                                    "nonsense"};
  open_reader();
  for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) ck_assert_msg(!read_text(slice_from_cstr(BAD[i])), "%s", BAD[i]);
  ck_assert(read_text(SLICE(" {} ")));
  close_reader();
}
END_TEST

/* In place when 64 bytes may be read behind the newline, else from a copy: the same either way. */
START_TEST(what_lies_behind_the_text_is_never_part_of_it) {
  open_reader();
  static const char BEHIND[] =
      "{\"type\":\"first\"}\n}}}}]]]],\"host\":\"no\"}\n{\"type\":\"second\"}                                        ";
  struct slice text = slice_of(BEHIND, 16);
  ck_assert(json_read_object(reader, text, BEHIND + sizeof BEHIND - 1, fields, values));
  ck_assert_slice_eq(values[TYPE].text, "first");
  ck_assert_int_eq(values[HOST].kind, JSON_ABSENT);
  ck_assert(!json_read_object(reader, slice_of(BEHIND, 15), BEHIND + sizeof BEHIND - 1, fields, values));
  close_reader();
}
END_TEST

/* ---- batches ------------------------------------------------------------------------------------------------------------------ */

static void note_record(void *context, const struct json_record *record) {
  struct buf *out = context;
  if (record->values)
    buf_printf(out, "<%.*s>", SLICE_ARG(record->values[TYPE].text));
  else
    buf_printf(out, "%d", (int)record->whole.kind);
  buf_printf(out, "%.*s;", SLICE_ARG(record->whole.text));
}

/* What note_record saw, with "!" and the rest when not all was JSON. */
static void check_records(const char *text, const char *expected) {
  struct buf out = {0};
  struct slice rest, all = slice_from_cstr(text);
  if (!json_read_records(reader, all, all.ptr + all.len, fields, note_record, &out, &rest))
    buf_printf(&out, "!%.*s", SLICE_ARG(rest));
  ck_assert_slice_eq(buf_slice(&out), expected);
  buf_deinit(&out);
}

START_TEST(documents_behind_one_another_and_arrays_are_records) {
  open_reader();
  check_records("", "");
  check_records(" {\"type\":\"a\"} ", "<a>{\"type\":\"a\"};");
  check_records("{\"type\":\"a\"}{\"type\":\"b\"} {\"x\":\"}\\\"{\"}",
                "<a>{\"type\":\"a\"};<b>{\"type\":\"b\"};<>{\"x\":\"}\\\"{\"};");
  check_records("[{\"type\":\"a\"},{\"x\":1}]", "<a>{\"type\":\"a\"};<>{\"x\":1};"); /* nothing is left of the record before */
  check_records("[{\"type\":\"a\"} , {\"type\":\"b\"}]", "<a>{\"type\":\"a\"};<b>{\"type\":\"b\"};");
  check_records("[[17.5,{\"type\":\"a\"}],\"li\\ne\"]", "317.5;<a>{\"type\":\"a\"};4li\ne;");
  check_records("[[[[1]]]]", "5[[1]];");
  check_records("\x1e{\"type\":\"a\"}\n", "<a>{\"type\":\"a\"};");
  check_records("[][]{}", "<>{};");
  close_reader();
}
END_TEST

START_TEST(what_is_no_json_is_handed_back) {
  open_reader();
  check_records("{\"type\":\"a\"}{\"type\":\"b\"", "<a>{\"type\":\"a\"};!{\"type\":\"b\"");
  check_records("{\"type\":\"a\"} x{}", "<a>{\"type\":\"a\"};!x{}");
  check_records("[{\"type\":\"a\"},{\"type\":]", "![{\"type\":\"a\"},{\"type\":]");
  check_records("[{\"type\":\"a\"},{\"type\":}]", "<a>{\"type\":\"a\"};![{\"type\":\"a\"},{\"type\":}]");
  check_records("4", "!4");
  close_reader();
}
END_TEST

static bool note_member(void *context, struct slice name, const struct json_value *value) {
  buf_printf(context, "%.*s=%d:%.*s;", SLICE_ARG(name), (int)value->kind, SLICE_ARG(value->text));
  return !slice_equal(name, SLICE("stop"));
}

START_TEST(members_and_elements_are_gone_through_in_order) {
  struct buf out = {0};
  open_reader();
  ck_assert(json_each(reader, SLICE("{\"a\\u0062\":\"x\",\"stop\":[1, 2],\"never\":1}"), note_member, &out));
  ck_assert(json_each(reader, SLICE("[77,null,{\"a\":1}]"), note_member, &out));
  ck_assert_slice_eq(buf_slice(&out), "ab=4:x;stop=5:[1, 2];=3:77;=1:null;=6:{\"a\":1};");
  ck_assert(!json_each(reader, SLICE("17"), note_member, &out));
  ck_assert(!json_each(reader, SLICE("[1,"), note_member, &out));
  buf_deinit(&out);
  close_reader();
}
END_TEST

START_TEST(numbers_are_read_exactly_or_not_at_all) {
  int64_t whole;
  double any;
  ck_assert(json_number_int64(SLICE("1732435207123456"), &whole) && whole == 1732435207123456);
  ck_assert(json_number_int64(SLICE("-5"), &whole) && whole == -5);
  ck_assert(json_number_double(SLICE("1.5e3"), &any) && any == 1500);
  static const char *const BAD[] = {"", "1.5", "99999999999999999999", "0x1", " 1", "1 ", "-"};
  for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
    ck_assert_msg(!json_number_int64(slice_from_cstr(BAD[i]), &whole), "%s", BAD[i]);
  ck_assert(!json_number_double(SLICE("nan"), &any) && !json_number_double(SLICE("inf"), &any) &&
            !json_number_double(SLICE(""), &any));
}
END_TEST

/* A megabyte of any one token: linear, and no recursion (each of these would be minutes or a stack overflow otherwise). */
START_TEST(a_megabyte_of_one_token_is_harmless) {
  static const char *const TOKENS[] = {"{",  "[",    "{}",          "[]", "\"", "\\", "{\"a\":", "[{", "{\"type\":\"a\"}",
                                       "1,", "\xff", "{\"host\":{", "}"};
  struct buf text = {0}, out = {0};
  open_reader();
  for (size_t i = 0; i < sizeof TOKENS / sizeof *TOKENS; i++) {
    struct slice rest;
    buf_clear(&text);
    while (text.len < (1u << 20)) buf_append_slice(&text, slice_from_cstr(TOKENS[i]));
    buf_clear(&out);
    read_text(buf_slice(&text));
    json_read_records(reader, buf_slice(&text), text.ptr + text.len, fields, note_record, &out, &rest);
    json_each(reader, buf_slice(&text), note_member, &out);
  }
  buf_deinit(&text);
  buf_deinit(&out);
  close_reader();
}
END_TEST

TEST_MAIN(fields_are_found_by_name_and_by_path, a_path_below_another_and_a_name_with_dots_are_found,
          the_same_name_at_the_same_place_but_in_another_object_is_another, escapes_are_undone_and_the_last_of_two_counts,
          bytes_that_are_no_utf8_become_the_replacement_character, what_is_no_single_object_is_an_error,
          what_lies_behind_the_text_is_never_part_of_it, documents_behind_one_another_and_arrays_are_records,
          what_is_no_json_is_handed_back, members_and_elements_are_gone_through_in_order, numbers_are_read_exactly_or_not_at_all,
          a_megabyte_of_one_token_is_harmless)
