/* Which partitions of a job each of its segments has rows in: a bit for each pair. A flush of an old log may span months and touch few days
 * of them; a partition is then merged from those that have something for it. */
#ifndef AGGREGATE_COMPACT_SPREAD_H
#define AGGREGATE_COMPACT_SPREAD_H

#include "aggregate/compact_plan.h"

struct compact_spread {
  uint64_t *bits; /* [record][word] */
  size_t words;   /* of a record */
};

/* Reads the segments that span several partitions. False when one is damaged: see err. */
bool compact_spread_init(struct compact_spread *spread, const struct compact_job *job, const struct dataset *dataset,
                         const char *segments_dir, struct error *err);
void compact_spread_deinit(struct compact_spread *spread);

static inline bool compact_spread_has(const struct compact_spread *spread, size_t record, size_t partition) {
  return spread->bits[record * spread->words + partition / 64] >> partition % 64 & 1;
}

#endif
