/* All datasets are written or none: against a segment writer that fails where it is told to. */
#include "aggregate/aggregator.h"
#include "aggregate/pending.h"
#include "aggregate/segment_writer.h"
#include "aggregate/store.h"
#include "tests/unit/check_main.h"

/* ---- a store that writes nothing ---------------------------------------------------------------------------------------------- */

enum failure { FAIL_NEVER, FAIL_NEW, FAIL_ADD, FAIL_FINISH };

/* What happened, and where to fail: at the dataset, in the call. */
static struct {
  enum failure failure;
  enum dataset_id failing;
  unsigned open, finished;
  size_t rows[DATASET_COUNT];
} fake;

struct segment_writer {
  enum dataset_id dataset;
  unsigned writer;
};

static bool must_fail(enum failure call, enum dataset_id dataset, struct error *err) {
  if (fake.failure != call || fake.failing != dataset) return false;
  error_set(err, ERROR_INPUT, "told to fail");
  return true;
}

const char *store_segments_dir(const struct store *store) {
  (void)store;
  return "/nonexistent-bouncemill-segments";
}

struct segment_writer *segment_writer_new(struct store *store, const struct dataset *dataset, unsigned writer, struct error *err) {
  (void)store;
  enum dataset_id id = (enum dataset_id)(dataset - DATASETS);
  if (must_fail(FAIL_NEW, id, err)) return NULL;
  struct segment_writer *w = malloc(sizeof *w);
  *w = (struct segment_writer){.dataset = id, .writer = writer};
  fake.open++;
  return w;
}

bool segment_writer_add(struct segment_writer *w, const void *row, struct error *err) {
  (void)row;
  fake.rows[w->dataset]++;
  return !must_fail(FAIL_ADD, w->dataset, err);
}

bool segment_writer_finish(struct segment_writer *w, struct pending_segments *pending, struct error *err) {
  bool ok = !must_fail(FAIL_FINISH, w->dataset, err);
  struct segment_record record = {.dataset = w->dataset, .writer = w->writer, .name = "fake"};
  if (ok) pending_segments_add(pending, store_segments_dir(NULL), &record);
  fake.finished += ok;
  segment_writer_abort(w);
  return ok;
}

void segment_writer_abort(struct segment_writer *w) {
  fake.open--;
  free(w);
}

/* ---- tests ------------------------------------------------------------------------------------------------------------------ */

/* A row for each dataset: a refusal of our delivery. */
static void add_refusal(struct aggregator *aggregator, const char *recipient) {
  struct delivery delivery;
  struct verdict verdict = {.cause = CAUSE_user_unknown, .outcome = OUTCOME_hard};
  delivery_init(&delivery);
  delivery.time_us = 0;
  delivery.status = STATUS_bounced;
  delivery.recipient = slice_from_cstr(recipient);
  aggregator_add(aggregator, &delivery, &verdict, 1);
}

static struct aggregator *new_with_recipients(void) {
  struct aggregator *aggregator = aggregator_new();
  aggregator_keep_recipients(aggregator, &(struct recipient_options){.naming = RECIPIENTS_PLAIN});
  return aggregator;
}

START_TEST(every_dataset_with_rows_is_written_and_the_tables_are_empty) {
  struct aggregator *aggregator = new_with_recipients();
  struct pending_segments *pending = pending_segments_new();
  struct error err = {0};
  add_refusal(aggregator, "a@x.org");
  add_refusal(aggregator, "a@y.org");
  ck_assert(aggregator_write(aggregator, NULL, 7, pending, &err));
  ck_assert_uint_eq(aggregator_rows(aggregator), 0);
  ck_assert_uint_eq(pending_segments_count(pending), DATASET_COUNT);
  for (size_t i = 0; i < DATASET_COUNT; i++) {
    ck_assert_uint_eq(pending_segments_at(pending, i)->dataset, i);
    ck_assert_uint_eq(pending_segments_at(pending, i)->writer, 7);
  }
  ck_assert_uint_eq(fake.rows[DATASET_traffic], 2);
  ck_assert_uint_eq(fake.rows[DATASET_relays], 1);
  ck_assert_uint_eq(fake.rows[DATASET_replies], 1);
  /* Empty tables leave no segments. */
  ck_assert(aggregator_write(aggregator, NULL, 7, pending, &err));
  ck_assert_uint_eq(pending_segments_count(pending), DATASET_COUNT);
  ck_assert_uint_eq(fake.open, 0);
  pending_segments_free(pending);
  aggregator_free(aggregator);
}
END_TEST

START_TEST(after_a_failure_nothing_is_pending_and_all_rows_are_written_the_next_time) {
  for (unsigned dataset = 0; dataset < DATASET_COUNT; dataset++) {
    for (unsigned failure = FAIL_NEW; failure <= FAIL_FINISH; failure++) {
      struct aggregator *aggregator = new_with_recipients();
      struct pending_segments *pending = pending_segments_new();
      struct error err = {0};
      add_refusal(aggregator, "a@x.org");
      fake.failure = (enum failure)failure;
      fake.failing = (enum dataset_id)dataset;
      ck_assert(!aggregator_write(aggregator, NULL, 0, pending, &err));
      ck_assert_str_eq(err.text, "told to fail");
      ck_assert_uint_eq(fake.open, 0);
      ck_assert_uint_eq(pending_segments_count(pending), 0);
      ck_assert_uint_eq(aggregator_rows(aggregator), DATASET_COUNT);

      fake.failure = FAIL_NEVER;
      memset(fake.rows, 0, sizeof fake.rows);
      add_refusal(aggregator, "a@z.org");
      ck_assert(aggregator_write(aggregator, NULL, 0, pending, &err));
      ck_assert_uint_eq(fake.rows[DATASET_traffic], 2);
      ck_assert_uint_eq(pending_segments_count(pending), DATASET_COUNT);
      pending_segments_free(pending);
      aggregator_free(aggregator);
    }
  }
}
END_TEST

TEST_MAIN(every_dataset_with_rows_is_written_and_the_tables_are_empty,
          after_a_failure_nothing_is_pending_and_all_rows_are_written_the_next_time)
