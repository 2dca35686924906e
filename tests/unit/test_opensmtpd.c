/* ingest/opensmtpd: what each line of tests/data/opensmtpd/NAME.log is read as, and what the join makes of it. */
#include "tests/unit/format_data.h"

START_TEST(every_line_of_the_data_is_read_as_expected) { ck_assert_uint_ge(for_each_log("opensmtpd", check_expected), 2); }
END_TEST

START_TEST(chunk_boundaries_change_nothing) { ck_assert_uint_ge(for_each_log("opensmtpd", check_chunks), 2); }
END_TEST

/* The deliveries of a text as JSON, into `json`; returns how many messages and sessions it leaves open. */
static uint64_t join_text(const char *text, struct buf *json) {
  struct reading reading;
  struct join_options options;
  struct join_counts counts;
  struct delivery_stage *stage = memory_zeroed(sizeof *stage);
  reading_init(&reading, "opensmtpd", slice_from_cstr(text), 1);
  parse(&reading, 0, strlen(text));
  join_options_init(&options);
  struct join *join = join_new(&options, 0, 1);
  join_begin(join, &reading.batch, SLICE("files"));
  for (size_t i = 0; i < reading.parser.lists[0].count; i++) join_take(join, &reading.parser.lists[0].items[i], stage);
  for (size_t i = 0; i < stage->count; i++) delivery_write_json(&stage->items[i], json);
  join_read_counts(join, &counts);
  join_free(join);
  free(stage);
  reading_deinit(&reading);
  return counts.open;
}

#define LINE(text) "Nov 24 08:15:07 mx1 smtpd[9]: " text "\n"
#define MESSAGE(count) LINE("1f5a9ed106a6cdfa smtp message msgid=f0f8fd26 size=869 nrcpt=" count " proto=ESMTP")
#define DELIVERY(half, rcpt, result, stat)                                                           \
  LINE("1f5a9ed428d7e684 mta delivery evpid=f0f8fd26" half " from=<a@a> to=<" half "@b> rcpt=<" rcpt \
       "> source=\"192.0.2.1\" "                                                                     \
       "relay=\"198.51.100.9 (mx.b)\" delay=0s result=\"" result "\" stat=\"" stat "\"")

static bool has(const struct buf *json, const char *text) { return slice_find(buf_slice(json), slice_from_cstr(text)) < json->len; }

START_TEST(size_comes_from_the_line_of_the_message_for_each_of_its_recipients) {
  struct buf json = {0};
  uint64_t open = join_text(MESSAGE("2") DELIVERY("00000001", "-", "Ok", "250 ok"), &json);
  ck_assert_uint_eq(open, 1);
  buf_clear(&json);
  open = join_text(MESSAGE("2") DELIVERY("00000001", "-", "Ok", "250 ok") DELIVERY("00000002", "-", "PermFail", "550 no"), &json);
  ck_assert_uint_eq(open, 0);
  ck_assert(has(&json, "\"recipient\":\"00000002@b\"") && !has(&json, "\"size\":null") &&
            has(&json, "\"source_ip\":\"192.0.2.1\""));
  buf_deinit(&json);
}
END_TEST

START_TEST(recipient_out_of_an_alias_keeps_it_and_settles_none) {
  struct buf json = {0};
  ck_assert_uint_eq(join_text(MESSAGE("1") DELIVERY("00000001", "team@a", "Ok", "250 ok"), &json), 1);
  ck_assert(has(&json, "\"orig_recipient\":\"team@a\""));
  buf_deinit(&json);
}
END_TEST

START_TEST(expired_envelope_has_the_reply_of_its_last_attempt) {
  struct buf json = {0};
  ck_assert_uint_eq(join_text(MESSAGE("1") DELIVERY("00000001", "-", "TempFail", "450 4.7.1 later")
                                  LINE("relay: Expire for f0f8fd2600000001: from=<a@a>, to=<00000001@b>, rcpt=<->, delay=4d, "
                                       "stat=Envelope expired"),
                              &json),
                    0);
  ck_assert(has(&json, "\"status\":\"expired\",\"dsn\":\"4.7.1\",\"smtp_code\":450,\"stage\":null,\"reply\":\"450 4.7.1 later\""));
  buf_deinit(&json);
}
END_TEST

START_TEST(refusal_has_the_client_of_its_session) {
  struct buf json = {0};
  ck_assert_uint_eq(join_text(LINE("1f5a9f20c9d46c4a smtp connected address=192.0.2.7 host=app.a")
                                  LINE("1f5a9f20c9d46c4a smtp failed-command command=\"RCPT TO:<x@b>\" result=\"550 no\"")
                                      LINE("1f5a9f20c9d46c4a smtp disconnected reason=quit"),
                              &json),
                    0);
  ck_assert(has(&json, "\"client_host\":\"app.a\",\"client_ip\":\"192.0.2.7\"") && has(&json, "\"status\":\"rejected\""));
  buf_deinit(&json);
}
END_TEST

TEST_MAIN(every_line_of_the_data_is_read_as_expected, chunk_boundaries_change_nothing,
          size_comes_from_the_line_of_the_message_for_each_of_its_recipients, recipient_out_of_an_alias_keeps_it_and_settles_none,
          expired_envelope_has_the_reply_of_its_last_attempt, refusal_has_the_client_of_its_session)
