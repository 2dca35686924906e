/* Open addressing, half full at most. See string_table.h. */
#include "classify/string_table.h"

#include "base/hash.h"
#include "base/memory.h"

void string_table_deinit(struct string_table *t) {
  for (size_t i = 0; i < t->count; i++) free((char *)(uintptr_t)t->keys[i].ptr);
  free(t->keys);
  free(t->values);
  free(t->slots);
  *t = (struct string_table){0};
}

/* The slot of the key, or the empty one where it belongs; slots hold index + 1. */
static size_t find_slot(const struct string_table *t, struct slice key) {
  size_t i = hash_slice(key) & (t->slot_count - 1);
  while (t->slots[i] && !slice_equal(t->keys[t->slots[i] - 1], key)) i = (i + 1) & (t->slot_count - 1);
  return i;
}

static void grow(struct string_table *t) {
  t->cap = t->cap ? t->cap * 2 : 32;
  t->keys = memory_resize(t->keys, t->cap * sizeof *t->keys);
  t->values = memory_resize(t->values, t->cap * sizeof *t->values);
  free(t->slots);
  t->slot_count = t->cap * 2;
  t->slots = memory_zeroed(t->slot_count * sizeof *t->slots);
  for (size_t i = 0; i < t->count; i++) t->slots[find_slot(t, t->keys[i])] = (uint32_t)i + 1;
}

bool string_table_add(struct string_table *t, struct slice key, uint32_t value) {
  if (t->count == t->cap) grow(t);
  size_t slot = find_slot(t, key);
  if (t->slots[slot]) return false;
  char *copy = memory_alloc(key.len + 1);
  if (key.len) memcpy(copy, key.ptr, key.len);
  t->keys[t->count] = slice_of(copy, key.len);
  t->values[t->count] = value;
  t->slots[slot] = (uint32_t)++t->count;
  return true;
}

bool string_table_find(const struct string_table *t, struct slice key, uint32_t *value) {
  if (!t->count) return false;
  size_t slot = find_slot(t, key);
  if (!t->slots[slot]) return false;
  *value = t->values[t->slots[slot] - 1];
  return true;
}
