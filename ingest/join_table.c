/* Adding and removing. See join_table.h. */
#include "ingest/join_table.h"

#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"

#define SLOTS_MIN 64

void table_deinit(struct join_table *table) {
  free(table->slots);
  *table = (struct join_table){0};
}

static void put(struct join_table *table, uint64_t hash, void *item) {
  size_t at = hash & table->mask;
  while (table->slots[at].item) at = (at + 1) & table->mask;
  table->slots[at] = (struct table_slot){hash, item};
}

static void grow(struct join_table *table) {
  struct join_table old = *table;
  size_t slot_count = old.slots ? (old.mask + 1) * 2 : SLOTS_MIN;
  table->slots = memory_zeroed(slot_count * sizeof *table->slots);
  table->mask = slot_count - 1;
  for (size_t i = 0; old.slots && i <= old.mask; i++)
    if (old.slots[i].item) put(table, old.slots[i].hash, old.slots[i].item);
  free(old.slots);
}

void table_add(struct join_table *table, uint64_t hash, void *item) {
  if (!table->slots || table->count * 2 > table->mask) grow(table);
  put(table, hash, item);
  table->count++;
}

void table_remove(struct join_table *table, uint64_t hash, const void *item) {
  assert(table->count);
  size_t hole = hash & table->mask;
  while (table->slots[hole].item != item) hole = (hole + 1) & table->mask;
  /* What was pushed behind the hole by it moves up (Knuth, TAOCP 6.4, algorithm R). */
  for (size_t at = (hole + 1) & table->mask; table->slots[at].item; at = (at + 1) & table->mask) {
    size_t home = table->slots[at].hash & table->mask;
    if (((at - home) & table->mask) < ((at - hole) & table->mask)) continue;
    table->slots[hole] = table->slots[at];
    hole = at;
  }
  table->slots[hole].item = NULL;
  table->count--;
}
