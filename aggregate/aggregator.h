/* The live tables as the other files of this room see them. */
#ifndef AGGREGATE_AGGREGATOR_H
#define AGGREGATE_AGGREGATOR_H

#include "aggregate/aggregate.h"
#include "aggregate/row_source.h"

/* What rows of this aggregator are ordered by: good until the next aggregator_add. Free with aggregator_order_deinit. */
void aggregator_order_init(const struct aggregator *aggregator, struct row_order *order);
void aggregator_order_deinit(struct row_order *order);

/* Calls `each` with every row of the dataset (its struct) in key order, each key once; false when `each` stopped. */
bool aggregator_each_row(const struct aggregator *aggregator, enum dataset_id dataset, const struct row_order *order,
                         row_visit_fn *each, void *context);
size_t aggregator_dataset_rows(const struct aggregator *aggregator, enum dataset_id dataset);

/* Forgets everything counted, and gives back the memory beyond what a new aggregator has. */
void aggregator_empty(struct aggregator *aggregator);

#endif
