/* Compacts a store while a run writes it: a thread of the lowest priority that looks from time to time whether there is something to do. */
#ifndef TOOLS_COMPACTOR_H
#define TOOLS_COMPACTOR_H

#include "aggregate/aggregate.h"

struct compactor;

/* Starts the thread; looks every `interval_us`, for the first time after one. The store must outlive it. `retention`: [DATASET_COUNT], copied. */
struct compactor *compactor_new(struct store *store, const struct retention *retention, int64_t interval_us);

/* Ends the thread: at once, with what it was about left as it was. NULL is allowed. */
void compactor_free(struct compactor *compactor);

#endif
