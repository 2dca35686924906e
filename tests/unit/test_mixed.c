/* Formats mixed and auto: whose line a line is, and that what is read of it is what its format reads alone. */
#include "ingest/formats.h"
#include "ingest/recognise.h"
#include "tests/unit/format_data.h"

static const char *const SERVERS[] = {"postfix", "exim",  "sendmail", "opensmtpd", "powermta",
                                      "kumomta", "halon", "qmail",    "haraka"};
#define SERVER_COUNT (sizeof SERVERS / sizeof *SERVERS)

/* Stands between logs, so that a "last message repeated" at the front of one is not of the last line of another. */
static const struct slice BETWEEN = SLICE("Nov 24 08:15:07 mx1 sshd[1]: x\nNov 24 08:15:07 mx2 sshd[1]: x\n");

static const char *recognised(const char *line) {
  struct recogniser recogniser;
  size_t len = strlen(line);
  char *copy = memory_alloc(len + 1); /* of its own size */
  memcpy(copy, line, len);
  recogniser_init(&recogniser);
  const struct format *format = recognise_line(&recogniser, copy, copy + len, copy + len);
  free(copy);
  return format ? format->name : "none";
}

START_TEST(a_line_is_recognised_by_its_shape) {
  static const char *const lines[][2] = {
      {"postfix", "Nov 24 08:15:07 mx1 postfix/smtp[1]: 3F2A1B4C5D: to=<a@b.example>"},
      {"postfix", "<22>Nov 24 08:15:07 postfix-out/smtpd[1]: connect from a[192.0.2.1]"},
      {"postfix", "<22>1 2026-11-24T08:15:07.1Z mx1 postfix/qmgr 1 - - 3F2A1B4C5D: removed"},
      {"postfix", "2026-11-24 08:15:07 mx1 postfix/smtp[1]: 3F2A1B4C5D: to=<a@b.example>"},
      {"postfix", "Nov 24 08:15:07 mx1 postfix/sendmail[1]: fatal: no"},
      {"postfix", "2026-11-24 08:15:07 mx1 pf/smtp: 3F2A1B4C5D: to=<a@b.example>"},
      {"haraka",
       "2026-11-24T12:57:07.818Z [NOTICE] [5E8DEA70-7DDF-41FE-8CC0-3D5F2A9326E6.1] [core] sender <a@b.example> code=CONT"},
      {"sendmail", "Nov 24 08:15:07 mx1 sendmail[1]: x"},
      {"sendmail", "2026-11-24T08:15:07.123456+01:00 mx1 sm-mta[1]: 6AOBkbU3015325: to=<u@b.example>"},
      {"opensmtpd", "Nov 24 08:15:07 mx1 smtpd[1]: info: x"},
      {"exim", "2026-11-24 08:15:07 1qAbCd-0001AB-2x <= a@b.example"},
      {"exim", "2026-11-24 08:15:07.123 +0100 [4711] 1qAbCd-00000001aBc-2xYz => c@d.example"},
      {"exim", "2026-11-24 08:15:07 TLS error: on connection"},
      {"exim", "2026-11-24 08:15:07 H=mx [192.0.2.1]: refused"},
      {"exim", "Nov 24 08:15:07 mx1 exim4[4711]: x"},
      {"exim", "Nov 24 08:15:07 mx1 mta[4711]: 1qAbCd-0001AB-2x Completed"},
      {"exim", "Nov 24 08:15:07 mx1 mta[4711]: 2026-11-24 08:15:07 1qAbCd-0001AB-2x Completed"},
      {"qmail", "Nov 24 08:15:07 mx1 qmail: 1763972107.193736 new msg 706430"},
      {"qmail", "@4000000069241b9f0b8c2d14 new msg 706430"},
      {"qmail", "2025-11-24 08:15:07.193736500 new msg 706430"},
      {"powermta", "type,timeLogged"},
      {"powermta", "d,2025-11-24 08:15:07+0000"},
      {"powermta", "transient-queue,x"},
      {"kumomta", "{\"type\":\"Delivery\",\"id\":1}"},
      {"kumomta", "{ \"id\": {\"type\": 1}, \"type\" : \"Expiration\"}"},
      {"halon", "{\"type\":\"SMTP\",\"ts_attempt\":1}"},
      {"halon", "{\"@timestamp\":1,\"action\":\"bounced\"}"},
      {"none", "Nov 24 08:15:07 mx1 dovecot[1]: imap-login: x"},
      {"none", "Nov 24 08:15:07 mx1 last message repeated 2 times"},
      {"none", "Nov 24 08:15:07 mx1 smtpd-policy[1]: x"},
      {"haraka", "Nov 24 08:15:08 mx1 haraka[77]: [NOTICE] [5E8DEA70-7DDF-41FE-8CC0-3D5F2A9326E6.1.1] [outbound] x"},
      {"none", "2026-11-24T12:57:07.818Z loglevel: INFO"},
      {"none", "{\"type\":\"Surprise\"}"},
      {"none", "{\"type\""},
      {"none", "{\"type\":"},
      {"none", "{"},
      {"none", "@4000000069241b9f"},
      {"none", "2026-11-24 08:15"},
      {"none", "x,2025"},
      {"none", "d"},
      {"none", "<22>"},
      {"none", " the second line of something"},
  };
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
    ck_assert_msg(strcmp(recognised(lines[i][1]), lines[i][0]) == 0, "%s: %s", lines[i][1], recognised(lines[i][1]));
}
END_TEST

/* ---- as alone ------------------------------------------------------------------------------------------------------------------ */

/* What the lists hold, without places, which differ. */
static void write_lines(const struct reading *reading, struct buf *out) {
  const struct line_list *list = &reading->parser.lists[0];
  for (size_t i = 0; i < list->count; i++) {
    const struct line *line = &list->items[i];
    line_json_write(out, line);
    buf_printf(out, " %llx\n", slice_is_absent(line->queue_id) ? 0ull : (unsigned long long)line->key);
  }
}

static void read_whole(const char *format, struct slice log, struct buf *out) {
  struct reading reading;
  reading_init(&reading, format, log, 1);
  parse(&reading, 0, log.len);
  ck_assert_uint_eq(sum_of(&reading.parser.counts), reading.parser.counts.lines);
  ck_assert_uint_eq(reading.parser.counts.bytes, log.len);
  write_lines(&reading, out);
  reading_deinit(&reading);
}

static void check_same(const char *name, struct slice alone, struct slice mixed) {
  while (alone.len || mixed.len) {
    struct slice want = slice_of(alone.ptr, slice_find_byte(alone, '\n')), got = slice_of(mixed.ptr, slice_find_byte(mixed, '\n'));
    ck_assert_msg(slice_equal(want, got), "%s: mixed reads  %.*s\nnot          %.*s", name, SLICE_ARG(got), SLICE_ARG(want));
    alone = slice_skip(alone, want.len + 1);
    mixed = slice_skip(mixed, got.len + 1);
  }
}

static void check_alone(const char *format, const char *name, struct slice log) {
  struct buf alone = {0}, mixed = {0};
  read_whole(format, log, &alone);
  read_whole("mixed", log, &mixed);
  check_same(name, buf_slice(&alone), buf_slice(&mixed));
  buf_deinit(&alone);
  buf_deinit(&mixed);
}

START_TEST(every_log_says_the_same_when_each_line_is_recognised_by_itself) {
  for (size_t i = 0; i < SERVER_COUNT; i++) ck_assert_uint_ge(for_each_log(SERVERS[i], check_alone), 2);
}
END_TEST

/* All logs one behind another, and what each says alone. Tests run in processes of their own. */
static struct buf all, all_alone;

static void append_log(const char *format, const char *name, struct slice log) {
  /* Columns of a header that is not at the head of the input are not known. */
  bool has_header = strcmp(format, "powermta") == 0 && !strstr(name, "/no-header.log");
  if (has_header || !log.len || log.ptr[log.len - 1] != '\n') return;
  buf_append_slice(&all, BETWEEN);
  buf_append_slice(&all, log);
  read_whole(format, log, &all_alone);
}

static void gather_all(void) {
  for (size_t i = 0; i < SERVER_COUNT; i++) for_each_log(SERVERS[i], append_log);
  ck_assert_uint_gt(all.len, 50000);
}

START_TEST(logs_of_all_servers_in_one_stream_say_what_each_says_alone) {
  struct buf mixed = {0};
  gather_all();
  read_whole("mixed", buf_slice(&all), &mixed);
  check_same("all logs", buf_slice(&all_alone), buf_slice(&mixed));
  buf_deinit(&mixed);
}
END_TEST

START_TEST(chunk_boundaries_change_nothing_in_a_mixed_stream) {
  gather_all();
  check_chunks("mixed", "all logs", buf_slice(&all));
  check_chunks("auto", "all logs", buf_slice(&all));
}
END_TEST

START_TEST(lines_are_numbered_through_the_chunk_whatever_formats_they_are_of) {
  struct reading reading;
  gather_all();
  reading_init(&reading, "mixed", buf_slice(&all), 1);
  parse(&reading, 0, all.len);
  const struct line_list *list = &reading.parser.lists[0];
  uint32_t number = 0;
  const char *p = reading.batch.base;
  for (size_t i = 0; i < list->count; i++) {
    for (; (uint64_t)(p - reading.batch.base) < list->items[i].position; number++) p = strchr(p, '\n') + 1;
    ck_assert_uint_eq((uint64_t)(p - reading.batch.base), list->items[i].position);
    ck_assert_uint_eq(list->items[i].number, number);
  }
  reading_deinit(&reading);
}
END_TEST

START_TEST(a_line_says_the_same_whatever_stands_in_its_chunk) {
  static const struct slice other = SLICE("Nov 24 08:15:07 mx1 dovecot[1]: x\n");
  struct slice log;
  gather_all();
  for (struct slice rest = buf_slice(&all); rest.len; rest = slice_skip(rest, log.len)) {
    struct buf with_other = {0}, alone = {0}, beside = {0};
    log = slice_of(rest.ptr, slice_find_byte(rest, '\n') + 1);
    if (slice_find(log, SLICE("message repeated ")) < log.len) continue; /* what it repeats is the line before */
    buf_append_slice(&with_other, other);
    buf_append_slice(&with_other, log);
    read_whole("mixed", log, &alone);
    read_whole("mixed", buf_slice(&with_other), &beside);
    check_same("a line", buf_slice(&alone), buf_slice(&beside));
    buf_deinit(&with_other);
    buf_deinit(&alone);
    buf_deinit(&beside);
  }
}
END_TEST

START_TEST(what_no_format_knows_is_noise_of_syslog_or_unparsed) {
  struct reading reading;
  struct slice log = SLICE("Nov 24 08:15:07 mx1 dovecot[1]: x\n\n{\"a\":1}\nwhatever\n\r\n");
  reading_init(&reading, "mixed", log, 1);
  parse(&reading, 0, log.len);
  ck_assert_uint_eq(reading.parser.counts.lines, 5);
  ck_assert_uint_eq(reading.parser.counts.noise[NOISE_other_program], 1);
  ck_assert_uint_eq(reading.parser.counts.noise[NOISE_empty], 2);
  ck_assert_uint_eq(reading.parser.counts.unparsed[UNPARSED_HEADER], 2);
  reading_deinit(&reading);
}
END_TEST

/* ---- auto ---------------------------------------------------------------------------------------------------------------------- */

static const char *chosen(const char *envelope, struct slice first_lines, struct format_choice *out) {
  struct time_rules rules = {.now_us = NOW_US};
  struct batch batch = {.first_lines = first_lines};
  struct format_chooser *chooser = format_chooser_new(format_find(SLICE("auto")), envelope_find(slice_from_cstr(envelope)), &rules);
  ck_assert(format_chooser_take(chooser, &batch, out));
  struct format_choice again;
  ck_assert(!format_chooser_take(chooser, &batch, &again));
  ck_assert_ptr_eq(again.format, out->format);
  format_chooser_free(chooser);
  return out->format->name;
}

/* Of the whole lines in the first 4 KiB, as sources know them. */
static void check_choice(const char *format, const char *name, struct slice log) {
  struct format_choice choice;
  size_t len = log.len < 4096 ? log.len : 4096;
  const char *last = memrchr(log.ptr, '\n', len);
  ck_assert_ptr_nonnull(last);
  chosen("auto", slice_between(log.ptr, last + 1), &choice);
  bool is_syslog = *log.ptr == 'N' || *log.ptr == '<'; /* "Nov" */
  ck_assert_msg(strcmp(choice.format->name, is_syslog ? "mixed" : format) == 0, "%s: %s", name, choice.format->name);
  ck_assert_uint_ge(choice.line, 1);
}

START_TEST(every_log_that_a_server_writes_itself_is_known_by_its_first_lines) {
  for (size_t i = 0; i < SERVER_COUNT; i++) ck_assert_uint_ge(for_each_log(SERVERS[i], check_choice), 2);
}
END_TEST

START_TEST(the_first_line_that_tells_decides) {
  struct format_choice choice;
  ck_assert_str_eq(
      chosen("auto", SLICE("\nwhat\n2026-11-24 08:15:07 exim 4.96 daemon started\nNov 24 08:15:07 mx1 a: x\n"), &choice), "exim");
  ck_assert_uint_eq(choice.line, 3);
  ck_assert_str_eq(chosen("auto", SLICE("Nov 24 08:15:07 mx1 rsyslogd: start\n{\"type\":\"Delivery\"}\n"), &choice), "mixed");
  ck_assert_uint_eq(choice.line, 1);
  ck_assert_str_eq(chosen("auto",
                          SLICE("2026-11-24T12:57:07.818Z loglevel: INFO\n2026-11-24T12:57:07.818Z Starting up Haraka\n"
                                "2026-11-24T12:57:07.818Z [INFO] [-] [core] x\n"),
                          &choice),
                   "haraka");
  ck_assert_str_eq(chosen("auto", SLICE("what\n"), &choice), "mixed");
  ck_assert_uint_eq(choice.line, 0);
  ck_assert_str_eq(chosen("auto", SLICE_ABSENT, &choice), "mixed");
  ck_assert_uint_eq(choice.line, 0);
}
END_TEST

START_TEST(first_lines_are_taken_out_of_their_envelopes) {
  struct format_choice choice;
  struct slice docker = SLICE("{\"log\":\"type,timeLogged\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-24T08:15:07Z\"}\n");
  ck_assert_str_eq(chosen("auto", docker, &choice), "powermta");
  ck_assert_str_eq(chosen("plain", docker, &choice), "mixed");
  ck_assert_str_eq(chosen("auto", SLICE("2026-11-24T08:15:07.1Z stdout F {\"type\":\"Delivery\"}\n"), &choice), "kumomta");
  ck_assert_str_eq(chosen("auto", SLICE("{\"type\":\"Delivery\"}\n"), &choice), "kumomta");
}
END_TEST

START_TEST(a_choice_is_made_for_each_input_and_again_when_its_head_grows) {
  struct time_rules rules = {.now_us = NOW_US};
  struct format_choice choice;
  struct format_chooser *chooser = format_chooser_new(format_find(SLICE("auto")), envelope_find(SLICE("auto")), &rules);
  struct batch one = {.input = 1, .first_lines = SLICE("what\n")}, two = {.input = 2, .first_lines = SLICE("type,x\n")};
  ck_assert(format_chooser_take(chooser, &one, &choice));
  ck_assert_str_eq(choice.format->name, "mixed");
  ck_assert(format_chooser_take(chooser, &two, &choice));
  ck_assert_str_eq(choice.format->name, "powermta");
  one.first_lines = SLICE("what\n@4000000069241b9f0b8c2d14 new msg 706430\n");
  ck_assert(format_chooser_take(chooser, &one, &choice));
  ck_assert_str_eq(choice.format->name, "qmail");
  one.first_lines = SLICE("what\n@4000000069241b9f0b8c2d14 new msg 706430\nd,x\n");
  ck_assert(!format_chooser_take(chooser, &one, &choice));
  ck_assert_str_eq(choice.format->name, "qmail");
  format_chooser_free(chooser);
}
END_TEST

START_TEST(a_format_that_was_asked_for_is_not_chosen_anew) {
  struct time_rules rules = {.now_us = NOW_US};
  struct format_choice choice;
  struct format_chooser *chooser = format_chooser_new(format_find(SLICE("postfix")), envelope_find(SLICE("auto")), &rules);
  ck_assert(!format_chooser_take(chooser, &(struct batch){.first_lines = SLICE("type,x\n")}, &choice));
  ck_assert_str_eq(choice.format->name, "postfix");
  format_chooser_free(chooser);
}
END_TEST

/* ---- memory -------------------------------------------------------------------------------------------------------------------- */

static struct slice line_of_texts(void) {
  return SLICE(
      "Nov 24 08:15:07 mx1 postfix/qmgr[1]: 3F2A1B4C5D: removed\n"
      "{\"type\":\"Delivery\",\"id\":\"1\",\"recipient\":\"a\\u0041@b.example\",\"timestamp\":1763972107}\n");
}

START_TEST(decoded_texts_are_forgotten_though_another_format_comes_first) {
  struct reading reading;
  struct slice log = line_of_texts();
  reading_init(&reading, "mixed", log, 1);
  const char *first = NULL;
  for (unsigned i = 0; i < 100; i++) {
    parser_clear_lines(&reading.parser);
    parse(&reading, 0, log.len);
    const struct line_list *list = &reading.parser.lists[0];
    const char *recipient = list->items[list->count - 1].delivery.recipient.ptr;
    if (!first) first = recipient;
    ck_assert_ptr_eq(recipient, first);
  }
  reading_deinit(&reading);
}
END_TEST

TEST_MAIN(a_line_says_the_same_whatever_stands_in_its_chunk, a_line_is_recognised_by_its_shape,
          every_log_says_the_same_when_each_line_is_recognised_by_itself,
          logs_of_all_servers_in_one_stream_say_what_each_says_alone, chunk_boundaries_change_nothing_in_a_mixed_stream,
          lines_are_numbered_through_the_chunk_whatever_formats_they_are_of, what_no_format_knows_is_noise_of_syslog_or_unparsed,
          every_log_that_a_server_writes_itself_is_known_by_its_first_lines, the_first_line_that_tells_decides,
          first_lines_are_taken_out_of_their_envelopes, a_choice_is_made_for_each_input_and_again_when_its_head_grows,
          a_format_that_was_asked_for_is_not_chosen_anew, decoded_texts_are_forgotten_though_another_format_comes_first)
