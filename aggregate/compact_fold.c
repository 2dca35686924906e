/* Folding rare replies. See compact_fold.h. */
#include "aggregate/compact_fold.h"

#include <stdlib.h>

#include "aggregate/kept_row.h"
#include "base/clock.h"
#include "base/limits.h"

#define DAYS_MAX 31
#define HOURS_A_DAY 24

/* A row by its count and its place among all rows of the month. */
struct place {
  uint64_t count, number;
};

/* Those of one day that may stay, the first to go on top: a heap of at most LIMIT_DAY_REPLIES. */
struct day {
  struct place *heap;
  size_t count;
  bool is_over; /* some do not fit */
};

struct compact_fold {
  struct day days[DAYS_MAX];
  uint32_t first_hour;
  uint64_t number; /* of the row that comes next */
  struct kept_row *others[CAUSE_COUNT][DAYS_MAX];
  const void *sorted[CAUSE_COUNT * DAYS_MAX]; /* rows of `others` in order */
  size_t sorted_count, written;
  merge_row_fn *each;
  void *context;
};

struct compact_fold *compact_fold_new(int64_t from_us, merge_row_fn *each, void *context) {
  struct compact_fold *fold = memory_zeroed(sizeof *fold);
  fold->first_hour = (uint32_t)(from_us / (3600 * US_PER_SECOND));
  fold->each = each;
  fold->context = context;
  return fold;
}

void compact_fold_free(struct compact_fold *fold) {
  if (!fold) return;
  for (size_t i = 0; i < DAYS_MAX; i++) free(fold->days[i].heap);
  for (size_t i = 0; i < CAUSE_COUNT * DAYS_MAX; i++) {
    struct kept_row *other = fold->others[i / DAYS_MAX][i % DAYS_MAX];
    if (other) kept_row_deinit(other);
    free(other);
  }
  free(fold);
}

static size_t day_of(const struct compact_fold *fold, const struct replies_row *row) {
  size_t day = (row->hour - fold->first_hour) / HOURS_A_DAY;
  return day < DAYS_MAX ? day : DAYS_MAX - 1;
}

static bool is_other(const struct replies_row *row) {
  return !row->provider.len && !row->rule.len && slice_equal(row->template, SLICE("other"));
}

/* ---- counting --------------------------------------------------------------------------------------------------------------- */

/* Whether a goes before b: the smaller count, of equal ones the later. */
static bool goes_first(struct place a, struct place b) { return a.count != b.count ? a.count < b.count : a.number > b.number; }

static void sink(struct day *day) {
  for (size_t at = 0;;) {
    size_t first = at;
    for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < day->count; child++)
      if (goes_first(day->heap[child], day->heap[first])) first = child;
    if (first == at) return;
    struct place place = day->heap[at];
    day->heap[at] = day->heap[first];
    day->heap[first] = place;
    at = first;
  }
}

static void rise(struct day *day) {
  for (size_t at = day->count - 1; at && goes_first(day->heap[at], day->heap[(at - 1) / 2]); at = (at - 1) / 2) {
    struct place place = day->heap[at];
    day->heap[at] = day->heap[(at - 1) / 2];
    day->heap[(at - 1) / 2] = place;
  }
}

bool compact_fold_count(void *context, const void *any) {
  struct compact_fold *fold = context;
  const struct replies_row *row = any;
  struct day *day = &fold->days[day_of(fold, row)];
  struct place place = {row->count, fold->number++};
  if (is_other(row)) return true;
  if (!day->heap) day->heap = memory_alloc(LIMIT_DAY_REPLIES * sizeof *day->heap);
  if (day->count < LIMIT_DAY_REPLIES) {
    day->heap[day->count++] = place;
    rise(day);
    return true;
  }
  day->is_over = true;
  if (goes_first(day->heap[0], place)) {
    day->heap[0] = place;
    sink(day);
  }
  return true;
}

bool compact_fold_is_needed(const struct compact_fold *fold) {
  for (size_t i = 0; i < DAYS_MAX; i++)
    if (fold->days[i].is_over) return true;
  return false;
}

/* Whether row `number` stays as it is. */
static bool stays(const struct compact_fold *fold, const struct replies_row *row, uint64_t number) {
  const struct day *day = &fold->days[day_of(fold, row)];
  if (is_other(row)) return false; /* it is added to the others, and comes back with them */
  return !day->is_over || !goes_first((struct place){row->count, number}, day->heap[0]);
}

/* ---- the rows "other" ------------------------------------------------------------------------------------------------------- */

bool compact_fold_gather(void *context, const void *any) {
  struct compact_fold *fold = context;
  const struct dataset *replies = &DATASETS[DATASET_replies];
  struct replies_row row = *(const struct replies_row *)any;
  if (stays(fold, &row, fold->number++)) return true;
  enum cause cause;
  if (!cause_from_name(row.cause, &cause)) cause = CAUSE_unclassified;
  row.provider = row.rule = SLICE("");
  row.template = SLICE("other");
  row.cause = cause_name(cause);
  struct kept_row **other = &fold->others[cause][day_of(fold, &row)];
  if (*other) {
    kept_row_merge(replies, *other, &row);
    return true;
  }
  *other = memory_zeroed(sizeof **other);
  kept_row_view(replies, *other, &row);
  kept_row_own(replies, *other);
  return true;
}

static int compare_rows(const void *a, const void *b) {
  return DATASETS[DATASET_replies].compare(*(const void *const *)a, *(const void *const *)b);
}

void compact_fold_begin(struct compact_fold *fold) {
  fold->number = 0;
  fold->sorted_count = 0;
  for (size_t i = 0; i < CAUSE_COUNT * DAYS_MAX; i++) {
    const struct kept_row *other = fold->others[i / DAYS_MAX][i % DAYS_MAX];
    if (other) fold->sorted[fold->sorted_count++] = &other->row;
  }
  qsort(fold->sorted, fold->sorted_count, sizeof *fold->sorted, compare_rows);
}

/* The rows "other" before `row`; NULL: all that are left. */
static bool write_others(struct compact_fold *fold, const void *row) {
  while (fold->written < fold->sorted_count && (!row || DATASETS[DATASET_replies].compare(fold->sorted[fold->written], row) < 0))
    if (!fold->each(fold->context, fold->sorted[fold->written++])) return false;
  return true;
}

bool compact_fold_write(void *context, const void *row) {
  struct compact_fold *fold = context;
  return !stays(fold, row, fold->number++) || (write_others(fold, row) && fold->each(fold->context, row));
}

bool compact_fold_finish(struct compact_fold *fold) { return write_others(fold, NULL); }
