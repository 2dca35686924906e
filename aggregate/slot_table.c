/* Inserting, growing and emptying. See slot_table.h. */
#include "aggregate/slot_table.h"

#include <assert.h>
#include <string.h>

#include "base/memory.h"

void slot_table_init(struct slot_table *table, size_t base_slots) {
  *table = (struct slot_table){.mask = base_slots - 1};
  table->slots = memory_map(base_slots * sizeof *table->slots);
}

void slot_table_deinit(struct slot_table *table) {
  memory_unmap(table->slots, (table->mask + 1) * sizeof *table->slots);
  *table = (struct slot_table){0};
}

void slot_table_empty(struct slot_table *table) {
  if (table->mask + 1 > SLOT_KEEP) {
    slot_table_deinit(table);
    slot_table_init(table, SLOT_KEEP);
  } else if (table->used) {
    memset(table->slots, 0, (table->mask + 1) * sizeof *table->slots);
    table->used = 0;
  }
}

static void put_next(struct slot_table *table, uint64_t hash) {
  size_t at = slot_first(table, hash);
  while (table->slots[at]) at = slot_next(table, at);
  table->slots[at] = (uint32_t)(hash >> 56) << SLOT_NUMBER_BITS | (uint32_t)++table->used;
}

/* By number, not by slot: items are read in the order in which they lie in memory. */
static void grow(struct slot_table *table, slot_hash_fn *hash_of, const void *context) {
  size_t count = table->used, slots = 2 * (table->mask + 1);
  slot_table_deinit(table);
  slot_table_init(table, slots);
  while (table->used < count) put_next(table, hash_of(context, (uint32_t)table->used));
}

void slot_insert(struct slot_table *table, uint64_t hash, uint32_t number, slot_hash_fn *hash_of, const void *context) {
  assert(number == table->used && number <= SLOT_ITEMS_MAX);
  if ((table->used + 1) * 4 > (table->mask + 1) * 3) grow(table, hash_of, context);
  put_next(table, hash);
}
