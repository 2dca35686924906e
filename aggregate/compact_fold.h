/* The rare replies of a day become one row: of each day LIMIT_DAY_REPLIES rows stay, those with the largest counts and of equal counts
 * those that are first in order; the others are added up, by cause, in a row with the template "other" and without provider and rule.
 *
 *   compact_fold_count   every row    -> which counts are large enough, in 16 bytes a row that may stay
 *   compact_fold_gather  every row    -> the rows "other"
 *   compact_fold_write   every row    -> the rows that stay, the rows "other" in their places
 *
 * Each takes all rows of the month in order, with times that are days; compact_fold_begin comes before the second and the third. */
#ifndef AGGREGATE_COMPACT_FOLD_H
#define AGGREGATE_COMPACT_FOLD_H

#include "aggregate/merge.h"

struct compact_fold;

/* `each` takes what compact_fold_write gives. */
struct compact_fold *compact_fold_new(int64_t from_us, merge_row_fn *each, void *context);
void compact_fold_free(struct compact_fold *fold);

bool compact_fold_count(void *fold, const void *row);
void compact_fold_begin(struct compact_fold *fold);
/* Whether there is anything to fold: if not, the rows may go on as they are. */
bool compact_fold_is_needed(const struct compact_fold *fold);
bool compact_fold_gather(void *fold, const void *row);
bool compact_fold_write(void *fold, const void *row);
/* The rows "other" behind the last row; false when `each` returned false. */
bool compact_fold_finish(struct compact_fold *fold);

#endif
