/* Finds items of a pool by their hash: open addressing, linear probing, four bytes a slot. The items themselves (strings, rows) are
 * compared by the caller, and numbered 0, 1, 2 ... in the order in which they are inserted.
 *
 *   hash (64 bits):  tag = top 8 bits ............ place = low bits
 *   slot (32 bits):  | tag 8 | number of the item + 1: 24 |      0: free
 *
 * The tag saves all but one in 256 of the misses on a wrong item. Hashes are not kept: growing asks the caller for them again. At
 * most SLOT_ITEMS_MAX items, which are some 400 MiB of rows; tables are flushed long before (LIMIT_TABLE_BYTES).
 *
 *   for (size_t at = slot_first(t, hash); t->slots[at]; at = slot_next(t, at))
 *     if (slot_may_be(t, at, hash) && item_equal(slot_number(t, at), ...)) return slot_number(t, at);
 *   return slot_insert(t, hash, new_number, hash_of, context);
 */
#ifndef AGGREGATE_SLOT_TABLE_H
#define AGGREGATE_SLOT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLOT_NUMBER_BITS 24
#define SLOT_ITEMS_MAX ((1u << SLOT_NUMBER_BITS) - 2)
#define SLOT_NONE UINT32_MAX

/* Slots that stay when a table is emptied: 2 MiB, enough for the rows of a full aggregator. */
#define SLOT_KEEP (512u << 10)

struct slot_table {
  uint32_t *slots;
  size_t mask, used;
};

typedef uint64_t slot_hash_fn(const void *context, uint32_t number);

/* `base_slots`: a power of two. */
void slot_table_init(struct slot_table *table, size_t base_slots);
void slot_table_deinit(struct slot_table *table);
/* Forgets all items and gives back what grew beyond SLOT_KEEP. */
void slot_table_empty(struct slot_table *table);

/* Adds the next item, whose number is that of the items before it. Grows at three quarters full. */
void slot_insert(struct slot_table *table, uint64_t hash, uint32_t number, slot_hash_fn *hash_of, const void *context);

static inline size_t slot_first(const struct slot_table *table, uint64_t hash) { return hash & table->mask; }
static inline size_t slot_next(const struct slot_table *table, size_t at) { return (at + 1) & table->mask; }
static inline bool slot_may_be(const struct slot_table *table, size_t at, uint64_t hash) {
  return table->slots[at] >> SLOT_NUMBER_BITS == hash >> 56;
}
static inline uint32_t slot_number(const struct slot_table *table, size_t at) {
  return (table->slots[at] & ((1u << SLOT_NUMBER_BITS) - 1)) - 1;
}

/* Two slots an item: between the 4/3 of a full table and the 8/3 of one that has just grown. */
static inline size_t slot_table_used_bytes(const struct slot_table *table) { return table->used * 2 * sizeof *table->slots; }

static inline void slot_prefetch(const struct slot_table *table, uint64_t hash) {
  __builtin_prefetch(&table->slots[slot_first(table, hash)]);
}

/* The first item that may be the one of this hash, to prefetch it; SLOT_NONE when there is surely none. */
static inline uint32_t slot_candidate(const struct slot_table *table, uint64_t hash) {
  for (size_t at = slot_first(table, hash); table->slots[at]; at = slot_next(table, at))
    if (slot_may_be(table, at, hash)) return slot_number(table, at);
  return SLOT_NONE;
}

#endif
