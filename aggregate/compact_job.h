/* Does one job of a plan: merges its segments into its partitions and swaps them. */
#ifndef AGGREGATE_COMPACT_JOB_H
#define AGGREGATE_COMPACT_JOB_H

#include "aggregate/compact_plan.h"

enum job_end {
  JOB_DONE,
  JOB_STOPPED, /* should_stop said so; nothing has changed */
  JOB_DAMAGED, /* a segment cannot be read (told in the log); nothing has changed */
  JOB_FAILED,  /* see err */
};

enum job_end compact_job_run(struct store *store, const struct compaction *compaction, enum dataset_id dataset,
                             const struct compact_job *job, struct compaction_result *result, struct error *err);

#endif
