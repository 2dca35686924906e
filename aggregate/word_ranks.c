/* Ranks by counting the smaller names: 41 causes at most, once a flush. See word_ranks.h. */
#include "aggregate/word_ranks.h"

#define RANK(ranks, count, value_type, name_of)                                                    \
  for (unsigned value = 0; value < (count); value++) {                                             \
    (ranks)[value] = 0;                                                                            \
    for (unsigned other = 0; other < (count); other++)                                             \
      (ranks)[value] += slice_compare(name_of((value_type)other), name_of((value_type)value)) < 0; \
  }

void word_ranks_init(struct word_ranks *ranks) {
  RANK(ranks->direction, DIRECTION_COUNT, enum direction, direction_name)
  RANK(ranks->status, STATUS_COUNT, enum status, status_name)
  RANK(ranks->outcome, OUTCOME_COUNT, enum outcome, outcome_name)
  RANK(ranks->cause, CAUSE_COUNT, enum cause, cause_name)
}
