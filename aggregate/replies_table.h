/* The live rows of schemas/replies.def: what refusing servers said. About 300 bytes a row, the example in it. Refusals are a small
 * part of deliveries and their templates few, so nothing is staged here. */
#ifndef AGGREGATE_REPLIES_TABLE_H
#define AGGREGATE_REPLIES_TABLE_H

#include "aggregate/row_table.h"

struct replies_key {
  uint32_t hour, provider, cause, rule, template; /* cause: enum cause; the others but hour: numbers of the interner */
};

void replies_table_init(struct row_table *t);

/* One refusal at `time_s`; `example` is the masked reply, at most LIMIT_TEMPLATE_BYTES. The row's example is the least of them in byte
 * order, whatever their order here. */
void replies_table_count(struct row_table *t, const struct replies_key *key, uint64_t time_s, struct slice example);

/* Calls `each` with every struct replies_row in key order; false when `each` stopped. */
bool replies_table_each(const struct row_table *t, const struct row_order *order, row_visit_fn *each, void *context);

#endif
