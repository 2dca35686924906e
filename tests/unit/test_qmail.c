/* ingest/qmail: what each line of tests/data/qmail/NAME.log is read as, and what its lines are joined to. */
#include "tests/unit/format_data.h"

START_TEST(every_line_of_the_data_is_read_as_expected) { ck_assert_uint_ge(for_each_log("qmail", check_expected), 3); }
END_TEST

START_TEST(chunk_boundaries_change_nothing) { ck_assert_uint_ge(for_each_log("qmail", check_chunks), 3); }
END_TEST

/* What left the join, as text: "queue id|sender|recipient|service|status|delay|size". */
static void describe_staged(void *context) {
  struct delivery_stage *stage = ((void **)context)[0];
  struct buf *out = ((void **)context)[1];
  for (size_t i = 0; i < stage->count; i++) {
    const struct delivery *delivery = &stage->items[i];
    buf_printf(out, "%.*s|%.*s|%.*s|%.*s|%.*s|%lld|%lld\n", SLICE_ARG(delivery->queue_id), SLICE_ARG(delivery->sender),
               SLICE_ARG(delivery->recipient), SLICE_ARG(delivery->service), SLICE_ARG(status_name(delivery->status)),
               (long long)delivery->delay_us / 1000000, (long long)delivery->size_bytes);
  }
  stage->count = 0;
}

/* Parses the log and joins its lines with `worker_count` workers, each with its own lines. */
static void join_log(struct slice log, unsigned worker_count, struct buf *out) {
  struct reading reading;
  struct join_options options;
  struct delivery_stage stage = {.when_full = describe_staged};
  void *context[] = {&stage, out};
  stage.context = context;
  join_options_init(&options);
  reading_init(&reading, "qmail", log, worker_count);
  parse(&reading, 0, log.len);
  for (unsigned worker = 0; worker < worker_count; worker++) {
    struct join *join = join_new(&options, worker, worker_count);
    join_begin(join, &reading.batch, SLICE("files"));
    for (size_t i = 0; i < reading.parser.lists[worker].count; i++) {
      join_take(join, &reading.parser.lists[worker].items[i], &stage);
      describe_staged(context);
      join_release(join);
    }
    join_free(join);
  }
  reading_deinit(&reading);
}

START_TEST(result_is_of_the_message_and_recipient_that_its_number_began) {
  struct slice log = read_file("tests/data/qmail/multilog.log");
  for (unsigned worker_count = 1; worker_count <= 5; worker_count++) {
    struct buf joined = {0};
    join_log(log, worker_count, &joined);
    ck_assert_slice_eq(buf_slice(&joined),
                       "706430|bounce@shop.example|ann@b.example|remote|delivered|1|2737\n"
                       "706430|bounce@shop.example|bob@b.example|remote|bounced|2|2737\n"
                       "706430|bounce@shop.example|shop.example-eve@shop.example|local|delivered|2|2737\n"
                       "706431||cid@c.example|remote|deferred|1|3999\n"
                       "706431||cid@c.example|remote|deferred|402|3999\n"
                       "706431||cid@c.example|remote|expired|4998|3999\n"
                       "||||bounced|0|-1\n"
                       "1209359||ann@b.example|remote|bounced|0|-1\n"
                       "||||deferred|0|-1\n"
                       "||||delivered|0|-1\n");
    buf_deinit(&joined);
  }
  free((char *)log.ptr);
}
END_TEST

/* Two servers in one scope have the same numbers. */
START_TEST(numbers_of_two_hosts_are_not_mixed) {
  struct slice log = SLICE(
      "Nov 24 08:15:07 mx1 qmail: starting delivery 5: msg 7 to remote ann@b.example\n"
      "Nov 24 08:15:07 mx2 qmail: starting delivery 5: msg 8 to remote bob@b.example\n"
      "Nov 24 08:15:08 mx1 qmail: delivery 5: success: ok/\n"
      "Nov 24 08:15:08 mx2 qmail: delivery 5: failure: no/\n");
  struct buf joined = {0};
  join_log(log, 1, &joined);
  ck_assert_slice_eq(buf_slice(&joined), "7||ann@b.example|remote|delivered|0|-1\n8||bob@b.example|remote|bounced|0|-1\n");
  buf_deinit(&joined);
}
END_TEST

START_TEST(number_that_is_used_again_means_the_later_attempt) {
  struct slice log = SLICE(
      "Nov 24 08:15:07 mx1 qmail: starting delivery 5: msg 7 to remote ann@b.example\n"
      "Nov 24 08:15:07 mx1 qmail: starting delivery 5: msg 8 to local bob\n"
      "Nov 24 08:15:08 mx1 qmail: delivery 5: success: ok/\n"
      "Nov 24 08:15:08 mx1 qmail: delivery 5: success: ok/\n");
  struct buf joined = {0};
  join_log(log, 1, &joined);
  ck_assert_slice_eq(buf_slice(&joined), "8||bob|local|delivered|0|-1\n||||delivered|0|-1\n");
  buf_deinit(&joined);
}
END_TEST

TEST_MAIN(every_line_of_the_data_is_read_as_expected, chunk_boundaries_change_nothing,
          result_is_of_the_message_and_recipient_that_its_number_began, numbers_of_two_hosts_are_not_mixed,
          number_that_is_used_again_means_the_later_attempt)
