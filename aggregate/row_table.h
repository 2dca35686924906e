/* Live rows of one dataset, found by their keys: what the tables of relays, replies, senders and recipients are made of. A row of the pool
 * begins with its key, which has no padding; what follows is the dataset's own.
 *
 *   for one delivery:  number = row_table_find(t, &key, sizeof key, hash);   SLOT_NONE: row_table_add, and fill the row in
 *   at a flush:        row_table_each: sorted by key columns, each row as the dataset's struct
 *
 * The table of traffic, whose keys are kept in two parts, is another (traffic_table.h). */
#ifndef AGGREGATE_ROW_TABLE_H
#define AGGREGATE_ROW_TABLE_H

#include <string.h>

#include "aggregate/row_sort.h"
#include "aggregate/row_source.h"
#include "schemas/dataset.h"

struct row_table {
  struct slot_table slots;
  struct pool rows;
};

/* `base_slots`: a power of two; `base_bytes` of rows are mapped at once. */
void row_table_init(struct row_table *t, size_t base_slots, size_t row_bytes, size_t base_bytes);
void row_table_deinit(struct row_table *t);
void row_table_empty(struct row_table *t);
size_t row_table_used_bytes(const struct row_table *t);

static inline void *row_table_at(const struct row_table *t, uint32_t number) { return pool_at(&t->rows, number); }

static inline void row_table_prefetch_row(const struct row_table *t, uint64_t hash) {
  uint32_t number = slot_candidate(&t->slots, hash);
  if (number != SLOT_NONE) __builtin_prefetch(row_table_at(t, number), 1);
}

/* The number of the row of this key, SLOT_NONE when there is none. Inline, for the compiler to know the key's size. */
static inline uint32_t row_table_find(const struct row_table *t, const void *key, size_t key_bytes, uint64_t hash) {
  for (size_t at = slot_first(&t->slots, hash); t->slots.slots[at]; at = slot_next(&t->slots, at)) {
    if (!slot_may_be(&t->slots, at, hash)) continue;
    uint32_t number = slot_number(&t->slots, at);
    if (memcmp(row_table_at(t, number), key, key_bytes) == 0) return number;
  }
  return SLOT_NONE;
}

/* A row more: a copy of `row`. `hash_of` is asked with the table and a row's number. */
uint32_t row_table_add(struct row_table *t, const void *row, uint64_t hash, slot_hash_fn *hash_of);

/* How rows are told. `table` is what row_table_each was given. */
struct row_telling {
  const uint32_t *largest; /* of each column of the key */
  unsigned column_count;
  /* The key's columns of a live row as numbers that sort as they do. */
  void (*rank)(const struct row_order *order, const void *live, uint32_t *columns);
  /* A live row as the dataset's struct. */
  void (*read)(const void *table, const struct row_order *order, const void *live, union any_row *row);
};

/* Calls `each` with every row in key order; false when `each` stopped. */
bool row_table_each(const struct row_table *t, const void *table, const struct row_telling *telling, const struct row_order *order,
                    row_visit_fn *each, void *context);

#endif
