/* Strings to numbers: what rules and tables name, found by hash. Filled while loading, then only read. */
#ifndef CLASSIFY_STRING_TABLE_H
#define CLASSIFY_STRING_TABLE_H

#include "base/slice.h"

/* All zero is an empty table. Keys are copied and owned by the table, at addresses that stay. */
struct string_table {
  struct slice *keys; /* in order of adding */
  uint32_t *values, *slots;
  size_t count, cap, slot_count;
};

void string_table_deinit(struct string_table *t);

/* True: added. False: the key is there already; its value is kept. */
bool string_table_add(struct string_table *t, struct slice key, uint32_t value);
bool string_table_find(const struct string_table *t, struct slice key, uint32_t *value);

#endif
