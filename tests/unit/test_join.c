/* ingest/join: what a message's lines add to its deliveries, and what is remembered and forgotten. */
#include <stdio.h>

#include "base/clock.h"
#include "ingest/join_internal.h"
#include "tests/unit/check_main.h"
#include "tests/unit/join_lines.h"

/* A join with its stage, and what left it. Slices of `seen` are copies in `kept`, which goes round. */
struct bench {
  struct join *join;
  struct delivery_stage stage;
  struct delivery seen[512];
  size_t seen_count;
  size_t kept_len;
  char kept[1u << 20];
};

static struct slice keep(struct bench *bench, struct slice s) {
  if (slice_is_absent(s)) return s;
  if (bench->kept_len + s.len > sizeof bench->kept) bench->kept_len = 0;
  char *copy = bench->kept + bench->kept_len;
  if (s.len) memcpy(copy, s.ptr, s.len);
  bench->kept_len += s.len;
  return slice_of(copy, s.len);
}

static void collect(void *context) {
  struct bench *bench = context;
  for (size_t i = 0; i < bench->stage.count; i++) {
    struct delivery *to = &bench->seen[bench->seen_count++ % 512];
    *to = bench->stage.items[i];
    to->reply = keep(bench, to->reply), to->sender = keep(bench, to->sender), to->recipient = keep(bench, to->recipient);
    to->client_host = keep(bench, to->client_host), to->client_ip = keep(bench, to->client_ip),
    to->message_id = keep(bench, to->message_id);
    to->orig_recipient = keep(bench, to->orig_recipient);
    to->relay_host = keep(bench, to->relay_host), to->dsn = keep(bench, to->dsn), to->service = keep(bench, to->service);
  }
  bench->stage.count = 0;
}

static void bench_begin(struct bench *bench, bool is_replay) {
  join_begin(bench->join, &(struct batch){.len = 1u << 20, .is_replay = is_replay}, SLICE("files"));
}

static struct bench *bench_new(const struct join_options *options) {
  struct bench *bench = calloc(1, sizeof *bench);
  bench->stage.when_full = collect;
  bench->stage.context = bench;
  bench->join = join_new(options, 0, 1);
  bench_begin(bench, false);
  return bench;
}

static struct bench *bench_default(void) {
  struct join_options options;
  join_options_init(&options);
  return bench_new(&options);
}

static void bench_free(struct bench *bench) {
  join_free(bench->join);
  free(bench);
}

/* Takes a line; what it made is in seen[0 ...]. */
static size_t feed(struct bench *bench, struct line line) {
  bench->seen_count = 0;
  join_take(bench->join, &line, &bench->stage);
  collect(bench);
  join_release(bench->join);
  return bench->seen_count;
}

static uint64_t open_count(const struct bench *bench) {
  struct join_counts counts;
  join_read_counts(bench->join, &counts);
  return counts.open;
}

START_TEST(delivery_has_what_the_other_lines_of_its_message_said) {
  struct bench *bench = bench_default();
  feed(bench, line_client("A1", 0, "app.example.org", "10.0.0.7"));
  feed(bench, line_message_id("A1", 1, "<1@example.org>"));
  feed(bench, line_sender("A1", 2, "news@example.org", 4711));
  ck_assert_uint_eq(feed(bench, line_delivery("A1", 3, "user@example.net", STATUS_delivered, "250 ok")), 1);
  const struct delivery *d = &bench->seen[0];
  ck_assert_slice_eq(d->client_host, "app.example.org");
  ck_assert_slice_eq(d->client_ip, "10.0.0.7");
  ck_assert_slice_eq(d->message_id, "<1@example.org>");
  ck_assert_slice_eq(d->sender, "news@example.org");
  ck_assert_uint_eq(d->size_bytes, 4711);
  ck_assert_slice_eq(d->recipient, "user@example.net");
  ck_assert_slice_eq(d->reply, "250 ok");
  ck_assert_uint_eq(d->status, STATUS_delivered);
  ck_assert_uint_eq(d->direction, DIRECTION_out);
  ck_assert(slice_is_absent(d->source_ip));
  ck_assert(d->line == U64_ABSENT);
  bench_free(bench);
}
END_TEST

START_TEST(null_sender_is_empty_not_absent) {
  struct bench *bench = bench_default();
  feed(bench, line_sender("A1", 0, "", 100));
  feed(bench, line_delivery("A1", 1, "user@example.net", STATUS_delivered, "ok"));
  ck_assert(!slice_is_absent(bench->seen[0].sender));
  ck_assert_uint_eq(bench->seen[0].sender.len, 0);
  bench_free(bench);
}
END_TEST

START_TEST(removed_message_is_forgotten_and_later_deliveries_are_orphans) {
  struct bench *bench = bench_default();
  feed(bench, line_sender("A1", 0, "news@example.org", 1));
  feed(bench, line_of_qmgr(LINE_REMOVED, "A1", 1));
  ck_assert_uint_eq(open_count(bench), 0);
  feed(bench, line_delivery("A1", 2, "user@example.net", STATUS_delivered, "ok"));
  ck_assert(slice_is_absent(bench->seen[0].sender));
  ck_assert_uint_eq(open_count(bench), 0);
  struct join_counts counts;
  join_read_counts(bench->join, &counts);
  ck_assert_uint_eq(counts.orphans, 1);
  bench_free(bench);
}
END_TEST

START_TEST(expired_message_keeps_reply_of_last_attempt) {
  struct bench *bench = bench_default();
  feed(bench, line_sender("A1", 0, "news@example.org", 1));
  feed(bench, line_delivery("A1", 1, "a@example.net", STATUS_deferred, "451 first"));
  feed(bench, line_delivery("A1", 2, "b@example.net", STATUS_deferred, "451 other"));
  feed(bench, line_sender("A1", 3, "news@example.org", 1));
  feed(bench, line_delivery("A1", 4, "a@example.net", STATUS_deferred, "452 last"));
  ck_assert_uint_eq(feed(bench, line_of_qmgr(LINE_EXPIRED, "A1", 5)), 2);
  const struct delivery *d = &bench->seen[0];
  ck_assert_slice_eq(d->recipient, "a@example.net");
  ck_assert_slice_eq(d->reply, "452 last");
  ck_assert_slice_eq(d->relay_host, "mx.example.net");
  ck_assert_slice_eq(d->dsn, "4.7.1");
  ck_assert_slice_eq(d->service, "smtp");
  ck_assert_uint_eq(d->smtp_code, 451);
  ck_assert_uint_eq(d->status, STATUS_expired);
  ck_assert_int_eq(d->time_us, 5000000);
  ck_assert_slice_eq(d->sender, "news@example.org");
  ck_assert_slice_eq(bench->seen[1].recipient, "b@example.net");
  ck_assert_uint_eq(feed(bench, line_of_qmgr(LINE_EXPIRED, "A1", 6)), 0);
  bench_free(bench);
}
END_TEST

START_TEST(recipient_delivered_or_bounced_later_does_not_expire) {
  struct bench *bench = bench_default();
  feed(bench, line_sender("A1", 0, "news@example.org", 1));
  feed(bench, line_delivery("A1", 1, "a@example.net", STATUS_deferred, "451 a"));
  feed(bench, line_delivery("A1", 2, "b@example.net", STATUS_deferred, "451 b"));
  feed(bench, line_delivery("A1", 3, "c@example.net", STATUS_deferred, "451 c"));
  feed(bench, line_delivery("A1", 4, "a@example.net", STATUS_delivered, "250"));
  feed(bench, line_delivery("A1", 5, "c@example.net", STATUS_bounced, "550"));
  ck_assert_uint_eq(feed(bench, line_of_qmgr(LINE_EXPIRED, "A1", 6)), 1);
  ck_assert_slice_eq(bench->seen[0].recipient, "b@example.net");
  bench_free(bench);
}
END_TEST

START_TEST(retry_with_same_sender_keeps_deferred_recipients) {
  struct bench *bench = bench_default();
  feed(bench, line_client("A1", 0, "app", "10.0.0.7"));
  feed(bench, line_sender("A1", 1, "news@example.org", 1));
  feed(bench, line_delivery("A1", 2, "a@example.net", STATUS_deferred, "451 a"));
  for (uint64_t i = 3; i < 9; i++) feed(bench, line_sender("A1", i, "news@example.org", 1));
  ck_assert_uint_eq(feed(bench, line_of_qmgr(LINE_EXPIRED, "A1", 9)), 1);
  ck_assert_slice_eq(bench->seen[0].client_host, "app");
  bench_free(bench);
}
END_TEST

START_TEST(queue_id_used_again_begins_with_nothing) {
  struct bench *bench = bench_default();
  feed(bench, line_client("A1", 0, "app", "10.0.0.7"));
  feed(bench, line_sender("A1", 1, "news@example.org", 1));
  feed(bench, line_delivery("A1", 2, "a@example.net", STATUS_deferred, "451 a"));
  feed(bench, line_client("A1", 3, "other", "10.0.0.8"));
  feed(bench, line_delivery("A1", 4, "b@example.net", STATUS_delivered, "250"));
  ck_assert(slice_is_absent(bench->seen[0].sender));
  ck_assert_slice_eq(bench->seen[0].client_host, "other");
  ck_assert_uint_eq(feed(bench, line_of_qmgr(LINE_EXPIRED, "A1", 5)), 0);
  /* Without a client line: another sender, then another size. */
  feed(bench, line_sender("A1", 6, "", 9));
  feed(bench, line_delivery("A1", 7, "c@example.net", STATUS_deferred, "451 c"));
  feed(bench, line_sender("A1", 8, "", 10));
  ck_assert_uint_eq(feed(bench, line_of_qmgr(LINE_EXPIRED, "A1", 9)), 0);
  bench_free(bench);
}
END_TEST

START_TEST(orphan_deferral_is_remembered_so_that_it_expires) {
  struct bench *bench = bench_default();
  feed(bench, line_delivery("A1", 0, "a@example.net", STATUS_deferred, "451 a"));
  ck_assert_uint_eq(open_count(bench), 1);
  feed(bench, line_delivery("A2", 1, "a@example.net", STATUS_bounced, "550 a"));
  ck_assert_uint_eq(open_count(bench), 1);
  ck_assert_uint_eq(feed(bench, line_of_qmgr(LINE_EXPIRED, "A1", 2)), 1);
  ck_assert_slice_eq(bench->seen[0].reply, "451 a");
  bench_free(bench);
}
END_TEST

START_TEST(repeated_line_gives_so_many_deliveries) {
  struct bench *bench = bench_default();
  struct line line = line_delivery("A1", 0, "a@example.net", STATUS_bounced, "550");
  line.times = 200;
  ck_assert_uint_eq(feed(bench, line), 200);
  bench_free(bench);
}
END_TEST

START_TEST(transport_with_its_own_syslog_name_belongs_to_the_only_message_of_that_queue_id) {
  struct bench *bench = bench_default();
  feed(bench, line_sender("A1", 0, "news@example.org", 1));
  struct line line = line_delivery("A1", 1, "a@example.net", STATUS_deferred, "451");
  line.instance = SLICE("relay-slow");
  feed(bench, line);
  ck_assert_slice_eq(bench->seen[0].sender, "news@example.org");
  ck_assert_uint_eq(feed(bench, line_of_qmgr(LINE_EXPIRED, "A1", 2)), 1);
  /* A second instance with this id: a third name could mean either. */
  struct line second = line_sender("A1", 3, "other@example.org", 2);
  second.instance = SLICE("postfix-b");
  feed(bench, second);
  line.position = 400;
  line.delivery.status = STATUS_delivered;
  feed(bench, line);
  ck_assert(slice_is_absent(bench->seen[0].sender));
  bench_free(bench);
}
END_TEST

static struct line of_instance(struct line line, const char *instance) {
  line.instance = slice_from_cstr(instance);
  return line;
}

/* smtpd and a transport with names of their own; cleanup and qmgr with another. */
START_TEST(client_of_an_smtpd_with_its_own_syslog_name_belongs_to_the_message) {
  for (unsigned has_message_id = 0; has_message_id < 2; has_message_id++) {
    struct bench *bench = bench_default();
    feed(bench, of_instance(line_client("A1", 0, "app", "10.0.0.7"), "submission"));
    if (has_message_id) feed(bench, line_message_id("A1", 1, "<1@example.org>"));
    feed(bench, line_sender("A1", 2, "news@example.org", 4711));
    ck_assert_uint_eq(open_count(bench), 1);
    feed(bench, of_instance(line_delivery("A1", 3, "a@example.net", STATUS_deferred, "451"), "slow"));
    const struct delivery *d = &bench->seen[0];
    ck_assert_slice_eq(d->client_host, "app");
    ck_assert_slice_eq(d->sender, "news@example.org");
    ck_assert_uint_eq(d->size_bytes, 4711);
    ck_assert(slice_is_absent(d->message_id) == !has_message_id);
    ck_assert_uint_eq(feed(bench, line_of_qmgr(LINE_EXPIRED, "A1", 4)), 1);
    ck_assert_slice_eq(bench->seen[0].client_ip, "10.0.0.7");
    feed(bench, line_of_qmgr(LINE_REMOVED, "A1", 5));
    ck_assert_uint_eq(open_count(bench), 0);
    bench_free(bench);
  }
}
END_TEST

START_TEST(client_that_went_away_does_not_spoil_the_next_message_of_its_queue_id) {
  struct bench *bench = bench_default();
  feed(bench, of_instance(line_client("A1", 0, "gone", "10.0.0.6"), "submission"));
  feed(bench, line_client("A1", 1, "app", "10.0.0.7"));
  ck_assert_uint_eq(open_count(bench), 1);
  feed(bench, line_message_id("A1", 2, "<1@example.org>"));
  feed(bench, line_sender("A1", 3, "news@example.org", 1));
  feed(bench, of_instance(line_delivery("A1", 4, "a@example.net", STATUS_delivered, "250"), "slow"));
  ck_assert_slice_eq(bench->seen[0].client_host, "app");
  ck_assert_slice_eq(bench->seen[0].sender, "news@example.org");
  feed(bench, line_of_qmgr(LINE_REMOVED, "A1", 5));
  ck_assert_uint_eq(open_count(bench), 0);
  bench_free(bench);
}
END_TEST

START_TEST(message_of_another_instance_is_not_adopted) {
  struct bench *bench = bench_default();
  feed(bench, of_instance(line_client("A1", 0, "app", "10.0.0.7"), "postfix-b"));
  feed(bench, of_instance(line_message_id("A1", 1, "<1@example.org>"), "postfix-b"));
  feed(bench, line_message_id("A1", 2, "<2@example.org>"));
  feed(bench, line_sender("A1", 3, "", 1));
  ck_assert_uint_eq(open_count(bench), 2);
  feed(bench, line_delivery("A1", 4, "a@example.net", STATUS_delivered, "250"));
  ck_assert(slice_is_absent(bench->seen[0].client_host));
  ck_assert_slice_eq(bench->seen[0].message_id, "<2@example.org>");
  bench_free(bench);
}
END_TEST

START_TEST(message_id_behind_a_sender_begins_another_message) {
  struct bench *bench = bench_default();
  feed(bench, line_client("A1", 0, "app", "10.0.0.7"));
  feed(bench, line_message_id("A1", 1, "<1@example.org>"));
  feed(bench, line_sender("A1", 2, "news@example.org", 1));
  feed(bench, line_delivery("A1", 3, "a@example.net", STATUS_deferred, "451"));
  feed(bench, line_message_id("A1", 4, "<2@example.org>"));
  feed(bench, line_delivery("A1", 5, "b@example.net", STATUS_delivered, "250"));
  ck_assert_slice_eq(bench->seen[0].message_id, "<2@example.org>");
  ck_assert(slice_is_absent(bench->seen[0].sender));
  ck_assert(slice_is_absent(bench->seen[0].client_host));
  ck_assert_uint_eq(feed(bench, line_of_qmgr(LINE_EXPIRED, "A1", 6)), 0);
  bench_free(bench);
}
END_TEST

START_TEST(recipients_that_differ_only_in_what_they_were_expire_each) {
  struct bench *bench = bench_default();
  struct line one = line_delivery("A1", 1, "a@example.net", STATUS_deferred, "451 one"),
              two = line_delivery("A1", 2, "a@example.net", STATUS_deferred, "451 two"),
              plain = line_delivery("A1", 3, "a@example.net", STATUS_deferred, "451 plain");
  one.delivery.orig_recipient = SLICE("one@example.org");
  two.delivery.orig_recipient = SLICE("two@example.org");
  feed(bench, line_sender("A1", 0, "news@example.org", 1));
  feed(bench, one);
  feed(bench, two);
  feed(bench, plain);
  feed(bench, one);
  two.delivery.status = STATUS_delivered;
  feed(bench, two);
  ck_assert_uint_eq(feed(bench, line_of_qmgr(LINE_EXPIRED, "A1", 4)), 2);
  ck_assert_slice_eq(bench->seen[0].orig_recipient, "one@example.org");
  ck_assert_slice_eq(bench->seen[1].reply, "451 plain");
  bench_free(bench);
}
END_TEST

static struct line line_reject(const char *id, uint64_t index) {
  struct line line = line_make(LINE_REJECT, "postfix", "smtpd", id, index);
  memset(&line.reject, 0, sizeof line.reject);
  line.reject.recipient = SLICE("nobody@example.org");
  line.reject.smtp_code = 550;
  line.reject.reply = SLICE("no such user here");
  return line;
}

START_TEST(reject_takes_sender_and_client_of_its_message_and_does_not_end_it) {
  struct bench *bench = bench_default();
  feed(bench, line_client("A1", 0, "app", "10.0.0.7"));
  feed(bench, line_sender("A1", 1, "news@example.org", 1));
  ck_assert_uint_eq(feed(bench, line_reject("A1", 2)), 1);
  const struct delivery *d = &bench->seen[0];
  ck_assert_uint_eq(d->status, STATUS_rejected);
  ck_assert_uint_eq(d->direction, DIRECTION_in);
  ck_assert_slice_eq(d->sender, "news@example.org");
  ck_assert_slice_eq(d->client_ip, "10.0.0.7");
  ck_assert_uint_eq(open_count(bench), 1);
  struct line own = line_reject(NULL, 3);
  own.reject.sender = SLICE("spam@example.com");
  own.reject.client_ip = SLICE("203.0.113.9");
  feed(bench, own);
  ck_assert_slice_eq(bench->seen[0].sender, "spam@example.com");
  ck_assert(slice_is_absent(bench->seen[0].client_host));
  bench_free(bench);
}
END_TEST

START_TEST(more_expired_recipients_than_the_stage_holds_all_leave_whole) {
  struct bench *bench = bench_default();
  char recipients[200][32];
  feed(bench, line_sender("A1", 0, "news@example.org", 1));
  for (unsigned i = 0; i < 200; i++) {
    snprintf(recipients[i], sizeof recipients[i], "user%u@example.net", i);
    feed(bench, line_delivery("A1", i + 1, recipients[i], STATUS_deferred, recipients[i]));
  }
  bench->seen_count = 0;
  struct line line = line_of_qmgr(LINE_EXPIRED, "A1", 300);
  join_take(bench->join, &line, &bench->stage);
  ck_assert_uint_eq(bench->seen_count, 192);
  join_release(bench->join); /* eight are still staged and point into the join */
  struct line next = line_sender("A2", 301, "xxxxxxxxxxxxxxxxxxxxxxxxxxx", 1);
  for (unsigned i = 0; i < 50; i++) {
    struct line deferral = line_delivery("A3", 302 + i, recipients[i], STATUS_deferred, "XXXXXXXXXXXXXXXXXXXXXXXXXX");
    struct delivery_stage other = {.when_full = collect, .context = bench};
    if (i == 0) join_take(bench->join, &next, &bench->stage);
    deferral.delivery.status = STATUS_deferred;
    join_take(bench->join, &deferral, &other);
  }
  collect(bench);
  for (unsigned i = 0; i < 200; i++) {
    ck_assert_slice_eq(bench->seen[i].recipient, recipients[i]);
    ck_assert_slice_eq(bench->seen[i].reply, recipients[i]);
  }
  bench_free(bench);
}
END_TEST

START_TEST(staged_delivery_outlives_its_message_until_the_release) {
  struct bench *bench = bench_default();
  struct line lines[] = {
      line_sender("A1", 0, "news@example.org", 1),
      line_delivery("A1", 1, "a@example.net", STATUS_delivered, "250"),
      line_sender("A1", 2, "someone-else-entirely@example.com", 7),
      line_of_qmgr(LINE_REMOVED, "A1", 3),
      line_sender("A2", 4, "xxxxxxxxxxxxxxxx", 1),
  };
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) join_take(bench->join, &lines[i], &bench->stage);
  ck_assert_slice_eq(bench->stage.items[0].sender, "news@example.org");
  bench_free(bench);
}
END_TEST

START_TEST(oldest_message_is_forgotten_beyond_the_limit_of_memory_and_counted) {
  struct join_options options;
  join_options_init(&options);
  options.bytes_max = LIMIT_JOIN_SHARDS * 4096;
  struct bench *bench = bench_new(&options);
  char id[16];
  for (unsigned i = 0; i < 1000; i++) {
    snprintf(id, sizeof id, "Q%u", i);
    struct line line = line_sender(id, i, "news@example.org", 1);
    line.key = (uint64_t)(i + 1); /* all in shard 0 */
    feed(bench, line);
  }
  struct join_counts counts;
  join_read_counts(bench->join, &counts);
  ck_assert_uint_lt(counts.open, 16);
  ck_assert_uint_gt(counts.open, 4);
  ck_assert_uint_eq(counts.forgotten_memory + counts.open, 1000);
  struct line last = line_delivery("Q999", 1000, "a@example.net", STATUS_delivered, "250");
  last.key = 1000;
  feed(bench, last);
  ck_assert_slice_eq(bench->seen[0].sender, "news@example.org");
  bench_free(bench);
}
END_TEST

START_TEST(message_is_forgotten_by_age_of_events_in_its_shard_alone) {
  struct bench *bench = bench_default();
  struct line old = line_sender("A1", 0, "news@example.org", 1), other = line_sender("A2", 1, "x@example.org", 1),
              same = line_sender("A3", 2, "y@example.org", 1);
  old.key = 1, other.key = UINT64_MAX, same.key = 2;
  other.time_us = same.time_us = (LIMIT_JOIN_AGE_DAYS * SECONDS_PER_DAY + 1) * US_PER_SECOND;
  feed(bench, old);
  feed(bench, other);
  ck_assert_uint_eq(open_count(bench), 2);
  feed(bench, same);
  ck_assert_uint_eq(open_count(bench), 2);
  struct join_counts counts;
  join_read_counts(bench->join, &counts);
  ck_assert_uint_eq(counts.forgotten_age, 1);
  bench_free(bench);
}
END_TEST

START_TEST(source_is_told_by_the_first_rule_that_matches) {
  const struct source_rule rules[] = {
      {SLICE("mx?"), SLICE_ABSENT, SLICE("lmtp"), SLICE("local")},
      {SLICE("*1"), SLICE("postfix"), SLICE_ABSENT, SLICE("198.51.100.1")},
      {SLICE_ABSENT, SLICE_ABSENT, SLICE_ABSENT, SLICE("other")},
  };
  struct join_options options;
  join_options_init(&options);
  options.source_rules = rules;
  options.source_rule_count = 3;
  struct bench *bench = bench_new(&options);
  for (unsigned round = 0; round < 3; round++) {
    struct line line = line_delivery("A1", round, "a@example.net", STATUS_delivered, "250");
    feed(bench, line);
    ck_assert_slice_eq(bench->seen[0].source_ip, "198.51.100.1");
    line.service = SLICE("lmtp");
    feed(bench, line);
    ck_assert_slice_eq(bench->seen[0].source_ip, "local");
    line.service = SLICE("smtp");
    line.instance = SLICE_ABSENT;
    feed(bench, line);
    ck_assert_slice_eq(bench->seen[0].source_ip, "other");
  }
  bench_free(bench);
}
END_TEST

START_TEST(glob_takes_stars_and_question_marks) {
  ck_assert(glob_matches(SLICE("*"), SLICE("")));
  ck_assert(glob_matches(SLICE("mx*.example.*"), SLICE("mx1.b.example.org")));
  ck_assert(glob_matches(SLICE("*a*b"), SLICE("aabab")));
  ck_assert(glob_matches(SLICE("MX?"), SLICE("mx1")));
  ck_assert(!glob_matches(SLICE("mx?"), SLICE("mx")));
  ck_assert(!glob_matches(SLICE("*.org"), SLICE("mx.org.uk")));
  ck_assert(!glob_matches(SLICE(""), SLICE("a")));
}
END_TEST

START_TEST(string_longer_than_the_limit_is_cut_and_no_other_sender_at_the_next_retry) {
  struct bench *bench = bench_default();
  char *address = malloc(60001);
  memset(address, 'a', 60000);
  address[60000] = '\0';
  feed(bench, line_sender("A1", 0, address, 1));
  feed(bench, line_message_id("A1", 1, address));
  feed(bench, line_client("A2", 1, address, address));
  feed(bench, line_delivery("A1", 2, address, STATUS_deferred, address));
  feed(bench, line_sender("A1", 3, address, 1));
  ck_assert_uint_eq(feed(bench, line_of_qmgr(LINE_EXPIRED, "A1", 4)), 1);
  ck_assert_uint_eq(bench->seen[0].sender.len, LIMIT_JOINED_BYTES);
  ck_assert_uint_eq(bench->seen[0].reply.len, LIMIT_REPLY_BYTES);
  free(address);
  bench_free(bench);
}
END_TEST

/* ---- allocations ------------------------------------------------------------------------------------------------------------- */

static bool is_counting;
static unsigned long allocation_count;

#ifndef __SANITIZE_ADDRESS__
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *ptr, size_t size);
void *malloc(size_t size) { return allocation_count += is_counting, __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return allocation_count += is_counting, __libc_calloc(count, size); }
void *realloc(void *ptr, size_t size) { return allocation_count += is_counting, __libc_realloc(ptr, size); }
#endif

static void count_only(void *context) {
  struct bench *bench = context;
  bench->seen_count += bench->stage.count;
  bench->stage.count = 0;
}

/* One round: `open` messages at once, each with a deferral, a retry and its end. */
static void run_messages(struct bench *bench, unsigned open, uint64_t *index) {
  char id[16];
  for (unsigned step = 0; step < 5; step++) {
    for (unsigned i = 0; i < open; i++) {
      snprintf(id, sizeof id, "%08X", i);
      struct line line = step == 0   ? line_client(id, *index, "app.example.org", "10.0.0.7")
                         : step == 1 ? line_message_id(id, *index, "<20261124081507.4711@app.example.org>")
                         : step == 2 ? line_sender(id, *index, "news@example.org", 1)
                         : step == 3 ? line_delivery(id, *index, "user@example.net", i % 8 ? STATUS_delivered : STATUS_deferred,
                                                     "451 4.7.1 try again later (in reply to RCPT TO command)")
                                     : line_of_qmgr(LINE_REMOVED, id, *index);
      (*index)++;
      join_take(bench->join, &line, &bench->stage);
      if (i % 1000) continue; /* a batch ends */
      count_only(bench);
      join_release(bench->join);
    }
  }
}

START_TEST(a_line_allocates_nothing_once_the_join_is_warm) {
  struct bench *bench = bench_default();
  bench->stage.when_full = count_only;
  uint64_t index = 0;
  run_messages(bench, 10000, &index);
  size_t regions = bench->join->slab.region_count;
  is_counting = true;
  for (unsigned round = 0; round < 5; round++) run_messages(bench, 10000, &index);
  is_counting = false;
  count_only(bench);
  ck_assert_uint_eq(allocation_count, 0);
  ck_assert_uint_eq(bench->join->slab.region_count, regions);
  ck_assert_uint_eq(bench->seen_count, 60000);
  bench_free(bench);
}
END_TEST

TEST_MAIN(delivery_has_what_the_other_lines_of_its_message_said, null_sender_is_empty_not_absent,
          removed_message_is_forgotten_and_later_deliveries_are_orphans, expired_message_keeps_reply_of_last_attempt,
          recipient_delivered_or_bounced_later_does_not_expire, retry_with_same_sender_keeps_deferred_recipients,
          queue_id_used_again_begins_with_nothing, orphan_deferral_is_remembered_so_that_it_expires,
          repeated_line_gives_so_many_deliveries, transport_with_its_own_syslog_name_belongs_to_the_only_message_of_that_queue_id,
          client_of_an_smtpd_with_its_own_syslog_name_belongs_to_the_message,
          client_that_went_away_does_not_spoil_the_next_message_of_its_queue_id, message_of_another_instance_is_not_adopted,
          message_id_behind_a_sender_begins_another_message, recipients_that_differ_only_in_what_they_were_expire_each,
          reject_takes_sender_and_client_of_its_message_and_does_not_end_it,
          more_expired_recipients_than_the_stage_holds_all_leave_whole, staged_delivery_outlives_its_message_until_the_release,
          oldest_message_is_forgotten_beyond_the_limit_of_memory_and_counted,
          message_is_forgotten_by_age_of_events_in_its_shard_alone, source_is_told_by_the_first_rule_that_matches,
          glob_takes_stars_and_question_marks, string_longer_than_the_limit_is_cut_and_no_other_sender_at_the_next_retry,
          a_line_allocates_nothing_once_the_join_is_warm)
