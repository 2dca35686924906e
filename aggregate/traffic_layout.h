/* The bytes of a live traffic row: see the picture in traffic_table.h. Shared by counting (traffic_table.c) and reading
 * (traffic_rows.c). */
#ifndef AGGREGATE_TRAFFIC_LAYOUT_H
#define AGGREGATE_TRAFFIC_LAYOUT_H

#include "aggregate/traffic_table.h"
#include "schemas/histogram.h"

struct live_row {
  struct traffic_key key;
  uint32_t values;
  uint32_t bytes; /* sum of sizes; 0 when the values are in a block */
};
_Static_assert(sizeof(struct live_row) == 28, "rows are counted in millions");

#define VALUES_IN_BLOCK (1u << 31)
#define VALUES_INLINE_MAX 4
#define NO_BUCKET HISTOGRAM_BUCKETS
_Static_assert(HISTOGRAM_BUCKETS < 32, "a bucket has five bits");

static inline unsigned values_count(uint32_t values) { return values & 7; }
static inline unsigned values_delays(uint32_t values) { return values >> 3 & 7; }
static inline unsigned values_bucket(uint32_t values, unsigned i) { return values >> (6 + 5 * i) & 31; }

/* One delivery more in the row itself, of NO_BUCKET when it has no delay. */
static inline uint32_t values_add(uint32_t values, unsigned bucket) {
  if (bucket == NO_BUCKET) return values + 1;
  return (values + 1 + (1u << 3)) | bucket << (6 + 5 * values_delays(values));
}

/* A counter that reaches this is moved to the deep values. */
#define BLOCK_SPILL (1u << 16)

struct value_block {
  uint64_t bytes;
  uint32_t count;
  uint32_t deep; /* number of its deep values + 1; 0 for none */
  uint16_t delay[HISTOGRAM_BUCKETS];
};
_Static_assert(sizeof(struct value_block) == 64, "a block is a cache line");

struct deep_values {
  uint64_t count;
  uint64_t delay[HISTOGRAM_BUCKETS];
};

static inline struct live_row *live_row_at(const struct traffic_table *t, uint32_t number) { return pool_at(&t->rows, number); }
static inline struct value_block *value_block_at(const struct traffic_table *t, const struct live_row *row) {
  return pool_at(&t->blocks, row->values & ~VALUES_IN_BLOCK);
}
static inline struct deep_values *deep_values_at(const struct traffic_table *t, const struct value_block *block) {
  return pool_at(&t->deeps, block->deep - 1);
}

#endif
