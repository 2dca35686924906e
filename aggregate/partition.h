/* The pieces of time that compaction makes one sorted segment of each, and how fine their rows are.
 *
 *   now - keep      now - hour_days           now - minute_days            now
 *      |  months, rows of days  |  days, rows of hours  |  days, rows of minutes  |
 *
 * In UTC. A piece takes a step when all of it is old enough, so a month stays in days of hours until its last day is hour_days old. Which
 * pieces there are follows from `now` and the retention alone, not from what the store holds. */
#ifndef AGGREGATE_PARTITION_H
#define AGGREGATE_PARTITION_H

#include "aggregate/catalog.h"
#include "aggregate/segment_writer.h"

struct partition {
  int64_t from_us, to_us; /* [from, to) */
  uint32_t resolution_s;  /* never finer than the dataset's time column */
  enum segment_origin origin;
  bool is_expired; /* older than what is kept */
};

/* The one that `time_us` (not negative) is in. */
void partition_at(const struct retention *retention, const struct dataset *dataset, int64_t now_us, int64_t time_us,
                  struct partition *out);

/* Whether the segment is what compaction makes of this partition, or a part of it. */
bool partition_is_made_by(const struct partition *partition, const struct segment_record *segment);

#endif
