/* One job: partition after partition is merged from the segments that have rows of it and written; then all is swapped at once.
 *
 *   segments -> spread -> for each partition: merge -> (fold) -> pieces -> pending segments -> swap */
#include "aggregate/compact_job.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "aggregate/compact_fold.h"
#include "aggregate/compact_spread.h"
#include "aggregate/merge.h"
#include "aggregate/pending.h"
#include "aggregate/store.h"
#include "base/clock.h"
#include "base/limits.h"

/* should_stop is asked once in so many rows: a clock's tick of work. */
#define ROWS_BETWEEN_QUESTIONS 4096

struct job {
  struct store *store;
  const struct compaction *compaction;
  const struct compact_job *plan;
  const struct dataset *dataset;
  struct compact_spread spread;
  struct pending_segments *pending;
  struct segment_record *sources; /* of the partition in work */
  bool *is_kept;                  /* a record that is as its partition shall be */
  struct error *err;
  enum job_end end;

  /* The partition in work. */
  const struct partition *partition;
  struct segment_writer *writer;
  unsigned piece;
  uint64_t rows;
  char label[64];
};

/* ---- writing ---------------------------------------------------------------------------------------------------------------- */

/* "2026-11-24-0", "2026-11-0", "bundle-0". */
static void make_label(struct job *job) {
  int64_t year;
  unsigned month, day;
  clock_civil_from_days(job->partition->from_us / (SECONDS_PER_DAY * US_PER_SECOND), &year, &month, &day);
  switch (job->partition->origin) {
    case SEGMENT_FROM_MONTH: snprintf(job->label, sizeof job->label, "%04d-%02u-%u", (int)year, month, job->piece); break;
    case SEGMENT_FROM_DAY: snprintf(job->label, sizeof job->label, "%04d-%02u-%02u-%u", (int)year, month, day, job->piece); break;
    case SEGMENT_FROM_BUNDLE: snprintf(job->label, sizeof job->label, "bundle-%u", job->piece); break;
  }
}

static bool finish_piece(struct job *job) {
  struct segment_writer *writer = job->writer;
  job->writer = NULL;
  job->piece++;
  return !writer || segment_writer_finish(writer, job->pending, job->err);
}

static bool write_row(void *context, const void *row) {
  struct job *job = context;
  if (job->writer && segment_writer_content_bytes(job->writer) >= LIMIT_SEGMENT_CONTENT_BYTES && !finish_piece(job)) {
    job->end = JOB_FAILED;
    return false;
  }
  if (!job->writer) {
    make_label(job);
    job->writer = segment_writer_new_merged(job->store, job->dataset, job->partition->origin, job->partition->resolution_s,
                                            job->label, job->err);
  }
  if (!job->writer || !segment_writer_add(job->writer, row, job->err)) job->end = JOB_FAILED;
  return job->end == JOB_DONE;
}

/* ---- merging a partition ---------------------------------------------------------------------------------------------------- */

/* Where the rows of a pass go, with a look at whether to stop. */
struct pass {
  struct job *job;
  merge_row_fn *each;
  void *context;
};

static bool pass_row(void *context, const void *row) {
  const struct pass *pass = context;
  struct job *job = pass->job;
  const struct compaction *compaction = job->compaction;
  if (job->rows++ % ROWS_BETWEEN_QUESTIONS == 0 && compaction->should_stop && compaction->should_stop(compaction->stop_context)) {
    job->end = JOB_STOPPED;
    return false;
  }
  return pass->each(pass->context, row);
}

static bool merge_pass(struct job *job, size_t source_count, merge_row_fn *each, void *context) {
  struct merge_options options = {
      .dataset = job->dataset,
      .segments_dir = store_segments_dir(job->store),
      .run_dir = store_segments_dir(job->store),
      .since_us = job->partition->from_us,
      .until_us = job->partition->to_us,
      .resolution_s = job->partition->resolution_s,
      .readers_max = LIMIT_COMPACT_READERS,
      .bytes_max = job->compaction->is_background ? LIMIT_COMPACT_BACKGROUND_BYTES : LIMIT_COMPACT_BYTES};
  struct pass pass = {job, each, context};
  struct merge *merge = merge_new(&options, job->sources, source_count);
  if (!merge_each(merge, pass_row, &pass, job->err))
    job->end = JOB_FAILED;
  else if (merge_damaged(merge))
    job->end = JOB_DAMAGED;
  merge_free(merge);
  return job->end == JOB_DONE;
}

/* A month of replies: three passes when there are rows to be folded. */
static bool merge_and_fold(struct job *job, size_t source_count) {
  struct compact_fold *fold = compact_fold_new(job->partition->from_us, write_row, job);
  bool ok = merge_pass(job, source_count, compact_fold_count, fold);
  if (ok && !compact_fold_is_needed(fold)) {
    ok = merge_pass(job, source_count, write_row, job);
  } else if (ok) {
    compact_fold_begin(fold);
    ok = merge_pass(job, source_count, compact_fold_gather, fold);
    compact_fold_begin(fold);
    ok = ok && merge_pass(job, source_count, compact_fold_write, fold) && compact_fold_finish(fold);
  }
  compact_fold_free(fold);
  return ok;
}

/* The segments that have rows of partition `number`, in job->sources. When they are what shall come out they are noted as kept, and there
 * are none to merge. */
static size_t find_sources(struct job *job, size_t number) {
  size_t count = 0;
  bool is_made = !job->partition->is_expired;
  for (size_t i = 0; i < job->plan->record_count; i++) {
    if (!compact_spread_has(&job->spread, i, number)) continue;
    job->sources[count++] = job->plan->records[i];
    is_made = is_made && partition_is_made_by(job->partition, &job->plan->records[i]);
  }
  if (!is_made || !count) return job->partition->is_expired ? 0 : count;
  for (size_t i = 0; i < job->plan->record_count; i++)
    if (compact_spread_has(&job->spread, i, number)) job->is_kept[i] = true;
  return 0;
}

static bool make_partition(struct job *job, size_t number) {
  job->partition = &job->plan->partitions[number];
  job->piece = 0;
  size_t source_count = find_sources(job, number);
  if (!source_count) return true;
  bool is_folded = job->dataset == &DATASETS[DATASET_replies] && job->partition->origin == SEGMENT_FROM_MONTH;
  bool ok = is_folded ? merge_and_fold(job, source_count) : merge_pass(job, source_count, write_row, job);
  if (ok && !finish_piece(job)) job->end = JOB_FAILED;
  return job->end == JOB_DONE;
}

/* ---- the swap --------------------------------------------------------------------------------------------------------------- */

static bool swap(struct job *job, struct compaction_result *result) {
  size_t removed_count = 0;
  struct compaction_result change = {0};
  for (size_t i = 0; i < job->plan->record_count; i++) {
    if (job->is_kept[i]) continue;
    job->sources[removed_count++] = job->plan->records[i];
    change.bytes_before += job->plan->records[i].bytes;
  }
  change.segments_before = removed_count;
  change.segments_after = pending_segments_count(job->pending);
  for (size_t i = 0; i < change.segments_after; i++) change.bytes_after += pending_segments_at(job->pending, i)->bytes;
  if (!store_swap(job->store, job->pending, job->sources, removed_count, job->err)) return false;
  result->segments_before += change.segments_before;
  result->segments_after += change.segments_after;
  result->bytes_before += change.bytes_before;
  result->bytes_after += change.bytes_after;
  return true;
}

enum job_end compact_job_run(struct store *store, const struct compaction *compaction, enum dataset_id dataset,
                             const struct compact_job *plan, struct compaction_result *result, struct error *err) {
  struct job job = {.store = store,
                    .compaction = compaction,
                    .plan = plan,
                    .dataset = &DATASETS[dataset],
                    .pending = pending_segments_new(),
                    .sources = memory_alloc(plan->record_count * sizeof *job.sources),
                    .is_kept = memory_zeroed(plan->record_count * sizeof *job.is_kept),
                    .err = err};
  if (!compact_spread_init(&job.spread, plan, job.dataset, store_segments_dir(store), err)) job.end = JOB_DAMAGED;
  for (size_t i = 0; i < plan->partition_count && job.end == JOB_DONE; i++) make_partition(&job, i);
  if (job.writer) segment_writer_abort(job.writer);
  if (job.end == JOB_DONE && !swap(&job, result)) job.end = JOB_FAILED;
  pending_segments_free(job.pending);
  compact_spread_deinit(&job.spread);
  free(job.sources);
  free(job.is_kept);
  return job.end;
}
