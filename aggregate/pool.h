/* A growing array of items of one size on mapped pages: where a live table keeps its rows, strings and counters.
 *
 *   | item 0 | item 1 | ... | item count-1 | free ........ |
 *                                           up to cap items; doubles when full (pages are moved, not copied)
 *
 * Emptying gives back what is mapped beyond POOL_KEEP_BYTES; to give back less would mean to zero the same pages again for each
 * flush. Pointers to items are good until the next pool_add; numbers for as long as the item is there. Not thread-safe. */
#ifndef AGGREGATE_POOL_H
#define AGGREGATE_POOL_H

#include <stdint.h>

#include "base/memory.h"

/* About what the rows of a full aggregator take: more than half of LIMIT_TABLE_BYTES. */
#define POOL_KEEP_BYTES (8u << 20)

struct pool {
  char *items;
  size_t item_bytes, count, cap;
  size_t mapped_bytes;
};

/* `base_bytes` of address space are mapped at once; they cost memory when they are touched. */
void pool_init(struct pool *pool, size_t item_bytes, size_t base_bytes);
void pool_deinit(struct pool *pool);
void pool_empty(struct pool *pool);
void pool_grow(struct pool *pool, size_t more);

static inline void *pool_at(const struct pool *pool, size_t number) { return pool->items + number * pool->item_bytes; }

/* Room for `more` items behind one another; returns the number of the first. What is in them is left from before. */
static inline size_t pool_add(struct pool *pool, size_t more) {
  if (pool->cap - pool->count < more) pool_grow(pool, more);
  size_t number = pool->count;
  pool->count += more;
  return number;
}

static inline size_t pool_used_bytes(const struct pool *pool) { return pool->count * pool->item_bytes; }

#endif
