/* tools/tally: counters, rates, keys. */
#include "tools/tally.h"

#include <math.h>
#include <stdio.h>

#include "tests/unit/check_main.h"

static struct traffic_row row_of(const char *status, const char *outcome, const char *cause, uint64_t count) {
  return (struct traffic_row){
      .status = slice_from_cstr(status), .outcome = slice_from_cstr(outcome), .cause = slice_from_cstr(cause), .count = count};
}

START_TEST(giving_up_is_final_but_no_attempt) {
  struct counters c = {0};
  struct traffic_row row = row_of("expired", "soft", "expired", 3);
  ck_assert(counters_add_row(&c, &row));
  ck_assert_uint_eq(counters_attempts(&c), 0);
  ck_assert_uint_eq(counters_finals(&c), 3);
  ck_assert_uint_eq(c.soft, 3);
}
END_TEST

START_TEST(rejected_is_in_no_rate) {
  struct counters c = {0};
  struct traffic_row row = row_of("rejected", "hard", "user_unknown", 5);
  ck_assert(counters_add_row(&c, &row));
  struct rate rates[RATE_COUNT];
  counters_rates(&c, rates);
  for (unsigned i = 0; i < RATE_COUNT; i++) ck_assert_uint_eq(rates[i].numerator + rates[i].denominator, 0);
  ck_assert_uint_eq(c.hard, 0);
  ck_assert_uint_eq(c.rejected, 5);
}
END_TEST

START_TEST(block_rate_counts_deferred_and_bounced_by_the_senders_fault) {
  struct counters c = {0};
  struct traffic_row rows[] = {row_of("delivered", "delivered", "accepted", 10), row_of("deferred", "deferred", "rate_limited", 4),
                               row_of("deferred", "deferred", "greylisted", 2), row_of("bounced", "soft", "ip_blocklisted", 1),
                               row_of("bounced", "hard", "user_unknown", 3)};
  for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) ck_assert(counters_add_row(&c, &rows[i]));
  struct rate rates[RATE_COUNT];
  counters_rates(&c, rates);
  ck_assert_str_eq(rates[3].name, "block_rate");
  ck_assert_uint_eq(rates[3].numerator, 5);
  ck_assert_uint_eq(rates[3].denominator, 20);
  ck_assert_uint_eq(rates[1].numerator, 4);
  ck_assert_uint_eq(rates[1].denominator, 14);
  ck_assert_uint_eq(rates[2].numerator, 3);
}
END_TEST

START_TEST(unknown_words_are_refused_not_miscounted) {
  struct counters c = {0};
  struct traffic_row row = row_of("teleported", "soft", "expired", 1);
  ck_assert(!counters_add_row(&c, &row));
  ck_assert_uint_eq(counters_failures(&c), 0);
}
END_TEST

/* Values from the formula worked by hand: 8 of 10 at z = 1.96 gives 0.4902 .. 0.9433. */
START_TEST(wilson_interval_matches_known_values) {
  double low, high;
  struct rate rate = {"x", 8, 10};
  rate_interval(&rate, &low, &high);
  ck_assert_msg(fabs(low - 0.4902) < 0.0005 && fabs(high - 0.9433) < 0.0005, "%f %f", low, high);
  struct rate none = {"x", 0, 0};
  rate_interval(&none, &low, &high);
  ck_assert(low == 0 && high == 1);
  struct rate zero = {"x", 0, 50};
  rate_interval(&zero, &low, &high);
  ck_assert(low < 1e-12 && high > 0.06 && high < 0.08);
}
END_TEST

START_TEST(many_keys_keep_their_own_counters_and_sort_worst_first) {
  struct tally tally;
  tally_init(&tally);
  char key[32];
  for (unsigned round = 0; round < 2; round++)
    for (unsigned i = 0; i < 5000; i++) {
      int len = snprintf(key, sizeof key, "domain-%u.example", i);
      tally_get(&tally, slice_of(key, (size_t)len))->counters.bounced += i;
    }
  ck_assert_uint_eq(tally.count, 5000);
  tally_sort_worst_first(&tally);
  ck_assert_slice_eq(tally.entries[0].key, "domain-4999.example");
  ck_assert_uint_eq(tally.entries[0].counters.bounced, 2 * 4999);
  ck_assert_slice_eq(tally.entries[4999].key, "domain-0.example");
  tally_deinit(&tally);
}
END_TEST

START_TEST(the_empty_key_is_a_key) {
  struct tally tally;
  tally_init(&tally);
  tally_get(&tally, SLICE(""))->counters.delivered = 1;
  ck_assert_uint_eq(tally_get(&tally, SLICE(""))->counters.delivered, 1);
  ck_assert_uint_eq(tally.count, 1);
  tally_deinit(&tally);
}
END_TEST

START_TEST(note_is_the_least_text) {
  struct tally tally;
  tally_init(&tally);
  struct tally_entry *entry = tally_get(&tally, SLICE("k"));
  ck_assert(slice_is_absent(entry->note));
  tally_note_least(&tally, entry, SLICE("m"));
  tally_note_least(&tally, entry, SLICE("z"));
  tally_note_least(&tally, entry, SLICE("b"));
  ck_assert_slice_eq(entry->note, "b");
  tally_deinit(&tally);
}
END_TEST

TEST_MAIN(note_is_the_least_text, giving_up_is_final_but_no_attempt, rejected_is_in_no_rate,
          block_rate_counts_deferred_and_bounced_by_the_senders_fault, unknown_words_are_refused_not_miscounted,
          wilson_interval_matches_known_values, many_keys_keep_their_own_counters_and_sort_worst_first, the_empty_key_is_a_key)
