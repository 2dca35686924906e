/* Planning. See compact_plan.h. */
#include "aggregate/compact_plan.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/limits.h"

/* Beside a writer, a partition is left alone until nothing has come for it for so long: late lines come, and archives are read for hours.
 * A month is large, and its rare replies are told from its frequent ones when it is made. */
#define SETTLE_DAY_US (600 * US_PER_SECOND)
#define SETTLE_MONTH_US (SECONDS_PER_DAY * US_PER_SECOND)

struct planning {
  struct compact_plan *plan;
  const struct compaction *compaction;
  const struct dataset *dataset;
  const struct retention *retention;
};

static void find_partition(const struct planning *p, int64_t time_us, struct partition *out) {
  const int64_t most = UINT32_MAX * 60 * US_PER_SECOND; /* the last minute that a row can name */
  partition_at(p->retention, p->dataset, p->compaction->now_us, time_us < 0 ? 0 : time_us > most ? most : time_us, out);
}

static void first_partition(const struct planning *p, const struct segment_record *record, struct partition *out) {
  find_partition(p, record->from_us, out);
}

static void last_partition(const struct planning *p, const struct segment_record *record, struct partition *out) {
  find_partition(p, record->to_us - 1, out);
}

/* Whether rows of the partition may still be on their way, or it is not over. */
static bool is_open(const struct planning *p, const struct partition *partition) {
  return p->compaction->is_background && partition->to_us + SETTLE_DAY_US > p->compaction->now_us;
}

static struct compact_job *add_job(struct planning *p, const struct segment_record *records, size_t count) {
  struct compact_plan *plan = p->plan;
  if (plan->job_count == plan->job_cap)
    plan->jobs = memory_resize(plan->jobs, (plan->job_cap = plan->job_cap ? plan->job_cap * 2 : 16) * sizeof *plan->jobs);
  struct compact_job *job = &plan->jobs[plan->job_count++];
  *job = (struct compact_job){.records = records, .record_count = count};
  return job;
}

static void add_partition(struct compact_job *job, size_t *cap, const struct partition *partition) {
  if (job->partition_count == *cap)
    job->partitions = memory_resize(job->partitions, (*cap = *cap ? *cap * 2 : 4) * sizeof *job->partitions);
  job->partitions[job->partition_count++] = *partition;
}

/* ---- bundles: segments as they are, put together --------------------------------------------------------------------------- */

static void bundle_partition(const struct planning *p, struct partition *partition) {
  partition->resolution_s = dataset_time_unit_s(p->dataset);
  partition->origin = SEGMENT_FROM_BUNDLE;
  partition->is_expired = false;
}

/* Sizes within a factor of LIMIT_BUNDLE_SEGMENTS are of one class: a row is written once for each class that it goes through. */
static unsigned size_class(const struct segment_record *record) {
  unsigned class = 0;
  for (uint64_t bytes = record->bytes; bytes >= LIMIT_BUNDLE_SEGMENTS; bytes /= LIMIT_BUNDLE_SEGMENTS) class ++;
  return class;
}

static bool is_made(const struct segment_record *record) {
  return record->writer == (uint32_t)SEGMENT_FROM_DAY || record->writer == (uint32_t)SEGMENT_FROM_MONTH;
}

static int compare_for_bundles(const void *a, const void *b) {
  const struct segment_record *x = a, *y = b;
  if (is_made(x) != is_made(y)) return is_made(x) - is_made(y);
  unsigned of_x = size_class(x), of_y = size_class(y);
  if (of_x != of_y) return of_x < of_y ? -1 : 1;
  return (x->id > y->id) - (x->id < y->id);
}

static void plan_bundles(struct planning *p, struct segment_record *records, size_t count) {
  if (!p->compaction->is_background || !count) return;
  qsort(records, count, sizeof *records, compare_for_bundles);
  for (size_t begin = 0, end; begin < count && !is_made(&records[begin]); begin = end) {
    for (end = begin + 1; end < count && !is_made(&records[end]) && size_class(&records[end]) == size_class(&records[begin]);)
      end++;
    if (end - begin < LIMIT_BUNDLE_SEGMENTS) continue;
    struct partition all = {.from_us = INT64_MIN, .to_us = INT64_MAX};
    bundle_partition(p, &all);
    struct compact_job *job = add_job(p, &records[begin], end - begin);
    size_t cap = 0;
    add_partition(job, &cap, &all);
  }
}

/* ---- partitions ------------------------------------------------------------------------------------------------------------- */

/* Segments that share partitions, and all partitions that they are in. */
struct component {
  struct segment_record *records;
  size_t count;
  int64_t from_us, to_us; /* of the closed partitions */
};

/* As it shall be: of one partition, and made by compaction of it. */
static bool is_done(const struct planning *p, const struct component *component) {
  struct partition partition;
  find_partition(p, component->from_us, &partition);
  if (partition.to_us < component->to_us || partition.is_expired) return false;
  for (size_t i = 0; i < component->count; i++)
    if (!partition_is_made_by(&partition, &component->records[i])) return false;
  return true;
}

static bool is_settled(const struct planning *p, const struct component *component) {
  if (!p->compaction->is_background) return true;
  struct partition partition;
  find_partition(p, component->from_us, &partition);
  int64_t settle_us = partition.origin == SEGMENT_FROM_MONTH ? SETTLE_MONTH_US : SETTLE_DAY_US;
  for (size_t i = 0; i < component->count; i++)
    if (!is_made(&component->records[i]) && component->records[i].created_at_us + settle_us > p->compaction->now_us) return false;
  return true;
}

static void plan_component(struct planning *p, const struct component *component) {
  if (is_done(p, component)) return;
  if (!is_settled(p, component)) {
    plan_bundles(p, component->records, component->count);
    return;
  }
  int64_t end_us = component->to_us;
  for (size_t i = 0; i < component->count; i++)
    if (component->records[i].to_us > end_us) end_us = component->records[i].to_us;
  struct compact_job *job = add_job(p, component->records, component->count);
  struct partition partition;
  size_t cap = 0;
  for (int64_t at = component->from_us; at < end_us; at = partition.to_us) {
    find_partition(p, at, &partition);
    if (is_open(p, &partition)) bundle_partition(p, &partition);
    add_partition(job, &cap, &partition);
  }
}

static int compare_from(const void *a, const void *b) {
  const struct segment_record *x = a, *y = b;
  if (x->from_us != y->from_us) return x->from_us < y->from_us ? -1 : 1;
  return (x->id > y->id) - (x->id < y->id);
}

/* The end of the last closed partition that the segment is in; INT64_MIN when its first is open. */
static int64_t closed_end(const struct planning *p, const struct segment_record *record, const struct partition *first) {
  if (is_open(p, first)) return INT64_MIN;
  struct partition last;
  last_partition(p, record, &last);
  /* Open partitions are the latest ones, whole days: the first of them begins a day that is not over and settled. */
  while (is_open(p, &last)) find_partition(p, last.from_us - 1, &last);
  return last.to_us;
}

void compact_plan_init(struct compact_plan *plan, const struct compaction *compaction, enum dataset_id dataset,
                       struct segment_record *records, size_t count) {
  *plan = (struct compact_plan){.records = records};
  struct planning p = {
      .plan = plan, .compaction = compaction, .dataset = &DATASETS[dataset], .retention = &compaction->retention[dataset]};
  if (count) qsort(records, count, sizeof *records, compare_from);
  struct component component = {0};
  size_t i = 0;
  for (; i < count; i++) {
    struct partition first;
    first_partition(&p, &records[i], &first);
    int64_t to_us = closed_end(&p, &records[i], &first);
    if (to_us == INT64_MIN) break; /* and those behind it begin later */
    if (component.count && first.from_us < component.to_us) {
      component.count++;
      if (to_us > component.to_us) component.to_us = to_us;
      continue;
    }
    if (component.count) plan_component(&p, &component);
    component = (struct component){.records = &records[i], .count = 1, .from_us = first.from_us, .to_us = to_us};
  }
  if (component.count) plan_component(&p, &component);
  plan_bundles(&p, records + i, count - i);
}

void compact_plan_deinit(struct compact_plan *plan) {
  for (size_t i = 0; i < plan->job_count; i++) free(plan->jobs[i].partitions);
  free(plan->jobs);
  free(plan->records);
  *plan = (struct compact_plan){0};
}
