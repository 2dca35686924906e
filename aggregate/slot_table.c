/* Inserting, growing and emptying. See slot_table.h. */
#include "aggregate/slot_table.h"

#include <assert.h>
#include <string.h>

#include "base/memory.h"

void slot_table_init(struct slot_table *table, size_t base_slots) {
  *table = (struct slot_table){.base_slots = base_slots, .mask = base_slots - 1};
  table->slots = memory_map(base_slots * sizeof *table->slots);
}

static void release(struct slot_table *table) { memory_unmap(table->slots, (table->mask + 1) * sizeof *table->slots); }

void slot_table_deinit(struct slot_table *table) {
  release(table);
  *table = (struct slot_table){0};
}

void slot_table_empty(struct slot_table *table) {
  if (table->mask + 1 > table->base_slots) {
    release(table);
    slot_table_init(table, table->base_slots);
  } else if (table->used) {
    memset(table->slots, 0, (table->mask + 1) * sizeof *table->slots);
    table->used = 0;
  }
}

static void put(struct slot_table *table, uint64_t hash, uint32_t number) {
  size_t at = slot_first(table, hash);
  while (table->slots[at]) at = slot_next(table, at);
  table->slots[at] = (uint32_t)(hash >> 56) << SLOT_NUMBER_BITS | (number + 1);
  table->used++;
}

static void grow(struct slot_table *table, slot_hash_fn *hash_of, const void *context) {
  struct slot_table old = *table;
  slot_table_init(table, 2 * (old.mask + 1));
  table->base_slots = old.base_slots;
  for (size_t at = 0; at <= old.mask; at++)
    if (old.slots[at]) put(table, hash_of(context, slot_number(&old, at)), slot_number(&old, at));
  release(&old);
}

void slot_insert(struct slot_table *table, uint64_t hash, uint32_t number, slot_hash_fn *hash_of, const void *context) {
  assert(number <= SLOT_ITEMS_MAX);
  if ((table->used + 1) * 4 > (table->mask + 1) * 3) grow(table, hash_of, context);
  put(table, hash, number);
}
