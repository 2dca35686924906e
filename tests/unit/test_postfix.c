/* ingest/postfix: what each line of tests/data/postfix/NAME.log is read as, and how lines go to workers. */
#include <time.h>

#include "tests/unit/format_data.h"

START_TEST(every_line_of_the_data_is_read_as_expected) { ck_assert_uint_ge(for_each_log("postfix", check_expected), 8); }
END_TEST

START_TEST(chunk_boundaries_change_nothing) { ck_assert_uint_ge(for_each_log("postfix", check_chunks), 8); }
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
  reading_init(&reading, "postfix", buf_slice(&text), 1);
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

/* 32 lines of 64 KiB, each a piece repeated that looks like the beginning of what is sought. In squared time they take minutes. */
START_TEST(line_made_to_be_slow_is_not) {
  static const struct {
    const char *front, *piece;
  } forms[] = {{"smtp[9]: 3F2A1B4C5D: to=<a", ">, orig_to=<b>, relay=x"},
               {"smtp[9]: 3F2A1B4C5D: to=<a", ">, relay=x"},
               {"smtpd[9]: NOQUEUE: reject: RCPT from h[192.0.2.1]: 550 no", "; from=<\"a"},
               {"smtpd[9]: NOQUEUE: reject: RCPT from h[192.0.2.1]: 550 no", "; from=<a> to=<b"}};
  for (size_t form = 0; form < sizeof forms / sizeof *forms; form++) {
    struct buf text = {0};
    for (unsigned i = 0; i < 32; i++) {
      size_t begin = text.len;
      buf_printf(&text, "Nov 24 08:15:07 mx1 postfix/%s", forms[form].front);
      while (text.len - begin < LIMIT_LINE_BYTES - 64) buf_printf(&text, "%s", forms[form].piece);
      buf_append_byte(&text, '\n');
    }
    struct reading reading;
    reading_init(&reading, "postfix", buf_slice(&text), 1);
    clock_t begun = clock();
    parse(&reading, 0, text.len);
    ck_assert_int_lt((clock() - begun) / CLOCKS_PER_SEC, 4);
    ck_assert_uint_eq(sum_of(&reading.parser.counts), 32);
    reading_deinit(&reading);
    buf_deinit(&text);
  }
}
END_TEST

START_TEST(key_of_a_line_is_that_of_its_host_and_queue_id) {
  struct slice log = SLICE(
      "Nov 24 08:15:07 mx1 postfix/qmgr[9]: 3F2A1B4C5D: removed\n"
      "Nov 24 08:15:07 a-host-with-a-rather-long-name.example postfix/qmgr[9]: 4XyZ3k2Lbbz9Wt: removed\n"
      "Nov 24 08:15:07 mx2 postfix/qmgr[9]: 3F2A1B4C5D: removed\n");
  struct reading reading;
  reading_init(&reading, "postfix", log, 1);
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
    reading_init(&reading, "postfix", log, 1);
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
    reading_init(&reading, "postfix", buf_slice(&text), 1);
    parse(&reading, begin, text.len);
    ck_assert_uint_eq(reading.parser.lists[0].count, between < LIMIT_LOOKBACK_BYTES);
    ck_assert_uint_eq(reading.parser.counts.noise[NOISE_repeated], between > LIMIT_LOOKBACK_BYTES);
    reading_deinit(&reading);
    buf_deinit(&text);
  }
}
END_TEST

TEST_MAIN(every_line_of_the_data_is_read_as_expected, chunk_boundaries_change_nothing,
          too_long_line_is_counted_and_the_next_is_undisturbed, line_made_to_be_slow_is_not,
          key_of_a_line_is_that_of_its_host_and_queue_id, keys_spread_over_all_shards, unparsed_lines_of_a_replay_are_not_reported,
          repeat_beyond_the_lookback_is_noise)
