/* libFuzzer: any bytes as JSON, with other bytes behind them. Every slice must lie where the header says it does, and reading in place must
 * give what reading a copy gives. The corpus is tests/fuzz/json_reader/. */
#include <stdlib.h>

#include "base/buf.h"
#include "base/json_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const PATHS[] = {"a", "a.b", "a.b.c", "message", "response.code", "x"};
enum { PATH_COUNT = sizeof PATHS / sizeof *PATHS };

static void require(bool is_true) {
  if (!is_true) abort();
}

static void note_value(struct buf *out, const struct json_value *value) {
  buf_append(out, &value->kind, sizeof value->kind);
  buf_append_slice(out, value->text);
  if (value->kind != JSON_NUMBER) return;
  int64_t whole;
  double any;
  json_number_int64(value->text, &whole);
  json_number_double(value->text, &any);
}

static void note_record(void *context, const struct json_record *record) {
  for (size_t i = 0; record->values && i < PATH_COUNT; i++) note_value(context, &record->values[i]);
  note_value(context, &record->whole);
}

static bool note_member(void *context, struct slice name, const struct json_value *value) {
  buf_append_slice(context, name);
  note_value(context, value);
  return true;
}

static void read_all_ways(struct slice text, const char *limit, const struct json_fields *fields, struct buf *out) {
  struct json_value values[PATH_COUNT];
  struct slice rest;
  struct json_reader *reader = json_reader_new();
  bool is_object = json_read_object(reader, text, limit, fields, values);
  buf_append_byte(out, is_object);
  for (size_t i = 0; is_object && i < PATH_COUNT; i++) note_value(out, &values[i]);
  bool is_all = json_read_records(reader, text, limit, fields, note_record, out, &rest);
  buf_append_byte(out, is_all);
  require(rest.ptr >= text.ptr && rest.ptr + rest.len == text.ptr + text.len);
  buf_append_byte(out, json_each(reader, text, note_member, out));
  json_reader_free(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char BEHIND[] = "\n}]}],\"}{[{}]}:}]}]}],\"}{[{}]}:}]}]}],\"}{[{}]}:}]}]}],\"}{[{}]}:}]";
  struct json_fields *fields = json_fields_new(PATHS, PATH_COUNT);
  struct buf in_place = {0}, copied = {0};
  char *alone = malloc(size + 1), *followed = malloc(size + sizeof BEHIND); /* of their own size, so that a byte too far is seen */
  require(alone && followed);
  if (size) memcpy(alone, data, size), memcpy(followed, data, size);
  memcpy(followed + size, BEHIND, sizeof BEHIND);
  read_all_ways(slice_of(alone, size), alone + size, fields, &copied);
  read_all_ways(slice_of(followed, size), followed + size + sizeof BEHIND, fields, &in_place);
  require(slice_equal(buf_slice(&in_place), buf_slice(&copied)));
  buf_deinit(&in_place);
  buf_deinit(&copied);
  free(alone);
  free(followed);
  json_fields_free(fields);
  return 0;
}
