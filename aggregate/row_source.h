/* How the rows of a live table are read in the order of their keys: what the tables share. */
#ifndef AGGREGATE_ROW_SOURCE_H
#define AGGREGATE_ROW_SOURCE_H

#include "aggregate/interner.h"
#include "aggregate/word_ranks.h"

/* What rows are ordered and spelt by; made once for all tables of a flush. */
struct row_order {
  const struct interner *strings;
  uint32_t *string_ranks; /* of interner_rank */
  struct word_ranks words;
};

/* Takes a row of the dataset's struct, good during the call; false stops. */
typedef bool row_visit_fn(void *context, const void *row);

#endif
