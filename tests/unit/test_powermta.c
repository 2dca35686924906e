/* ingest/powermta: what each line of tests/data/powermta/NAME.log is read as, and which columns count. */
#include "ingest/powermta_internal.h"

#include "tests/unit/format_data.h"

START_TEST(every_line_of_the_data_is_read_as_expected) { ck_assert_uint_ge(for_each_log("powermta", check_expected), 5); }
END_TEST

START_TEST(chunk_boundaries_change_nothing) { ck_assert_uint_ge(for_each_log("powermta", check_chunks), 5); }
END_TEST

/* The batch begins behind the header, as after a restart. */
START_TEST(columns_are_those_of_the_head_wherever_the_batch_lies) {
  struct slice log = SLICE("b,no,1763972107,ann@b.example\n");
  const char *const heads[] = {"type,dsnDiag,timeLogged,rcpt", "type,orig,timeLogged,rcpt", "type,rcpt,timeLogged,dsnDiag"};
  struct reading reading;
  reading_init(&reading, "powermta", log, 1);
  for (size_t i = 0; i < 3; i++) {
    reading.batch.head = slice_from_cstr(heads[i]);
    parse(&reading, 0, log.len);
    const struct line *facts = &reading.parser.lists[0].items[0], *record = facts + 1;
    ck_assert_uint_eq(reading.parser.lists[0].count, 2);
    ck_assert_slice_eq(record->delivery.recipient, i == 2 ? "no" : "ann@b.example");
    ck_assert_slice_eq(record->delivery.reply, i == 0 ? "no" : i == 1 ? NULL : "ann@b.example");
    ck_assert_slice_eq(facts->facts.sender, i == 1 ? "no" : NULL);
    parser_clear_lines(&reading.parser);
  }
  reading_deinit(&reading);
}
END_TEST

START_TEST(more_columns_than_any_file_has_are_unparsed_not_misread) {
  struct buf text = {0};
  buf_printf(&text, "type,timeLogged,rcpt");
  for (unsigned i = 3; i < 3 * POWERMTA_COLUMNS_MAX; i++) buf_printf(&text, ",c%u", i);
  buf_printf(&text, "\nd,1763972107,ann@b.example");
  for (unsigned i = 3; i < 3 * POWERMTA_COLUMNS_MAX; i++) buf_append_byte(&text, ',');
  buf_append_byte(&text, '\n');
  struct reading reading;
  reading_init(&reading, "powermta", buf_slice(&text), 1);
  parse(&reading, 0, text.len);
  ck_assert_uint_eq(reading.parser.counts.unparsed[UNPARSED_BODY], 1);
  ck_assert_uint_eq(reading.parser.lists[0].count, 0);
  reading_deinit(&reading);
  buf_deinit(&text);
}
END_TEST

START_TEST(time_without_offset_is_of_the_configured_zone) {
  struct powermta_clock clock = {0};
  struct error err = {0};
  struct zone *zone = zone_new("Europe/Berlin", &err);
  ck_assert_msg(zone != NULL, "%s", err.text);
  ck_assert_int_eq(powermta_time_read(&clock, zone, SLICE("2025-11-24 09:15:07")), 1763972107 * US_PER_SECOND);
  ck_assert_int_eq(powermta_time_read(&clock, zone, SLICE("2025-11-24 09:15:08+0000")), 1763975708 * US_PER_SECOND);
  ck_assert_int_eq(powermta_time_read(&clock, zone, SLICE("2025-11-24 09:15:59")), 1763972159 * US_PER_SECOND);
  ck_assert_int_eq(powermta_time_read(&clock, zone, SLICE("2025-11-24 09:15:59-05:30")), 1763995559 * US_PER_SECOND);
  zone_free(zone);
}
END_TEST

TEST_MAIN(every_line_of_the_data_is_read_as_expected, chunk_boundaries_change_nothing,
          columns_are_those_of_the_head_wherever_the_batch_lies, more_columns_than_any_file_has_are_unparsed_not_misread,
          time_without_offset_is_of_the_configured_zone)
