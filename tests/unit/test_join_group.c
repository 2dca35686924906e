/* ingest/join_group: whom an outcome is of that names nobody. */
#include <stdio.h>

#include "base/clock.h"
#include "ingest/ingest.h"
#include "tests/unit/check_main.h"

struct bench {
  struct join *join;
  struct delivery_stage stage;
  uint64_t position;
};

static void fail_when_full(void *context) {
  (void)context;
  ck_abort_msg("the stage is full");
}

static struct bench bench_new(void) {
  struct bench bench = {.stage = {.when_full = fail_when_full}};
  struct join_options options;
  join_options_init(&options);
  bench.join = join_new(&options, 0, 1);
  join_begin(bench.join, &(struct batch){.len = 1u << 20}, SLICE("files"));
  return bench;
}

static void feed(struct bench *bench, struct line line) {
  line.times = 1;
  line.position = bench->position++;
  line.time_us = (int64_t)line.position * US_PER_SECOND;
  line.queue_id = SLICE("U.1");
  line.key = line_key(line.host, line.queue_id);
  bench->stage.count = 0;
  join_release(bench->join);
  join_take(bench->join, &line, &bench->stage);
}

static void accept(struct bench *bench, const char *const *recipients, size_t count) {
  feed(bench, (struct line){.kind = LINE_SENDER, .sender = {SLICE("a@a.example"), U64_ABSENT}});
  for (size_t i = 0; i < count; i++)
    feed(bench, (struct line){.kind = LINE_ACCEPTED, .delivery.recipient = slice_from_cstr(recipients[i])});
}

static void conclude(struct bench *bench, const char *domain, unsigned count, enum status status) {
  struct line line = {.kind = LINE_GROUP, .group_count = count, .delivery.status = status};
  line.delivery.recipient = slice_from_cstr(domain);
  line.delivery.reply = SLICE("said");
  feed(bench, line);
}

static void try_one(struct bench *bench, const char *recipient, enum status status) {
  struct line line = {.kind = LINE_DELIVERY, .delivery.status = status};
  line.delivery.recipient = slice_from_cstr(recipient);
  line.delivery.reply = SLICE("said to one");
  feed(bench, line);
}

/* The recipients on the stage, with blanks between them; "-" for absent. */
#define ck_assert_staged(bench, expected)                                                               \
  do {                                                                                                  \
    char text_[256] = "";                                                                               \
    for (size_t i_ = 0; i_ < (bench)->stage.count; i_++) {                                              \
      struct slice recipient_ = (bench)->stage.items[i_].recipient;                                     \
      sprintf(text_ + strlen(text_), "%s%.*s", i_ ? " " : "", recipient_.ptr ? (int)recipient_.len : 1, \
              recipient_.ptr ? recipient_.ptr : "-");                                                   \
    }                                                                                                   \
    ck_assert_str_eq(text_, expected);                                                                  \
  } while (0)

static uint64_t open_count(const struct bench *bench) {
  struct join_counts counts;
  join_read_counts(bench->join, &counts);
  return counts.open;
}

START_TEST(delivery_of_a_domain_is_of_all_that_wait_in_it) {
  struct bench bench = bench_new();
  accept(&bench, (const char *const[]){"ann@b.example", "bob@B.example", "cid@c.example"}, 3);
  conclude(&bench, "@b.example", 2, STATUS_delivered);
  ck_assert_staged(&bench, "ann@b.example bob@B.example");
  ck_assert_slice_eq(bench.stage.items[1].sender, "a@a.example");
  conclude(&bench, "@c.example", 1, STATUS_delivered);
  ck_assert_staged(&bench, "cid@c.example");
  ck_assert_uint_eq(open_count(&bench), 0);
  join_free(bench.join);
}
END_TEST

START_TEST(those_that_were_told_their_own_are_not_meant) {
  struct bench bench = bench_new();
  accept(&bench, (const char *const[]){"ann@b.example", "bad@b.example", "full@b.example"}, 3);
  try_one(&bench, "bad@b.example", STATUS_bounced);
  try_one(&bench, "full@b.example", STATUS_deferred);
  conclude(&bench, "@b.example", 1, STATUS_delivered);
  ck_assert_staged(&bench, "ann@b.example");
  conclude(&bench, "@b.example", 1, STATUS_delivered);
  ck_assert_staged(&bench, "full@b.example");
  ck_assert_uint_eq(open_count(&bench), 0);
  join_free(bench.join);
}
END_TEST

START_TEST(deferral_of_all_lets_them_wait) {
  struct bench bench = bench_new();
  accept(&bench, (const char *const[]){"ann@b.example", "bob@b.example"}, 2);
  for (unsigned i = 0; i < 3; i++) {
    conclude(&bench, NULL, 0, STATUS_deferred);
    ck_assert_staged(&bench, "ann@b.example bob@b.example");
    ck_assert_slice_eq(bench.stage.items[0].reply, "said");
  }
  conclude(&bench, NULL, 0, STATUS_expired);
  ck_assert_staged(&bench, "ann@b.example bob@b.example");
  ck_assert_uint_eq(open_count(&bench), 0);
  join_free(bench.join);
}
END_TEST

START_TEST(nobody_is_named_when_it_is_not_certain_who_is_meant) {
  struct bench bench = bench_new();
  accept(&bench, (const char *const[]){"ann@b.example", "bob@b.example", "cid@c.example"}, 3);
  conclude(&bench, NULL, 0, STATUS_deferred);
  ck_assert_staged(&bench, "-");
  conclude(&bench, "@b.example", 1, STATUS_delivered);
  ck_assert_staged(&bench, "@b.example");
  conclude(&bench, "@d.example", 2, STATUS_delivered);
  ck_assert_staged(&bench, "@d.example @d.example");
  conclude(&bench, "@b.example", 2, STATUS_delivered);
  ck_assert_staged(&bench, "ann@b.example bob@b.example");
  conclude(&bench, NULL, 0, STATUS_bounced);
  ck_assert_staged(&bench, "cid@c.example");
  join_free(bench.join);
}
END_TEST

START_TEST(message_that_is_not_known_gives_deliveries_of_a_domain) {
  struct bench bench = bench_new();
  conclude(&bench, "@b.example", 2, STATUS_delivered);
  ck_assert_staged(&bench, "@b.example @b.example");
  ck_assert_uint_eq(open_count(&bench), 0);
  join_free(bench.join);
}
END_TEST

TEST_MAIN(delivery_of_a_domain_is_of_all_that_wait_in_it, those_that_were_told_their_own_are_not_meant,
          deferral_of_all_lets_them_wait, nobody_is_named_when_it_is_not_certain_who_is_meant,
          message_that_is_not_known_gives_deliveries_of_a_domain)
