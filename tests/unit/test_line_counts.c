/* Each line ends in exactly one count, whatever the format and whatever it is given: its own data, that of others, envelopes, lines that are
 * too long. */
#include <ftw.h>

#include "tests/unit/format_data.h"

static const char *const FORMATS[] = {"postfix", "exim",  "sendmail", "opensmtpd", "powermta",
                                      "kumomta", "halon", "qmail",    "haraka"};
#define FORMAT_COUNT (sizeof FORMATS / sizeof *FORMATS)

#define FILES_MAX 512
static char *files[FILES_MAX];
static size_t file_count;

static int add_file(const char *path, const struct stat *st, int kind, struct FTW *place) {
  (void)st, (void)place;
  if (kind != FTW_F || file_count == FILES_MAX) return 0;
  files[file_count++] = strdup(path);
  return 0;
}

/* Every file of tests/data, with its last line ended. */
static void list_files(void) {
  if (file_count) return;
  ck_assert_int_eq(nftw("tests/data", add_file, 16, FTW_PHYS), 0);
  ck_assert_uint_gt(file_count, 100);
}

static struct slice read_lines(const char *path) {
  struct slice text = read_file(path);
  const char *last = text.len ? memrchr(text.ptr, '\n', text.len) : NULL;
  return slice_of(text.ptr, last ? (size_t)(last + 1 - text.ptr) : 0);
}

static uint64_t count_lines(struct slice text) {
  uint64_t count = 0;
  for (size_t i = 0; i < text.len; i++) count += text.ptr[i] == '\n';
  return count;
}

static void check_sum(const char *format, const char *path, struct slice text) {
  for (int has_envelopes = 0; has_envelopes < 2; has_envelopes++) {
    struct reading reading;
    reading_init(&reading, format, text, 2);
    struct unwrapper *unwrapper = unwrapper_new(envelope_find(has_envelopes ? SLICE("auto") : SLICE("plain")));
    const char *base = reading.batch.base;
    uint64_t line_count = unwrapper_parse(unwrapper, &reading.parser, &reading.batch, base, base, base + text.len);
    const struct line_counts *counts = &reading.parser.counts;
    ck_assert_msg(line_count == count_lines(text), "%s as %s: not all lines are read", path, format);
    ck_assert_msg(has_envelopes || counts->lines == line_count, "%s as %s: lines are not all counted", path, format);
    ck_assert_msg(sum_of(counts) == counts->lines, "%s as %s: a line is in no count, or in two", path, format);
    ck_assert_uint_eq(counts->bytes, text.len);
    unwrapper_free(unwrapper);
    reading_deinit(&reading);
  }
}

START_TEST(counts_of_every_format_over_all_data_add_up_to_the_lines) {
  list_files();
  for (size_t i = 0; i < file_count; i++) {
    struct slice text = read_lines(files[i]);
    for (size_t k = 0; k < FORMAT_COUNT; k++) check_sum(FORMATS[k], files[i], text);
    free((char *)text.ptr);
  }
}
END_TEST

/* ---- lines that are too long -------------------------------------------------------------------------------------------------- */

#define LINE_BYTES_MAX 4096u

/* What is read of a text, without places, which differ. */
static struct buf read_with_limit(const char *format, struct slice text, struct slice head, uint64_t *too_long) {
  struct reading reading;
  struct buf out = {0};
  reading_init(&reading, format, text, 1);
  reading.batch.head = head;
  reading.parser.line_bytes_max = LINE_BYTES_MAX;
  parse(&reading, 0, text.len);
  for (size_t i = 0; i < reading.parser.lists[0].count; i++) {
    line_json_write(&out, &reading.parser.lists[0].items[i]);
    buf_append_byte(&out, '\n');
  }
  *too_long = reading.parser.counts.unparsed[UNPARSED_TOO_LONG];
  ck_assert_uint_eq(sum_of(&reading.parser.counts), reading.parser.counts.lines);
  reading_deinit(&reading);
  return out;
}

/* A line too long between any two. What repeats the line before is left alone: it repeats another one then. */
static void check_long_between(const char *format, const char *name, struct slice log) {
  uint64_t before, after;
  struct slice head = slice_of(log.ptr, slice_find_byte(log, '\n'));
  struct buf whole = read_with_limit(format, log, head, &before);
  for (size_t at = 0; at < log.len;) {
    at += slice_find_byte(slice_skip(log, at), '\n') + 1;
    struct slice next = slice_skip(log, at);
    next.len = slice_find_byte(next, '\n');
    if (slice_find(next, SLICE("repeated")) < next.len) continue;
    struct buf text = {0};
    buf_append(&text, log.ptr, at);
    memset(buf_reserve(&text, LINE_BYTES_MAX + 1), '"', LINE_BYTES_MAX + 1);
    text.len += LINE_BYTES_MAX + 1;
    buf_append_byte(&text, '\n');
    buf_append_slice(&text, slice_skip(log, at));
    struct buf read = read_with_limit(format, buf_slice(&text), head, &after);
    ck_assert_msg(after == before + 1, "%s: a line too long before byte %zu is not counted once", name, at);
    ck_assert_msg(slice_equal(buf_slice(&read), buf_slice(&whole)), "%s: a line too long before byte %zu changes others", name, at);
    buf_deinit(&read);
    buf_deinit(&text);
  }
  buf_deinit(&whole);
}

START_TEST(line_too_long_is_counted_once_and_disturbs_no_other) {
  for (size_t k = 0; k < FORMAT_COUNT; k++) ck_assert_uint_ge(for_each_log(FORMATS[k], check_long_between), 1);
}
END_TEST

START_TEST(limit_of_a_line_is_exact) {
  for (size_t k = 0; k < FORMAT_COUNT; k++) {
    for (size_t len = LINE_BYTES_MAX - 1; len <= LINE_BYTES_MAX + 1; len++) {
      struct buf text = {0};
      uint64_t too_long;
      memset(buf_reserve(&text, len), 'x', len);
      text.len = len;
      buf_append_byte(&text, '\n');
      struct buf read = read_with_limit(FORMATS[k], buf_slice(&text), SLICE_ABSENT, &too_long);
      ck_assert_msg(too_long == (len > LINE_BYTES_MAX), "%s: %zu bytes", FORMATS[k], len);
      buf_deinit(&read);
      buf_deinit(&text);
    }
  }
}
END_TEST

TEST_MAIN(counts_of_every_format_over_all_data_add_up_to_the_lines, line_too_long_is_counted_once_and_disturbs_no_other,
          limit_of_a_line_is_exact)
