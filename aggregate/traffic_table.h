/* The live rows of schemas/traffic.def: 28 bytes a row.
 *
 *   row     | minute | sender | recipient | provider | facet | values | bytes |      strings are numbers of the interner
 *   facet   | source | blocklist | last cause | words |      direction, status, outcome, cause: few combinations, kept once
 *
 *   values  of up to 4 deliveries, in the row itself:         0 | count 3 | delays 3 | 4 buckets of 5 bits
 *           of more: a block of 64 bytes elsewhere:           1 | number of the block 31
 *   block   counts of 16 bits; what exceeds them is moved to  a deep histogram of 64 bits
 *
 * Most rows of a minute are of one or two deliveries (bench_aggregate: 344 k rows of some 430 k deliveries to 100 k domains), so
 * the block is the exception. */
#ifndef AGGREGATE_TRAFFIC_TABLE_H
#define AGGREGATE_TRAFFIC_TABLE_H

#include "aggregate/row_source.h"

struct traffic_table {
  struct slot_table table, facet_table;
  struct pool rows, facets, blocks, deeps;
};

struct traffic_key {
  uint32_t minute, sender, recipient, provider, facet;
};

struct traffic_facet {
  uint32_t source, blocklist, last_cause, words;
};

#define TRAFFIC_WORDS(direction, status, outcome, cause) \
  ((uint32_t)(direction) | (uint32_t)(status) << 4 | (uint32_t)(outcome) << 8 | (uint32_t)(cause) << 16)

void traffic_table_init(struct traffic_table *t);
void traffic_table_deinit(struct traffic_table *t);
void traffic_table_empty(struct traffic_table *t);
size_t traffic_table_used_bytes(const struct traffic_table *t);

/* The number of a facet, added when it is new. */
uint32_t traffic_table_facet(struct traffic_table *t, const struct traffic_facet *facet);

/* Counting goes in steps, so that a stage of deliveries waits for memory once a step and not once a delivery:
 *   hash -> prefetch_slot | prefetch_row | find (adds a row of no deliveries when it is new; prefetches its block) | count */
uint64_t traffic_key_hash(const struct traffic_key *key);
static inline void traffic_table_prefetch_slot(const struct traffic_table *t, uint64_t hash) { slot_prefetch(&t->table, hash); }
void traffic_table_prefetch_row(const struct traffic_table *t, uint64_t hash);
uint32_t traffic_table_find(struct traffic_table *t, const struct traffic_key *key, uint64_t hash);

/* One delivery to the row. `delay_us` may be DELAY_ABSENT: it is counted without a delay. */
void traffic_table_count(struct traffic_table *t, uint32_t row, uint64_t bytes, int64_t delay_us);

/* Calls `each` with every struct traffic_row in key order; false when `each` stopped. */
bool traffic_table_each(const struct traffic_table *t, const struct row_order *order, row_visit_fn *each, void *context);

#endif
