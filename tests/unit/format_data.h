/* What the tests of every format share: a text read by its parser, each line described and compared.
 *
 * What each line of tests/data/FORMAT/NAME.log is read as stands in NAME.expected.ndjson, one line a line: {"kind":...} for what is kept
 * (several with a blank between them where one line says several things), {"noise":KIND} and {"unparsed":REASON} for the others.
 *
 *   START_TEST(every_line_of_the_data_is_read_as_expected) { ck_assert_uint_ge(for_each_log("exim", check_expected), 5); } END_TEST
 *   START_TEST(chunk_boundaries_change_nothing) { ck_assert_uint_ge(for_each_log("exim", check_chunks), 5); } END_TEST */
#ifndef TESTS_FORMAT_DATA_H
#define TESTS_FORMAT_DATA_H

#include <dirent.h>
#include <stdio.h>

#include "base/memory.h"
#include "tests/unit/check_main.h"
#include "tests/unit/line_json.h"

#define NOW_US (1763985600 * US_PER_SECOND) /* 2025-11-24 12:00 UTC */

static inline struct slice read_file(const char *path) {
  FILE *file = fopen(path, "rb");
  ck_assert_msg(file != NULL, "%s is missing", path);
  char *bytes = memory_alloc(1 << 20);
  size_t len = fread(bytes, 1, 1 << 20, file);
  fclose(file);
  return slice_of(bytes, len);
}

/* A text in memory of its own size, so that a sanitizer sees a byte too far, and its parser. */
struct reading {
  struct time_rules rules;
  struct batch batch;
  struct parser parser;
  struct buf unparsed;
};

static inline void when_unparsed(void *context, struct slice line, enum unparsed_reason reason, uint64_t position) {
  struct reading *reading = context;
  buf_printf(&reading->unparsed, "%llu %d %zu\n", (unsigned long long)position, (int)reason, line.len);
}

static inline void reading_init(struct reading *reading, const char *format, struct slice text, unsigned worker_count) {
  *reading = (struct reading){.rules = {.now_us = NOW_US}};
  char *copy = memory_alloc(text.len + !text.len);
  if (text.len) memcpy(copy, text.ptr, text.len);
  reading->batch = (struct batch){.base = copy, .len = text.len, .reference_time_us = NOW_US};
  reading->batch.head = slice_of(copy, slice_find_byte(slice_of(copy, text.len), '\n'));
  parser_init(&reading->parser, format_find(slice_from_cstr(format)), &reading->rules, worker_count);
  reading->parser.when_unparsed = when_unparsed;
  reading->parser.context = reading;
}

static inline void reading_deinit(struct reading *reading) {
  parser_deinit(&reading->parser);
  buf_deinit(&reading->unparsed);
  free((char *)reading->batch.base);
}

static inline void parse(struct reading *reading, size_t begin, size_t end) {
  const char *base = reading->batch.base;
  reading->parser.format->parse(&reading->parser, &reading->batch, base, base + begin, base + end);
}

static inline uint64_t sum_of(const struct line_counts *counts) {
  uint64_t sum = counts->delivery + counts->info;
  for (size_t i = 0; i < NOISE_COUNT; i++) sum += counts->noise[i];
  for (size_t i = 0; i < UNPARSED_REASON_COUNT; i++) sum += counts->unparsed[i];
  return sum;
}

/* What became of the one line that was read since `before`. */
static inline void describe(const struct parser *parser, const struct line_counts *before, struct buf *out) {
  const struct line_counts *after = &parser->counts;
  ck_assert_uint_eq(sum_of(after), sum_of(before) + 1);
  const struct line_list *list = &parser->lists[0];
  unsigned delivery_count = 0;
  for (size_t i = 0; i < list->count; i++) {
    enum line_kind kind = list->items[i].kind;
    delivery_count += kind == LINE_DELIVERY || kind == LINE_COUNTED || kind == LINE_REJECT || kind == LINE_RECORD ||
                      kind == LINE_RESULT || kind == LINE_GROUP;
    if (i) buf_append_byte(out, ' ');
    line_json_write(out, &list->items[i]);
  }
  if (list->count) {
    ck_assert_uint_eq(after->delivery - before->delivery, delivery_count > 0);
    return;
  }
  for (unsigned i = 0; i < NOISE_COUNT; i++)
    if (after->noise[i] > before->noise[i]) buf_printf(out, "{\"noise\":\"%.*s\"}", SLICE_ARG(noise_name(i)));
  for (unsigned i = 0; i < UNPARSED_REASON_COUNT; i++)
    if (after->unparsed[i] > before->unparsed[i]) buf_printf(out, "{\"unparsed\":\"%.*s\"}", SLICE_ARG(unparsed_reason_name(i)));
}

/* Each line read alone, the lines before it being there to be looked at. */
static inline void describe_lines(const char *format, struct slice log, struct buf *out) {
  struct reading reading;
  reading_init(&reading, format, log, 1);
  for (size_t begin = 0; begin < log.len;) {
    size_t end = begin + slice_find_byte(slice_skip(log, begin), '\n') + 1;
    struct line_counts before = reading.parser.counts;
    parse(&reading, begin, end);
    describe(&reading.parser, &before, out);
    buf_append_byte(out, '\n');
    parser_clear_lines(&reading.parser);
    begin = end;
  }
  ck_assert_uint_eq(reading.parser.counts.bytes, log.len);
  reading_deinit(&reading);
}

static inline void compare_lines(const char *name, struct slice log, struct slice actual, struct slice expected) {
  for (unsigned number = 1; log.len || expected.len; number++) {
    size_t log_len = slice_find_byte(log, '\n'), actual_len = slice_find_byte(actual, '\n'),
           expected_len = slice_find_byte(expected, '\n');
    struct slice got = slice_of(actual.ptr, actual_len), want = slice_of(expected.ptr, expected_len);
    ck_assert_msg(slice_equal(got, want), "%s:%u: %.*s\nis      %.*s\nnot     %.*s", name, number, (int)log_len, log.ptr,
                  SLICE_ARG(got), SLICE_ARG(want));
    log = slice_skip(log, log_len + 1);
    actual = slice_skip(actual, actual_len + 1);
    expected = slice_skip(expected, expected_len + 1);
  }
}

/* Calls `check` for each file of tests/data/FORMAT; returns how many. */
static inline unsigned for_each_log(const char *format, void (*check)(const char *format, const char *name, struct slice log)) {
  char path[512];
  snprintf(path, sizeof path, "tests/data/%s", format);
  DIR *directory = opendir(path);
  ck_assert_msg(directory != NULL, "%s is missing: run from the root of the project", path);
  unsigned count = 0;
  for (struct dirent *entry; (entry = readdir(directory));) {
    if (!slice_ends_with(slice_from_cstr(entry->d_name), SLICE(".log"))) continue;
    snprintf(path, sizeof path, "tests/data/%s/%s", format, entry->d_name);
    struct slice log = read_file(path);
    check(format, path, log);
    free((char *)log.ptr);
    count++;
  }
  closedir(directory);
  return count;
}

static inline void check_expected(const char *format, const char *name, struct slice log) {
  char path[512];
  snprintf(path, sizeof path, "%.*s.expected.ndjson", (int)strlen(name) - 4, name);
  struct slice expected = read_file(path);
  struct buf actual = {0};
  describe_lines(format, log, &actual);
  compare_lines(name, log, buf_slice(&actual), expected);
  free((char *)expected.ptr);
  buf_deinit(&actual);
}

/* All lines of all lists, unparsed lines and counts, as text. */
static inline void summarise(const struct reading *reading, struct buf *out) {
  for (unsigned worker = 0; worker < reading->parser.worker_count; worker++) {
    const struct line_list *list = &reading->parser.lists[worker];
    for (size_t i = 0; i < list->count; i++) {
      line_json_write(out, &list->items[i]);
      buf_printf(out, " %llx %llu\n", (unsigned long long)list->items[i].key, (unsigned long long)list->items[i].position);
    }
  }
  buf_append_slice(out, buf_slice(&reading->unparsed));
  buf_append(out, &reading->parser.counts, sizeof reading->parser.counts);
}

static inline void check_chunks(const char *format, const char *name, struct slice log) {
  struct reading whole, parts;
  struct buf whole_summary = {0}, parts_summary = {0};
  reading_init(&whole, format, log, 3);
  parse(&whole, 0, log.len);
  reading_init(&parts, format, log, 3);
  for (size_t begin = 0; begin < log.len;) {
    size_t end = begin;
    for (size_t lines = 1 + begin % 4; lines && end < log.len; lines--) end += slice_find_byte(slice_skip(log, end), '\n') + 1;
    parse(&parts, begin, end);
    begin = end;
  }
  summarise(&whole, &whole_summary);
  summarise(&parts, &parts_summary);
  ck_assert_msg(slice_equal(buf_slice(&whole_summary), buf_slice(&parts_summary)), "%s: chunks change what is read", name);
  ck_assert_uint_eq(sum_of(&whole.parser.counts), whole.parser.counts.lines);
  buf_deinit(&whole_summary);
  buf_deinit(&parts_summary);
  reading_deinit(&whole);
  reading_deinit(&parts);
}

#endif
