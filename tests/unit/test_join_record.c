/* ingest/join: records, the lines that tell of a delivery all by themselves. */
#include "base/clock.h"
#include "ingest/ingest.h"
#include "tests/unit/check_main.h"

struct bench {
  struct join *join;
  struct delivery_stage stage;
  uint64_t position;
};

/* When the stage is full; no test comes so far. */
static void fail_when_full(void *context) {
  (void)context;
  ck_abort_msg("the stage is full");
}

static struct bench bench_new(bool is_replay) {
  struct bench bench = {0};
  struct join_options options;
  join_options_init(&options);
  bench.join = join_new(&options, 0, 1);
  bench.stage.when_full = fail_when_full;
  join_begin(bench.join, &(struct batch){.len = 1u << 20, .is_replay = is_replay}, SLICE("files"));
  return bench;
}

static void bench_free(struct bench *bench) { join_free(bench->join); }

static uint64_t open_count(const struct bench *bench) {
  struct join_counts counts;
  join_read_counts(bench->join, &counts);
  return counts.open;
}

static struct line line_of(enum line_kind kind, uint64_t position, struct slice queue_id) {
  struct line line = {.kind = kind, .times = 1, .position = position, .time_us = (int64_t)position * US_PER_SECOND};
  line.host = SLICE("node");
  line.queue_id = queue_id;
  line.key = slice_is_absent(queue_id) ? position : line_key(line.host, queue_id);
  return line;
}

/* Facts and a record of one line; what comes out is the only one on the stage. */
static const struct delivery *feed(struct bench *bench, struct slice queue_id, enum status status, const char *reply) {
  uint64_t position = bench->position++;
  struct line facts = line_of(LINE_FACTS, position, queue_id), record = line_of(LINE_RECORD, position, queue_id);
  facts.facts = (struct line_facts){.sender = SLICE("a@a.example"), .source_ip = SLICE("198.51.100.4"), .size_bytes = 9};
  record.delivery.recipient = SLICE("ann@b.example");
  record.delivery.status = status;
  record.delivery.reply = slice_from_cstr(reply);
  bench->stage.count = 0;
  join_release(bench->join);
  join_take(bench->join, &facts, &bench->stage);
  join_take(bench->join, &record, &bench->stage);
  ck_assert_uint_le(bench->stage.count, 1);
  return bench->stage.count ? &bench->stage.items[0] : NULL;
}

START_TEST(record_has_the_facts_of_its_own_line_alone) {
  struct bench bench = bench_new(false);
  const struct delivery *delivery = feed(&bench, SLICE_ABSENT, STATUS_delivered, "250 ok");
  ck_assert_slice_eq(delivery->sender, "a@a.example");
  ck_assert_slice_eq(delivery->source_ip, "198.51.100.4");
  ck_assert_uint_eq(delivery->size_bytes, 9);
  struct line other = line_of(LINE_RECORD, 100, SLICE_ABSENT);
  other.delivery.recipient = SLICE("bob@b.example");
  bench.stage.count = 0;
  join_take(bench.join, &other, &bench.stage);
  ck_assert(slice_is_absent(bench.stage.items[0].sender));
  ck_assert_uint_eq(bench.stage.items[0].size_bytes, U64_ABSENT);
  bench_free(&bench);
}
END_TEST

/* Two inputs may have lines at the same position. */
START_TEST(facts_do_not_outlive_their_batch) {
  struct bench bench = bench_new(false);
  feed(&bench, SLICE_ABSENT, STATUS_delivered, "250 ok");
  bench.stage.count = 0;
  join_release(bench.join);
  join_begin(bench.join, &(struct batch){.len = 1u << 20, .input = 1}, SLICE("files"));
  struct line other = line_of(LINE_RECORD, 0, SLICE_ABSENT);
  join_take(bench.join, &other, &bench.stage);
  ck_assert(slice_is_absent(bench.stage.items[0].sender));
  bench_free(&bench);
}
END_TEST

START_TEST(record_without_queue_id_is_never_remembered) {
  struct bench bench = bench_new(false);
  ck_assert_slice_eq(feed(&bench, SLICE_ABSENT, STATUS_deferred, "450 later")->reply, "450 later");
  ck_assert_uint_eq(open_count(&bench), 0);
  bench_free(&bench);
}
END_TEST

START_TEST(expired_record_has_the_reply_of_its_last_attempt) {
  struct bench bench = bench_new(false);
  feed(&bench, SLICE("1"), STATUS_deferred, "450 first");
  feed(&bench, SLICE("1"), STATUS_deferred, "451 last");
  ck_assert_uint_eq(open_count(&bench), 1);
  const struct delivery *delivery = feed(&bench, SLICE("1"), STATUS_expired, "gave up");
  ck_assert_int_eq(delivery->status, STATUS_expired);
  ck_assert_slice_eq(delivery->reply, "451 last");
  ck_assert_slice_eq(delivery->sender, "a@a.example");
  ck_assert_uint_eq(open_count(&bench), 0);
  delivery = feed(&bench, SLICE("2"), STATUS_expired, "gave up");
  ck_assert_int_eq(delivery->status, STATUS_expired);
  ck_assert_slice_eq(delivery->reply, "gave up");
  bench_free(&bench);
}
END_TEST

START_TEST(message_ends_with_the_last_of_its_deferred_recipients) {
  struct bench bench = bench_new(false);
  feed(&bench, SLICE("1"), STATUS_deferred, "450 later");
  struct line other = line_of(LINE_RECORD, bench.position++, SLICE("1"));
  other.delivery.recipient = SLICE("bob@b.example");
  other.delivery.status = STATUS_deferred;
  join_take(bench.join, &other, &bench.stage);
  feed(&bench, SLICE("1"), STATUS_bounced, "550 no");
  ck_assert_uint_eq(open_count(&bench), 1);
  other.delivery.status = STATUS_delivered;
  join_take(bench.join, &other, &bench.stage);
  ck_assert_uint_eq(open_count(&bench), 0);
  bench_free(&bench);
}
END_TEST

START_TEST(record_read_again_is_remembered_but_not_counted_again) {
  struct bench bench = bench_new(true);
  ck_assert(feed(&bench, SLICE("1"), STATUS_deferred, "450 later") == NULL);
  ck_assert_uint_eq(open_count(&bench), 1);
  join_begin(bench.join, &(struct batch){.len = 1u << 20, .position = 100}, SLICE("files"));
  bench.position = 100;
  ck_assert_slice_eq(feed(&bench, SLICE("1"), STATUS_expired, "gave up")->reply, "450 later");
  bench_free(&bench);
}
END_TEST

TEST_MAIN(record_has_the_facts_of_its_own_line_alone, facts_do_not_outlive_their_batch, record_without_queue_id_is_never_remembered,
          expired_record_has_the_reply_of_its_last_attempt, message_ends_with_the_last_of_its_deferred_recipients,
          record_read_again_is_remembered_but_not_counted_again)
