/* Many sorted segments into one sorted stream of rows, in bounded memory.
 *
 *   parts -> a group that fits the limits -> heap -> rows with equal keys become one -> each
 *            more than one group: the first become sorted runs (files without a name), which are merged in turn
 *
 * A segment is checked whole before its first row is used; a damaged one is named in the log, counted and left out. */
#ifndef AGGREGATE_MERGE_H
#define AGGREGATE_MERGE_H

#include "aggregate/catalog.h"

struct merge_options {
  const struct dataset *dataset;
  const char *segments_dir;   /* where the parts are; must outlive the merge */
  const char *run_dir;        /* for runs; NULL: $TMPDIR or /tmp */
  int64_t since_us, until_us; /* as segment_reader_set_range */
  uint32_t resolution_s;      /* times are rounded down to it; 0: they stay */
  size_t readers_max;         /* open at once, 2 to LIMIT_MERGE_READERS */
  size_t bytes_max;           /* of their frames; two are opened whatever they take */
};

struct merge;

/* The parts are those of `records` that overlap [since, until). */
struct merge *merge_new(const struct merge_options *options, const struct segment_record *records, size_t count);
void merge_free(struct merge *merge);

typedef bool merge_row_fn(void *context, const void *row);

/* Every row in order, one for each key. `each` returns false to stop; the row's strings are good during the call. Once a merge. */
bool merge_each(struct merge *merge, merge_row_fn *each, void *context, struct error *err);

/* Every row of one part after another, in no order, equal keys not merged. */
bool merge_each_unmerged(struct merge *merge, merge_row_fn *each, void *context, struct error *err);

/* Parts that were left out. */
size_t merge_damaged(const struct merge *merge);

#endif
