/* What there is to compact: which segments of a dataset become which partitions.
 *
 *   time       | Monday    | Tuesday   | Wednesday (not over)
 *   segments   aaa  b cccccccc d   eee fffffffff g  h
 *   jobs       [ a b c d e f           ]  -> Monday, Tuesday, and what f has of Wednesday as a bundle
 *                                         g and h stay, until there are so many that they become a bundle
 *
 * Segments that share a partition are of one job, since a job replaces whole segments. A partition that is as compaction would make it
 * is in no job. */
#ifndef AGGREGATE_COMPACT_PLAN_H
#define AGGREGATE_COMPACT_PLAN_H

#include "aggregate/partition.h"

struct compact_job {
  const struct segment_record *records; /* what is replaced */
  size_t record_count;
  struct partition *partitions; /* ascending, without gaps, from the first row to the last; a bundle has one */
  size_t partition_count;
};

struct compact_plan {
  struct segment_record *records; /* ordered for the jobs */
  struct compact_job *jobs;
  size_t job_count, job_cap;
};

/* Takes `records`, all live segments of the dataset. */
void compact_plan_init(struct compact_plan *plan, const struct compaction *compaction, enum dataset_id dataset,
                       struct segment_record *records, size_t count);
void compact_plan_deinit(struct compact_plan *plan);

#endif
