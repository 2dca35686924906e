/* The live rows of schemas/recipients.def: what became of each recipient. 32 bytes a row beside the name. Off unless asked for, so
 * nothing is staged here. */
#ifndef AGGREGATE_RECIPIENTS_TABLE_H
#define AGGREGATE_RECIPIENTS_TABLE_H

#include "aggregate/row_table.h"

struct recipients_key {
  uint32_t day, recipient, words; /* recipient: a number of the interner */
};

#define RECIPIENTS_WORDS(outcome, cause) ((uint32_t)(outcome) | (uint32_t)(cause) << 8)

void recipients_table_init(struct row_table *t);

/* One delivery at `time_s`. */
void recipients_table_count(struct row_table *t, const struct recipients_key *key, uint64_t time_s);

/* Calls `each` with every struct recipients_row in key order; false when `each` stopped. */
bool recipients_table_each(const struct row_table *t, const struct row_order *order, row_visit_fn *each, void *context);

#endif
