/* No line costs more than its length: a megabyte of any repeated byte or token in one line, behind any beginning of a real line and
 * before its rest, costs no more than ten times what the same bytes cost in lines of 16 KiB. What is quadratic in the length of a line
 * would cost 64 times as much.
 *
 * Times of processor are compared with one another, never with a clock's; the smaller of some tries counts. BOUNCEMILL_LINEAR_TRIES lines
 * of each format are tried instead of the usual number, drawn by chance but always the same. */
#include <stdio.h>
#include <time.h>

#include "base/buf.h"
#include "tests/unit/format_data.h"

#if defined(__SANITIZE_ADDRESS__) || !defined(__OPTIMIZE__)
#define WHOLE_BYTES (128u << 10) /* the instrumented build is slow, and finds other things */
#define TRIES 12u
#else
#define WHOLE_BYTES (1u << 20)
#define TRIES 60u
#endif
#define SHARE_BYTES (WHOLE_BYTES / 64)
#define RATIO_MAX 10
#define ATTEMPTS 6

struct reader {
  struct time_rules rules;
  struct parser parser;
  struct unwrapper *unwrapper;
};

static void reader_init(struct reader *reader, const char *format, const char *envelope) {
  *reader = (struct reader){.rules = {.now_us = NOW_US}};
  parser_init(&reader->parser, format_find(slice_from_cstr(format)), &reader->rules, 1);
  reader->parser.line_bytes_max = 2 * WHOLE_BYTES;
  reader->unwrapper = unwrapper_new(envelope_find(slice_from_cstr(envelope)));
}

static void reader_deinit(struct reader *reader) {
  unwrapper_free(reader->unwrapper);
  parser_deinit(&reader->parser);
}

static int64_t read_ns(struct reader *reader, struct slice text) {
  struct batch batch = {.base = text.ptr, .len = text.len, .reference_time_us = NOW_US};
  struct timespec before, after;
  batch.head = slice_of(text.ptr, slice_find_byte(text, '\n'));
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
  unwrapper_parse(reader->unwrapper, &reader->parser, &batch, text.ptr, text.ptr, text.ptr + text.len);
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
  parser_clear_lines(&reader->parser);
  return (after.tv_sec - before.tv_sec) * INT64_C(1000000000) + after.tv_nsec - before.tv_nsec;
}

/* What a line is made of. */
struct repetition {
  struct slice before, token, behind;
};

static void append_line(struct buf *out, const struct repetition *r, size_t bytes) {
  buf_append_slice(out, r->before);
  for (size_t got = 0; got < bytes; got += r->token.len) buf_append_slice(out, r->token);
  buf_append_slice(out, r->behind);
  buf_append_byte(out, '\n');
}

static void check_repetition(struct reader *reader, const char *name, const struct repetition *r) {
  struct buf whole = {0}, shares = {0};
  int64_t whole_ns = INT64_MAX, shares_ns = 0;
  append_line(&whole, r, WHOLE_BYTES);
  while (shares.len < whole.len) append_line(&shares, r, SHARE_BYTES);
  for (int attempt = 0; attempt < ATTEMPTS && whole_ns > RATIO_MAX * shares_ns; attempt++) {
    int64_t ns = read_ns(reader, buf_slice(&whole));
    if (ns < whole_ns) whole_ns = ns;
    shares_ns = read_ns(reader, buf_slice(&shares));
  }
  ck_assert_msg(whole_ns <= RATIO_MAX * shares_ns, "%s: %lld us in one line, %lld us in many: %.*s[%.*s]...%.*s", name,
                (long long)whole_ns / 1000, (long long)shares_ns / 1000, SLICE_ARG(r->before), SLICE_ARG(r->token),
                SLICE_ARG(r->behind));
  buf_deinit(&whole);
  buf_deinit(&shares);
}

/* Lines that were quadratic, or would be without a limit that is made for them. */
static const struct {
  const char *format, *before, *token;
} hard[] = {
    {"exim", "2025-11-24 08:15:07 1qAbCd-0001AB-2x => |x", "> a="},
    {"exim", "2025-11-24 08:15:07 1qAbCd-0001AB-2x => \"x", " <"},
    {"exim", "2025-11-24 08:15:07 1qAbCd-0001AB-2x <= a@b ", "H=(h "},
    {"exim", "2025-11-24 08:15:07 1qAbCd-0001AB-2x ", "H=(h "},
    {"exim", "2025-11-24 08:15:07 1qAbCd-0001AB-2x ", "H=(h) "},
    {"exim", "2025-11-24 08:15:07 1qAbCd-0001AB-2x => a@b ", "F=<"},
    {"exim", "2025-11-24 08:15:07 1qAbCd-0001AB-2x => a@b ", "C=\"\\"},
    {"sendmail", "Nov 24 08:15:07 mx1 sm-mta[9]: 6AOBkbU3015325: to=", "<a>,"},
    {"sendmail", "Nov 24 08:15:07 mx1 sm-mta[9]: 6AOBkbU3015325: to=<a>, dsn=4.0.0, reply=4", ", stat=Sent"},
    {"sendmail", "Nov 24 08:15:07 mx1 sm-mta[9]: 6AOBkbU3015325: to=<a>, ", "ctladdr=\"x, "},
    {"sendmail", "Nov 24 08:15:07 mx1 sm-mta[9]: 6AOBkbU3015325: ruleset=check_rcpt, arg1=\"", ", relay="},
    {"postfix", "Nov 24 08:15:07 mx1 postfix/smtp[9]: 4XkYAb12Cd: to=<", "\\\"> "},
    {"postfix", "Nov 24 08:15:07 mx1 postfix/smtp[9]: 4XkYAb12Cd: to=<a>, ", "status="},
    {"opensmtpd", "Nov 24 08:15:07 mx1 smtpd[9]: 1f5a9ed428d7e684 mta delivery evpid=f0f8fd26cef4db82 ", "stat=\""},
    {"haraka", "2025-11-24T08:15:07.818Z [NOTICE] [5E8DEA70-7DDF-41FE-8CC0-3D5F2A9326E6.1] [outbound] ", "response=\""},
    {"qmail", "@40000000692414150b8c2f34 delivery 1: failure: ", "Remote_host_said:_"},
    {"kumomta", "{\"type\":\"Bounce\",\"a\":", "["},
    {"kumomta", "", "{\"a\":"},
    {"halon", "{\"message\":", "{\"message\":"},
};

START_TEST(line_that_is_made_to_be_slow_costs_no_more_than_its_share) {
  struct repetition r = {slice_from_cstr(hard[_i].before), slice_from_cstr(hard[_i].token), SLICE("")};
  struct reader reader;
  reader_init(&reader, hard[_i].format, "plain");
  check_repetition(&reader, hard[_i].format, &r);
  reader_deinit(&reader);
}
END_TEST

START_TEST(json_that_does_not_end_costs_no_more_than_its_share) {
  static const char *const tokens_of_json[] = {
      "[", "[[],", "{", "{\"message\":", "{}", "{\"message\":\"x\"}", "\"", "{\"message\":\"x\"}["};
  struct reader reader;
  reader_init(&reader, "postfix", "auto");
  for (size_t i = 0; i < sizeof tokens_of_json / sizeof *tokens_of_json; i++) {
    struct repetition r = {i % 2 ? SLICE("") : SLICE("["), slice_from_cstr(tokens_of_json[i]), SLICE("")};
    check_repetition(&reader, "auto", &r);
  }
  reader_deinit(&reader);
}
END_TEST

/* Bytes that mean something to some format; other tokens are pieces of real lines. */
static const char *const tokens[] = {
    " ",   "\"",  "<",  ">",    "(",    ")",    "[",   "]",       "{",        "}",      ":",     ",",   "=",    "\\",   "@",
    "/",   "-",   ".",  "+",    "'",    "|",    ";",   "*",       "\r",       "\t",     "0",     "a",   "\xff", "\xc3", "_",
    ": ",  ", ",  " <", "> ",   "\\\"", "\"\"", " [",  ") [",     "=\"",      " H=",    " for ", "[[",  "{}",   "[],",  "{\"a\":",
    "\\n", "\\u", "/,", "a=b ", "<a>,", "a@b ", "...", ", stat=", " status=", "said: ", "([",    "\"x", "<\"",  "(a ",  "\\303",
};

static struct slice piece_of(struct slice text, unsigned *seed) {
  size_t at = (size_t)rand_r(seed) % text.len, len = 1 + (size_t)rand_r(seed) % 12;
  return slice_of(text.ptr + at, len < text.len - at ? len : text.len - at);
}

static void draw(struct slice text, const size_t *begins, size_t line_count, unsigned *seed, struct repetition *out) {
  const char *begin = text.ptr + begins[(size_t)rand_r(seed) % line_count];
  const char *end = memchr(begin, '\n', (size_t)(text.ptr + text.len - begin)),
             *cut = begin + (size_t)rand_r(seed) % (size_t)(end - begin + 1);
  out->before = slice_between(begin, cut);
  out->behind = rand_r(seed) % 2 ? slice_between(cut, end) : SLICE("");
  do {
    size_t which = (size_t)rand_r(seed) % (3 * sizeof tokens / sizeof *tokens);
    out->token = which < sizeof tokens / sizeof *tokens ? slice_from_cstr(tokens[which]) : piece_of(text, seed);
  } while (slice_find_byte(out->token, '\n') < out->token.len);
}

static unsigned tries(void) {
  const char *wanted = getenv("BOUNCEMILL_LINEAR_TRIES");
  return wanted ? (unsigned)strtoul(wanted, NULL, 10) : TRIES;
}

/* All files of tests/data/NAME, and the log of a real server, if there is one, as one text. */
static struct buf read_data(const char *folder) {
  struct buf all = {0};
  char path[512];
  snprintf(path, sizeof path, "tests/data/%s", folder);
  DIR *dir = opendir(path);
  ck_assert_msg(dir != NULL, "%s is missing", path);
  for (struct dirent *entry; (entry = readdir(dir));) {
    struct slice name = slice_from_cstr(entry->d_name);
    bool is_text =
        slice_ends_with(name, SLICE(".log")) || (slice_ends_with(name, SLICE(".json")) && strcmp(folder, "envelopes") == 0);
    if (!is_text) continue;
    snprintf(path, sizeof path, "tests/data/%s/%s", folder, entry->d_name);
    struct slice bytes = read_file(path);
    buf_append_slice(&all, bytes);
    free((char *)bytes.ptr);
    if (all.len && all.ptr[all.len - 1] != '\n') buf_append_byte(&all, '\n');
  }
  closedir(dir);
  return all;
}

static void check_folder(const char *folder, const char *format, const char *envelope) {
  struct buf data = read_data(folder);
  struct slice text = buf_slice(&data);
  size_t begins[4096], count = 0;
  for (size_t at = 0; at < text.len && count < 4096; at += slice_find_byte(slice_skip(text, at), '\n') + 1) begins[count++] = at;
  struct reader reader;
  struct repetition repetition;
  unsigned seed = 1;
  reader_init(&reader, format, envelope);
  for (unsigned i = 0, end = tries(); i < end; i++) {
    draw(text, begins, count, &seed, &repetition);
    check_repetition(&reader, folder, &repetition);
  }
  reader_deinit(&reader);
  buf_deinit(&data);
}

START_TEST(long_line_of_any_format_costs_no_more_than_its_share) {
  static const char *const formats[] = {"postfix", "exim",  "sendmail", "powermta", "kumomta",
                                        "halon",   "qmail", "haraka",   "opensmtpd"};
  check_folder(formats[_i], formats[_i], "plain");
}
END_TEST

START_TEST(long_line_in_any_envelope_costs_no_more_than_its_share) { check_folder("envelopes", "postfix", "auto"); }
END_TEST

START_TEST(long_line_of_a_mixed_stream_costs_no_more_than_its_share) { check_folder("exim", "mixed", "plain"); }
END_TEST

int main(void) {
  Suite *suite = suite_create(__FILE__);
  TCase *tcase = tcase_create("all");
  tcase_set_timeout(tcase, 0);
  tcase_add_loop_test(tcase, line_that_is_made_to_be_slow_costs_no_more_than_its_share, 0, sizeof hard / sizeof *hard);
  tcase_add_test(tcase, json_that_does_not_end_costs_no_more_than_its_share);
  tcase_add_loop_test(tcase, long_line_of_any_format_costs_no_more_than_its_share, 0, 9);
  tcase_add_test(tcase, long_line_in_any_envelope_costs_no_more_than_its_share);
  tcase_add_test(tcase, long_line_of_a_mixed_stream_costs_no_more_than_its_share);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
