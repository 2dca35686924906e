/* ingest/postfix: what each line of tests/data/postfix/NAME.log is read as stands in NAME.expected.ndjson, one object a line:
 * {"kind":...} for a line that is kept, {"noise":KIND} and {"unparsed":REASON} for the others. */
#include <dirent.h>
#include <stdio.h>

#include "base/memory.h"
#include "tests/unit/check_main.h"
#include "tests/unit/line_json.h"

#define DATA_DIRECTORY "tests/data/postfix/"
#define NOW_US (1763985600 * US_PER_SECOND) /* 2025-11-24 12:00 UTC */

static struct slice read_file(const char *path) {
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

static void when_unparsed(void *context, struct slice line, enum unparsed_reason reason, uint64_t position) {
  struct reading *reading = context;
  buf_printf(&reading->unparsed, "%llu %d %zu\n", (unsigned long long)position, (int)reason, line.len);
}

static void reading_init(struct reading *reading, struct slice text, unsigned worker_count) {
  *reading = (struct reading){.rules = {.now_us = NOW_US}};
  char *copy = memory_alloc(text.len + !text.len);
  if (text.len) memcpy(copy, text.ptr, text.len);
  reading->batch = (struct batch){.base = copy, .len = text.len, .reference_time_us = NOW_US};
  parser_init(&reading->parser, format_find(SLICE("postfix")), &reading->rules, worker_count);
  reading->parser.when_unparsed = when_unparsed;
  reading->parser.context = reading;
}

static void reading_deinit(struct reading *reading) {
  parser_deinit(&reading->parser);
  buf_deinit(&reading->unparsed);
  free((char *)reading->batch.base);
}

static void parse(struct reading *reading, size_t begin, size_t end) {
  const char *base = reading->batch.base;
  reading->parser.format->parse(&reading->parser, &reading->batch, base, base + begin, base + end);
}

static uint64_t sum_of(const struct line_counts *counts) {
  uint64_t sum = counts->delivery + counts->info;
  for (size_t i = 0; i < NOISE_COUNT; i++) sum += counts->noise[i];
  for (size_t i = 0; i < UNPARSED_REASON_COUNT; i++) sum += counts->unparsed[i];
  return sum;
}

/* What became of the one line that was read since `before`. */
static void describe(const struct parser *parser, const struct line_counts *before, struct buf *out) {
  const struct line_counts *after = &parser->counts;
  ck_assert_uint_eq(sum_of(after), sum_of(before) + 1);
  if (parser->lists[0].count) {
    ck_assert_uint_eq(parser->lists[0].count, 1);
    enum line_kind kind = parser->lists[0].items[0].kind;
    bool is_delivery = kind == LINE_DELIVERY || kind == LINE_REJECT;
    ck_assert_uint_eq(after->delivery - before->delivery, is_delivery);
    line_json_write(out, &parser->lists[0].items[0]);
    return;
  }
  for (unsigned i = 0; i < NOISE_COUNT; i++)
    if (after->noise[i] > before->noise[i]) buf_printf(out, "{\"noise\":\"%.*s\"}", SLICE_ARG(noise_name(i)));
  for (unsigned i = 0; i < UNPARSED_REASON_COUNT; i++)
    if (after->unparsed[i] > before->unparsed[i]) buf_printf(out, "{\"unparsed\":\"%.*s\"}", SLICE_ARG(unparsed_reason_name(i)));
}

/* Each line read alone, the lines before it being there to be looked at. */
static void describe_lines(struct slice log, struct buf *out) {
  struct reading reading;
  reading_init(&reading, log, 1);
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

static void compare_lines(const char *name, struct slice log, struct slice actual, struct slice expected) {
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

/* Calls `check` for each file; returns how many. */
static unsigned for_each_log(void (*check)(const char *name, struct slice log)) {
  DIR *directory = opendir(DATA_DIRECTORY);
  ck_assert_msg(directory != NULL, "%s is missing: run from the root of the project", DATA_DIRECTORY);
  unsigned count = 0;
  for (struct dirent *entry; (entry = readdir(directory));) {
    char path[512];
    if (!slice_ends_with(slice_from_cstr(entry->d_name), SLICE(".log"))) continue;
    snprintf(path, sizeof path, DATA_DIRECTORY "%s", entry->d_name);
    struct slice log = read_file(path);
    check(path, log);
    free((char *)log.ptr);
    count++;
  }
  closedir(directory);
  return count;
}

static void check_expected(const char *name, struct slice log) {
  char path[512];
  snprintf(path, sizeof path, "%.*s.expected.ndjson", (int)strlen(name) - 4, name);
  struct slice expected = read_file(path);
  struct buf actual = {0};
  describe_lines(log, &actual);
  compare_lines(name, log, buf_slice(&actual), expected);
  free((char *)expected.ptr);
  buf_deinit(&actual);
}

START_TEST(every_line_of_the_data_is_read_as_expected) { ck_assert_uint_ge(for_each_log(check_expected), 8); }
END_TEST

/* All lines of all lists, unparsed lines and counts, as text. */
static void summarise(const struct reading *reading, struct buf *out) {
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

static void check_chunks(const char *name, struct slice log) {
  struct reading whole, parts;
  struct buf whole_summary = {0}, parts_summary = {0};
  reading_init(&whole, log, 3);
  parse(&whole, 0, log.len);
  reading_init(&parts, log, 3);
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

START_TEST(chunk_boundaries_change_nothing) { ck_assert_uint_ge(for_each_log(check_chunks), 8); }
END_TEST

START_TEST(too_long_line_is_counted_and_the_next_is_undisturbed) {
  struct buf text = {0};
  for (size_t extra = 0; extra < 2; extra++) {
    size_t begin = text.len;
    buf_printf(&text, "Nov 24 08:15:07 mx1 postfix/smtp[9]: ");
    while (text.len - begin < LIMIT_LINE_BYTES + extra) buf_append_byte(&text, 'x');
    buf_append_byte(&text, '\n');
  }
  buf_printf(&text, "Nov 24 08:15:07 mx1 postfix/qmgr[9]: 3F2A1B4C5D: removed\n");
  struct reading reading;
  reading_init(&reading, buf_slice(&text), 1);
  parse(&reading, 0, text.len);
  ck_assert_uint_eq(reading.parser.counts.unparsed[UNPARSED_TOO_LONG], 1);
  ck_assert_uint_eq(reading.parser.counts.noise[NOISE_connection], 1);
  ck_assert_uint_eq(reading.parser.lists[0].count, 1);
  ck_assert_int_eq(reading.parser.lists[0].items[0].kind, LINE_REMOVED);
  ck_assert_uint_eq(reading.parser.lists[0].items[0].number, 2);
  reading_deinit(&reading);
  buf_deinit(&text);
}
END_TEST

START_TEST(key_of_a_line_is_that_of_its_host_and_queue_id) {
  struct slice log = SLICE(
      "Nov 24 08:15:07 mx1 postfix/qmgr[9]: 3F2A1B4C5D: removed\n"
      "Nov 24 08:15:07 a-host-with-a-rather-long-name.example postfix/qmgr[9]: 4XyZ3k2Lbbz9Wt: removed\n"
      "Nov 24 08:15:07 mx2 postfix/qmgr[9]: 3F2A1B4C5D: removed\n");
  struct reading reading;
  reading_init(&reading, log, 1);
  parse(&reading, 0, log.len);
  ck_assert_uint_eq(reading.parser.lists[0].count, 3);
  for (size_t i = 0; i < 3; i++) {
    const struct line *line = &reading.parser.lists[0].items[i];
    ck_assert_uint_eq(line->key, line_key(line->host, line->queue_id));
  }
  ck_assert_uint_ne(reading.parser.lists[0].items[0].key, reading.parser.lists[0].items[2].key);
  reading_deinit(&reading);
}
END_TEST

START_TEST(keys_spread_over_all_shards) {
  unsigned shards[LIMIT_JOIN_SHARDS] = {0};
  char id[16];
  for (unsigned i = 0; i < 16000; i++)
    shards[line_shard(line_key(SLICE("mx1"), slice_of(id, (size_t)snprintf(id, sizeof id, "%010X", i))))]++;
  for (unsigned i = 0; i < LIMIT_JOIN_SHARDS; i++) {
    ck_assert_uint_gt(shards[i], 800);
    ck_assert_uint_lt(shards[i], 1200);
  }
}
END_TEST

START_TEST(unparsed_lines_of_a_replay_are_not_reported) {
  struct slice log = SLICE("nonsense\n");
  for (int is_replay = 0; is_replay < 2; is_replay++) {
    struct reading reading;
    reading_init(&reading, log, 1);
    reading.batch.is_replay = is_replay;
    parse(&reading, 0, log.len);
    ck_assert_uint_eq(reading.parser.counts.unparsed[UNPARSED_HEADER], 1);
    ck_assert_int_eq(reading.unparsed.len > 0, !is_replay);
    reading_deinit(&reading);
  }
}
END_TEST

/* The line before may be looked for in LIMIT_LOOKBACK_BYTES only, wherever a chunk begins. */
START_TEST(repeat_beyond_the_lookback_is_noise) {
  for (size_t between = LIMIT_LOOKBACK_BYTES - 2000; between <= LIMIT_LOOKBACK_BYTES + 2000; between += 4000) {
    struct buf text = {0};
    buf_printf(&text,
               "Nov 24 08:15:07 mx1 postfix/smtp[9]: 3F2A1B4C5D: to=<a@b.example>, relay=none, delay=1, delays=1/0/0/0, dsn=4.4.1, "
               "status=deferred (x)\n");
    while (text.len < between) buf_printf(&text, "Nov 24 08:15:07 mx2 kernel: another host's line\n");
    size_t begin = text.len;
    buf_printf(&text, "Nov 24 08:15:09 mx1 last message repeated 4 times\n");
    struct reading reading;
    reading_init(&reading, buf_slice(&text), 1);
    parse(&reading, begin, text.len);
    ck_assert_uint_eq(reading.parser.lists[0].count, between < LIMIT_LOOKBACK_BYTES);
    ck_assert_uint_eq(reading.parser.counts.noise[NOISE_repeated], between > LIMIT_LOOKBACK_BYTES);
    reading_deinit(&reading);
    buf_deinit(&text);
  }
}
END_TEST

TEST_MAIN(every_line_of_the_data_is_read_as_expected, chunk_boundaries_change_nothing,
          too_long_line_is_counted_and_the_next_is_undisturbed, key_of_a_line_is_that_of_its_host_and_queue_id,
          keys_spread_over_all_shards, unparsed_lines_of_a_replay_are_not_reported, repeat_beyond_the_lookback_is_noise)
