/* Compaction of a store: dataset after dataset, plan and jobs. See aggregate.h. */
#include "aggregate/compact_job.h"
#include "aggregate/store.h"

static bool is_stopped(const struct compaction *compaction) {
  return compaction->should_stop && compaction->should_stop(compaction->stop_context);
}

static bool compact_dataset(struct store *store, const struct compaction *compaction, enum dataset_id dataset,
                            struct compaction_result *result, struct error *err) {
  struct segment_record *records;
  size_t count;
  store_lock_catalog(store);
  bool ok = catalog_read_segments(store_catalog(store), dataset, &records, &count, err);
  store_unlock_catalog(store);
  if (!ok) return false;
  struct compact_plan plan;
  compact_plan_init(&plan, compaction, dataset, records, count);
  for (size_t i = 0; i < plan.job_count && ok && !is_stopped(compaction); i++) {
    switch (compact_job_run(store, compaction, dataset, &plan.jobs[i], result, err)) {
      case JOB_DAMAGED: result->damaged++; break;
      case JOB_FAILED: ok = false; break;
      case JOB_DONE: ok = store_delete_retired(store, err); break;
      case JOB_STOPPED: break;
    }
  }
  compact_plan_deinit(&plan);
  return ok;
}

bool store_compact(struct store *store, const struct compaction *compaction, struct compaction_result *results, struct error *err) {
  memset(results, 0, DATASET_COUNT * sizeof *results);
  if (!store_delete_retired(store, err)) return false; /* of readers that have gone since */
  for (unsigned dataset = 0; dataset < DATASET_COUNT; dataset++)
    if (!compact_dataset(store, compaction, (enum dataset_id)dataset, &results[dataset], err)) return false;
  return true;
}
