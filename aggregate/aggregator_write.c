/* Writes the live tables as segments: all of them, or none. */
#include "aggregate/aggregator.h"
#include "aggregate/pending.h"
#include "aggregate/segment_writer.h"
#include "aggregate/store.h"

struct writing {
  struct segment_writer *writer;
  struct error *err;
};

static bool add_row(void *context, const void *row) {
  struct writing *w = context;
  return segment_writer_add(w->writer, row, w->err);
}

static bool write_dataset(const struct aggregator *a, enum dataset_id dataset, const struct row_order *order, struct store *store,
                          unsigned writer, struct pending_segments *pending, struct error *err) {
  struct writing w = {.writer = segment_writer_new(store, &DATASETS[dataset], writer, err), .err = err};
  if (!w.writer) return false;
  if (!aggregator_each_row(a, dataset, order, add_row, &w)) {
    segment_writer_abort(w.writer);
    return false;
  }
  return segment_writer_finish(w.writer, pending, err);
}

bool aggregator_write(struct aggregator *a, struct store *store, unsigned writer, struct pending_segments *pending,
                      struct error *err) {
  /* Segments gather apart: when a later dataset fails, those before it must not be committed, for their rows stay here. */
  struct pending_segments *done = pending_segments_new();
  struct row_order order;
  aggregator_order_init(a, &order);
  bool ok = true;
  for (unsigned dataset = 0; dataset < DATASET_COUNT && ok; dataset++)
    if (aggregator_dataset_rows(a, (enum dataset_id)dataset))
      ok = write_dataset(a, (enum dataset_id)dataset, &order, store, writer, done, err);
  aggregator_order_deinit(&order);
  if (ok) {
    for (size_t i = 0; i < pending_segments_count(done); i++)
      pending_segments_add(pending, store_segments_dir(store), pending_segments_at(done, i));
    pending_segments_forget(done);
    aggregator_empty(a);
  }
  pending_segments_free(done);
  return ok;
}
