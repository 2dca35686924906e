/* The order of the words of a vocabulary by their names: rows are sorted by names, and keep enumerators. */
#ifndef AGGREGATE_WORD_RANKS_H
#define AGGREGATE_WORD_RANKS_H

#include "schemas/words.h"

/* ranks[value] is the place of the value's name in the order of bytes. */
struct word_ranks {
  uint8_t direction[DIRECTION_COUNT], status[STATUS_COUNT], outcome[OUTCOME_COUNT], cause[CAUSE_COUNT];
};

void word_ranks_init(struct word_ranks *ranks);

#endif
