/* Where rows are. See compact_spread.h. */
#include "aggregate/compact_spread.h"

#include <stdlib.h>

#include "aggregate/merge.h"
#include "aggregate/segment_format.h"

/* The partition that the time is in: the last that begins at or before it. */
static size_t find(const struct compact_job *job, int64_t time_us) {
  size_t low = 0, high = job->partition_count;
  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;
    if (job->partitions[middle].from_us <= time_us)
      low = middle;
    else
      high = middle;
  }
  return low;
}

struct marking {
  const struct compact_job *job;
  const struct dataset *dataset;
  int64_t unit_us;
  uint64_t *bits; /* of the segment */
  uint32_t last;  /* time of the row before */
  bool has_last;
};

static void mark(uint64_t *bits, size_t partition) { bits[partition / 64] |= 1ull << partition % 64; }

static bool mark_row(void *context, const void *row) {
  struct marking *m = context;
  uint32_t time = segment_row_period(m->dataset, row);
  if (m->has_last && time == m->last) return true;
  m->last = time;
  m->has_last = true;
  mark(m->bits, find(m->job, time * m->unit_us));
  return true;
}

static bool mark_segment(struct marking *m, const struct segment_record *record, const char *segments_dir, struct error *err) {
  struct merge_options options = {
      .dataset = m->dataset, .segments_dir = segments_dir, .since_us = INT64_MIN, .until_us = INT64_MAX, .readers_max = 2};
  struct merge *merge = merge_new(&options, record, 1);
  bool ok = merge_each_unmerged(merge, mark_row, m, err);
  if (ok && merge_damaged(merge)) ok = error_set(err, ERROR_INPUT, "%s/%s: is damaged", segments_dir, record->name);
  merge_free(merge);
  return ok;
}

bool compact_spread_init(struct compact_spread *spread, const struct compact_job *job, const struct dataset *dataset,
                         const char *segments_dir, struct error *err) {
  *spread = (struct compact_spread){.words = (job->partition_count + 63) / 64};
  spread->bits = memory_zeroed(job->record_count * spread->words * sizeof *spread->bits);
  struct marking m = {.job = job, .dataset = dataset, .unit_us = dataset_time_unit_s(dataset) * US_PER_SECOND};
  for (size_t i = 0; i < job->record_count; i++) {
    const struct segment_record *record = &job->records[i];
    m.bits = spread->bits + i * spread->words;
    m.has_last = false;
    size_t first = find(job, record->from_us), last = find(job, record->to_us - 1);
    mark(m.bits, first);
    if (first != last && !mark_segment(&m, record, segments_dir, err)) return false;
  }
  return true;
}

void compact_spread_deinit(struct compact_spread *spread) { free(spread->bits); }
