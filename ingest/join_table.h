/* A hash table of pointers: open addressing, linear probing, the whole hash in the slot, no tombstones.
 *
 *   slots:  | hash, item | hash, item | - | hash, item | ...      a slot with item NULL is free
 *
 * Several items may have the same hash; the caller tells them apart. Grows by doubling (never per line once it is warm), never
 * shrinks. */
#ifndef INGEST_JOIN_TABLE_H
#define INGEST_JOIN_TABLE_H

#include "base/slice.h"

struct table_slot {
  uint64_t hash;
  void *item;
};

struct join_table {
  struct table_slot *slots;
  size_t mask, count; /* mask + 1 slots; slots is NULL before the first item */
};

void table_deinit(struct join_table *table);
void table_add(struct join_table *table, uint64_t hash, void *item);
/* The item must be there. */
void table_remove(struct join_table *table, uint64_t hash, const void *item);

/* The next item of this hash, or NULL: start with *at = table_start(...). */
static inline size_t table_start(const struct join_table *table, uint64_t hash) { return hash & table->mask; }
static inline void *table_next(const struct join_table *table, uint64_t hash, size_t *at) {
  if (!table->slots) return NULL;
  for (;;) {
    const struct table_slot *slot = &table->slots[*at];
    if (!slot->item) return NULL;
    *at = (*at + 1) & table->mask;
    if (slot->hash == hash) return slot->item;
  }
}
static inline bool table_has(const struct join_table *table, uint64_t hash) {
  size_t at = table_start(table, hash);
  return table_next(table, hash, &at) != NULL;
}

#endif
