/* Rows of a store: its live segments of one moment, one after another or merged. */
#include <unistd.h>

#include "aggregate/merge.h"
#include "aggregate/readers.h"
#include "aggregate/store.h"
#include "base/limits.h"

typedef bool merge_fn(struct merge *merge, merge_row_fn *each, void *context, struct error *err);

/* The mark is set before the snapshot is taken: no file of the snapshot goes until it is cleared. */
static bool query_with(merge_fn *merge_rows, struct store *store, const struct query *query, merge_row_fn *each, void *context,
                       size_t *damaged, struct error *err) {
  struct segment_record *records;
  size_t count;
  int mark;
  if (!store_snapshot(store, query->dataset, &records, &count, &mark, err)) return false;
  struct merge_options options = {.dataset = &DATASETS[query->dataset],
                                  .segments_dir = store_segments_dir(store),
                                  .since_us = query->since_us,
                                  .until_us = query->until_us,
                                  .readers_max = LIMIT_MERGE_READERS,
                                  .bytes_max = LIMIT_MERGE_BYTES};
  struct merge *merge = merge_new(&options, records, count);
  bool is_good = merge_rows(merge, each, context, err);
  *damaged = merge_damaged(merge);
  merge_free(merge);
  readers_unmark(mark);
  free(records);
  return is_good;
}

bool query_rows(struct store *store, const struct query *query, bool (*each)(void *context, const void *row), void *context,
                size_t *damaged, struct error *err) {
  return query_with(merge_each, store, query, each, context, damaged, err);
}

bool query_rows_unmerged(struct store *store, const struct query *query, bool (*each)(void *context, const void *row),
                         void *context, size_t *damaged, struct error *err) {
  return query_with(merge_each_unmerged, store, query, each, context, damaged, err);
}
