/* ingest/sendmail: what each line of tests/data/sendmail/NAME.log is read as, and when the join forgets a message. */
#include "tests/unit/format_data.h"

START_TEST(every_line_of_the_data_is_read_as_expected) { ck_assert_uint_ge(for_each_log("sendmail", check_expected), 5); }
END_TEST

START_TEST(chunk_boundaries_change_nothing) { ck_assert_uint_ge(for_each_log("sendmail", check_chunks), 5); }
END_TEST

/* What a text leaves open, and what it makes. */
struct joined {
  struct join_counts counts;
  size_t delivery_count;
  struct buf json;
};

static void take_items(void *context) {
  struct delivery_stage *stage = context;
  stage->count = 0;
}

static void join_text(const char *text, struct joined *out) {
  struct reading reading;
  struct join_options options;
  struct delivery_stage *stage = memory_zeroed(sizeof *stage);
  *out = (struct joined){0};
  reading_init(&reading, "sendmail", slice_from_cstr(text), 1);
  parse(&reading, 0, strlen(text));
  join_options_init(&options);
  struct join *join = join_new(&options, 0, 1);
  stage->when_full = take_items;
  stage->context = stage;
  join_begin(join, &reading.batch, SLICE("files"));
  for (size_t i = 0; i < reading.parser.lists[0].count; i++) join_take(join, &reading.parser.lists[0].items[i], stage);
  for (size_t i = 0; i < stage->count; i++) delivery_write_json(&stage->items[i], &out->json);
  out->delivery_count = stage->count;
  join_read_counts(join, &out->counts);
  join_free(join);
  free(stage);
  reading_deinit(&reading);
}

#define LINE(text) "Nov 24 08:15:07 mx1 sm-mta[9]: " text "\n"
#define FROM(count) LINE("6AOBkbU3015325: from=<a@a.example>, size=660, class=0, nrcpts=" count ", relay=app [192.0.2.7]")
#define TO(list, rest) LINE("6AOBkbU3015325: to=" list ", delay=00:00:01, mailer=esmtp, relay=mx. [198.51.100.9], " rest)

START_TEST(message_ends_when_all_of_its_recipients_are_settled) {
  struct joined joined;
  join_text(FROM("3") TO("<x@b>,<y@b>", "dsn=2.0.0, stat=Sent (ok)"), &joined);
  ck_assert_uint_eq(joined.counts.open, 1);
  buf_deinit(&joined.json);
  join_text(FROM("3") TO("<x@b>,<y@b>", "dsn=2.0.0, stat=Sent (ok)") TO("<z@b>", "dsn=4.0.0, stat=Deferred")
                TO("<z@b>", "dsn=5.1.1, stat=User unknown"),
            &joined);
  ck_assert_uint_eq(joined.counts.open, 0);
  ck_assert_uint_eq(joined.counts.orphans, 0);
  ck_assert_uint_eq(joined.delivery_count, 4);
  buf_deinit(&joined.json);
}
END_TEST

START_TEST(recipients_out_of_aliases_settle_none_that_were_counted) {
  struct joined joined;
  join_text(FROM("1") TO("m1@b,m2@b", "dsn=2.0.0, stat=Sent (ok)") TO("m3@b", "dsn=5.1.1, stat=User unknown"), &joined);
  ck_assert_uint_eq(joined.counts.open, 1);
  ck_assert_uint_eq(joined.counts.orphans, 0);
  buf_deinit(&joined.json);
}
END_TEST

START_TEST(giving_up_is_an_expired_delivery_for_each_recipient_still_deferred_and_the_end) {
  struct joined joined;
  join_text(FROM("2") TO("<x@b>,<y@b>", "dsn=4.2.0, reply=450 later, stat=Deferred: 450 later")
                LINE("6AOBkbU3015325: 6AOBktmv015773: sender notify: Cannot send message for 5 days"),
            &joined);
  ck_assert_uint_eq(joined.delivery_count, 4);
  ck_assert_uint_eq(joined.counts.open, 1); /* the notification */
  struct slice json = buf_slice(&joined.json);
  size_t expired =
      slice_find(json, SLICE("\"status\":\"expired\",\"dsn\":\"4.2.0\",\"smtp_code\":450,\"stage\":null,\"reply\":\"450 later\""));
  ck_assert_uint_lt(expired, json.len);
  buf_deinit(&joined.json);
}
END_TEST

START_TEST(notification_is_sent_by_the_null_sender) {
  struct joined joined;
  join_text(LINE("6AOBkbUX015325: 6AOBkbU3015325: DSN: User unknown") TO("<a@a.example>", "dsn=2.0.0, stat=Sent (ok)"), &joined);
  ck_assert_uint_eq(joined.counts.orphans, 0);
  ck_assert_uint_eq(joined.counts.open, 0);
  ck_assert_uint_lt(slice_find(buf_slice(&joined.json), SLICE("\"sender\":\"\"")), joined.json.len);
  buf_deinit(&joined.json);
}
END_TEST

START_TEST(line_of_too_many_recipients_is_not_one_of_sendmail) {
  struct buf text = {0};
  struct reading reading;
  buf_printf(&text, "Nov 24 08:15:07 mx1 sm-mta[9]: 6AOBkbU3015325: to=");
  for (unsigned i = 0; i < 5000; i++) buf_printf(&text, "<a>,");
  buf_printf(&text, " [more], delay=00:00:01, mailer=esmtp, stat=Sent\n");
  reading_init(&reading, "sendmail", buf_slice(&text), 1);
  parse(&reading, 0, text.len);
  ck_assert_uint_eq(reading.parser.counts.unparsed[UNPARSED_BODY], 1);
  ck_assert_uint_eq(reading.parser.lists[0].count, 0);
  reading_deinit(&reading);
  buf_deinit(&text);
}
END_TEST

TEST_MAIN(every_line_of_the_data_is_read_as_expected, chunk_boundaries_change_nothing,
          message_ends_when_all_of_its_recipients_are_settled, recipients_out_of_aliases_settle_none_that_were_counted,
          giving_up_is_an_expired_delivery_for_each_recipient_still_deferred_and_the_end, notification_is_sent_by_the_null_sender,
          line_of_too_many_recipients_is_not_one_of_sendmail)
