/* Rows as lines of JSON: what is handed out is taken back as the same rows, and nothing else is taken. */
#include "tests/unit/check_main.h"

#include "aggregate/aggregate.h"

static bool takes(struct row_collector *c, const char *line) {
  return row_collector_add(c, slice_from_cstr(line), line + strlen(line));
}

#define TRAFFIC(delay, count)                                                                                                \
  "{\"dataset\":\"traffic\",\"version\":1,\"writer\":\"w\",\"sequence\":1,\"direction\":\"out\",\"source\":\"\",\"sender_"   \
  "domain\":\"a\","                                                                                                          \
  "\"recipient_domain\":\"b\",\"provider\":\"p\",\"status\":\"delivered\",\"outcome\":\"delivered\",\"cause\":\"accepted\"," \
  "\"last_cause\":\"\",\"blocklist\":\"\",\"minute\":7,\"count\":" count ",\"bytes\":0,\"delay\":" delay "}"

START_TEST(histogram_is_a_list_of_at_most_so_many_counts) {
  struct row_collector *c = row_collector_new();
  static const char *const GOOD[] = {TRAFFIC("[]", "1"), TRAFFIC("[1]", "1"), TRAFFIC("[0,12,999999999999999999]", "1"),
                                     TRAFFIC("[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "1")};
  static const char *const BAD[] = {TRAFFIC("[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "1"),
                                    TRAFFIC("[-1]", "1"),
                                    TRAFFIC("[1,]", "1"),
                                    TRAFFIC("[,1]", "1"),
                                    TRAFFIC("[1.5]", "1"),
                                    TRAFFIC("[[1]]", "1"),
                                    TRAFFIC("[1", "1"),
                                    TRAFFIC("{}", "1"),
                                    TRAFFIC("1", "1"),
                                    TRAFFIC("[9999999999999999999]", "1"),
                                    TRAFFIC("[]", "-1"),
                                    TRAFFIC("[]", "1.5"),
                                    TRAFFIC("[]", "9223372036854775808"),
                                    TRAFFIC("[]", "null")};
  for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++) ck_assert_msg(takes(c, GOOD[i]), "%s", GOOD[i]);
  for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) ck_assert_msg(!takes(c, BAD[i]), "%s", BAD[i]);
  ck_assert_uint_eq(row_collector_rows(c), sizeof GOOD / sizeof *GOOD);
  row_collector_free(c);
}
END_TEST

static void take_lines(void *context, struct slice lines) {
  for (struct slice rest = lines; rest.len;) {
    size_t len = slice_find_byte(rest, '\n');
    ck_assert(row_collector_add(context, slice_of(rest.ptr, len), lines.ptr + lines.len));
    rest = slice_skip(rest, len + 1);
  }
}

START_TEST(rows_handed_out_are_taken_and_the_tables_are_empty) {
  struct aggregator *a = aggregator_new();
  struct row_collector *c = row_collector_new();
  struct row_stamp stamp = {.writer = "w"};
  struct delivery delivery = {.recipient = SLICE("x@\xc3\xa9\"\\.example"),
                              .sender = SLICE("y@a.example"),
                              .relay_host = SLICE("mx"),
                              .reply = SLICE("550 no \"\x01\xff\""),
                              .status = STATUS_bounced,
                              .direction = DIRECTION_out,
                              .time_us = 60000000,
                              .delay_us = 5000000,
                              .size_bytes = 5};
  struct verdict verdict = {
      .cause = CAUSE_user_unknown, .outcome = OUTCOME_hard, .provider = SLICE("p"), .template = SLICE("no \"#\"")};
  aggregator_add(a, &delivery, &verdict, 1);
  size_t rows = aggregator_rows(a);
  ck_assert_uint_ge(rows, 3);
  aggregator_hand_out(a, &stamp, 1, take_lines, c);
  ck_assert_uint_eq(row_collector_rows(c), rows);
  ck_assert_uint_eq(stamp.sequence, rows);
  ck_assert_uint_eq(aggregator_rows(a), 0);
  row_collector_free(c);
  aggregator_free(a);
}
END_TEST

TEST_MAIN(histogram_is_a_list_of_at_most_so_many_counts, rows_handed_out_are_taken_and_the_tables_are_empty)
