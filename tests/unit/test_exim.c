/* ingest/exim: what each line of tests/data/exim/NAME.log is read as, and what the join makes of the lines of a message. */
#include "tests/unit/format_data.h"

START_TEST(every_line_of_the_data_is_read_as_expected) { ck_assert_uint_ge(for_each_log("exim", check_expected), 6); }
END_TEST

START_TEST(chunk_boundaries_change_nothing) { ck_assert_uint_ge(for_each_log("exim", check_chunks), 6); }
END_TEST

/* ---- joined ----------------------------------------------------------------------------------------------------------------- */

struct joined {
  struct buf text;  /* of each delivery: recipient, status, sender, reply, in a line */
  int64_t delay_us; /* of the last */
  struct delivery_stage stage;
};

static void append(struct buf *out, struct slice text) {
  buf_append_byte(out, ' ');
  buf_append_slice(out, slice_is_absent(text) ? SLICE("-") : text);
}

static void when_full(void *context) {
  struct joined *joined = context;
  for (size_t i = 0; i < joined->stage.count; i++) {
    const struct delivery *delivery = &joined->stage.items[i];
    buf_append_slice(&joined->text, slice_is_absent(delivery->recipient) ? SLICE("-") : delivery->recipient);
    append(&joined->text, status_name(delivery->status));
    append(&joined->text, delivery->sender);
    append(&joined->text, delivery->source_ip);
    append(&joined->text, delivery->reply);
    buf_append_byte(&joined->text, '\n');
    joined->delay_us = delivery->delay_us;
  }
  joined->stage.count = 0;
}

static void join_log(const char *log, struct joined *joined) {
  struct reading reading;
  struct join_options options;
  join_options_init(&options);
  struct source_rule rule = {.source = SLICE("from-the-rules")};
  options.source_rules = &rule;
  options.source_rule_count = 1;
  struct join *join = join_new(&options, 0, 1);
  joined->stage.when_full = when_full;
  joined->stage.context = joined;
  reading_init(&reading, "exim", slice_from_cstr(log), 1);
  parse(&reading, 0, reading.batch.len);
  join_begin(join, &reading.batch, SLICE("files"));
  for (size_t i = 0; i < reading.parser.lists[0].count; i++) join_take(join, &reading.parser.lists[0].items[i], &joined->stage);
  when_full(joined);
  join_release(join);
  join_free(join);
  reading_deinit(&reading);
}

static void check_joined(const char *log, const char *expected) {
  struct joined *joined = memory_zeroed(sizeof *joined);
  join_log(log, joined);
  ck_assert_slice_eq(buf_slice(&joined->text), expected);
  buf_deinit(&joined->text);
  free(joined);
}

static int64_t last_delay_us(const char *log) {
  struct joined *joined = memory_zeroed(sizeof *joined);
  join_log(log, joined);
  int64_t delay_us = joined->delay_us;
  buf_deinit(&joined->text);
  free(joined);
  return delay_us;
}

#define T "2025-11-24 08:15:07 "
#define DEFERRED                                                                                                           \
  T "1qAbCd-0001AB-2x == c@d.example R=r T=t defer (-44) H=mx [192.0.2.9]: SMTP error from remote mail server after RCPT " \
    "TO:<c@d>: "                                                                                                           \
    "450 4.2.0 later\n"

START_TEST(giving_up_keeps_the_reply_of_the_last_attempt_though_it_was_put_off_since) {
  check_joined(T "1qAbCd-0001AB-2x <= a@b.example U=root P=local S=9\n" DEFERRED T
                 "1qAbCd-0001AB-2x == c@d.example R=r T=t defer (-53): retry time not reached for any host\n" T
                 "1qAbCd-0001AB-2x ** c@d.example: retry timeout exceeded\n" T "1qAbCd-0001AB-2x Completed\n",
               "c@d.example deferred a@b.example from-the-rules 450 4.2.0 later\n"
               "c@d.example deferred a@b.example from-the-rules retry time not reached for any host\n"
               "c@d.example expired a@b.example from-the-rules 450 4.2.0 later\n");
}
END_TEST

START_TEST(giving_up_without_an_attempt_says_so) {
  check_joined(T "1qAbCd-0001AB-2x ** c@d.example R=r T=t: retry time not reached for any host after a long failure period\n",
               "c@d.example expired - from-the-rules retry time not reached for any host after a long failure period\n");
}
END_TEST

START_TEST(cancelled_message_expires_for_who_is_still_deferred) {
  check_joined(DEFERRED T "1qAbCd-0001AB-2x => e@d.example R=r T=t H=mx [192.0.2.9] C=\"250 Ok\"\n" T
                          "1qAbCd-0001AB-2x cancelled by root\n" T "1qAbCd-0001AB-2x Completed\n",
               "c@d.example deferred - from-the-rules 450 4.2.0 later\n"
               "e@d.example delivered - from-the-rules 250 Ok\n"
               "c@d.example expired - from-the-rules 450 4.2.0 later\n");
}
END_TEST

START_TEST(removed_message_gives_nothing_up) {
  check_joined(DEFERRED T "1qAbCd-0001AB-2x removed by root\n" T "1qAbCd-0001AB-2x ** c@d.example: retry timeout exceeded\n",
               "c@d.example deferred - from-the-rules 450 4.2.0 later\n"
               "c@d.example expired - from-the-rules retry timeout exceeded\n");
}
END_TEST

/* ">>" stands before the "<=" of its message. */
START_TEST(cutthrough_has_its_sender_from_its_own_line) {
  check_joined(T "1qAbCd-0001AB-2x >> c@d.example F=<a@b.example> R=r T=t H=mx [192.0.2.9] C=\"250 Ok\"\n" T
                 "1qAbCd-0001AB-2x <= a@b.example U=root P=local S=9\n" T "1qAbCd-0001AB-2x Completed\n",
               "c@d.example delivered a@b.example from-the-rules 250 Ok\n");
}
END_TEST

START_TEST(address_sent_from_is_the_lines_before_the_configurations) {
  check_joined(T "1qAbCd-0001AB-2x => c@d.example R=r T=t H=mx [192.0.2.9] I=[192.0.2.1]:4321 C=\"250 Ok\"\n",
               "c@d.example delivered - 192.0.2.1 250 Ok\n");
}
END_TEST

START_TEST(delay_counts_from_the_arrival_where_the_line_does_not_tell_it) {
  static const char *const logs[] = {
      T
      "1qAbCd-0001AB-2x <= a@b.example U=root P=local S=9\n"
      "2025-11-24 08:15:19 1qAbCd-0001AB-2x => c@d.example R=r T=t H=mx [192.0.2.9] C=\"250 Ok\"\n",
      T
      "1qAbCd-0001AB-2x <= a@b.example U=root P=local S=9\n"
      "2025-11-24 08:15:19 1qAbCd-0001AB-2x => c@d.example R=r T=t H=mx [192.0.2.9] C=\"250 Ok\" QT=3s\n",
      T "1qAbCd-0001AB-2x => c@d.example R=r T=t H=mx [192.0.2.9] C=\"250 Ok\"\n",
  };
  static const int64_t delays_us[] = {12 * US_PER_SECOND, 3 * US_PER_SECOND, DELAY_ABSENT};
  for (size_t i = 0; i < 3; i++) ck_assert_int_eq(last_delay_us(logs[i]), delays_us[i]);
}
END_TEST

/* ---- cost ------------------------------------------------------------------------------------------------------------------- */

/* A megabyte of one piece in one kind of line costs about its share: a quadratic search in a line of 64 KiB would take minutes. */
START_TEST(strange_lines_cost_their_share) {
  static const char *const fronts[] = {"=> ", "** ", "== ", "<= ", "H=(", "=> |", "== a defer (0)", "** a@b: ", "H=a [::1] F=<"};
  static const char *const pieces[] = {" <",  "<",        "\"",    "\\", "(", ") [", " (",     ": ",       "@",
                                       " H=", " defer (", " C=\"", "=",  " ", "a",   "\\n550", " < R=> R="};
  struct buf text = {0};
  for (size_t f = 0; f < sizeof fronts / sizeof *fronts; f++)
    for (size_t p = 0; p < sizeof pieces / sizeof *pieces; p++) {
      size_t begin = text.len;
      buf_printf(&text, T "1qAbCd-0001AB-2x %s", fronts[f]);
      while (text.len - begin < LIMIT_LINE_BYTES - 8) buf_append(&text, pieces[p], strlen(pieces[p]));
      buf_append_byte(&text, '\n');
    }
  struct reading reading;
  reading_init(&reading, "exim", buf_slice(&text), 1);
  int64_t since_us = clock_monotonic_us();
  parse(&reading, 0, text.len);
  int64_t ns_per_byte = (clock_monotonic_us() - since_us) * 1000 / (int64_t)text.len;
  ck_assert_msg(ns_per_byte < 500, "%lld ns a byte", (long long)ns_per_byte);
  reading_deinit(&reading);
  buf_deinit(&text);
}
END_TEST

TEST_MAIN(every_line_of_the_data_is_read_as_expected, chunk_boundaries_change_nothing,
          giving_up_keeps_the_reply_of_the_last_attempt_though_it_was_put_off_since, giving_up_without_an_attempt_says_so,
          cancelled_message_expires_for_who_is_still_deferred, removed_message_gives_nothing_up,
          cutthrough_has_its_sender_from_its_own_line, address_sent_from_is_the_lines_before_the_configurations,
          delay_counts_from_the_arrival_where_the_line_does_not_tell_it, strange_lines_cost_their_share)
