/* Messages of a partition become batches, and places in batches become offsets again. */
#include "tests/unit/check_main.h"

#include "base/clock.h"
#include "ingest/kafka_partition.h"

#define DAY_US (SECONDS_PER_DAY * US_PER_SECOND)

struct fixture {
  struct source_options options;
  struct input_table table;
  struct input *input;
  struct kafka_partition p;
};

static void setup(struct fixture *f, uint64_t committed, uint64_t replay_from, size_t share) {
  struct input_position known = {.kind = INPUT_KAFKA, .committed = committed, .replay_from = replay_from};
  *f = (struct fixture){.options = {.parts = 1}};
  input_table_init(&f->table, &f->options);
  f->input = input_table_add(&f->table, INPUT_KAFKA, "t/0", input_table_scope(&f->table, "t/0"), &known);
  kafka_partition_init(&f->p, f->input, 0, share, &f->options);
}

static void teardown(struct fixture *f) {
  kafka_partition_deinit(&f->p);
  input_table_deinit(&f->table);
}

static bool add_at(struct fixture *f, uint64_t offset, int64_t time_us, struct slice payload) {
  return kafka_partition_add(&f->p, &(struct kafka_message){offset, time_us, payload, kafka_message_hash(time_us / 1000, payload)});
}

static bool add(struct fixture *f, uint64_t offset, struct slice payload) { return add_at(f, offset, 0, payload); }

static struct slice taken(struct fixture *f, struct batch *batch) {
  return kafka_partition_take(&f->p, batch) ? slice_of(batch->base, batch->len) : SLICE_ABSENT;
}

START_TEST(end_of_a_message_ends_a_line_and_other_bytes_stay) {
  struct fixture f;
  struct batch batch;
  setup(&f, 0, 0, 1);
  ck_assert(add(&f, 0, SLICE("one")) && add(&f, 1, SLICE("two\nthree\n")) && add(&f, 2, SLICE("")) && add(&f, 3, SLICE("cr\r\n")));
  ck_assert_slice_eq(taken(&f, &batch), "one\ntwo\nthree\n\ncr\r\n");
  ck_assert_uint_eq(f.input->position.committed, 4);
  ck_assert(slice_is_absent(taken(&f, &batch)));
  teardown(&f);
}
END_TEST

START_TEST(place_of_a_line_is_the_offset_of_its_message) {
  struct fixture f;
  struct batch batch;
  setup(&f, 7, 7, 1);
  ck_assert(add(&f, 7, SLICE("one")) && add(&f, 9, SLICE("two\nthree\n")) && add(&f, 10, SLICE_ABSENT) &&
            add(&f, 12, SLICE("four")));
  ck_assert_slice_eq(taken(&f, &batch), "one\ntwo\nthree\nfour\n");
  static const uint64_t places[][2] = {{0, 7}, {4, 9}, {8, 9}, {14, 12}};
  for (size_t i = 0; i < 4; i++) ck_assert_uint_eq(f.input->to_place(f.input->owner, batch.position + places[i][0]), places[i][1]);
  ck_assert(add(&f, 20, SLICE("five")));
  ck_assert_slice_eq(taken(&f, &batch), "five\n");
  ck_assert_uint_eq(f.input->to_place(f.input->owner, batch.position), 20);
  ck_assert_uint_eq(f.input->to_place(f.input->owner, 4), 7); /* of a batch before: its first */
  teardown(&f);
}
END_TEST

START_TEST(null_payloads_have_no_line_but_move_the_offset) {
  struct fixture f;
  struct batch batch;
  setup(&f, 0, 0, 1);
  ck_assert(add(&f, 0, SLICE_ABSENT));
  ck_assert_uint_eq(f.input->position.committed, 1);
  ck_assert(add(&f, 1, SLICE("x")) && add(&f, 2, SLICE_ABSENT));
  /* Nothing is committed over the head of a line that waits. */
  ck_assert_uint_eq(f.input->position.committed, 1);
  ck_assert_slice_eq(taken(&f, &batch), "x\n");
  ck_assert_uint_eq(f.input->position.committed, 3);
  teardown(&f);
}
END_TEST

START_TEST(replay_ends_at_committed_and_what_is_before_it_is_only_looked_back_at) {
  struct fixture f;
  struct batch batch;
  setup(&f, 12, 11, 1);
  ck_assert(add(&f, 9, SLICE("before")) && add(&f, 10, SLICE("before too")));
  ck_assert(slice_is_absent(taken(&f, &batch)));
  ck_assert(add(&f, 11, SLICE("again")));
  ck_assert(!add(&f, 12, SLICE("new")));
  ck_assert_slice_eq(taken(&f, &batch), "again\n");
  ck_assert(batch.is_replay);
  ck_assert_slice_eq(slice_of(batch.base - batch.lookback_len, batch.lookback_len), "before\nbefore too\n");
  ck_assert_uint_eq(f.input->position.committed, 12);
  ck_assert(add(&f, 12, SLICE("new")));
  ck_assert_slice_eq(taken(&f, &batch), "new\n");
  ck_assert(!batch.is_replay);
  ck_assert_uint_eq(f.input->position.committed, 13);
  teardown(&f);
}
END_TEST

START_TEST(messages_seen_before_and_behind_the_end_are_left_out) {
  struct fixture f;
  struct batch batch;
  setup(&f, 0, 0, 1);
  f.p.until = 2;
  ck_assert(add(&f, 0, SLICE("a")) && add(&f, 0, SLICE("a")));
  ck_assert(!f.p.is_over);
  ck_assert(add(&f, 2, SLICE("beyond")) && f.p.is_over && add(&f, 3, SLICE("beyond")));
  ck_assert_slice_eq(taken(&f, &batch), "a\n");
  ck_assert_uint_eq(f.input->position.committed, 2);
  teardown(&f);
}
END_TEST

START_TEST(end_seen_behind_markers_of_a_transaction_is_the_end) {
  struct fixture f;
  setup(&f, 0, 0, 1);
  f.p.until = 5;
  ck_assert(add(&f, 0, SLICE_ABSENT) && !f.p.is_over);
  kafka_partition_reached(&f.p, 5);
  ck_assert(f.p.is_over);
  ck_assert_uint_eq(f.input->position.committed, 5);
  teardown(&f);
}
END_TEST

START_TEST(times_more_than_a_day_apart_are_not_in_one_batch) {
  struct fixture f;
  struct batch batch;
  setup(&f, 0, 0, 1);
  ck_assert(add_at(&f, 0, 10 * DAY_US, SLICE("a")) && add_at(&f, 1, 11 * DAY_US, SLICE("b")));
  ck_assert(!add_at(&f, 2, 11 * DAY_US + 1, SLICE("c")));
  ck_assert_slice_eq(taken(&f, &batch), "a\nb\n");
  ck_assert_int_eq(batch.reference_time_us, 10 * DAY_US);
  ck_assert(add_at(&f, 2, 11 * DAY_US + 1, SLICE("c")));
  ck_assert(!add_at(&f, 3, 0, SLICE("d")));
  teardown(&f);
}
END_TEST

/* Many batches of one message each: more than there are anchors. */
START_TEST(place_in_a_batch_becomes_an_offset_not_behind_its_line_and_not_far_before_for_its_age) {
  struct fixture f;
  struct batch batch;
  setup(&f, 0, 0, 1);
  const uint64_t count = 50000;
  for (uint64_t offset = 0; offset < count; offset++) {
    ck_assert(add(&f, offset, SLICE("0123456")));
    taken(&f, &batch);
    ck_assert_uint_eq(batch.position, offset * 8);
  }
  for (uint64_t position = 0; position < count * 8; position += 3) {
    uint64_t offset = f.input->to_stored(f.input->owner, position);
    ck_assert_uint_le(offset, position / 8);
    ck_assert_uint_le(position - offset * 8, (count * 8 - position) / 64 + 8);
  }
  ck_assert_uint_eq(f.input->to_stored(f.input->owner, count * 8), count);
  teardown(&f);
}
END_TEST

START_TEST(message_larger_than_the_buffer_comes_whole_and_alone) {
  struct fixture f;
  struct batch batch;
  setup(&f, 0, 0, 1000);
  size_t size = 5u << 20;
  char *large = malloc(size);
  memset(large, 'x', size);
  ck_assert(add(&f, 0, SLICE("small")));
  ck_assert(!add(&f, 1, slice_of(large, size)));
  ck_assert_slice_eq(taken(&f, &batch), "small\n");
  ck_assert(add(&f, 1, slice_of(large, size)));
  ck_assert(!add(&f, 2, SLICE("next")));
  ck_assert(kafka_partition_is_full(&f.p));
  ck_assert_uint_eq(taken(&f, &batch).len, size + 1);
  ck_assert_slice_eq(slice_of(batch.base - batch.lookback_len, batch.lookback_len), "small\n");
  ck_assert(add(&f, 2, SLICE("next")));
  ck_assert_slice_eq(taken(&f, &batch), "next\n");
  free(large);
  teardown(&f);
}
END_TEST

START_TEST(mark_is_of_the_last_message_before_what_is_committed_and_lives_on_with_the_position) {
  struct fixture f;
  struct batch batch;
  struct kafka_mark mark, again;
  setup(&f, 0, 0, 1);
  ck_assert(!kafka_partition_mark(&f.p, &mark));
  ck_assert(add(&f, 5, SLICE("one")) && add(&f, 6, SLICE("two")));
  ck_assert_slice_eq(taken(&f, &batch), "one\ntwo\n");
  kafka_partition_reached(&f.p, 9); /* behind markers of a transaction */
  ck_assert(add(&f, 9, SLICE("waits")));
  ck_assert(kafka_partition_mark(&f.p, &mark));
  ck_assert_uint_eq(mark.offset, 6);
  ck_assert_uint_eq(mark.hash, kafka_message_hash(0, SLICE("two")));
  ck_assert_uint_eq(f.input->position.committed, 9);
  ck_assert_slice_eq(taken(&f, &batch), "waits\n");
  ck_assert(add(&f, 10, SLICE_ABSENT) && kafka_partition_mark(&f.p, &mark));
  ck_assert_uint_eq(mark.offset, 10);
  ck_assert_uint_ne(mark.hash, kafka_message_hash(0, SLICE("")));

  struct input_position known = f.input->position;
  struct input *input = input_table_add(&f.table, INPUT_KAFKA, "t/1", 0, &known);
  struct kafka_partition p;
  kafka_partition_init(&p, input, 1, 1, &f.options);
  ck_assert(kafka_partition_mark(&p, &again));
  ck_assert_uint_eq(again.offset, mark.offset);
  ck_assert_uint_eq(again.hash, mark.hash);
  kafka_partition_deinit(&p);
  teardown(&f);
}
END_TEST

START_TEST(partition_of_which_nothing_was_read_yet_is_needed_from_where_it_was) {
  struct fixture f;
  struct batch batch;
  setup(&f, 10, 4, 1);
  ck_assert_uint_eq(f.input->to_stored(f.input->owner, f.input->done), 4);
  ck_assert(add(&f, 2, SLICE("looked back at")) && add(&f, 3, SLICE_ABSENT));
  ck_assert_uint_eq(f.input->to_stored(f.input->owner, f.input->done), 4);
  ck_assert(add(&f, 4, SLICE("replayed")));
  ck_assert_slice_eq(taken(&f, &batch), "replayed\n");
  ck_assert(batch.is_replay);
  ck_assert_uint_eq(f.input->to_stored(f.input->owner, batch.position), 4);
  teardown(&f);
}
END_TEST

START_TEST(restarted_partition_takes_offsets_that_it_had_before) {
  struct fixture f;
  struct batch batch;
  struct kafka_mark mark;
  setup(&f, 0, 0, 1);
  ck_assert(add(&f, 7, SLICE("old")));
  ck_assert_slice_eq(taken(&f, &batch), "old\n");
  kafka_partition_restart(&f.p, 2);
  ck_assert(!kafka_partition_mark(&f.p, &mark));
  ck_assert_uint_eq(f.input->position.committed, 2);
  ck_assert_uint_eq(f.input->to_stored(f.input->owner, 0), 2);
  ck_assert(add(&f, 3, SLICE("new")));
  ck_assert_slice_eq(taken(&f, &batch), "new\n");
  ck_assert(!batch.is_replay);
  ck_assert_uint_eq(f.input->position.committed, 4);
  ck_assert_uint_eq(f.input->to_place(f.input->owner, batch.position), 3);
  teardown(&f);
}
END_TEST

TEST_MAIN(partition_of_which_nothing_was_read_yet_is_needed_from_where_it_was,
          mark_is_of_the_last_message_before_what_is_committed_and_lives_on_with_the_position,
          restarted_partition_takes_offsets_that_it_had_before, place_of_a_line_is_the_offset_of_its_message,
          end_of_a_message_ends_a_line_and_other_bytes_stay, null_payloads_have_no_line_but_move_the_offset,
          replay_ends_at_committed_and_what_is_before_it_is_only_looked_back_at,
          messages_seen_before_and_behind_the_end_are_left_out, end_seen_behind_markers_of_a_transaction_is_the_end,
          times_more_than_a_day_apart_are_not_in_one_batch,
          place_in_a_batch_becomes_an_offset_not_behind_its_line_and_not_far_before_for_its_age,
          message_larger_than_the_buffer_comes_whole_and_alone)
